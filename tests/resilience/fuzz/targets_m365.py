"""What Microsoft 365 answers, as targets: rows, bodies, refusals, batches, headers, recipients."""

import json
import math
import unicodedata
from collections.abc import Callable, Mapping
from functools import partial

from core.adapters.api_errors import map_exchange_error, map_graph_error
from core.adapters.exchange import client as exchange_adapter
from core.adapters.exchange.client import Command
from core.adapters.graph import client as graph_adapter
from core.adapters.http import BufferedResponse
from core.adapters.m365 import inbox_rules_parse, mail_flow_parse, parsing
from core.adapters.m365.apps import parse as wire_apps
from core.adapters.m365.delegation import parse as wire_delegation
from core.adapters.m365.directory import parse as wire_directory
from core.adapters.m365.protocols import parse as wire_protocols
from core.adapters.m365.roles import parse as wire_roles
from core.adapters.m365.shared_mailboxes import parse as wire_shared_mailboxes
from core.adapters.retry import RetryableError, parse_retry_after
from core.errors import TenantError
from core.guards.mailbox_forwarding.recipients import (
    OwnDomains,
    RecipientLocation,
    get_lookup_name,
    list_further_lookups,
    locate_forwarding_object,
    locate_recipient,
    normalize_address,
    parse_recipient_string,
)
from core.sanitize import sanitize_text
from core.tenant.mail_flow import AcceptedDomain, Recipient
from core.tenant.mailboxes import Mailbox
from tests.resilience.generators.volumes import (
    FuzzDataProvider,
    assert_bounded,
    call_expecting,
    dump_json,
    find_property_names,
)
from tests.support.fakes.world import START

OWN_DOMAINS = OwnDomains.from_accepted_domains(
    [AcceptedDomain("contoso.com", includes_subdomains=True), AcceptedDomain("*.own.example")]
)
OWNER = Mailbox("11111111-0000-4000-8000-000000000001", "g", "a@contoso.com")

ROW_PARSERS: tuple[Callable[[parsing.ResponseRow], object], ...] = (
    parsing.parse_mailbox,
    parsing.parse_mailbox_audit,
    parsing.parse_account,
    parsing.parse_sign_in,
    lambda row: wire_apps.parse_app(row, wire_apps.CallerIdentity("x", "x")),
    wire_apps.parse_delegated_grant,
    wire_apps.parse_role_names,
    lambda row: wire_apps.parse_app_permission(row, {}),
    wire_apps.is_default_role,
    lambda row: wire_delegation.parse_mailbox_rights(OWNER, row),
    wire_delegation.parse_send_as_rights,
    wire_delegation.parse_send_on_behalf_rights,
    wire_directory.parse_registration,
    wire_directory.parse_deletion,
    lambda row: wire_directory.parse_deleted_object("user", row),
    mail_flow_parse.parse_accepted_domain,
    mail_flow_parse.parse_verified_domain,
    mail_flow_parse.parse_remote_domain,
    mail_flow_parse.parse_transport_rule,
    mail_flow_parse.parse_audit_bypass,
    mail_flow_parse.parse_cmdlet_names,
    lambda row: mail_flow_parse.parse_recipient("joe@contoso.com", [row]),
    lambda row: mail_flow_parse.parse_outbound_policies([row], [row]),
    wire_protocols.parse_mailbox_protocols,
    lambda row: wire_protocols.parse_protocol_use("imap", row),
    wire_roles.parse_principal,
    wire_roles.parse_role_assignment,
    wire_roles.parse_group_member,
    wire_roles.parse_role_group,
    wire_roles.parse_role_group_member,
    wire_roles.parse_module_user,
    inbox_rules_parse.is_harmless_rule,
    lambda row: inbox_rules_parse.parse_graph_rule("m", row),
    lambda row: inbox_rules_parse.parse_exchange_rule("m", row),
    wire_shared_mailboxes.parse_shared_mailbox,
    lambda row: wire_shared_mailboxes.parse_mailbox_size("m", row),
)
ROW_NAMES = find_property_names("adapters/wire*.py", "adapters/*_reads.py")
ERROR_NAMES = (
    *("error", "innererror", "internalexception", "message", "type", "details", "code"),
    *("Message", "TypeName"),
)
BATCH_NAMES = ("responses", "id", "status", "body", "headers", "Retry-After", "value", *ERROR_NAMES)


def fuzz_rows(data: bytes) -> None:
    """One row of Graph or Exchange: understood, or refused with a reason."""
    soil = FuzzDataProvider(data, ROW_NAMES)
    parse = soil.choose(ROW_PARSERS)
    row = soil.take_row()
    for found in (row, parsing.strip_annotations(row)):
        noun = call_expecting(partial(parse, found), ValueError)
        if isinstance(noun, ValueError):
            assert str(noun)
        else:
            assert_bounded(noun)
    canonical = call_expecting(lambda: parsing.to_canonical_json(row), ValueError)
    assert isinstance(canonical, ValueError) or len(canonical) <= parsing.CONDITIONS_LIMIT


def fuzz_bodies(data: bytes) -> None:
    """An answer as bytes: rows, or the reason why there are none."""
    try:
        answer = parsing.parse_json_object(data)
        found = parsing.parse_response_rows(answer, ("id",))
    except ValueError:
        return
    for parse in ROW_PARSERS:
        parsed, broken = parsing.parse_each_row(found, parse)
        assert len(parsed) + len(broken) == len(found)


def fuzz_refusals(data: bytes) -> None:
    """A refusal in any of its shapes, or in none: always an error of ours, short, on one line."""
    soil = FuzzDataProvider(data, ERROR_NAMES)
    code = soil.choose((400, 401, 403, 404, 409, 410, 412, 413, 418, 429, 500, 503, 599, 200, 0))
    match soil.take_byte() % 4:
        case 0:
            raw = soil.take_rest()
        case 1:
            raw = bytes(soil.take_byte())
        case 2:
            raw = json.dumps({"error": soil.take_row()}).encode()
        case _:
            detail = soil.take_text() + "|" + soil.take_text() + "|" + json.dumps(soil.take_row())
            raw = json.dumps({"error": {"details": [{"message": detail}]}}).encode()
    body = exchange_adapter.parse_exchange_error_body(BufferedResponse(code, {}, raw))
    for error in (
        map_exchange_error(code, body, "Get-Mailbox"),
        map_graph_error(code, body, "GET /users", "User.Read.All"),
    ):
        assert isinstance(error, TenantError)
        assert sanitize_text(str(error), 4_000) == unicodedata.normalize("NFC", str(error))


def fuzz_batches(data: bytes) -> None:
    """A batch's answer: everything asked has its object, its error, or is asked again."""
    soil = FuzzDataProvider(data, BATCH_NAMES)
    replies = [
        soil.corrupt_row({"id": str(soil.take_byte() % 4), "status": 200, "body": {"value": []}})
        for _ in range(soil.take_byte() % 6)
    ]
    answer = soil.corrupt_row({"responses": replies})
    sorted_out = call_expecting(lambda: graph_adapter.sort_graph_replies(answer, 3), RetryableError)
    for mine in [] if isinstance(sorted_out, RetryableError) else sorted_out:
        found = graph_adapter.parse_graph_reply(mine, "/users/x", "User.Read.All")
        if not isinstance(found, TenantError):
            assert [reply["status"] for reply in mine] == [200]
    reply = BufferedResponse(200, {}, dump_json(answer))
    numbered = call_expecting(
        lambda: exchange_adapter.sort_exchange_replies(reply, range(2)), RetryableError
    )
    if isinstance(numbered, RetryableError):
        return
    for number, command in enumerate((Command("Get-X"), Command("Set-X", {"Identity": "x"}))):
        judged = partial(exchange_adapter.parse_exchange_reply, numbered[number], command)
        body = call_expecting(judged, TenantError)
        assert isinstance(body, Mapping) or len(str(body)) < 600


def fuzz_headers(data: bytes) -> None:
    """A Retry-After of any kind: some seconds, or nothing that is known."""
    found = parse_retry_after(data.decode("latin-1"), START)
    assert found is None or (found >= 0 and math.isfinite(found))


def fuzz_recipients(data: bytes) -> None:
    """A recipient: inside, outside, or unresolved, but always something, and always the same."""
    soil = FuzzDataProvider(data)
    raw = parsing.parse_recipient_text(soil.take_text())
    names = [raw, parse_recipient_string(raw)[1], get_lookup_name(raw, OWN_DOMAINS)]
    known = {
        name: Recipient(
            name,
            bool(soil.take_byte() % 2),
            soil.choose(("MailContact", "UserMailbox", "GuestMailUser", "")),
            soil.take_text(),
            parsing.parse_recipient_text(soil.take_text()),
        )
        for name in [*names, *(soil.take_text() for _ in range(soil.take_byte() % 4))]
    }
    for target in (
        locate_recipient(raw, OWN_DOMAINS, known),
        locate_forwarding_object(raw, OWN_DOMAINS, known),
    ):
        if target is None:
            continue
        assert target.location in RecipientLocation
        if target.location is RecipientLocation.OUTSIDE:
            assert normalize_address(target.address) == target.address
            assert not OWN_DOMAINS.contains_domain(target.address.rpartition("@")[2])
        assert isinstance(target.identity, str)
    for name in list_further_lookups(known, OWN_DOMAINS):
        assert name not in known
