"""What Microsoft 365 answers, as targets: rows, bodies, refusals, batches, headers, recipients."""

import json
import math
import unicodedata
from collections.abc import Callable, Mapping
from functools import partial

from core.adapters.api_errors import exchange_failure, graph_failure
from core.adapters.exchange import client as exchange_adapter
from core.adapters.exchange.client import Command
from core.adapters.graph import client as graph_adapter
from core.adapters.http import Reply
from core.adapters.m365 import inbox_rules_parse, mail_flow_parse, parsing
from core.adapters.m365.apps import parse as wire_apps
from core.adapters.m365.delegation import parse as wire_delegation
from core.adapters.m365.directory import parse as wire_directory
from core.adapters.m365.protocols import parse as wire_protocols
from core.adapters.m365.roles import parse as wire_roles
from core.adapters.m365.shared_mailboxes import parse as wire_shared_mailboxes
from core.adapters.retry import Again, retry_after
from core.errors import TenantError
from core.guards.mailbox_forwarding.recipients import (
    OwnDomains,
    Place,
    further_questions,
    locate,
    locate_object,
    normal_address,
    question,
    value_of,
)
from core.sanitize import plain
from core.tenant.mail_flow import AcceptedDomain, Recipient
from core.tenant.mailboxes import Mailbox
from tests.resilience.generators.volumes import Soil, attempt, dumped, names_in, sound
from tests.support.fakes.world import START

OWN = OwnDomains.of(
    [AcceptedDomain("contoso.com", subdomains=True), AcceptedDomain("*.own.example")]
)
OWNER = Mailbox("11111111-0000-4000-8000-000000000001", "g", "a@contoso.com")

ROWS: tuple[Callable[[parsing.Row], object], ...] = (
    parsing.mailbox,
    parsing.mailbox_audit,
    parsing.account,
    parsing.sign_in,
    lambda row: wire_apps.app(row, wire_apps.Self("x", "x")),
    wire_apps.delegated_grant,
    wire_apps.role_names,
    lambda row: wire_apps.app_permission(row, {}),
    wire_apps.role_is_default,
    lambda row: wire_delegation.mailbox_rights(OWNER, row),
    wire_delegation.send_as_rights,
    wire_delegation.send_on_behalf_rights,
    wire_directory.registration,
    wire_directory.deletion,
    lambda row: wire_directory.deleted_object("user", row),
    mail_flow_parse.accepted_domain,
    mail_flow_parse.verified_domain,
    mail_flow_parse.remote_domain,
    mail_flow_parse.transport_rule,
    mail_flow_parse.audit_bypass,
    mail_flow_parse.cmdlet_names,
    lambda row: mail_flow_parse.recipient("joe@contoso.com", [row]),
    lambda row: mail_flow_parse.outbound_policies([row], [row]),
    wire_protocols.mailbox_protocols,
    lambda row: wire_protocols.protocol_use("imap", row),
    wire_roles.principal,
    wire_roles.role,
    wire_roles.member,
    wire_roles.role_group,
    wire_roles.role_group_member,
    wire_roles.module_user,
    inbox_rules_parse.plainly_harmless,
    lambda row: inbox_rules_parse.graph_rule("m", row),
    lambda row: inbox_rules_parse.exchange_rule("m", row),
    wire_shared_mailboxes.shared_mailbox,
    lambda row: wire_shared_mailboxes.mailbox_size("m", row),
)
ROW_NAMES = names_in("adapters/wire*.py", "adapters/*_reads.py")
ERROR_NAMES = (
    *("error", "innererror", "internalexception", "message", "type", "details", "code"),
    *("Message", "TypeName"),
)
BATCH_NAMES = ("responses", "id", "status", "body", "headers", "Retry-After", "value", *ERROR_NAMES)


def rows(data: bytes) -> None:
    """One row of Graph or Exchange: understood, or refused with a reason."""
    soil = Soil(data, ROW_NAMES)
    parse = soil.one_of(ROWS)
    row = soil.row()
    for found in (row, parsing.stripped(row)):
        noun = attempt(partial(parse, found), ValueError)
        if isinstance(noun, ValueError):
            assert str(noun)
        else:
            sound(noun)
    canonical = attempt(lambda: parsing.canonical(row), ValueError)
    assert isinstance(canonical, ValueError) or len(canonical) <= parsing.CONDITIONS_LIMIT


def bodies(data: bytes) -> None:
    """An answer as bytes: rows, or the reason why there are none."""
    try:
        answer = parsing.document(data)
        found = parsing.rows_of(answer, ("id",))
    except ValueError:
        return
    for parse in ROWS:
        parsed, broken = parsing.each(found, parse)
        assert len(parsed) + len(broken) == len(found)


def refusals(data: bytes) -> None:
    """A refusal in any of its shapes, or in none: always an error of ours, short, on one line."""
    soil = Soil(data, ERROR_NAMES)
    code = soil.one_of((400, 401, 403, 404, 409, 410, 412, 413, 418, 429, 500, 503, 599, 200, 0))
    match soil.byte() % 4:
        case 0:
            raw = soil.rest()
        case 1:
            raw = bytes(soil.byte())
        case 2:
            raw = json.dumps({"error": soil.row()}).encode()
        case _:
            detail = soil.text() + "|" + soil.text() + "|" + json.dumps(soil.row())
            raw = json.dumps({"error": {"details": [{"message": detail}]}}).encode()
    body = exchange_adapter.body_of(Reply(code, {}, raw))
    for error in (
        exchange_failure(code, body, "Get-Mailbox"),
        graph_failure(code, body, "GET /users", "User.Read.All"),
    ):
        assert isinstance(error, TenantError)
        assert plain(str(error), 4_000) == unicodedata.normalize("NFC", str(error))


def batches(data: bytes) -> None:
    """A batch's answer: everything asked has its object, its error, or is asked again."""
    soil = Soil(data, BATCH_NAMES)
    replies = [
        soil.spoilt({"id": str(soil.byte() % 4), "status": 200, "body": {"value": []}})
        for _ in range(soil.byte() % 6)
    ]
    answer = soil.spoilt({"responses": replies})
    sorted_out = attempt(lambda: graph_adapter.sorted_replies(answer, 3), Again)
    for mine in [] if isinstance(sorted_out, Again) else sorted_out:
        found = graph_adapter.judged(mine, "/users/x", "User.Read.All")
        if not isinstance(found, TenantError):
            assert [reply["status"] for reply in mine] == [200]
    reply = Reply(200, {}, dumped(answer))
    numbered = attempt(lambda: exchange_adapter.sorted_replies(reply, range(2)), Again)
    if isinstance(numbered, Again):
        return
    for number, command in enumerate((Command("Get-X"), Command("Set-X", {"Identity": "x"}))):
        judged = partial(exchange_adapter.judged, numbered[number], command)
        body = attempt(judged, TenantError)
        assert isinstance(body, Mapping) or len(str(body)) < 600


def headers(data: bytes) -> None:
    """A Retry-After of any kind: some seconds, or nothing that is known."""
    found = retry_after(data.decode("latin-1"), START)
    assert found is None or (found >= 0 and math.isfinite(found))


def recipients(data: bytes) -> None:
    """A recipient: inside, outside, or unresolved, but always something, and always the same."""
    soil = Soil(data)
    raw = parsing.recipient_text(soil.text())
    names = [raw, value_of(raw)[1], question(raw, OWN)]
    known = {
        name: Recipient(
            name,
            bool(soil.byte() % 2),
            soil.one_of(("MailContact", "UserMailbox", "GuestMailUser", "")),
            soil.text(),
            parsing.recipient_text(soil.text()),
        )
        for name in [*names, *(soil.text() for _ in range(soil.byte() % 4))]
    }
    for target in (locate(raw, OWN, known), locate_object(raw, OWN, known)):
        if target is None:
            continue
        assert target.place in Place
        if target.place is Place.OUTSIDE:
            assert normal_address(target.address) == target.address
            assert not OWN.hold(target.address.rpartition("@")[2])
        assert isinstance(target.essence, str)
    for name in further_questions(known, OWN):
        assert name not in known
