"""What the guard of risk says of accounts and of sign-ins, word for word."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from core.guards.risky_accounts import GUARD
from core.guards.risky_accounts.items import Detection, NoProtection, RiskyAccount
from core.guards.risky_accounts.judge import RiskItem, judge
from core.guards.risky_accounts.sign_ins import NewWay, PromptFlood
from core.model.findings import Finding
from core.model.guards import GuardPolicy
from core.tenant.configuration import Configuration
from core.tenant.directory import Account, SignIn, SignInEvent, SignInKind
from core.tenant.readings import ReadFailure
from tests.support.fakes.tenant import FakeTenant
from tests.support.sentences import NOW, check_looks, check_sentences

TERMS = GuardPolicy(NOW)
LONG = "n" * 300
MINUTE = timedelta(minutes=1)
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
ROOM_PLAN = "8081ca9c-188c-4b49-a8e5-c23b5e9463a8"
TOKEN = Detection("anomalousToken", "medium", NOW, "203.0.113.9")
TRAVEL = Detection("newCountry", "low", None)


def say(item: RiskItem) -> list[Finding]:
    return list(judge(item, TERMS))


def account(level: str = "high", state: str = "atrisk", **more: Any) -> RiskyAccount:
    """An account at risk that is still there."""
    values: dict[str, Any] = {"changed": "2026-11-20T05:00:00Z", "is_known": True, **more}
    return RiskyAccount("u1", "ann@contoso.com", level, state, **values)


def test_sentences_about_accounts_at_risk() -> None:
    many = tuple(Detection(f"kind{number}", "low", NOW) for number in range(1_206))
    check_sentences(
        "risky_accounts",
        shows_steps=True,
        cases={
            **{
                f"Somebody whose risk is {level}": say(account(level))
                for level in ("high", "medium", "low", "none", "hidden", "of tomorrow")
            },
            "Somebody whose account was confirmed as compromised": say(
                account("low", "confirmedcompromised", detections=(TRAVEL,))
            ),
            "Somebody with what was detected": say(account(detections=(TOKEN, TRAVEL))),
            "Somebody with six detections": say(account(detections=many[:6])),
            "Somebody with seven": say(account(detections=many[:7])),
            "Somebody with more": say(account(detections=many)),
            "Somebody with long texts": say(
                replace(
                    account(
                        changed=LONG,
                        detail=LONG,
                        detections=(Detection(LONG, LONG, None, LONG), Detection("kind", "", None)),
                    ),
                    name=LONG,
                )
            ),
            "Somebody without a name, a time or a detail": say(
                replace(account(changed="", detail="NONE"), name="")
            ),
            "Somebody with a detail": say(account(detail="adminConfirmedSigninCompromised")),
            "Somebody of whom nobody knows whether they are there": say(account(is_known=None)),
            "Somebody who was deleted": say(account(is_known=False)),
            "Somebody who travels": say(account("medium", detections=(TRAVEL,))),
            "Somebody who travels and whose risk is high": say(account(detections=(TRAVEL,))),
            "A tenant without a licence": say(NoProtection()),
        },
    )


def event(
    kind: SignInKind = SignInKind.DEVICE_CODE, minutes: float = 30, **more: Any
) -> SignInEvent:
    """A sign-in of some minutes ago."""
    values: dict[str, Any] = {
        "name": "ann@contoso.com",
        "app_id": "a1",
        "app_name": "Broker",
        "address": "203.0.113.9",
        **more,
    }
    return SignInEvent("u1", kind, NOW - minutes * MINUTE, **values)


def flood(*addresses: str, signed_in_at: datetime | None = None, **more: Any) -> list[Finding]:
    """What is said of prompts from some addresses."""
    kind = SignInKind.PROMPT_DENIED
    events = tuple(
        event(kind, 50 - number, address=one, **more) for number, one in enumerate(addresses)
    )
    return say(PromptFlood(events, signed_in_at))


def test_sentences_about_sign_ins() -> None:
    bare: dict[str, Any] = {"name": "", "app_id": "", "app_name": "", "address": ""}
    long: dict[str, Any] = dict.fromkeys(bare, LONG)
    check_sentences(
        "risky_accounts_sign_ins",
        shows_steps=True,
        cases={
            "A device code": say(NewWay(event(), 1)),
            "Many device codes of a public tool": say(NewWay(event(app_id=AZURE_CLI), 1_234)),
            "An app without a name": say(NewWay(event(app_name=""), 1)),
            "A bare password": say(NewWay(event(SignInKind.ROPC), 1)),
            "A bare password of a public tool": say(
                NewWay(event(SignInKind.ROPC, app_id=AZURE_CLI), 1)
            ),
            "Nothing known": say(NewWay(event(**bare), 1)),
            "Long texts": say(NewWay(event(**long), 1)),
            "A flood": flood("203.0.113.9", "203.0.113.9", "", "198.51.100.1"),
            "A flood from many places": flood(*(f"192.0.2.{number}" for number in range(7))),
            "A flood from nowhere": flood("", ""),
            "A flood with a sign-in after it": flood("203.0.113.9", "", signed_in_at=NOW),
            "A flood that was reported": flood("203.0.113.9", detail="Fraud code entered"),
            "A flood that was reported, and a sign-in": flood(
                "203.0.113.9", detail="the user Reported it", signed_in_at=NOW
            ),
            "A flood of somebody without a name": flood(LONG, "", name=""),
            "A flood of somebody with a long name": flood("", name=LONG),
        },
    )


def build_tenant() -> FakeTenant:
    """A tenant with accounts at risk of every kind, and sign-ins of every kind."""
    risk: dict[str, object] = {
        "riskLevel": "medium",
        "riskState": "atRisk",
        "riskLastUpdatedDateTime": "2026-11-20T05:00:00Z",
        "riskDetail": "userPerformedSecuredPasswordReset",
    }
    users = ("u1", "U2", "deleted", "marked", "safe")
    listed = [
        Configuration("risky-user", one, one, {**risk, "userPrincipalName": f"{one}@contoso.com"})
        for one in users[:3]
    ]
    listed += [
        Configuration("risky-user", "marked", "", {**risk, "isDeleted": True}),
        Configuration("risky-user", "safe", "", {**risk, "riskState": "dismissed"}),
    ]
    found = [
        ("U1", "anomalousToken", "high", "2026-11-20T05:00:00Z"),
        ("u1", "", "low", "no time"),
        ("u1", "newCountry", "low", "2026-11-20T05:30:00Z"),
        ("u3", "newCountry", "", "2026-11-20T04:00:00Z"),
        ("u3", "leakedCredentials", "", "2026-11-20T03:00:00Z"),
        ("u4", "newCountry", "medium", "2026-11-20T03:00:00Z"),
        ("", "leakedCredentials", "high", "2026-11-20T03:00:00Z"),
    ]
    detected = [
        Configuration(
            "risk-detection",
            f"d{number}",
            "",
            {
                "userId": user,
                "userDisplayName": f"Name of {user}",
                "riskEventType": kind,
                "riskLevel": level,
                "riskState": "atRisk",
                "lastUpdatedDateTime": at,
            },
        )
        for number, (user, kind, level, at) in enumerate(found)
    ]
    detected.append(replace(detected[0], id="d9", values={"userId": "u5", "riskState": "none"}))
    return FakeTenant(
        users=[
            *(Account(one, f"{one}@contoso.com") for one in ("u1", "u2", "u3", "u4", "ann")),
            Account("room", "room@contoso.com", plans=frozenset({ROOM_PLAN}), licensed=True),
        ],
        configurations=[*listed, *detected],
        sign_in_events=[
            *(
                SignInEvent(who, kind, NOW - hours * 60 * MINUTE, f"{who}@contoso.com", app)
                for who, kind, hours, app in (
                    ("ann", SignInKind.DEVICE_CODE, 1, "a1"),
                    ("ann", SignInKind.DEVICE_CODE, 2, "a1"),
                    ("ann", SignInKind.ROPC, 3, ""),
                    ("room", SignInKind.DEVICE_CODE, 1, "a1"),
                )
            ),
            *(
                SignInEvent("u4", SignInKind.PROMPT_DENIED, NOW - number * MINUTE, "u4@contoso.com")
                for number in range(100, 108)
            ),
        ],
        logged_sign_ins=[SignIn("u4", NOW - 20 * MINUTE)],
    )


async def test_sentences_about_a_tenant_with_every_kind_of_risk() -> None:
    await check_looks("risky_accounts_looks", GUARD, build_tenant)


async def test_sentences_about_a_tenant_without_a_licence() -> None:
    tenant = FakeTenant()
    for one in ("configuration-risky-user", "configuration-risk-detection"):
        tenant.failures[one, ""] = ReadFailure(one, "not licensed", optional=True)
    await check_looks("risky_accounts_unlicensed_looks", GUARD, lambda: tenant)


async def test_sentences_about_a_tenant_without_risks() -> None:
    await check_looks("risky_accounts_quiet_looks", GUARD, FakeTenant)
