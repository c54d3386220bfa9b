"""Rows of mail-flow rules and outbound spam policies into `core.tenant.mail_flow`. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from core.adapters.m365.mail_flow.parse import strip_address_prefix
from core.adapters.parsing import (
    ResponseRow,
    is_set,
    parse_identifier,
    parse_optional_bool,
    parse_recipient_text,
    parse_sequence_number,
    parse_text,
    parse_timestamp,
    parse_value_list,
    split_recipients,
)
from core.microsoft365.mail_flow_rules import ACTION_CLASSES, PropertyRole, classify_property
from core.tenant.mail_flow import OutboundPolicy, SenderScope, TransportRule

RELIES_ON = ("exchange-transport-actions", "exchange-outbound-scope")

NAME_LIMIT = 80
VALUE_LIMIT = 256
MAX_UNKNOWN = 20
PRINTED_DATE = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/")
SCOPE_KEYS = {"addresses": "From", "groups": "FromMemberOf", "domains": "SenderDomainIs"}
RULE_PROPERTIES = frozenset(
    {
        *("HostedOutboundSpamFilterPolicy", "State", "Priority", "Name", "Identity", "Guid"),
        *("Comments", "Description", "Conditions", "Exceptions", "RuleVersion", "IsValid"),
        *("DistinguishedName", "ImmutableId", "OrganizationId", "ObjectState", "ExchangeVersion"),
        *("WhenChanged", "WhenChangedUTC", "WhenCreated", "WhenCreatedUTC", "Id", "ObjectClass"),
        *("ExchangeObjectId", "AdminDisplayName", "ObjectCategory", "RunspaceId", "Enabled"),
        *("CreatedBy", "LastModifiedBy", "ManuallyModified", "Size"),
    }
)
"""What describes a rule of an outbound spam policy, and not to whom it applies."""


def parse_outbound_policies(
    policies: Iterable[ResponseRow], rules: Iterable[ResponseRow]
) -> list[OutboundPolicy]:
    """Policies with the rules that apply them. A custom policy without a rule has no effect.

    Raises ValueError for a rule whose policy the listing lacks.
    """
    by_policy = {
        parse_text(rule.get("HostedOutboundSpamFilterPolicy")).casefold(): rule for rule in rules
    }
    listed = list(policies)
    known = {parse_text(row.get(key)).casefold() for row in listed for key in ("Name", "Identity")}
    if lost := by_policy.keys() - known - {""}:
        raise ValueError(f"a rule names the policy {min(lost)[:NAME_LIMIT]}, which is not listed")
    found = []
    for row in listed:
        name = parse_text(row.get("Name")) or parse_text(row.get("Identity"))
        default = parse_optional_bool(row.get("IsDefault"))
        default = name.lower() == "default" if default is None else default
        identity = parse_text(row.get("Identity")).casefold()
        rule = by_policy.get(name.casefold()) or by_policy.get(identity) or {}
        found.append(
            OutboundPolicy(
                name=name,
                mode=parse_text(row.get("AutoForwardingMode"), 64),
                is_default=default,
                enabled=default or parse_text(rule.get("State"), 64).lower() == "enabled",
                priority=parse_sequence_number(rule.get("Priority")),
                scope=parse_sender_scope(rule, ""),
                exceptions=parse_sender_scope(rule, "ExceptIf"),
            )
        )
    return found


def parse_sender_scope(rule: ResponseRow, prefix: str) -> SenderScope:
    """The senders that a rule names, or with a prefix those that it leaves out."""
    known = {f"{prefix}{key}" for key in SCOPE_KEYS.values()}
    others = (
        key
        for key in rule
        if key.startswith("ExceptIf") == bool(prefix) and key not in known | RULE_PROPERTIES
    )
    groups = parse_value_list(rule.get(f"{prefix}FromMemberOf"))
    return SenderScope(
        parse_address_set(rule.get(f"{prefix}From")),
        tuple(parse_recipient_text(str(group)) for group in groups),
        parse_address_set(rule.get(f"{prefix}SenderDomainIs")),
        tuple(parse_text(key, 64) for key in sorted(others) if is_set(rule[key])),
    )


def parse_address_set(value: object) -> frozenset[str]:
    """Addresses or domains in lower case."""
    return frozenset(
        strip_address_prefix(part)
        for part in parse_value_list(value)
        if isinstance(part, str) and part
    )


def parse_transport_recipients(value: object) -> tuple[str, ...]:
    """Recipients of a mail-flow rule: a list, one string, or objects that have an address."""
    found = []
    for part in split_recipients(value):
        if isinstance(part, Mapping):
            keys = ("Address", "PrimarySmtpAddress", "SmtpAddress", "Name")
            part = next((part[key] for key in keys if part.get(key)), None)
        if not isinstance(part, str) or not part.strip():
            raise ValueError("a mail-flow rule with a recipient that cannot be read")
        found += [parse_recipient_text(str(piece).strip()) for piece in split_recipients(part)]
    return tuple(found)


def parse_rule_date(value: object) -> datetime | None:
    """When a rule begins or ends; None for no date, and for one that cannot be read.

    A rule without a readable date counts as one that acts.
    """
    if found := PRINTED_DATE.fullmatch(parse_text(value, 64)):
        seconds = int(found[1]) / 1_000
        # The range of years that a date holds.
        return datetime.fromtimestamp(seconds, UTC) if abs(seconds) < 2**35 else None
    try:
        return parse_timestamp(value)
    except ValueError:
        return None


def parse_rule_values(value: object) -> tuple[str, ...]:
    """The values of a condition or an action as texts, all of them: a thief's word may stand behind
    any number of harmless ones. Raises ValueError for more than a rule can hold.
    """
    return tuple(format_rule_value(part) for part in parse_value_list(value) if part is not None)


def format_rule_value(value: object) -> str:
    """One value as text."""
    if isinstance(value, str):
        return parse_text(value, VALUE_LIMIT)
    try:
        return parse_text(json.dumps(value, sort_keys=True), VALUE_LIMIT)
    except (TypeError, RecursionError):
        return "a value that cannot be shown"


def list_unknown_parts(row: ResponseRow) -> Iterator[str]:
    """What a rule does or asks for that is not known.

    Where Exchange prints the list of actions, that list decides; a property besides may be a new
    piece of description.
    """
    printed = row.get("Actions")
    entries = printed if isinstance(printed, list) else [printed]
    classes = {parse_text(one, VALUE_LIMIT).rpartition(".")[2] for one in entries} - {""}
    if classes:
        yield from sorted(classes - ACTION_CLASSES)
    else:
        roles = ((name, classify_property(name)) for name in sorted(row))
        yield from (
            parse_text(name, 64)
            for name, role in roles
            if role is PropertyRole.UNKNOWN and is_set(row[name])
        )
    if parse_optional_bool(row.get("IsRuleConfigurationSupported")) is False:
        yield "a configuration that Exchange calls unsupported"


def select_parts(row: ResponseRow, role: PropertyRole) -> dict[str, tuple[str, ...]]:
    """The properties with one role that are set."""
    return {
        name.removeprefix("ExceptIf") if role is PropertyRole.EXCEPTION else name: found
        for name, value in row.items()
        if classify_property(name) is role and is_set(value)
        if (found := parse_rule_values(value))
    }


def parse_transport_rule(row: ResponseRow) -> TransportRule:
    """A row of Get-TransportRule."""
    rule_id = next(
        (known for key in ("Guid", "ImmutableId") if (known := parse_identifier(row.get(key)))), ""
    ) or parse_text(row.get("Identity"), 256)
    if not rule_id:
        raise ValueError("a mail-flow rule without a usable id")
    content = {one.casefold() for one in parse_rule_values(row.get("IncidentReportContent"))}
    original = parse_text(row.get("IncidentReportOriginalMail"), 64).casefold()
    return TransportRule(
        id=rule_id,
        name=parse_text(row.get("Name")) or parse_text(row.get("Identity")),
        enabled=parse_text(row.get("State"), 64).lower() != "disabled",
        enforced=parse_text(row.get("Mode"), 64).lower() not in ("audit", "auditandnotify"),
        priority=parse_sequence_number(row.get("Priority")),
        activates_at=parse_rule_date(row.get("ActivationDate")),
        expires_at=parse_rule_date(row.get("ExpiryDate")),
        redirect_to=parse_transport_recipients(row.get("RedirectMessageTo")),
        blind_copy_to=parse_transport_recipients(row.get("BlindCopyTo")),
        copy_to=parse_transport_recipients(row.get("CopyTo")),
        add_to=parse_transport_recipients(row.get("AddToRecipients")),
        moderators=parse_transport_recipients(row.get("ModerateMessageByUser")),
        report_to=parse_transport_recipients(row.get("GenerateIncidentReport")),
        reports_mail=any("attachoriginalmail" in one for one in content)
        or original == "includeoriginalmail",
        actions=select_parts(row, PropertyRole.ACTION),
        conditions=select_parts(row, PropertyRole.CONDITION),
        exceptions=select_parts(row, PropertyRole.EXCEPTION),
        unknown=tuple(list_unknown_parts(row))[:MAX_UNKNOWN],
    )
