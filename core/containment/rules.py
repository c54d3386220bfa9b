"""The rules by which an account is contained without a person, if a setting names them. Pure.

    a new redirect that leaves ─┬─ by a session from where this person never was ─► contain
                                └─ beside a sign that the account was taken ─────► contain

Two signs within an hour have to agree, of one person. What is not known is no sign: a person whose
records show no past is not unfamiliar. What was there before the rule was switched on, and an
account that a person released, is left alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.model.activity import Act
from core.model.cases import Case, Exemption
from core.model.containment import Containment
from core.model.findings import Severity
from core.tenant.activity import ActorKind

REDIRECT_AND_SESSION = "redirect-and-session"
REDIRECT_AND_RISK = "redirect-and-risk"
WINDOW = timedelta(hours=1)
FORWARDING_GUARD, LEAVES = "mailbox-forwarding", "external"
RISK_GUARDS = frozenset({"risky-accounts", "mfa-registration", "privileged-change"})
"""The guards whose new cases of high severity about an account are signs that it was taken."""
ACCOUNT_FORWARDS = frozenset({"mailbox-forward", "inbox-rule-forward"})


@dataclass(frozen=True, slots=True)
class RuleEvidence:
    """What the rules are judged by."""

    cases: Mapping[str, tuple[Case, ...]] = field(default_factory=dict)
    """The open cases by guard."""
    acts: tuple[Act, ...] = ()
    """The acts of the last eight days."""


@dataclass(frozen=True, slots=True)
class RuleOrder:
    """An account that a rule wants contained, and why."""

    account_id: str
    rule: str
    reason: str


def find_rule_orders(
    evidence: RuleEvidence,
    rules: Iterable[str],
    containments: Iterable[Containment],
    exemptions: Mapping[str, Exemption],
    now: datetime,
) -> list[RuleOrder]:
    """The accounts that rules want contained now, each once."""
    wanted, known = frozenset(rules), tuple(containments)
    found: dict[str, RuleOrder] = {}
    for case in evidence.cases.get(FORWARDING_GUARD, ()):
        account = case.object_id.lower()
        if account in found or not is_new_redirect(case, now):
            continue
        if is_exempt(exemptions.get(account), now) or is_answered(account, case, known):
            continue
        order = judge_redirect(case, evidence, wanted)
        if order:
            found[account] = order
    return list(found.values())


def is_new_redirect(case: Case, now: datetime) -> bool:
    """Whether mail of one mailbox newly leaves, since the guard first looked."""
    return (
        case.kind in ACCOUNT_FORWARDS
        and case.guard_verdict == LEAVES
        and case.severity >= Severity.HIGH
        and case.closed_at is None
        and not case.baselined
        and not case.unread_since_first_look
        and timedelta() <= now - case.opened_at <= WINDOW
    )


def is_exempt(exemption: Exemption | None, now: datetime) -> bool:
    """Whether somebody released the account lately."""
    return exemption is not None and exemption.until > now


def is_answered(account: str, case: Case, containments: Iterable[Containment]) -> bool:
    """Whether the account was planned for, contained or refused since the case was opened, or is
    being contained or released.
    """
    return any(
        one.account_id == account and (one.planned_at >= case.opened_at or one.is_under_way)
        for one in containments
    )


def judge_redirect(case: Case, evidence: RuleEvidence, wanted: frozenset[str]) -> RuleOrder | None:
    """What the rules make of a new redirect."""
    if REDIRECT_AND_SESSION in wanted:
        address = find_unfamiliar_address(case, evidence.acts)
        if address:
            return RuleOrder(
                case.object_id.lower(),
                REDIRECT_AND_SESSION,
                f"{case.summary} Within the hour the same person acted from {address}, where no "
                "record of the last eight days has them.",
            )
    if REDIRECT_AND_RISK in wanted:
        sign = find_sign(case, evidence.cases)
        if sign:
            return RuleOrder(
                case.object_id.lower(),
                REDIRECT_AND_RISK,
                f"{case.summary} Within the hour: {sign.summary}",
            )
    return None


def find_unfamiliar_address(case: Case, acts: Iterable[Act]) -> str:
    """An address from which the person acted within the hour and never before; empty if there is
    none, or nothing to compare with.
    """
    own = [act for act in acts if act.address and is_by_owner(act, case)]
    recent = [act for act in own if abs(act.at - case.opened_at) <= WINDOW]
    before = {act.address for act in own if act.at < case.opened_at - WINDOW}
    if not before:
        return ""
    return next((act.address for act in recent if act.address not in before), "")


def is_by_owner(act: Act, case: Case) -> bool:
    """Whether the owner of the mailbox acted: by the object id, or by the mailbox's address where
    the record, as those of Exchange, has no more than a name. Where the two differ, nobody did.
    """
    if act.actor.id:
        return act.actor.id.lower() == case.object_id.lower()
    is_person = act.actor.kind is ActorKind.PERSON
    return is_person and "@" in case.subject and act.actor.name.lower() == case.subject.lower()


def find_sign(case: Case, cases: Mapping[str, tuple[Case, ...]]) -> Case | None:
    """A grave new case about the same account, opened within the hour."""
    return next(
        (
            other
            for guard in sorted(RISK_GUARDS)
            for other in cases.get(guard, ())
            if other.object_id.lower() == case.object_id.lower()
            and other.severity >= Severity.HIGH
            and not other.baselined
            and other.closed_at is None
            and abs(other.opened_at - case.opened_at) <= WINDOW
        ),
        None,
    )
