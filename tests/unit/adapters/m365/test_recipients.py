"""Whom a name stands for: legacy names that are not printed, names of several, refused look-ups."""

from typing import Any

import pytest

from core.adapters.m365.changes import identify_forward_recipient
from core.adapters.m365.undo import find_forward_recipient
from core.errors import Rejected
from core.tenant.mail_flow import Recipient
from core.tenant.sources import RECIPIENTS
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    Connection,
    build_mailbox_row,
    build_scene,
    connect_directly,
)

LEGACY = "/o=ExchangeLabs/ou=Group/cn=Recipients/cn=0001-"
CONTACT_GUID = "44444444-0000-4000-8000-000000000001"


def stand_in(kind: str, **more: object) -> dict[str, object]:
    return {
        "Guid": CONTACT_GUID,
        "Name": "Partner",
        "PrimarySmtpAddress": "p@partner.example",
        "ExternalEmailAddress": "SMTP:p@partner.example",
        "RecipientTypeDetails": kind,
        "LegacyExchangeDN": f"{LEGACY}partner",
        **more,
    }


async def look_up(to: Connection, name: str) -> Recipient:
    found = await to.tenant.mail_flow.read_recipients([name])
    assert found.failures == ()
    (one,) = found.items
    return one


@pytest.mark.parametrize("prefix", ["", "EX:", "X500:"])
async def test_a_colleague_is_found_by_a_legacy_name_that_get_recipient_does_not_print(
    prefix: str,
) -> None:
    row = build_mailbox_row(PERSON, PERSON_GUID, "ann", LegacyExchangeDN=f"{LEGACY}ann")
    async with connect_directly(build_scene(exchange={"Get-Mailbox": [row]})) as to:
        found = await look_up(to, f"{prefix}{LEGACY.upper()}ANN")
        assert (found.found, found.id, found.kind) == (True, PERSON, "UserMailbox")
        assert found.address == "ann@contoso.example"


async def test_a_legacy_name_of_a_scene_may_stand_in_the_recipient_row_alone() -> None:
    row = build_mailbox_row(PERSON, PERSON_GUID, "ann")
    exchange = {
        "Get-Mailbox": [row],
        "Get-Recipient": [{**row, "LegacyExchangeDN": f"{LEGACY}ann"}],
    }
    async with connect_directly(build_scene(exchange=exchange)) as to:
        assert (await look_up(to, f"{LEGACY}ann")).id == PERSON


@pytest.mark.parametrize("kind", ["MailContact", "MailUser", "GuestMailUser"])
@pytest.mark.parametrize("granted", [True, False])
async def test_a_stand_in_is_found_by_its_legacy_name(kind: str, granted: bool) -> None:
    grants = {} if granted else {"grants": {"exchange": ["Get-Recipient", "Get-Mailbox"]}}
    scene = build_scene(exchange={"Get-Recipient": [stand_in(kind)]}, **grants)
    async with connect_directly(scene) as to:
        found = await look_up(to, f"{LEGACY}partner")
        assert (found.found, found.external_address) == (True, "SMTP:p@partner.example")


async def test_a_group_is_found_by_its_legacy_name_if_nobody_has_a_made_up_one() -> None:
    group = stand_in("MailUniversalDistributionGroup", ExternalEmailAddress=None)
    async with connect_directly(build_scene(exchange={"Get-Recipient": [group]})) as to:
        found = await look_up(to, f"{LEGACY}partner")
        assert (found.found, found.id) == (True, CONTACT_GUID)
        everyone = {"value": [stand_in("MailUniversalDistributionGroup")]}
        del everyone["value"][0]["LegacyExchangeDN"]
        to.sandbox.tenant.faults.load(
            [{"kind": "wrongBody", "body": everyone, "match": "Get-Recipient", "inner": True}]
        )
        other = await to.tenant.mail_flow.read_recipients([f"{LEGACY}somebody"])
        assert other.items == ()
        assert [miss.source for miss in other.failures] == [RECIPIENTS]


async def test_the_legacy_name_of_another_is_nobody() -> None:
    row = build_mailbox_row(PERSON, PERSON_GUID, "ann", LegacyExchangeDN=f"{LEGACY}ann")
    everyone = {"value": [build_mailbox_row(PERSON, PERSON_GUID, "ann")]}
    async with connect_directly(build_scene(exchange={"Get-Mailbox": [row]})) as to:
        to.sandbox.tenant.faults.load(
            [{"kind": "wrongBody", "body": everyone, "match": "Get-Recipient", "inner": True}]
        )
        assert await look_up(to, f"{LEGACY}ben") == Recipient(f"{LEGACY}ben", found=False)


async def test_a_name_that_two_recipients_have_is_several_and_not_nobody() -> None:
    boxes = [
        build_mailbox_row(f"id-{number}", f"guid-{number}", f"m{number}", DisplayName="Ann")
        | {"Name": "Ann", "Alias": "ann"}
        for number in range(2)
    ]
    async with connect_directly(build_scene(exchange={"Get-Mailbox": boxes})) as to:
        found = await look_up(to, "Ann")
        assert (found.found, found.several) == (False, True)
        assert await identify_forward_recipient(to.exchange, "Ann") == {}
        with pytest.raises(Rejected, match="not the only one"):
            await find_forward_recipient(to.exchange, "Ann", "")


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "BadRequest", "message": "Something is wrong with the request."}},
        {"error": {"details": [{"message": "|x.ParameterBindingException|No such thing."}]}},
    ],
)
async def test_a_refused_look_up_is_unread_and_not_nobody(body: Any) -> None:
    faults = [
        {"kind": "wrongBody", "status": 400, "body": body, "match": "Get-Recipient", "inner": inner}
        for inner in (True, False)
    ]
    async with connect_directly(build_scene(faults=faults)) as to:
        found = await to.tenant.mail_flow.read_recipients(["ann"])
        assert found.items == ()
        assert [(miss.source, miss.object_id) for miss in found.failures] == [(RECIPIENTS, "ann")]
        with pytest.raises(Rejected, match=r"wrong|No such"):
            await find_forward_recipient(to.exchange, "ann", "")


async def test_an_address_somebody_else_bears_as_a_display_name_is_that_of_its_owner() -> None:
    exchange = {
        "Get-Mailbox": [build_mailbox_row(PERSON, PERSON_GUID, "ann")],
        "Get-Recipient": [
            stand_in("MailContact", DisplayName="ann@contoso.example"),
            stand_in(
                "MailContact", Guid=f"{CONTACT_GUID[:-1]}2", Name="x", DisplayName="b@c.example"
            ),
        ],
    }
    async with connect_directly(build_scene(exchange=exchange)) as to:
        found = await look_up(to, "ann@contoso.example")
        assert (found.found, found.several, found.id) == (True, False, PERSON)
        # Nobody has the address itself, so the name alone proves nothing.
        nobody = await look_up(to, "b@c.example")
        assert (nobody.found, nobody.several) == (False, False)


async def test_a_name_several_answer_to_stays_several() -> None:
    exchange = {
        "Get-Recipient": [
            stand_in("MailContact", Alias="both@c.example", PrimarySmtpAddress="p@c.example"),
            stand_in(
                "MailContact",
                Guid=f"{CONTACT_GUID[:-1]}2",
                Name="Other",
                Alias="both@c.example",
                PrimarySmtpAddress="q@c.example",
            ),
        ]
    }
    async with connect_directly(build_scene(exchange=exchange)) as to:
        for name in ("both@c.example", "it's@c.example"):
            found = await look_up(to, name)
            assert (found.found, found.several) == (False, name.startswith("both"))


@pytest.mark.parametrize(
    "detail",
    [
        f"|x.ManagementObjectAmbiguousException|'{PERSON_GUID}' is that of several.",
        "|x.SomeException|Not now.",
    ],
)
async def test_a_refused_look_up_of_a_mailbox_is_unread_and_not_nobodys(detail: str) -> None:
    body = {"error": {"code": "BadRequest", "details": [{"message": detail}]}}
    fault = {"kind": "wrongBody", "status": 400, "body": body, "inner": True}
    async with connect_directly(build_scene(faults=[fault | {"match": "Get-Mailbox"}])) as to:
        found = await to.tenant.mailboxes.find_mailboxes([PERSON_GUID])
        assert found.items == ()
        assert [miss.object_id for miss in found.failures] == [PERSON_GUID]
