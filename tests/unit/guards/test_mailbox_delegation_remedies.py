"""mailbox-delegation: how a right is taken away, what is saved first and what is looked at then."""

from copy import replace

import pytest

from core.guards.mailbox_delegation.items import GrantedRight
from core.guards.mailbox_delegation.remedies import (
    build_folder_remedy,
    build_right_remedy,
    get_identity,
)
from core.model.findings import Shell, Step
from core.tenant.mail_flow import Recipient
from core.tenant.mailboxes import Delegation, FolderRight, Mailbox, MailboxFolder

BOX = Mailbox("m1", "g1", "box@contoso.com", "Box")
EVE = Recipient("eve", True, "UserMailbox", "eve@contoso.com", id="e1")


def hold(right: str) -> GrantedRight:
    return GrantedRight(Delegation(right, "Eve"), BOX, EVE)


@pytest.mark.parametrize(
    ("right", "reads", "gives", "takes", "is_traced"),
    [
        (
            "FullAccess",
            "Get-MailboxPermission -Identity 'g1' | Export",
            "Add-MailboxPermission",
            "Remove-MailboxPermission -Identity 'g1' -User 'eve@contoso.com'",
            False,
        ),
        (
            "SendAs",
            "Get-RecipientPermission -Identity 'g1' | Export",
            "Add-RecipientPermission",
            "Remove-RecipientPermission -Identity 'g1' -Trustee 'eve@contoso.com'",
            True,
        ),
        (
            "SendOnBehalf",
            "Get-Mailbox -Identity 'g1' | Select-Object Guid, GrantSendOnBehalfTo | Export",
            "Set-Mailbox",
            "Set-Mailbox -Identity 'g1' -GrantSendOnBehalfTo @{Remove='eve@contoso.com'}",
            True,
        ),
    ],
)
def test_a_right_is_saved_asked_about_and_taken_and_mail_in_ones_name_is_traced(
    right: str, reads: str, gives: str, takes: str, is_traced: bool
) -> None:
    saved, actor, asked, taken, *rest = build_right_remedy(hold(right), "full-access", "Eve (E)")
    assert saved.text == (
        "Save who holds this right over box@contoso.com, before anything is changed."
    )
    assert saved.command.startswith(reads)
    assert "-Path 'evidence-full-access-" in saved.command
    assert actor.text.startswith("Find out who gave it: ")
    assert f"-Operations '{gives}' " in actor.command
    assert asked.text.startswith("Ask the owner of box@contoso.com, and whoever gave it, by tele")
    assert taken.text == "Unless somebody answers for it, take it from Eve (E)."
    assert taken.command.startswith(takes)
    check_rest(rest, is_traced=is_traced)


def check_rest(rest: list[Step], *, is_traced: bool) -> None:
    """The other cases of the holder and of the mailbox, and what was sent."""
    holder, mailbox, *sent = rest
    assert holder.text == "Look at the other cases of Eve (E)."
    assert holder.command == "exo cases --about 'eve@contoso.com'"
    assert mailbox.text == "Look at the other cases of box@contoso.com."
    assert mailbox.command == "exo cases --about 'box@contoso.com'"
    assert ["-SenderAddress 'box@contoso.com'" in one.command for one in sent] == (
        [True] if is_traced else []
    )


def test_what_nobody_was_found_for_goes_by_its_name_and_a_mailbox_without_one_by_its_id() -> None:
    item = replace(hold("FullAccess"), recipient=Recipient("Eve", found=False))
    item = replace(item, mailbox=replace(BOX, address="a b"))
    *_, holder, mailbox = build_right_remedy(item, "full-access", "Eve")
    assert holder.command == "exo cases --about 'Eve'"
    assert mailbox.command == "exo cases --about 'm1'"


def test_a_mailbox_goes_by_the_surest_that_cmdlets_know_it_by() -> None:
    assert get_identity(BOX) == "g1"
    assert get_identity(replace(BOX, guid="")) == "box@contoso.com"
    assert get_identity(replace(BOX, guid="", address="")) == "Box"


def test_rights_over_folders_are_saved_folder_by_folder_and_each_command_stands_once() -> None:
    top, inbox = (
        FolderRight(BOX, folder, path, "Eve", ("Reviewer",))
        for folder, path in ((MailboxFolder.ROOT, "\\"), (MailboxFolder.INBOX, "\\Inbox"))
    )
    item = replace(hold("FolderRights"), folders=(top, inbox, inbox))
    first, second, actor, asked, one, other, *rest = build_folder_remedy(
        item, ["Remove-A", "Remove-B", "Remove-A"], "Eve (E)"
    )
    for saved, path in ((first, "\\"), (second, "\\Inbox")):
        assert saved.text.startswith("Save who may do what in a folder of box@contoso.com, before")
        assert saved.command.startswith(f"Get-MailboxFolderPermission -Identity 'g1:{path}' | ")
        assert "-Path 'evidence-folder-right-" in saved.command
    assert first.command.rpartition("-Path ")[2] != second.command.rpartition("-Path ")[2]
    assert actor.text.startswith("Find out who gave it: ")
    assert (
        "-Operations 'Add-MailboxFolderPermission','Set-MailboxFolderPermission',"
        "'ModifyFolderPermissions' "
    ) in actor.command
    assert asked.text.startswith("Ask the owner of box@contoso.com, and whoever gave it, by tele")
    takes = "Unless somebody answers for it, take it from Eve (E)."
    assert [one, other] == [
        Step(takes, "Remove-A", Shell.EXCHANGE),
        Step(takes, "Remove-B", Shell.EXCHANGE),
    ]
    check_rest(rest, is_traced=False)
