"""Settings of real tenants, and of another tool's unit cases: each is judged as its owner would.

The values are those of two tenants whose settings CISA publishes with the tests of ScubaGear
(cisagov/ScubaGear, `ProviderSettingsExport.json`, CC0), and of its unit cases (`EXOConfig_*.rego`,
`AADConfig_*.rego`). Whether a value is right is said by hand.
"""

import pytest

from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS

ROWS = {row.id: row for row in SHIPPED_ROWS}
RIGHT, WRONG = True, False
WELL_KEPT = (
    ("remote-domain-forwarding", False, RIGHT),
    ("remote-domain-trusted", False, RIGHT),
    ("calendar-sharing", ["Anonymous:0"], RIGHT),
    ("guest-invitations", "adminsAndGuestInviters", RIGHT),
    ("guest-access", "10dae51f-b6af-4016-8d66-8c2a99b929b3", RIGHT),
    ("users-register-applications", False, RIGHT),
    ("users-create-tenants", True, WRONG),
    ("users-create-security-groups", True, WRONG),
    ("users-read-bitlocker-keys", True, WRONG),
    ("email-verified-users", True, WRONG),
    ("email-subscriptions", True, WRONG),
    ("risky-applications", False, RIGHT),
    ("admin-consent-workflow", True, RIGHT),
    ("method-system-preferred", "default", RIGHT),
)
AS_DELIVERED = (
    ("modern-authentication", True, RIGHT),
    ("mail-tips", True, RIGHT),
    ("mail-tips-external", False, WRONG),
    ("mail-tips-group-metrics", True, RIGHT),
    ("mail-tips-audience", 25, RIGHT),
    ("web-session-timeout", True, RIGHT),
    ("customer-lockbox", False, WRONG),
    ("remote-domain-forwarding", True, WRONG),
    ("remote-domain-trusted", False, RIGHT),
    (
        "calendar-sharing",
        ["Anonymous:CalendarSharingFreeBusyReviewer", "*:CalendarSharingFreeBusySimple"],
        WRONG,
    ),
    ("guest-invitations", "everyone", WRONG),
    ("guest-access", "10dae51f-b6af-4016-8d66-8c2a99b929b3", RIGHT),
    ("users-register-applications", True, WRONG),
    ("users-create-security-groups", True, WRONG),
    ("email-verified-users", True, WRONG),
    ("email-subscriptions", True, WRONG),
    ("risky-applications", None, RIGHT),
    ("admin-consent-workflow", False, WRONG),
)
UNIT_CASES: tuple[tuple[str, object, bool], ...] = (
    ("calendar-sharing", ["domain1", "domain2"], RIGHT),
    ("calendar-sharing", ["*:ContactsSharing", "domain1:CalendarSharingFreeBusyDetail"], WRONG),
    ("calendar-sharing", ["*:CalendarSharingFreeBusyDetail", "domain1:ContactsSharing"], WRONG),
    ("calendar-sharing", [], RIGHT),
    ("calendar-sharing", ["*:0"], RIGHT),
    ("calendar-sharing", ["*:1"], WRONG),
    ("guest-invitations", "adminsGuestInvitersAndAllMembers", WRONG),
    ("guest-invitations", "Admins and users in the guest inviter role", WRONG),
    ("guest-access", "2af84b1e-32c8-42b7-82bc-daa82404023b", RIGHT),
    ("guest-access", "a0b1b346-4d3e-4e8b-98f8-753987be4970", WRONG),
)


@pytest.mark.parametrize(
    ("row", "value", "is_right"),
    [
        *(pytest.param(*case, id=f"well kept {case[0]}") for case in WELL_KEPT),
        *(pytest.param(*case, id=f"as delivered {case[0]}") for case in AS_DELIVERED),
        *(pytest.param(*case, id=f"unit case {case[0]} {case[1]}") for case in UNIT_CASES),
    ],
)
def test_a_setting_from_the_field_is_judged_as_its_owner_would(
    row: str, value: object, is_right: bool
) -> None:
    assert ROWS[row].expected.matches(value) is is_right
