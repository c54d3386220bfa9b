"""tenant-baseline: how a setting is put right, what is saved first and what is looked at then."""

from copy import replace

import pytest

from core.guards.tenant_baseline.baseline import BaselineRow, ExpectedValue
from core.guards.tenant_baseline.remedies import build_row_remedy, format_wanted_value
from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS
from core.microsoft365.remedies import NO_COMMAND, name_evidence
from core.model.findings import Shell, Step
from core.tenant.configuration import Configuration

ROWS = {row.id: row for row in SHIPPED_ROWS}
ASKED = Step(
    "Ask whoever changed it, by telephone, not by mail: whoever holds a mailbox reads the question "
    "too."
)
PARTNER = Configuration("remote-domain", "d1", "Partner", {})
ORGANIZATION = Configuration("organization-config", "", "", {})
POLICY = Configuration("authorization-policy", "", "", {})


def build(row: BaselineRow, one: Configuration) -> tuple[Step, Step, Step]:
    """What is saved, how the setting is put right, and what is looked at then."""
    saved, asked, put_right, around = build_row_remedy(row, one, "This thing")
    assert asked == ASKED
    assert saved.text.startswith("Save This thing, before anything is changed.")
    assert around.text.startswith("Look at the other cases of This thing.")
    return saved, put_right, around


def test_an_object_is_saved_and_set_by_its_id() -> None:
    assert build(ROWS["remote-domain-forwarding"], PARTNER) == (
        Step(
            "Save This thing, before anything is changed.",
            "Get-RemoteDomain -Identity 'd1' | Export-Clixml -Depth 4 -NoClobber -Path "
            f"'{name_evidence('remote-domain', 'd1')}.xml'",
            Shell.EXCHANGE,
        ),
        Step(
            "Set it.", "Set-RemoteDomain -Identity 'd1' -AutoForwardEnabled $false", Shell.EXCHANGE
        ),
        Step("Look at the other cases of This thing.", "exo cases --about 'd1'", Shell.EXO),
    )


def test_what_there_is_one_of_has_no_id_and_what_comes_first_is_said_with_it() -> None:
    saved, put_right, around = build(ROWS["direct-send"], ORGANIZATION)
    assert saved.command.startswith("Get-OrganizationConfig | Export-Clixml")
    assert put_right == Step(
        "Set it, but first give printers and applications that send this way a connector of their "
        "own.",
        "Set-OrganizationConfig -RejectDirectSend $true",
        Shell.EXCHANGE,
    )
    assert around.command == "exo cases --about 'organization'"


def test_an_id_that_no_command_can_hold_gives_way_to_the_name_or_to_the_admin_center() -> None:
    row = ROWS["remote-domain-forwarding"]
    saved, put_right, _ = build(row, replace(PARTNER, id="a\nb"))
    assert saved.command.startswith("Get-RemoteDomain -Identity 'Partner' | ")
    assert put_right.command == "Set-RemoteDomain -Identity 'Partner' -AutoForwardEnabled $false"
    saved, put_right, _ = build(row, replace(PARTNER, id="a\nb", name="c\nd"))
    assert saved == Step(f"Save This thing, before anything is changed. {NO_COMMAND}")
    assert put_right == Step(f"Set it. {NO_COMMAND}")


def test_a_setting_of_entra_is_saved_and_set_with_graph() -> None:
    saved, put_right, _ = build(ROWS["guest-invitations"], POLICY)
    assert saved == Step(
        "Save This thing, before anything is changed.",
        "Invoke-MgGraphRequest -Method GET -Uri 'v1.0/policies/authorizationPolicy' -OutputFilePath"
        f" '{name_evidence('authorization-policy', '')}.json'",
        Shell.GRAPH,
    )
    assert put_right == Step(
        "Set it.",
        "Update-MgPolicyAuthorizationPolicy -AllowInvitesFrom adminsAndGuestInviters",
        Shell.GRAPH,
    )


@pytest.mark.parametrize(
    ("row", "one", "command", "shell"),
    [
        (
            ROWS["remote-domain-forwarding"],
            PARTNER,
            "Set-RemoteDomain -Identity 'd1' -AutoForwardEnabled $false",
            Shell.EXCHANGE,
        ),
        (
            ROWS["modern-authentication"],
            ORGANIZATION,
            "Set-OrganizationConfig -OAuth2ClientProfileEnabled $true",
            Shell.EXCHANGE,
        ),
        (
            ROWS["guest-invitations"],
            POLICY,
            "Invoke-MgGraphRequest -Method PATCH -Uri 'v1.0/policies/authorizationPolicy' -Body "
            "(@{ allowInvitesFrom = 'adminsAndGuestInviters' } | ConvertTo-Json -Depth 5)",
            Shell.GRAPH,
        ),
        # What stands beside it in its object would have to be sent too.
        (ROWS["users-register-applications"], POLICY, "", None),
        (ROWS["customer-lockbox"], ORGANIZATION, "", None),
        (ROWS["risky-applications"], POLICY, "", None),
        (
            replace(ROWS["remote-domain-forwarding"], expected=ExpectedValue("present")),
            PARTNER,
            "",
            None,
        ),
    ],
)
def test_where_a_remedy_is_words_what_a_row_may_write_comes_with_a_command(
    row: BaselineRow, one: Configuration, command: str, shell: Shell | None
) -> None:
    _, put_right, _ = build(replace(row, remedy="Admin center, Settings"), one)
    assert put_right == Step("Set it: Admin center, Settings.", command, shell)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "$true"),
        (False, "$false"),
        (25, "25"),
        ("NoComputers", "'NoComputers'"),
        ("o'hara", "'o''hara'"),
        ("a\nb", ""),
        (None, ""),
        (("a", "b"), ""),
    ],
)
def test_a_wanted_value_is_written_as_powershell_reads_it(value: object, written: str) -> None:
    assert format_wanted_value(value) == written
