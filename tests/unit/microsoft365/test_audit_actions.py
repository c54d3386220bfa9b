"""What a mailbox should audit under its licence, and what is said of what it does."""

from collections.abc import Mapping

import pytest

from core.microsoft365.audit_actions import (
    AUDITING_CAPABILITY,
    DEFAULT_ACTIONS,
    LICENSED_ACTIONS,
    MAIL_ITEMS_ACCESSED,
    MAX_CACHED_NAMES,
    MAX_SHOWN,
    MESSAGE_BIND,
    SEND,
    UNLICENSED_ACTIONS,
    AuditLicence,
    AuditSetDeviation,
    ItemsAccessedRule,
    build_audit_reset,
    classify_capabilities,
    classify_licence,
    compare_audit_set,
    format_action_list,
    get_audited_actions,
    get_managed_logon_types,
    list_deviation_facts,
    list_expected_actions,
    lowercase_names,
    read_default_actions,
    spell_actions,
)
from core.microsoft365.service_plans import ADVANCED_AUDITING_PLAN, PLAN_1
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import ResetAuditSet
from core.tenant.directory import Account
from core.tenant.mailboxes import Mailbox

BOX = Mailbox("m1", "g1", "info@contoso.com")
LICENSED, REQUIRED, IGNORE = ItemsAccessedRule
PREMIUM, STANDARD, NONE = AuditLicence


def build_audit(
    actions: Mapping[str, frozenset[str]] | None = None,
    default_set: frozenset[str] = frozenset(),
    capabilities: frozenset[str] = frozenset(),
) -> MailboxAudit:
    return MailboxAudit(BOX, True, default_set, actions or {}, 90.0, capabilities)


# The licence ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capabilities", "licence"),
    [
        ({AUDITING_CAPABILITY, "BPOS_S_Standard"}, PREMIUM),
        ({"Other", "BPOS_S_Standard"}, STANDARD),
        ({"Other", "Not_BPOS_S_"}, NONE),
        (set(), NONE),
    ],
)
def test_exchange_tells_a_licence_by_the_capabilities_of_a_mailbox(
    capabilities: set[str], licence: AuditLicence
) -> None:
    audit = build_audit(capabilities=frozenset(capabilities))
    assert classify_capabilities(audit) is licence
    # Where Graph does not know the plans, Exchange's word counts.
    assert classify_licence(audit, None) is licence
    assert classify_licence(audit, Account("a1", plans=None)) is licence


@pytest.mark.parametrize(
    ("plans", "licence"),
    [
        ({ADVANCED_AUDITING_PLAN, *PLAN_1}, PREMIUM),
        (PLAN_1, STANDARD),
        ({"another plan"}, NONE),
    ],
)
def test_the_plans_of_the_account_come_before_what_exchange_says(
    plans: frozenset[str], licence: AuditLicence
) -> None:
    audit = build_audit(capabilities=frozenset({AUDITING_CAPABILITY}))
    assert classify_licence(audit, Account("a1", plans=frozenset(plans))) is licence


# Names ------------------------------------------------------------------------------------------


def test_names_compare_in_one_spelling_also_in_a_large_set() -> None:
    audit = build_audit({"Owner": frozenset({"harddelete", "Hover"})}, frozenset({"Admin"}))
    assert get_managed_logon_types(audit) == {"admin"}
    assert get_audited_actions(audit, "Owner") == {"HardDelete", "Hover"}
    for count in (MAX_CACHED_NAMES, MAX_CACHED_NAMES + 1):
        names = frozenset(f"NAME{number}" for number in range(count))
        assert lowercase_names(names) == {name.lower() for name in names}
        assert spell_actions(names | {"UPDATE"}) == names | {"Update"}


@pytest.mark.parametrize(("count", "end"), [(MAX_SHOWN, "a11"), (MAX_SHOWN + 2, "a11 and 2 more")])
def test_a_dozen_actions_are_named_and_the_others_counted(count: int, end: str) -> None:
    shown = format_action_list(frozenset(f"a{number:02}" for number in range(count)))
    assert shown.startswith("a00, a01, a02")
    assert shown.endswith(end)
    assert "y" * 61 not in format_action_list(frozenset({"y" * 99}))
    assert "y" * 60 in format_action_list(frozenset({"y" * 99}))


# What should be audited -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("licence", "default", "rule", "extra"),
    [
        (NONE, None, LICENSED, set()),
        (STANDARD, None, LICENSED, {MAIL_ITEMS_ACCESSED, SEND}),
        (PREMIUM, None, LICENSED, {MAIL_ITEMS_ACCESSED, SEND}),
        # What Microsoft has only begun to add is expected where this tenant has it.
        (STANDARD, frozenset[str](), LICENSED, set()),
        (STANDARD, frozenset({SEND}), LICENSED, {SEND}),
        (PREMIUM, frozenset[str](), LICENSED, {MAIL_ITEMS_ACCESSED, SEND}),
        (NONE, frozenset({SEND, "Hover"}), LICENSED, {SEND, "Hover"}),
        (NONE, None, REQUIRED, {MAIL_ITEMS_ACCESSED}),
        (PREMIUM, None, IGNORE, {SEND}),
    ],
)
def test_what_an_owner_s_list_should_hold(
    licence: AuditLicence,
    default: frozenset[str] | None,
    rule: ItemsAccessedRule,
    extra: set[str],
) -> None:
    expected = list_expected_actions("Owner", licence, default, rule)
    assert expected == UNLICENSED_ACTIONS["Owner"] | extra


def test_what_is_audited_of_one_logon_type_only_is_expected_there() -> None:
    assert SEND not in list_expected_actions("Delegate", PREMIUM, None, LICENSED)
    assert MAIL_ITEMS_ACCESSED in list_expected_actions("Delegate", PREMIUM, None, LICENSED)
    shown = frozenset({SEND})
    assert SEND in list_expected_actions("Delegate", STANDARD, shown, LICENSED)


def test_a_list_is_compared_with_what_is_expected_and_with_all_that_is_usual() -> None:
    expected = frozenset({"Update", "Hover"})
    audit = build_audit({"Owner": frozenset({"update", SEND, "Fly"})})
    deviation = compare_audit_set(audit, "Owner", expected)
    # Send is Microsoft's own under another licence.
    assert deviation == AuditSetDeviation("Owner", frozenset({"Fly"}), frozenset({"Hover"}))
    assert SEND in DEFAULT_ACTIONS["Owner"]


# What is done and said about it -----------------------------------------------------------------

MORE = AuditSetDeviation("Owner", frozenset({"Fly", "Ask"}), frozenset())
LESS = AuditSetDeviation("Admin", frozenset({MESSAGE_BIND}), frozenset({"Update", "Create"}))
BOTH = AuditSetDeviation("Delegate", frozenset({"Fly", MESSAGE_BIND}), frozenset({"Update"}))
SAME = AuditSetDeviation("Owner", frozenset(), frozenset())


def test_only_a_list_with_all_and_more_is_deliberate() -> None:
    assert [one.is_deliberate for one in (MORE, LESS, BOTH, SAME)] == [True, False, False, False]


def test_a_reset_keeps_what_was_added_and_expects_what_is_missing() -> None:
    assert build_audit_reset(build_audit(), [MORE, LESS, BOTH]) == ResetAuditSet(
        "g1",
        ("Owner", "Admin", "Delegate"),
        (("Owner", ("Ask", "Fly")), ("Delegate", ("Fly",))),
        (("Admin", ("Create", "Update")), ("Delegate", ("Update",))),
    )


@pytest.mark.parametrize(
    ("deviation", "facts"),
    [
        (MORE, ["Owner: audited besides: Ask, Fly (kept as it is)"]),
        (
            LESS,
            [
                "Admin: not audited: Create, Update",
                "Admin: MessageBind is dropped, Exchange refuses to set it again",
            ],
        ),
        (
            BOTH,
            [
                "Delegate: not audited: Update",
                "Delegate: audited besides: Fly (kept when it is reset)",
                "Delegate: MessageBind is dropped, Exchange refuses to set it again",
            ],
        ),
        (SAME, ["Owner: complete today, but without what Microsoft adds in future"]),
        # What is deliberate is kept with all that is in it.
        (
            AuditSetDeviation("Owner", frozenset({MESSAGE_BIND}), frozenset()),
            ["Owner: audited besides: MessageBind (kept as it is)"],
        ),
    ],
)
def test_what_differs_is_said_with_what_becomes_of_it(
    deviation: AuditSetDeviation, facts: list[str]
) -> None:
    assert [str(one) for one in list_deviation_facts(deviation)] == facts


def test_what_microsoft_audits_is_read_from_the_file_beside_the_module() -> None:
    assert read_default_actions() == (UNLICENSED_ACTIONS, LICENSED_ACTIONS)
    assert {row.action for row in LICENSED_ACTIONS} == {MAIL_ITEMS_ACCESSED, SEND}
