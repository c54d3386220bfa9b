"""Reading rights over mailboxes: what Exchange may answer that is no answer."""

from collections.abc import AsyncIterator, Sequence

from core.adapters.m365.delegation import MAX_BROKEN_ROWS, M365DelegationReader
from core.adapters.parsing import ResponseRow
from core.errors import Forbidden, NotFound, TenantError, Unavailable
from core.tenant.mailboxes import Delegation, Mailbox
from core.tenant.readings import Reading
from core.tenant.sources import FULL_ACCESS, SEND_AS, SEND_ON_BEHALF
from tests.support.fakes.exchange import ScriptedExchange

ANN, BEN, EVE = (
    Mailbox(name, f"g-{name}", f"{name}@contoso.com") for name in ("ann", "ben", "eve")
)
SELF: dict[str, object] = {
    "User": "NT AUTHORITY\\SELF",
    "UserSid": "S-1-5-10",
    "AccessRights": ["FullAccess"],
}
OPENS: dict[str, object] = {"User": "max@contoso.com", "AccessRights": ["FullAccess"]}
OWN: dict[str, object] = {
    "Identity": "ann",
    "Trustee": "NT AUTHORITY\\SELF",
    "AccessRights": ["SendAs"],
}
SENDS: dict[str, object] = {
    "Identity": "ann",
    "Trustee": "max@contoso.com",
    "AccessRights": ["SendAs"],
}


class Answers(ScriptedExchange):
    """An Exchange that answers from lists. `pages_of` may end with an error."""

    def __init__(
        self,
        batches: Sequence[list[ResponseRow] | TenantError] = (),
        pages_of: Sequence[list[ResponseRow] | TenantError] = (),
    ) -> None:
        super().__init__(pages_of, batches)

    @property
    def reader(self) -> M365DelegationReader:
        return M365DelegationReader(self)


async def parts_of(listing: AsyncIterator[Reading[Delegation]]) -> list[Reading[Delegation]]:
    return [part async for part in listing]


async def test_each_mailbox_is_asked_for_by_its_id_with_holders_nobody_can_name() -> None:
    answers = Answers([[SELF], [SELF, OPENS]])
    found = await answers.reader.read_full_access([ANN, BEN])
    assert [one.mailbox for one in found.items] == [BEN]
    assert [one.parameters["Identity"] for one in answers.sent] == ["g-ann", "g-ben"]
    assert [one.anchor for one in answers.sent] == ["ann@contoso.com", "ben@contoso.com"]
    for command in answers.sent:
        assert command.cmdlet == "Get-MailboxPermission"
        assert command.parameters["IncludeUnresolvedPermissions"] is True


async def test_an_answer_without_a_row_is_none_since_every_mailbox_has_its_own() -> None:
    found = await Answers([[], [SELF]]).reader.read_full_access([ANN, BEN])
    assert [miss.object_id for miss in found.failures] == ["ann"]
    assert found.covers((FULL_ACCESS,), "ben")


async def test_an_unknown_right_leaves_the_mailbox_unread_and_the_known_ones_seen() -> None:
    odd = OPENS | {"AccessRights": ["FullAccess, OwnTheWorld"]}
    found = await Answers([[SELF, odd], [SELF]]).reader.read_full_access([ANN, BEN])
    assert [(one.right, one.mailbox) for one in found.items] == [("FullAccess", ANN)]
    assert [(miss.object_id, miss.reason) for miss in found.failures] == [
        ("ann", "a right nobody knows: owntheworld")
    ]
    strange = SENDS | {"AccessRights": ["SendAs", "OwnTheWorld"]}
    parts = await parts_of(Answers(pages_of=[[OWN, strange]]).reader.list_send_as())
    assert [one.trustee for part in parts for one in part.items] == ["max@contoso.com"]
    assert [miss.reason for miss in parts[-1].failures] == ["a right nobody knows: owntheworld"]


async def test_a_row_that_makes_no_sense_leaves_the_mailbox_unread_and_its_other_rows_seen() -> (
    None
):
    answers = Answers([[SELF, OPENS | {"AccessRights": ["New"]}, OPENS], [SELF], NotFound("gone")])
    found = await answers.reader.read_full_access([ANN, BEN, EVE])
    assert [one.trustee for one in found.items] == ["max@contoso.com"]
    assert {miss.object_id: miss.subject for miss in found.failures} == {
        "ann": "ann@contoso.com",
        "eve": "eve@contoso.com",
    }


async def test_refused_for_every_mailbox_it_is_the_permission_that_is_missing() -> None:
    answers = Answers([Forbidden("no", "Get-MailboxPermission")] * 2)
    found = await answers.reader.read_full_access([ANN, BEN])
    (miss,) = found.failures
    assert (miss.object_id, miss.permission) == ("", "Get-MailboxPermission")


async def test_a_listing_is_streamed_and_only_what_is_delegated_is_kept() -> None:
    answers = Answers(pages_of=[[OWN, SENDS], [OWN], [SENDS | {"Identity": "ben"}]])
    *pages, last = await parts_of(answers.reader.list_send_as())
    assert [[one.mailbox_name for one in page.items] for page in pages] == [["ann"], ["ben"]]
    assert {page.scope for page in pages} == {frozenset()}
    assert (last.items, last.failures, last.scope) == ((), (), None)
    assert answers.sent[0].parameters == {"ResultSize": "Unlimited"}


async def test_an_organization_without_a_single_right_is_no_answer() -> None:
    (only,) = await parts_of(Answers(pages_of=[[]]).reader.list_send_as())
    assert only.find_source_failure(SEND_AS) is not None
    assert not only.covers((SEND_AS,), "ann")


async def test_nobody_who_sends_on_behalf_of_anybody_is_an_answer() -> None:
    (only,) = await parts_of(Answers(pages_of=[[]]).reader.list_send_on_behalf())
    assert only.covers((SEND_ON_BEHALF,), "ann")


async def test_a_listing_that_breaks_off_says_so_behind_what_it_told() -> None:
    answers = Answers(pages_of=[[SENDS], Unavailable("HTTP 503")])
    page, last = await parts_of(answers.reader.list_send_as())
    assert len(page.items) == 1
    assert not last.covers((SEND_AS,), "ann")


async def test_a_broken_row_of_an_unknown_recipient_may_be_anybodys() -> None:
    broken = SENDS | {"Trustee": None, "Identity": "Ann Example"}
    page, last = await parts_of(Answers(pages_of=[[broken, SENDS]]).reader.list_send_as())
    assert len(page.items) == 1
    assert [miss.subject for miss in last.failures] == ["Ann Example"]
    for somebody in ("ann", "ben"):
        assert not last.covers((SEND_AS,), somebody)


async def test_a_listing_of_which_too_much_is_broken_is_not_understood_at_all() -> None:
    many: list[ResponseRow] = [SENDS | {"Trustee": None}] * (MAX_BROKEN_ROWS + 1)
    (only,) = await parts_of(Answers(pages_of=[many]).reader.list_send_as())
    assert len(only.failures) == 1
    assert only.find_source_failure(SEND_AS) is not None


async def test_exchange_finds_those_with_somebody_on_their_behalf_by_itself() -> None:
    row = {"ExternalDirectoryObjectId": "a1", "Guid": "g1", "GrantSendOnBehalfTo": ["Ann"]}
    answers = Answers(pages_of=[[row]])
    page, _ = await parts_of(answers.reader.list_send_on_behalf())
    assert [one.mailbox.id for one in page.items if one.mailbox] == ["a1"]
    assert answers.sent[0].parameters["Filter"] == "GrantSendOnBehalfTo -ne $null"
    assert "GrantSendOnBehalfTo" in answers.sent[0].select
