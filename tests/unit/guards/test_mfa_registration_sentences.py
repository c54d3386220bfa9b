"""What the guard of second factors says of administrators and of everybody else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from core.guards.mfa_registration.guard import GUARD
from core.guards.mfa_registration.items import (
    EXTERNAL_MEMBERS,
    FEDERATED,
    GUESTS,
    MEMBERS,
    AddedMethods,
    Administrator,
    GroupSummary,
)
from core.guards.mfa_registration.judge import judge
from core.model.findings import Finding
from core.model.guards import GuardPolicy
from core.tenant.directory import Account, MfaRegistration
from tests.support.fakes.tenant import FakeTenant
from tests.support.sentences import NOW, check_looks, check_sentences

TERMS = GuardPolicy(NOW)
ADMIN = MfaRegistration("u1", "ann@contoso.com", is_admin=True)
WITHOUT, WEAK = "without-second-factor", "weak-factor"
PHONE: dict[str, Any] = {
    "mfa_registered": True,
    "mfa_capable": True,
    "methods": frozenset({"mobilephone", "email"}),
}
STRONG: dict[str, Any] = {
    "mfa_registered": True,
    "mfa_capable": True,
    "methods": frozenset({"softwareonetimepasscode"}),
}


def say(is_federated: bool = False, known: bool = True, **entry: Any) -> list[Finding]:
    """What is said of an administrator who has registered something or nothing."""
    return list(judge(Administrator(replace(ADMIN, **entry), is_federated, known), TERMS))


def add(*names: str, earlier: tuple[str, ...] = ("softwareonetimepasscode",)) -> list[Finding]:
    """What is said of methods that an administrator got since the look before."""
    return list(judge(AddedMethods(ADMIN, names, NOW - timedelta(hours=6), earlier), TERMS))


def count(group: str, lack: str, of: int, total: int = 100, **more: Any) -> list[Finding]:
    """What is said of a group of which so many lack something."""
    return list(judge(GroupSummary(group, lack, total, of, **more), TERMS))


def test_sentences_about_second_factors() -> None:
    seven = tuple(f"user{number}@contoso.com" for number in range(7))
    check_sentences(
        "mfa_registration",
        {
            "An administrator with a strong factor": say(**STRONG),
            "Somebody who is no administrator": say(is_admin=False),
            "An administrator with nothing": say(),
            "An administrator without a name": say(upn=""),
            "An administrator with a long name": say(upn="a" * 300),
            "An administrator with a telephone": say(**PHONE),
            "An administrator with a telephone that policy does not allow": say(
                **PHONE | {"mfa_capable": False}
            ),
            "An administrator with an address for resets": say(
                mfa_registered=True, mfa_capable=True, methods=frozenset({"email"})
            ),
            "An administrator with many methods": say(
                methods=frozenset(f"method{number:02}" for number in range(12))
            ),
            "An administrator with a method that nobody knows": say(
                mfa_registered=True, mfa_capable=True, methods=frozenset({"somethingnew"})
            ),
            "An administrator with a passkey that the report does not count": say(
                methods=frozenset({"passkeydevicebound"})
            ),
            "An administrator with a provider of one's own": say(
                methods=frozenset({"externalauthmethod"})
            ),
            "An administrator without a password": say(passwordless_capable=True),
            "A guest": say(is_guest=True),
            "A guest with a telephone": say(is_guest=True, **PHONE),
            "A member of another organization": say(upn="x_y.example#EXT#@contoso.com"),
            "An administrator whom another provider signs in": say(is_federated=True),
            "An administrator whom another provider signs in, with a telephone": say(
                is_federated=True, **PHONE
            ),
            "A guest whom another provider signs in": say(is_federated=True, is_guest=True),
            "An administrator of whom nobody knows who signs them in": say(known=False),
            "The account of Entra Connect": say(upn="Sync_DC1_0@contoso.com"),
            "A telephone was added": add("mobilephone"),
            "A telephone was added to a passkey": add("mobilephone", earlier=("fido2securitykey",)),
            "A telephone was added to a passkey and a code": add(
                "mobilephone", earlier=("fido2securitykey", "softwareonetimepasscode")
            ),
            "A passkey and a telephone were added to a passkey": add(
                "passkeydevicebound", "mobilephone", earlier=("fido2securitykey",)
            ),
            "A passkey was added to a passkey": add(
                "passkeydevicebound", earlier=("fido2securitykey",)
            ),
            "A computer's own method was added": add("windowshelloforbusiness"),
            "A computer's own method and a code were added": add(
                "windowshelloforbusiness", "softwareonetimepasscode", earlier=("email",)
            ),
            "The first method was added": add("softwareonetimepasscode", earlier=()),
            "Many methods were added": add(*(f"m{number:02}" for number in range(12))),
            "A method was added to somebody without a name": list(
                judge(AddedMethods(replace(ADMIN, upn=""), ("m",), NOW, ("n",)), TERMS)
            ),
            "Nobody lacks anything": count(MEMBERS, WITHOUT, 0),
            "Of members under a twentieth lack one": count(MEMBERS, WITHOUT, 4),
            "Of members a twentieth lack one": count(MEMBERS, WITHOUT, 5),
            "Of members under a quarter lack one": count(MEMBERS, WITHOUT, 24),
            "Of members a quarter lack one": count(
                MEMBERS, WITHOUT, 2500, 10_000, names=seven, disallowed_count=1200
            ),
            "Of members all were looked up": count(MEMBERS, WITHOUT, 7, names=seven),
            "Of members some were not looked up": count(
                MEMBERS, WITHOUT, 7, names=seven, unchecked_count=1234
            ),
            "Of members many have a telephone only": count(
                MEMBERS, WEAK, 90, names=("n" * 300,), disallowed_count=3, unchecked_count=5
            ),
            "Of guests many lack one": count(GUESTS, WITHOUT, 90),
            "Of guests many have a telephone only": count(GUESTS, WEAK, 90),
            "Of external members many lack one": count(EXTERNAL_MEMBERS, WITHOUT, 90),
            "Of federated members many lack one": count(FEDERATED, WITHOUT, 90),
            "Of nobody one lacks one": count(MEMBERS, WITHOUT, 1, 0),
        },
    )


def build_registered_tenant() -> FakeTenant:
    """Administrators, members, guests and federated accounts, with and without factors."""
    names = ["a", "b", "c", "d", "e", "f", "g", "h"]
    rows = [
        ADMIN,
        replace(ADMIN, id="u2", upn="root@fed.example"),
        replace(ADMIN, id="u3", upn="gone@contoso.com"),
        replace(ADMIN, id="u4", upn="unsure@contoso.com", is_admin=None),
        replace(ADMIN, id="u5", upn="strong@contoso.com", **STRONG),
        *(
            MfaRegistration(f"m-{name}", f"{name}@contoso.com", mfa_registered=name == "b")
            for name in names
        ),
        MfaRegistration("p1", "phone@contoso.com", **PHONE),
        MfaRegistration("g1", "max_partner.example#EXT#@contoso.com", is_guest=True),
        MfaRegistration("x1", "pia_partner.example#EXT#@contoso.com"),
        MfaRegistration("f1", "fay@FED.example"),
        MfaRegistration("n1", ""),
        *(MfaRegistration(f"B{number:03}", f"B{number:03}@contoso.com") for number in range(30)),
        replace(ADMIN, id="u6", upn="weak@contoso.com", **PHONE),
    ]
    disabled = {"u3", "m-c"}
    users = [Account(one.id, one.upn, enabled=one.id not in disabled) for one in rows]
    return FakeTenant(
        mfa_registrations=rows,
        users=[one for one in users if one.id != "m-d"],
        federated_domains=["Fed.Example"],
        page_size=6,
    )


async def test_sentences_about_a_tenant_with_accounts_of_all_kinds() -> None:
    await check_looks("mfa_registration_report_looks", GUARD, build_registered_tenant)


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("mfa_registration_looks", GUARD)
