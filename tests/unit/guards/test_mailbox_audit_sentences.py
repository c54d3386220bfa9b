"""What the guard of mailbox auditing says of a mailbox in which one thing is wrong."""

from collections.abc import Iterable, Mapping
from copy import replace
from datetime import UTC, datetime
from typing import Any

from core.guards.mailbox_audit.guard import GUARD
from core.guards.mailbox_audit.items import AuditItem, LicensedAudit
from core.guards.mailbox_audit.judge import judge
from core.guards.mailbox_audit.memory import Recorded
from core.guards.mailbox_audit.remedies import (
    build_actions_remedy,
    build_bypass_remedy,
    build_log_remedy,
    build_organization_remedy,
    build_plan_remedy,
)
from core.microsoft365.audit_actions import DEFAULT_ACTIONS, AuditLicence
from core.microsoft365.service_plans import ADVANCED_AUDITING_PLAN
from core.model.findings import Finding
from core.model.guards import GuardPolicy
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.directory import Account
from core.tenant.mailboxes import Mailbox
from tests.support.sentences import check_looks, check_sentences, check_steps

TERMS = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC), GUARD.options)
LONGER = replace(TERMS, options=replace(GUARD.options, age_days=180))
ALL = frozenset(DEFAULT_ACTIONS)
READING = "MailItemsAccessed"
AUDIT = MailboxAudit(
    Mailbox("m1", "g1", "ann@contoso.com", "Ann"), True, ALL, dict(DEFAULT_ACTIONS), 90.0
)
UNTICKED = Account("m1", plans=frozenset(), switched_off_plans=frozenset({ADVANCED_AUDITING_PLAN}))


def say(item: AuditItem, terms: GuardPolicy = TERMS) -> list[Finding]:
    return list(judge(item, terms))


def mailbox(licence: AuditLicence = AuditLicence.PREMIUM, **changed: Any) -> LicensedAudit:
    """A mailbox in order, some settings of which are changed."""
    return LicensedAudit(replace(AUDIT, **changed), licence)


def by_hand(lists: Mapping[str, Iterable[str]], **more: Any) -> LicensedAudit:
    """A mailbox some of whose lists of actions were set by hand."""
    changed = {name: frozenset(actions) for name, actions in lists.items()}
    item = mailbox(default_set=ALL - set(lists), actions={**DEFAULT_ACTIONS, **changed})
    return replace(item, **more)


def blind(*logon_types: str, **more: Any) -> LicensedAudit:
    """A mailbox that does not record what was read."""
    lists = {name: DEFAULT_ACTIONS[name] - {READING} for name in logon_types}
    return by_hand(lists, **more)


OWNER = DEFAULT_ACTIONS["Owner"]
RECORDED = Recorded(frozenset({"Owner", "Admin"}))
PREMIUM_BEFORE = Recorded(had_premium=True)
STANDARD, NONE = AuditLicence.STANDARD, AuditLicence.NONE


def test_sentences_about_audit_settings() -> None:
    unread = mailbox(actions={"Admin": DEFAULT_ACTIONS["Admin"]}, default_set=frozenset({"Admin"}))
    shown_in_part = mailbox(actions={name: DEFAULT_ACTIONS[name] for name in ("Admin", "Owner")})
    many = frozenset(f"Action{number:02}" for number in range(14))
    check_sentences(
        "mailbox_audit",
        {
            "Both switches of the organization are off": say(OrganizationAudit(True, False)),
            "The log of an organization that shares Microsoft's configuration is off": say(
                OrganizationAudit(False, unified_log=False, dehydrated=True)
            ),
            "Nobody knows either switch": say(OrganizationAudit(None, None, None)),
            "Exchange contradicts itself about one mailbox": say(
                OrganizationAudit(
                    False, True, unlogged_count=1, unlogged_examples=("ann@contoso.com",)
                )
            ),
            "Exchange contradicts itself about many, one of them with a long name": say(
                OrganizationAudit(
                    False, True, unlogged_count=1_200, unlogged_examples=("ann@x.com", "b" * 300)
                )
            ),
            "An account is recorded nowhere": say(AuditBypass("b1", "Eve")),
            "An account without a name is recorded nowhere": say(AuditBypass("b2", "")),
            "An account with a long name is recorded nowhere": say(AuditBypass("b3", "x" * 300)),
            "A mailbox is not audited": say(mailbox(enabled=False)),
            "Whether a mailbox is audited is not shown": say(mailbox(enabled=None)),
            "How long records are kept is not shown": say(mailbox(age_days=None)),
            "Records are kept for half a day": say(mailbox(age_days=0.5)),
            "Records are kept as long as Microsoft keeps them, and the setting asks for more": say(
                mailbox(), LONGER
            ),
            "Records are kept for a month, and the setting asks for more": say(
                mailbox(age_days=30.0), LONGER
            ),
            "Nothing is shown, and so nothing is written": say(
                mailbox(enabled=None, age_days=30.0, default_set=frozenset())
            ),
            "A list lacks an action": say(by_hand({"Owner": OWNER - {"HardDelete"}})),
            "A list is Microsoft's, set by hand": say(by_hand({"Owner": OWNER})),
            "A list has more": say(by_hand({"Owner": OWNER | {"Move"}})),
            "A list has more and another is Microsoft's": say(
                by_hand({"Owner": OWNER | {"Move"}, "Admin": DEFAULT_ACTIONS["Admin"]})
            ),
            "A list has more, among it an action that Exchange refuses": say(
                by_hand({"Owner": OWNER | {"Move", "MessageBind"}})
            ),
            "A list has only an action that Exchange refuses": say(
                by_hand({"Owner": {"MessageBind"}})
            ),
            "A list has many more and lacks one": say(
                by_hand({"Owner": (OWNER - {"Update"}) | many})
            ),
            "Two lists are not shown": say(unread),
            "A list in Microsoft's hands is not shown": say(shown_in_part),
            "A list in Microsoft's hands is not shown, and recorded reading before": say(
                replace(shown_in_part, recorded=Recorded(frozenset({"Delegate"})))
            ),
            "Reading is not recorded": say(blind("Owner")),
            "Reading is not recorded, and the plan was unticked": say(
                blind("Owner", licence=STANDARD, account=UNTICKED)
            ),
            "Reading is recorded no longer": say(blind("Owner", "Admin", recorded=RECORDED)),
            "Reading is recorded no longer by one of two": say(
                blind("Owner", "Delegate", recorded=RECORDED)
            ),
            "Reading is recorded no longer, and the plan was unticked": say(
                blind("Owner", licence=STANDARD, recorded=RECORDED, account=UNTICKED)
            ),
            "Reading is recorded no longer, and the licence is gone": say(
                blind("Owner", licence=NONE, recorded=RECORDED)
            ),
            "Another list is not shown, and one lacks an action": say(
                mailbox(
                    default_set=frozenset({"Admin"}),
                    actions={"Admin": DEFAULT_ACTIONS["Admin"], "Owner": OWNER - {"Update"}},
                )
            ),
            "A list in Microsoft's hands does not record reading, and has more": say(
                mailbox(actions={**DEFAULT_ACTIONS, "Owner": (OWNER - {READING}) | {"Move"}})
            ),
            "A list lacks another action, and the plan was unticked": say(
                by_hand({"Owner": OWNER - {"Update"}}, licence=STANDARD, account=UNTICKED)
            ),
            "Reading is not recorded, and the plan was unticked under one licence of two": say(
                blind("Owner", account=UNTICKED)
            ),
            "Exchange still shows the auditing licence": say(
                replace(
                    mailbox(STANDARD, capabilities=frozenset({"M365Auditing"})),
                    recorded=PREMIUM_BEFORE,
                )
            ),
            "The auditing plan was unticked": say(
                replace(mailbox(STANDARD), recorded=PREMIUM_BEFORE, account=UNTICKED)
            ),
            "The auditing licence is gone, and the account was not read": say(
                replace(mailbox(STANDARD), recorded=PREMIUM_BEFORE)
            ),
            "The auditing licence is gone, and the account's plans are not known": say(
                replace(
                    mailbox(STANDARD), recorded=PREMIUM_BEFORE, account=Account("m1", plans=None)
                )
            ),
            "The auditing licence was replaced": say(
                replace(
                    mailbox(STANDARD),
                    recorded=PREMIUM_BEFORE,
                    account=Account("m1", plans=frozenset({"other"})),
                )
            ),
        },
    )


def test_sentences_about_what_to_do() -> None:
    box = AUDIT.mailbox
    check_steps(
        "mailbox_audit_steps",
        {
            "Auditing is off for everybody": build_organization_remedy(),
            "The unified audit log is off": build_log_remedy(is_dehydrated=False),
            "It is off, and the organization has no settings of its own": build_log_remedy(
                is_dehydrated=True
            ),
            "What an account does is recorded nowhere": build_bypass_remedy("b1", "Eve (x)"),
            "It has an id that no command can hold": build_bypass_remedy("a\nb", "Eve (x)"),
            "A mailbox records too little": build_actions_remedy(box),
            "A mailbox without an address records too little": build_actions_remedy(
                replace(box, address="")
            ),
            "The auditing plan is off": build_plan_remedy(box),
            "The auditing plan of a mailbox without an address is off": build_plan_remedy(
                replace(box, address="")
            ),
        },
    )


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("mailbox_audit_looks", GUARD)
