"""The Tenant port: mail protocols of mailboxes, who uses them, and switching them off."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.adapters.graph.reports import REPORT_PAGE_DELAY
from core.adapters.m365.protocols import MAX_PAGES, PAGE_SIZE, REQUIRED_LICENCE
from core.errors import NotFound, Rejected, TenantError, Unavailable
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.tenant.changes import DisableMailboxProtocols, SetConfiguration
from core.tenant.mailboxes import MAX_POLICY_USERS, MailboxProtocols
from core.tenant.readings import Reading
from core.tenant.sources import PROTOCOL_USE, PROTOCOLS
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    build_mailbox_row,
    build_scene,
    connect_sandbox,
)
from tests.support.observe import collect_pages
from tests.support.tenants import MISCONFIGURED_SCENE, OPENERS, OpenTenant

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
SINCE = NOW - timedelta(days=30)
NOBODY = "33333333-0000-4000-8000-00000000dead"
ALL_OFF = frozenset({"imap", "pop"})


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


def cas(object_id: str, guid: str, **more: object) -> dict[str, object]:
    """A row of Get-CASMailbox."""
    return {
        "ExternalDirectoryObjectId": object_id,
        "Guid": guid,
        "PrimarySmtpAddress": "ann@contoso.example",
        "ImapEnabled": False,
        "PopEnabled": False,
        "SmtpClientAuthenticationDisabled": None,
        **more,
    }


def with_row(**more: object) -> dict[str, Any]:
    """A scene in which the person's protocols are as given."""
    return build_scene(exchange={"Get-CASMailbox": [cas(PERSON, PERSON_GUID, **more)]})


def sign_in(who: str, client: str, days: float = 1, code: object = 0, **more: object) -> Any:
    """A row of the sign-in log."""
    return {
        "userId": who,
        "userPrincipalName": "ann@contoso.example",
        "createdDateTime": f"{NOW - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}",
        "clientAppUsed": client,
        "ipAddress": "203.0.113.7",
        "status": {"errorCode": code},
        **more,
    }


def logged(*rows: Any, **graph: object) -> dict[str, Any]:
    """A scene with a sign-in log."""
    return build_scene(graph={"signIns": list(rows), **graph})


# Mailboxes --------------------------------------------------------------------------------------


async def test_every_mailbox_tells_what_it_allows_and_what_it_leaves_open(
    open_tenant: OpenTenant,
) -> None:
    row = {"ImapEnabled": True, "SmtpClientAuthenticationDisabled": False}
    async with open_tenant(with_row(**row)) as to:
        found = await collect_pages(to.tenant.protocols.list_mailbox_protocols())
        ann, room = found.items
        assert (ann.mailbox.id, ann.mailbox.guid) == (PERSON, PERSON_GUID)
        assert (set(ann.allowed), set(ann.denied)) == ({"imap", "smtp"}, {"pop"})
        assert (room.mailbox.id, room.allowed, room.denied) == (ROOM, frozenset(), ALL_OFF)
        assert (found.population, found.complete, found.failures) == (2, True, ())


async def test_a_long_listing_comes_in_pages_and_goes_on_where_it_stopped(
    open_tenant: OpenTenant,
) -> None:
    rows = [build_mailbox_row(f"m{n}", f"g{n}", f"n{n}") for n in range(2_300)]
    async with open_tenant(build_scene(exchange={"Get-Mailbox": rows})) as to:

        def listed(after: str = "") -> AsyncIterator[Reading[MailboxProtocols]]:
            return to.tenant.protocols.list_mailbox_protocols(after)

        pages = [page async for page in listed()]
        assert [page.population for page in pages] == [1_000, 1_000, 300]
        assert pages[1].covers((PROTOCOLS,), "m1500")
        assert not pages[1].covers((PROTOCOLS,), "m500")
        rest = [page async for page in listed(pages[0].continuation)]
        assert [page.items for page in rest] == [page.items for page in pages[1:]]


async def test_a_listing_that_is_refused_names_the_permission(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene()) as to:
        to.withhold_permission(PROTOCOLS)
        found = await collect_pages(to.tenant.protocols.list_mailbox_protocols())
        miss = found.find_source_failure(PROTOCOLS)
        assert miss is not None
        assert miss.permission
        assert (found.items, found.complete) == ((), False)


async def test_a_listing_in_passing_trouble_names_none(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene()) as to:
        to.fail_read(PROTOCOLS)
        found = await collect_pages(to.tenant.protocols.list_mailbox_protocols())
        miss = found.find_source_failure(PROTOCOLS)
        assert miss is not None
        assert (miss.permission, found.complete) == ("", False)


async def test_a_few_mailboxes_are_asked_for_by_their_accounts(open_tenant: OpenTenant) -> None:
    async with open_tenant(with_row(SmtpClientAuthenticationDisabled=True)) as to:
        found = await to.tenant.protocols.read_mailbox_protocols([PERSON, NOBODY])
        (ann,) = found.items
        assert (ann.mailbox.id, "smtp" in ann.denied) == (PERSON, True)
        assert (found.population, found.failures) == (2, ())


async def test_one_of_a_few_that_is_refused_is_that_one(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene()) as to:
        to.fail_read(PROTOCOLS, PERSON)
        found = await to.tenant.protocols.read_mailbox_protocols([PERSON, ROOM])
        assert [one.mailbox.id for one in found.items] == [ROOM]
        assert found.unread_object_ids == {PERSON}


# The sign-in log --------------------------------------------------------------------------------


async def test_who_signed_in_by_a_protocol_is_told_once_with_the_last_time(
    open_tenant: OpenTenant,
) -> None:
    rows = [
        sign_in(PERSON, "Authenticated SMTP", 3),
        sign_in(PERSON, "Authenticated SMTP", 2, ipAddress="198.51.100.1"),
        sign_in(PERSON, "POP3", 5),
        sign_in(ROOM, "IMAP4", 1),
        sign_in(ROOM, "Browser", 1),
    ]
    async with open_tenant(logged(*rows)) as to:
        found = await to.tenant.protocols.read_protocol_use(SINCE)
        uses = {(use.account_id, use.protocol): use for use in found.items}
        assert uses.keys() == {(PERSON, "smtp"), (PERSON, "pop"), (ROOM, "imap")}
        assert uses[PERSON, "smtp"].last_used == NOW - timedelta(days=2)
        assert uses[PERSON, "smtp"].addresses == ("198.51.100.1", "203.0.113.7")
        assert uses[PERSON, "smtp"].upn == "ann@contoso.example"
        assert (len(found.items), found.failures) == (3, ())


async def test_failures_are_no_use_since_anybody_can_cause_them(open_tenant: OpenTenant) -> None:
    async with open_tenant(logged(sign_in(PERSON, "Authenticated SMTP", code=50126))) as to:
        assert (await to.tenant.protocols.read_protocol_use(SINCE)).items == ()


async def test_what_is_older_than_was_asked_for_is_left_out(open_tenant: OpenTenant) -> None:
    async with open_tenant(logged(sign_in(PERSON, "POP3", 31))) as to:
        assert (await to.tenant.protocols.read_protocol_use(SINCE)).items == ()


async def test_without_the_permission_the_log_names_it(open_tenant: OpenTenant) -> None:
    async with open_tenant(logged(sign_in(PERSON, "POP3"))) as to:
        to.withhold_permission(PROTOCOL_USE)
        found = await to.tenant.protocols.read_protocol_use(SINCE)
        miss = found.find_source_failure(PROTOCOL_USE)
        assert miss is not None
        assert (miss.permission, found.items) == ("AuditLog.Read.All", ())


async def test_a_log_in_passing_trouble_names_no_permission(open_tenant: OpenTenant) -> None:
    async with open_tenant(logged(sign_in(PERSON, "POP3"))) as to:
        to.fail_read(PROTOCOL_USE)
        found = await to.tenant.protocols.read_protocol_use(SINCE)
        miss = found.find_source_failure(PROTOCOL_USE)
        assert miss is not None
        assert (miss.permission, found.items) == ("", ())


async def test_a_missing_licence_is_named_like_a_missing_permission() -> None:
    async with connect_sandbox(logged(**{"@sandbox.premium": False})) as to:
        miss = (await to.tenant.protocols.read_protocol_use(SINCE)).find_source_failure(
            PROTOCOL_USE
        )
        assert miss is not None
        assert miss.permission == REQUIRED_LICENCE


async def test_a_sign_in_of_nobody_makes_its_protocol_uncertain() -> None:
    rows = [sign_in("", "IMAP4"), sign_in(PERSON, "IMAP4"), sign_in(PERSON, "POP3")]
    async with connect_sandbox(logged(*rows)) as to:
        found = await to.tenant.protocols.read_protocol_use(SINCE)
        assert len(found.items) == 2
        assert [(miss.object_id, miss.optional) for miss in found.failures] == [("imap", True)]


async def test_a_log_without_the_other_kind_of_sign_ins_leaves_every_protocol_uncertain() -> None:
    fault = {"match": "/beta/auditLogs", "kind": "error", "status": 400, "code": "BadRequest"}
    async with connect_sandbox({**logged(sign_in(PERSON, "POP3")), "faults": [fault]}) as to:
        found = await to.tenant.protocols.read_protocol_use(SINCE)
        assert found.items == ()
        assert {miss.object_id for miss in found.failures} == {"smtp", "imap", "pop"}
        assert all("only interactive sign-ins" in miss.reason for miss in found.failures)


async def test_a_refusal_for_want_of_a_licence_is_believed_when_it_is_repeated() -> None:
    for times, permission in ((2, None), (3, REQUIRED_LICENCE)):
        reality = {"graph-premium-refusal": {"side": "passing", "times": times}}
        scene = {**logged(sign_in(PERSON, "POP3")), "reality": reality}
        async with connect_sandbox(scene) as to:
            found = await to.tenant.protocols.read_protocol_use(SINCE)
            miss = found.find_source_failure(PROTOCOL_USE)
            assert (miss and miss.permission) == permission
            assert len(found.items) == (0 if permission else 1)


async def test_a_long_log_is_read_slowly_and_not_without_end() -> None:
    many = [sign_in(f"u{n}", "Authenticated SMTP") for n in range(PAGE_SIZE * MAX_PAGES + 1)]
    async with connect_sandbox(logged(*many, sign_in(PERSON, "POP3"))) as to:
        found = await to.tenant.protocols.read_protocol_use(SINCE)
        assert len(found.items) == PAGE_SIZE * MAX_PAGES + 1
        assert [miss.object_id for miss in found.failures] == ["smtp"]
        assert "not all were read" in found.failures[0].reason
        assert to.clock.waits == [REPORT_PAGE_DELAY] * MAX_PAGES


async def test_a_log_that_fails_half_way_is_not_half_a_log() -> None:
    many = [sign_in(f"u{n}", "Authenticated SMTP") for n in range(PAGE_SIZE + 1)]
    fault = {"match": "skiptoken", "kind": "error", "status": 503}
    async with connect_sandbox({**logged(*many), "faults": [fault]}, attempts=1) as to:
        found = await to.tenant.protocols.read_protocol_use(SINCE)
        assert found.items == ()
        assert found.find_source_failure(PROTOCOL_USE) is not None


# Writing ----------------------------------------------------------------------------------------


async def test_what_was_on_is_remembered_as_it_was(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        done = await to.tenant.writer.apply(DisableMailboxProtocols(PERSON_GUID, ("imap", "smtp")))
        assert done.before == {"ImapEnabled": True, "SmtpClientAuthenticationDisabled": False}
        ann = (await collect_pages(to.tenant.protocols.list_mailbox_protocols())).items[0]
        assert (set(ann.allowed), set(ann.denied)) == (set(), {"imap", "pop", "smtp"})
        assert to.write_count == 1


async def test_only_what_is_on_is_switched_off(open_tenant: OpenTenant) -> None:
    async with open_tenant(with_row(PopEnabled=True)) as to:
        change = DisableMailboxProtocols(PERSON_GUID, ("imap", "pop"))
        assert not (await to.tenant.writer.apply(change)).unchanged
        assert (await to.tenant.writer.apply(change)).unchanged
        assert to.write_count == 1


async def test_a_mailbox_that_follows_the_organization_again_is_let_be(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(with_row()) as to:
        done = await to.tenant.writer.apply(DisableMailboxProtocols(PERSON_GUID, ("smtp",)))
        assert done.unchanged
        assert done.before == {"SmtpClientAuthenticationDisabled": None}
        assert to.write_count == 0


async def test_a_protocol_whose_state_is_not_told_is_not_touched(open_tenant: OpenTenant) -> None:
    async with open_tenant(with_row(ImapEnabled="perhaps")) as to:
        with pytest.raises(Unavailable):
            await to.tenant.writer.apply(DisableMailboxProtocols(PERSON_GUID, ("imap",)))
        assert to.write_count == 0


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (DisableMailboxProtocols("", ("imap",)), TenantError),
        (DisableMailboxProtocols(PERSON_GUID, ()), Rejected),
        (DisableMailboxProtocols(PERSON_GUID, ("imap", "owa")), Rejected),
        (DisableMailboxProtocols(NOBODY, ("imap",)), NotFound),
    ],
    ids=str,
)
async def test_no_other_mailbox_and_no_other_protocol_is_meant(
    open_tenant: OpenTenant, change: DisableMailboxProtocols, error: type[TenantError]
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        with pytest.raises(error):
            await to.tenant.writer.apply(change)
        assert to.write_count == 0


async def test_the_other_mailbox_stays_as_it_is() -> None:
    rows = [cas(PERSON, PERSON_GUID, PopEnabled=True), cas(ROOM, ROOM_GUID, PopEnabled=True)]
    async with connect_sandbox(build_scene(exchange={"Get-CASMailbox": rows})) as to:
        await to.tenant.writer.apply(DisableMailboxProtocols(PERSON_GUID, ("pop",)))
        ann, room = (await collect_pages(to.tenant.protocols.list_mailbox_protocols())).items
        assert ("pop" in ann.allowed, "pop" in room.allowed) == (False, True)


@pytest.mark.parametrize(
    ("source", "identity", "name", "value", "wrong"),
    [
        (
            *("transport-config", "", "SmtpClientAuthenticationDisabled", True),
            {"Get-TransportConfig": [{"SmtpClientAuthenticationDisabled": False}]},
        ),
        (
            *("cas-mailbox-plan", "Enterprise", "ImapEnabled", False),
            {"Get-CASMailboxPlan": [{"Identity": "Enterprise", "ImapEnabled": True}]},
        ),
        (
            *("authentication-policy", "Old one", "AllowBasicAuthSmtp", False),
            {"Get-AuthenticationPolicy": [{"Identity": "Old one", "AllowBasicAuthSmtp": True}]},
        ),
    ],
)
async def test_settings_of_the_organization_are_read_changed_and_read_back(
    source: str, identity: str, name: str, value: bool, wrong: dict[str, object]
) -> None:
    async with connect_sandbox(build_scene(exchange=wrong)) as to:
        (before,) = (await to.tenant.configuration.read_configuration(source)).items
        assert (before.id, before.values[name]) == (identity, not value)
        change = SetConfiguration(source, identity, name, value)
        assert (await to.tenant.writer.apply(change)).before == {name: not value}
        assert (await to.tenant.writer.apply(change)).unchanged
        found = await to.tenant.configuration.read_configuration(source)
        assert found.items[0].values[name] is value
        assert found.covers((get_configuration_source_name(source),), identity)
        with pytest.raises(Rejected):
            await to.tenant.writer.apply(SetConfiguration(source, identity, "Name", "x"))
        assert len(to.sandbox.writes) == 1


POLICY_DN = "CN=O'Brien's devices,CN=Auth Policies,DC=contoso"


@pytest.mark.parametrize("count", [0, 2, MAX_POLICY_USERS + 9])
async def test_the_users_of_an_authentication_policy_are_named(count: int) -> None:
    users = [
        {
            "Guid": f"33333333-0000-4000-8000-{number:012}",
            "UserPrincipalName": f"user{number:03}@contoso.example",
            "AuthenticationPolicy": POLICY_DN if number < count else None,
        }
        for number in range(count + 3)
    ]
    scene = build_scene(exchange={"Get-User": users})
    async with connect_sandbox(scene) as to:
        found = await to.tenant.protocols.read_policy_users(POLICY_DN)
    assert found.failures == ()
    shown = min(count, MAX_POLICY_USERS + 1)
    assert found.items == tuple(f"user{number:03}@contoso.example" for number in range(shown))
