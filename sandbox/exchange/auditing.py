"""A mailbox's audit settings and how they change (Microsoft Learn: "Manage mailbox auditing").

Microsoft maintains the actions of a logon type that is in DefaultAuditSet. Setting its actions by
hand removes it from there, even if they equal the default ones. Naming it in DefaultAuditSet
restores the default actions and puts it back.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.graph.odata import to_list
from sandbox.http_types import Row, split_words

LOGON_TYPES = ("Admin", "Delegate", "Owner")
DEFAULT_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "Admin": split_words(
        "Update MoveToDeletedItems SoftDelete HardDelete SendAs SendOnBehalf Create"
        " UpdateFolderPermissions UpdateInboxRules UpdateCalendarDelegation ApplyRecord"
        " MailItemsAccessed Send"
    ),
    "Delegate": split_words(
        "Update MoveToDeletedItems SoftDelete HardDelete SendAs SendOnBehalf Create"
        " UpdateFolderPermissions UpdateInboxRules ApplyRecord MailItemsAccessed"
    ),
    "Owner": split_words(
        "Update MoveToDeletedItems SoftDelete HardDelete UpdateFolderPermissions"
        " UpdateInboxRules UpdateCalendarDelegation ApplyRecord MailItemsAccessed Send"
    ),
}
COMMON_ACTIONS = frozenset(
    split_words(
        "RecordDelete Copy Move AddFolderPermissions ModifyFolderPermissions"
        " RemoveFolderPermissions Create"
    )
)
ALLOWED_ACTIONS: Mapping[str, frozenset[str]] = {
    "Admin": COMMON_ACTIONS | {*DEFAULT_ACTIONS["Admin"], "FolderBind", "MessageBind"},
    "Delegate": COMMON_ACTIONS | {*DEFAULT_ACTIONS["Delegate"], "FolderBind"},
    "Owner": COMMON_ACTIONS | {*DEFAULT_ACTIONS["Owner"], "MailboxLogin", "SearchQueryInitiated"},
}
LICENSED_ACTIONS = frozenset({"MailItemsAccessed", "Send"})
ADVANCED_AUDITING = "M365Auditing"
MAILBOX_LICENCE = "BPOS_S_"
HASHTABLE = "#Exchange.GenericHashTable"
TIME_SPAN = re.compile(r"(?:(\d{1,5})\.)?(\d{1,2}):([0-5]\d):([0-5]\d)(?:\.\d+)?")


class InvalidParameterType(ValueError):
    """The value is not of its parameter's type."""


class ValueNotAllowed(ValueError):
    """The value has the right type but is not valid for this mailbox."""


def list_default_actions(mailbox: Row, logon_type: str, all_defaults: bool) -> list[str]:
    """Microsoft's default actions of a logon type; two of them need a licence of Exchange Online.

    A mailbox without capabilities in its row counts as licensed, and so does every mailbox of a
    scene with `all_defaults`. One with Audit (Standard) whose lists in Microsoft's hands lack the
    two gets none of them by a reset either (MicrosoftDocs/microsoft-365-docs#4084).
    """
    capabilities = mailbox.get("PersistedCapabilities")
    is_premium = capabilities is None or ADVANCED_AUDITING in to_list(capabilities)
    if (
        all_defaults
        or is_premium
        or (is_audit_standard(mailbox) and not shows_shorter_default(mailbox))
    ):
        return list(DEFAULT_ACTIONS[logon_type])
    return [each for each in DEFAULT_ACTIONS[logon_type] if each not in LICENSED_ACTIONS]


def is_audit_standard(mailbox: Row) -> bool:
    """True for a licence with Audit (Standard), which contains these actions since 2024."""
    names = to_list(mailbox.get("PersistedCapabilities"))
    return any(str(name).startswith(MAILBOX_LICENCE) for name in names)


def shows_shorter_default(mailbox: Row) -> bool:
    """True if the lists that the mailbox has of Microsoft contain none of the licensed actions."""
    managed = to_list(mailbox.get("DefaultAuditSet"))
    lists = [to_list(mailbox[f"Audit{one}"]) for one in managed if f"Audit{one}" in mailbox]
    return bool(lists) and not any(LICENSED_ACTIONS & set(map(str, one)) for one in lists)


def parse_logon_types(value: Any) -> list[str]:
    """Parses a value of DefaultAuditSet. Raises InvalidParameterType."""
    words = value.split(",") if isinstance(value, str) else to_list(value)
    named = {str(word).strip().casefold() for word in words}
    known = [each for each in LOGON_TYPES if each.casefold() in named]
    if not known or len(known) != len(named):
        raise InvalidParameterType(
            f"Cannot convert value to MailboxAuditOperations: {str(value)[:64]}"
        )
    return known


def resolve_actions(
    value: Any, present: Iterable[str], logon_type: str, refuse_present: bool = True
) -> list[str]:
    """Resolves a value of AuditAdmin, AuditDelegate or AuditOwner.

    A list replaces the actions, a tagged hashtable adds and removes some.
    Raises InvalidParameterType for an untagged hashtable, which the parameter binder rejects, and
    ValueNotAllowed for an action to add that is audited already, unless that is harmless.
    """
    if isinstance(value, Mapping):
        if value.get("@odata.type") != HASHTABLE:
            raise InvalidParameterType(
                f"Cannot process argument transformation on parameter 'Audit{logon_type}'. Cannot "
                'convert the "Newtonsoft.Json.Linq.JObject" value to the multi-valued property.'
            )
        removed = {str(each).casefold() for each in to_list(value.get("Remove"))}
        kept = [each for each in present if each.casefold() not in removed]
        added = normalize_actions(to_list(value.get("Add")), logon_type)
        repeated = [each for each in added if each in kept]
        if repeated and refuse_present:
            # OfficeDocs-o365seccomp#385.
            raise ValueNotAllowed(
                f"The input audit operation(s) '{', '.join(repeated)}' are already being audited."
            )
        return merge_actions(kept, added)
    return merge_actions([], normalize_actions(to_list(value), logon_type))


def normalize_actions(values: Iterable[Any], logon_type: str) -> list[str]:
    """Actions in canonical spelling. Raises InvalidParameterType for those of another type."""
    spelling = {each.casefold(): each for each in ALLOWED_ACTIONS[logon_type]}
    spelling["none"] = "None"
    result = []
    for value in values:
        action = spelling.get(str(value).casefold())
        if action is None:
            raise InvalidParameterType(
                f"The audit operation {str(value)[:64]} is not valid for Audit{logon_type}."
            )
        if action != "None":
            result.append(action)
    return result


def merge_actions(present: list[str], added: list[str]) -> list[str]:
    return present + [each for each in dict.fromkeys(added) if each not in present]


def normalize_time_span(value: Any) -> str:
    """A TimeSpan as Exchange prints it, `dd.hh:mm:ss`. Raises InvalidParameterType."""
    found = TIME_SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[2]) > 23:
        raise InvalidParameterType(f"Cannot convert value to EnhancedTimeSpan: {str(value)[:64]}")
    days = f"{int(found[1])}." if found[1] and int(found[1]) else ""
    return f"{days}{int(found[2]):02}:{found[3]}:{found[4]}"


def build_audit_changes(
    mailbox: Row, requested: Mapping[str, Any], all_defaults: bool, refuse_present: bool = True
) -> Row:
    """Builds the properties that the audit parameters of Set-Mailbox change, with their values."""
    result: Row = {}
    managed = set(to_list(mailbox.get("DefaultAuditSet")))
    if "DefaultAuditSet" in requested:
        for logon_type in parse_logon_types(requested["DefaultAuditSet"]):
            managed.add(logon_type)
            result[f"Audit{logon_type}"] = list_default_actions(mailbox, logon_type, all_defaults)
    for logon_type in LOGON_TYPES:
        name = f"Audit{logon_type}"
        if name not in requested:
            continue
        usual = list_default_actions(mailbox, logon_type, all_defaults)
        present = to_list(result.get(name, mailbox.get(name, usual)))
        chosen = resolve_actions(requested[name], present, logon_type, refuse_present)
        if "MessageBind" in chosen and "MessageBind" not in present:
            raise ValueNotAllowed("MessageBind is no longer an audit action of a mailbox.")
        result[name] = chosen
        managed.discard(logon_type)
    if result:
        result["DefaultAuditSet"] = [each for each in LOGON_TYPES if each in managed]
    return result
