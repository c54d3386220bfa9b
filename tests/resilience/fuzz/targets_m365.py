"""What Microsoft 365 answers, as targets: rows, bodies, refusals, batches, headers, recipients."""

import json
import math
import unicodedata
from collections.abc import Callable, Mapping
from functools import partial

from core.adapters.api_errors import map_exchange_error, map_graph_error
from core.adapters.exchange import batch as exchange_batch
from core.adapters.exchange.command import Command
from core.adapters.exchange.responses import parse_exchange_error_body
from core.adapters.graph import replies as graph_adapter
from core.adapters.http import BufferedResponse
from core.adapters.m365.accounts import (
    parse_account,
    parse_federated_domain,
    parse_registration,
)
from core.adapters.m365.app_registrations import (
    parse_app_registration,
    parse_federated_credential,
    parse_owner,
)
from core.adapters.m365.apps import (
    CallerIdentity,
    is_default_role,
    parse_app,
    parse_app_permission,
    parse_role_names,
)
from core.adapters.m365.auditing.parse import parse_audit_bypass, parse_mailbox_audit
from core.adapters.m365.configuration_rows import name_types, parse_configuration
from core.adapters.m365.delegation import (
    parse_mailbox_rights,
    parse_send_as_rights,
    parse_send_on_behalf_rights,
)
from core.adapters.m365.deletions import parse_deleted_object, parse_deletion
from core.adapters.m365.folder_names import parse_inbox
from core.adapters.m365.folder_rights import parse_folder_row
from core.adapters.m365.grants import parse_delegated_grant
from core.adapters.m365.inbox_rules.parse import (
    is_harmless_rule,
    parse_exchange_rule,
    parse_graph_rule,
)
from core.adapters.m365.inbox_rules.plain import has_plain_rules_only
from core.adapters.m365.mail_flow.parse import (
    parse_accepted_domain,
    parse_recipient,
    parse_remote_domain,
    parse_verified_domain,
)
from core.adapters.m365.mail_flow.parse_rules import (
    parse_outbound_policies,
    parse_transport_rule,
)
from core.adapters.m365.mailbox_surroundings import NAMED_BY, Found, parse_surroundings
from core.adapters.m365.mailboxes import parse_mailbox
from core.adapters.m365.own_add_ins import parse_add_in
from core.adapters.m365.protocols import parse_mailbox_protocols, parse_protocol_use
from core.adapters.m365.roles.parse import (
    parse_group_member,
    parse_module_user,
    parse_principal,
    parse_role_assignment,
    parse_role_group,
    parse_role_group_member,
)
from core.adapters.m365.shared_mailboxes import parse_mailbox_size, parse_shared_mailbox
from core.adapters.m365.sign_in_events import parse_sign_in_event
from core.adapters.m365.sign_ins import parse_sign_in
from core.adapters.parsing import (
    CONDITIONS_LIMIT,
    ResponseRow,
    parse_each_row,
    parse_json_object,
    parse_recipient_text,
    parse_response_rows,
    strip_annotations,
    to_canonical_json,
)
from core.adapters.retry import RetryableError, parse_retry_after
from core.errors import TenantError
from core.microsoft365.addresses import (
    OwnDomains,
    get_lookup_name,
    normalize_address,
    parse_recipient_string,
)
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.recipients import (
    KnownRecipients,
    RecipientLocation,
    list_further_lookups,
    locate_forwarding_object,
    locate_recipient,
)
from core.sanitize import sanitize_text
from core.tenant.mail_flow import AcceptedDomain, GroupMembers, Recipient
from core.tenant.mailboxes import Mailbox
from tests.resilience.generators.volumes import (
    FuzzDataProvider,
    assert_bounded,
    call_expecting,
    dump_json,
    find_property_names,
)
from tests.support.fakes.clock import START

OWN_DOMAINS = OwnDomains.from_accepted_domains(
    [AcceptedDomain("contoso.com", includes_subdomains=True), AcceptedDomain("*.own.example")]
)
OWNER = Mailbox("11111111-0000-4000-8000-000000000001", "g", "a@contoso.com")

ROW_PARSERS: tuple[Callable[[ResponseRow], object], ...] = (
    parse_mailbox,
    parse_mailbox_audit,
    parse_account,
    parse_sign_in,
    name_types,
    parse_sign_in_event,
    lambda row: parse_app(row, CallerIdentity("x", "x")),
    parse_delegated_grant,
    parse_app_registration,
    parse_federated_credential,
    parse_owner,
    parse_role_names,
    lambda row: parse_app_permission(row, {}),
    is_default_role,
    lambda row: parse_mailbox_rights(OWNER, row),
    parse_send_as_rights,
    parse_send_on_behalf_rights,
    parse_folder_row,
    lambda row: parse_add_in(OWNER, row),
    lambda row: parse_surroundings(OWNER, Found({name: [row] for name in NAMED_BY}, ())),
    lambda row: parse_inbox([row]),
    parse_registration,
    parse_federated_domain,
    parse_deletion,
    lambda row: parse_deleted_object("user", row),
    parse_accepted_domain,
    parse_verified_domain,
    parse_remote_domain,
    parse_transport_rule,
    parse_audit_bypass,
    lambda row: parse_recipient("joe@contoso.com", [row]),
    lambda row: parse_outbound_policies([row], [row]),
    parse_mailbox_protocols,
    lambda row: parse_protocol_use("imap", row),
    parse_principal,
    parse_role_assignment,
    parse_group_member,
    parse_role_group,
    parse_role_group_member,
    parse_module_user,
    is_harmless_rule,
    lambda row: parse_graph_rule("m", row),
    lambda row: parse_exchange_rule("m", row),
    parse_shared_mailbox,
    lambda row: parse_mailbox_size("m", row),
    *(partial(parse_configuration, name, one) for name, one in CONFIGURATION_SOURCES.items()),
)
ROW_NAMES = find_property_names("adapters/m365/**/*.py")
ERROR_NAMES = (
    *("error", "innererror", "internalexception", "message", "type", "details", "code"),
    *("Message", "TypeName"),
)
BATCH_NAMES = ("responses", "id", "status", "body", "headers", "Retry-After", "value", *ERROR_NAMES)


def fuzz_rows(data: bytes) -> None:
    """One row of Graph or Exchange: understood, or refused with a reason."""
    chance = FuzzDataProvider(data, ROW_NAMES)
    parse = chance.choose(ROW_PARSERS)
    row = chance.take_row()
    for found in (row, strip_annotations(row)):
        noun = call_expecting(partial(parse, found), ValueError)
        if isinstance(noun, ValueError):
            assert str(noun)
        else:
            assert_bounded(noun)
    canonical = call_expecting(lambda: to_canonical_json(row), ValueError)
    assert isinstance(canonical, ValueError) or len(canonical) <= CONDITIONS_LIMIT


def fuzz_bodies(data: bytes) -> None:
    """An answer as bytes: rows, or the reason why there are none."""
    is_plain = has_plain_rules_only(data, None)
    try:
        answer = parse_json_object(data)
        found = parse_response_rows(answer, ("id",))
    except ValueError:
        assert not is_plain
        return
    assert not is_plain or all(map(is_harmless_rule, found))
    for parse in ROW_PARSERS:
        parsed, broken = parse_each_row(found, parse)
        assert len(parsed) + len(broken) == len(found)


def fuzz_refusals(data: bytes) -> None:
    """A refusal in any of its shapes, or in none: always an error of ours, short, on one line."""
    chance = FuzzDataProvider(data, ERROR_NAMES)
    code = chance.choose((400, 401, 403, 404, 409, 410, 412, 413, 418, 429, 500, 503, 599, 200, 0))
    match chance.take_byte() % 4:
        case 0:
            raw = chance.take_rest()
        case 1:
            raw = bytes(chance.take_byte())
        case 2:
            raw = json.dumps({"error": chance.take_row()}).encode()
        case _:
            detail = (
                chance.take_text() + "|" + chance.take_text() + "|" + json.dumps(chance.take_row())
            )
            raw = json.dumps({"error": {"details": [{"message": detail}]}}).encode()
    body = parse_exchange_error_body(BufferedResponse(code, {}, raw))
    for error in (
        map_exchange_error(code, body, "Get-Mailbox"),
        map_graph_error(code, body, "GET /users", "User.Read.All"),
    ):
        assert isinstance(error, TenantError)
        assert sanitize_text(str(error), 4_000) == unicodedata.normalize("NFC", str(error))


def fuzz_batches(data: bytes) -> None:
    """A batch's answer: everything asked has its object, its error, or is asked again."""
    chance = FuzzDataProvider(data, BATCH_NAMES)
    replies = [
        chance.corrupt_row(
            {"id": str(chance.take_byte() % 4), "status": 200, "body": {"value": []}}
        )
        for _ in range(chance.take_byte() % 6)
    ]
    answer = chance.corrupt_row({"responses": replies})
    reply = BufferedResponse(200, {}, dump_json(answer))
    sorted_out = call_expecting(lambda: graph_adapter.sort_graph_replies(reply, 3), RetryableError)
    for mine in [] if isinstance(sorted_out, RetryableError) else sorted_out:
        found = graph_adapter.parse_graph_reply(mine, "/users/x", "User.Read.All")
        if not isinstance(found, TenantError):
            assert [one.status for one in mine] == [200]
    numbered = call_expecting(
        lambda: exchange_batch.sort_exchange_replies(reply, range(2)), RetryableError
    )
    if isinstance(numbered, RetryableError):
        return
    for number, command in enumerate((Command("Get-X"), Command("Set-X", {"Identity": "x"}))):
        judged = partial(exchange_batch.parse_exchange_reply, numbered[number], command)
        body = call_expecting(judged, TenantError)
        assert isinstance(body, Mapping) or len(str(body)) < 600


def fuzz_headers(data: bytes) -> None:
    """A Retry-After of any kind: some seconds, or nothing that is known."""
    found = parse_retry_after(data.decode("latin-1"), START)
    assert found is None or (found >= 0 and math.isfinite(found))


def fuzz_recipients(data: bytes) -> None:
    """A recipient: inside, outside, or unresolved, but always something, and always the same."""
    chance = FuzzDataProvider(data)
    raw = parse_recipient_text(chance.take_text())
    names = [raw, parse_recipient_string(raw)[1], get_lookup_name(raw, OWN_DOMAINS)]
    by_name = {
        name: Recipient(
            name,
            bool(chance.take_byte() % 2),
            chance.choose(("MailContact", "UserMailbox", "GuestMailUser", "GroupMailbox", "")),
            chance.take_text(),
            parse_recipient_text(chance.take_text()),
        )
        for name in [*names, *(chance.take_text() for _ in range(chance.take_byte() % 4))]
    }
    people = tuple(by_name.values())
    known = KnownRecipients(
        by_name,
        {one.key: GroupMembers(one.key, people[: chance.take_byte() % 4]) for one in people},
    )
    for target in (
        *(locate_recipient(raw, OWN_DOMAINS, known) or ()),
        *(locate_forwarding_object(raw, OWN_DOMAINS, known) or ()),
    ):
        assert target.location in RecipientLocation
        if target.location is RecipientLocation.OUTSIDE:
            assert normalize_address(target.address) == target.address
            assert not OWN_DOMAINS.contains_domain(target.address.rpartition("@")[2])
        assert isinstance(target.identity, str)
    for name in list_further_lookups(known, OWN_DOMAINS):
        assert name not in by_name
