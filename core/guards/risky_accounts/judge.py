"""Judges accounts at risk: how grave each is, and what to do about it first. Pure."""

from collections.abc import Iterator, Mapping

from core.guards.risky_accounts.items import COMPROMISED, NoProtection, RiskyAccount
from core.guards.risky_accounts.remedies import build_risk_remedy
from core.guards.risky_accounts.sign_ins import (
    NewWay,
    PromptFlood,
    SignInItem,
    build_sign_in_finding,
)
from core.guards.risky_accounts.verdicts import RiskVerdict
from core.model.findings import Fact, Finding, Severity
from core.model.guards import GuardPolicy
from core.tenant.quoting import quote_text

MAX_NAME_LENGTH = 120
MAX_DETECTIONS = 6
RISK = "identity-risk"
"""The source of all that is told."""
PROTECTION = "identity-protection"
"""The object of the case that nothing of it can be read."""
SEVERITIES: Mapping[str, Severity] = {
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "none": Severity.LOW,
    "hidden": Severity.MEDIUM,
}


type RiskItem = RiskyAccount | NoProtection | SignInItem


def judge(item: RiskItem, policy: GuardPolicy) -> Iterator[Finding]:
    """What is told of an account at risk or a sign-in. A place alone is never a case."""
    match item:
        case NoProtection():
            yield build_missing_finding()
        case NewWay() | PromptFlood():
            yield build_sign_in_finding(item)
        case RiskyAccount() if not item.is_only_travel and item.is_known is not False:
            yield build_risk_finding(item)


def build_risk_finding(account: RiskyAccount) -> Finding:
    """One account."""
    name = quote_text(account.name or account.id, MAX_NAME_LENGTH)
    is_taken = account.state == COMPROMISED
    severity = Severity.CRITICAL if is_taken else SEVERITIES.get(account.level, Severity.MEDIUM)
    summary = (
        f"{name} is confirmed as compromised."
        if is_taken
        else f"Microsoft rates {name} as at risk ({describe_level(account.level)})."
    )
    return Finding(
        kind="risky-account",
        object_id=account.id,
        subject=name,
        severity=severity,
        verdict=RiskVerdict.COMPROMISED if is_taken else RiskVerdict.AT_RISK,
        summary=summary,
        facts=tuple(list_risk_facts(account)),
        sources=(RISK,),
        fingerprint=quote_text(account.changed, 64),
        advice=f"Contain it first. Ask {name}, by telephone, about these sign-ins; if they were "
        "theirs, dismiss the risk: Entra admin center > Protection > Risky users.",
        steps=build_risk_remedy(account.id, account.name, name),
        held_account=account.id,
        needs_own_exemption=True,
    )


def describe_level(level: str) -> str:
    """A level in words."""
    return "how much is not told without Entra ID P2" if level == "hidden" else level


def list_risk_facts(account: RiskyAccount) -> Iterator[Fact]:
    """What was detected, when, and what became of it."""
    if account.changed:
        yield Fact("risk last changed", quote_text(account.changed, 64))
    if account.detail and account.detail.casefold() != "none":
        yield Fact("because", quote_text(account.detail, MAX_NAME_LENGTH))
    for one in account.detections[:MAX_DETECTIONS]:
        place = f", from {quote_text(one.address, 64)}" if one.address else ""
        when = f", {one.at:%Y-%m-%d %H:%M} UTC" if one.at else ""
        kind = quote_text(one.kind, MAX_NAME_LENGTH)
        level = quote_text(one.level, 32) or "no level"
        yield Fact("detected", f"{kind} ({level}){place}{when}")
    if (more := len(account.detections) - MAX_DETECTIONS) > 0:
        yield Fact("", f"and {more:,} more detections")
    if account.is_known is None:
        yield Fact("", "whether the account still exists could not be read")
    yield Fact("technique", "T1078.004")


def build_missing_finding() -> Finding:
    """Neither risky users nor detections can be read."""
    return Finding(
        kind="no-identity-protection",
        object_id=PROTECTION,
        subject="Identity Protection",
        severity=Severity.INFO,
        verdict=RiskVerdict.NOT_LICENSED,
        summary="Nobody rates the risk of sign-ins here: Identity Protection cannot be read.",
        facts=(
            Fact(
                "",
                "it takes a licence of Entra ID P2 (detections alone: P1), or the app lacks "
                "IdentityRiskyUser.Read.All and IdentityRiskEvent.Read.All",
            ),
        ),
        sources=(RISK,),
        advice="With the licence, grant the permissions. Without it, causes of cases show what "
        "else a session did, and from how many addresses.",
        is_said_once=True,
    )
