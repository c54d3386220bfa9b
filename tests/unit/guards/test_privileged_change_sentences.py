"""What the guard of what protects says of people who can undo it, and of what they did."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from core.guards.privileged_change.acts import (
    BULK_READS,
    ELEVATION_ACTS,
    OPERATIONS,
    SECRET_ACTS,
    PrivilegedAct,
    find_acts,
)
from core.guards.privileged_change.administrators import (
    AddedHolder,
    TooManyHolders,
)
from core.guards.privileged_change.directory_acts import Surroundings, find_directory_acts
from core.guards.privileged_change.directory_operations import (
    BUSY_OPERATIONS,
    PRECISE_OPERATIONS,
)
from core.guards.privileged_change.emergency import EmergencyAccount
from core.guards.privileged_change.guard import GUARD, PrivilegedItem, PrivilegedOptions, judge
from core.guards.privileged_change.stale_administrators import (
    ManyAdministrators,
    StaleAdministrator,
)
from core.microsoft365.activity_operations import normalize_operation
from core.microsoft365.directory_roles import GLOBAL_ADMINISTRATOR
from core.model.findings import Finding
from core.model.guards import GuardPolicy
from core.tenant.activity import ActivityActor, ActivityLog, ActivityRecord, ActorKind
from core.tenant.configuration import Configuration
from core.tenant.directory import Account, RoleHolder, SignIn
from tests.support.fakes.tenant import FakeTenant
from tests.support.sentences import NOW, check_looks, check_sentences

TERMS = GuardPolicy(NOW)
EXCHANGE_ADMINISTRATOR = "29232cdf-9323-42fd-ade2-1d097af3e4de"
LONG = "n" * 300
HOUR = timedelta(hours=1)
EVE_ID = "e7e00000-0000-4000-8000-00000000000e"
EVE = ActivityActor(ActorKind.PERSON, "eve@contoso.com", EVE_ID)
BOSS_ID = "b0550000-0000-4000-8000-00000000000b"
BOSS = RoleHolder(BOSS_ID, "entra", frozenset({GLOBAL_ADMINISTRATOR}), "boss@contoso.com")


def say(item: PrivilegedItem) -> list[Finding]:
    return list(judge(item, TERMS))


def holds(role: str, via: str = "entra", name: str = "eve@contoso.com") -> list[Finding]:
    """What is said of somebody who holds a role since this look."""
    return say(AddedHolder(RoleHolder("e1", via, name=name), role, NOW, 1234))


def test_sentences_about_administrators() -> None:
    check_sentences(
        "privileged_change_administrators",
        shows_steps=True,
        cases={
            "Somebody became Global Administrator": holds(GLOBAL_ADMINISTRATOR),
            "Somebody may become Global Administrator": holds(GLOBAL_ADMINISTRATOR, "eligible"),
            "Somebody became Exchange Administrator": holds(EXCHANGE_ADMINISTRATOR),
            "Somebody without a name got a role of the tenant's own": holds("own-role", name=""),
            "Somebody with a long name got a role with a long one": holds(
                "r" * 300, name="n" * 300
            ),
            "The account of a server that copies a directory in": holds(
                GLOBAL_ADMINISTRATOR, name="Sync_DC1_0123456789ab@contoso.com"
            ),
            "Somebody owns a group that holds a role": say(
                AddedHolder(
                    RoleHolder("e1", "owner", name="eve@contoso.com"),
                    GLOBAL_ADMINISTRATOR,
                    NOW,
                    12,
                    is_owner=True,
                )
            ),
            "More are Global Administrators than are remembered": say(
                TooManyHolders(GLOBAL_ADMINISTRATOR, 1234)
            ),
            "More hold an own role than are remembered": say(TooManyHolders("own-role", 301)),
        },
    )


def record(operation: str, *names: str, hours: float = 1, **more: Any) -> ActivityRecord:
    """An act of some hours ago."""
    values: dict[str, Any] = {"actor": EVE, "address": "198.51.100.9", **more}
    log, at = ActivityLog.DIRECTORY, NOW - hours * HOUR
    name = f"{operation} {names} {hours}"
    return ActivityRecord(name, log, normalize_operation(operation), at, names=names, **values)


def act(operation: str, whom: str = BOSS_ID, name: str = "boss@contoso.com", **more: Any) -> Any:
    """What is said of one act on an administrator."""
    by_another = more.pop("is_by_another", False)
    done = record(operation, whom, **more)
    return say(PrivilegedAct(done, "was given something", whom, name, is_by_another=by_another))


def find_in_log(actor: ActivityActor) -> list[Finding]:
    """What is said of one actor who elevates themselves, reads secrets, and adds a method."""
    holders = [BOSS, RoleHolder("a1", "entra")]
    reads = [
        record(SECRET_ACTS[0], f"d{number}", hours=9 - number / 9, actor=actor)
        for number in range(BULK_READS + 2)
    ]
    # What was read last is what the log calls its reader by.
    reads[0] = replace(reads[0], actor=replace(actor, name=""))
    reads[1] = replace(reads[1], actor=replace(actor, name=""))
    records = [
        record(ELEVATION_ACTS[0], "x", actor=actor),
        record("Add FIDO2 security key", "A1", actor=actor),
        record("Disable Strong Authentication", "nobody who administers", actor=actor),
        *reads,
    ]
    return [one for found in find_acts(records, holders) for one in say(found)]


def test_sentences_about_acts() -> None:
    nobody = ActivityActor(ActorKind.UNKNOWN)
    check_sentences(
        "privileged_change_acts",
        shows_steps=True,
        cases={
            **{one: act(one) for one in OPERATIONS},
            "By somebody else": act(OPERATIONS[0], is_by_another=True),
            "By nobody, from nowhere": act(OPERATIONS[0], actor=nobody, address=""),
            "By somebody without a name": act(OPERATIONS[0], actor=replace(EVE, name="")),
            "With long names": act(OPERATIONS[0], name=LONG, actor=replace(EVE, name=LONG)),
            **{
                f"Found in the log: {title}": find_in_log(actor)
                for title, actor in {
                    "by somebody": EVE,
                    "by somebody without an id": replace(EVE, id="", name="Eve@contoso.com"),
                    "by somebody without a name": replace(EVE, name=""),
                    "by nobody": nobody,
                }.items()
            },
            **{
                f"{one}, by somebody who goes by a name": act(one, "eve@contoso.com")
                for one in (OPERATIONS[0], OPERATIONS[-1], OPERATIONS[-3], OPERATIONS[-4])
            },
        },
    )


def log(*records: ActivityRecord, **more: Any) -> list[Finding]:
    """What is said of records of the directory's log."""
    around = Surroundings({BOSS_ID: "boss@contoso.com"}, **more)
    return [one for found in find_directory_acts(records, around) for one in say(found)]


def look_alike(domain: str) -> str:
    """The own domain that a domain looks like."""
    return "contoso.com" if domain == "c0ntoso.com" else ""


INVITE, PASS = "Invite external user", "Admin updated temporary access pass"
ENABLE, RESET, ADD, DELETE = "Enable account", "Reset user password", "Add user", "Delete user"
GUEST = replace(EVE, name="pat_harbour.example#EXT#@contoso.com")
RENAMED = replace(EVE, name="eve.smith@contoso.com")
BOSS_ACTOR = ActivityActor(ActorKind.PERSON, "boss@contoso.com", BOSS_ID)
POLICY_TEXT = '{"B2BManagementPolicy":{}}'


def repeat(operation: str, count: int, minutes: float = 1, **more: Any) -> list[ActivityRecord]:
    """An operation on some objects, one after the other."""
    return [
        record(operation, f"t{number}", hours=9 - number * minutes / 60, **more)
        for number in range(count)
    ]


def test_sentences_about_each_operation_of_the_directory() -> None:
    whom = {
        "an administrator": (BOSS_ID, "boss@contoso.com"),
        "somebody": ("u1", "ann@contoso.com"),
    }
    check_sentences(
        "privileged_change_operations",
        shows_steps=True,
        cases={
            f"{one}, {title}": log(record(one, *names, parameters={"x": POLICY_TEXT}))
            for one in (*PRECISE_OPERATIONS, *BUSY_OPERATIONS)
            for title, names in whom.items()
        },
    )


def test_sentences_about_who_did_what_to_whom() -> None:
    check_sentences(
        "privileged_change_directory",
        cases={
            "By Microsoft": log(record(RESET, BOSS_ID, actor=ActivityActor(ActorKind.MICROSOFT))),
            "By somebody without a name": log(record(RESET, BOSS_ID, actor=replace(EVE, name=""))),
            "By nobody": log(
                record(RESET, BOSS_ID, actor=ActivityActor(ActorKind.UNKNOWN), address="")
            ),
            "By nobody, to nothing": log(
                record(PRECISE_OPERATIONS[0], actor=ActivityActor(ActorKind.UNKNOWN))
            ),
            "By a long name, to one": log(
                record("Delete application", "a1", shown=LONG, actor=replace(EVE, name=LONG))
            ),
            "By oneself, known by name only": log(
                record(RESET, BOSS_ID, "EVE@contoso.com", actor=replace(EVE, id=""))
            ),
            "Enabled, and a password a day later": log(
                record(ENABLE, "u1", hours=25), record(RESET, "U1", shown="Ann")
            ),
            "Enabled, and a password later": log(
                record(ENABLE, "u1", hours=25.1), record(RESET, "u1")
            ),
            "A password, and enabled": log(record(RESET, "u1", hours=5), record(ENABLE, "u1")),
            "Made and deleted within a day": log(
                record(ADD, "t1", "a@contoso.com", hours=25), record(DELETE, "T1")
            ),
            "Made and deleted later": log(record(ADD, "t1", hours=25.1), record(DELETE, "t1")),
            "Made and deleted at once": log(record(ADD, "t1"), record(DELETE, "t1")),
            "Deleted and made": log(record(DELETE, "t1", hours=2), record(ADD, "t1")),
            "Two made and deleted": log(
                *(record(ADD, one, hours=3) for one in ("t1", "t2")),
                *(record(DELETE, one) for one in ("t1", "t2", "t3")),
            ),
            "Enabled, and a password, of an administrator": log(
                record(ENABLE, BOSS_ID, hours=5), record(RESET, BOSS_ID)
            ),
            "By two who go by names": log(
                *(
                    record(DELETE, "t1", actor=replace(EVE, id="", name=name))
                    for name in ("eve", "mallory")
                ),
                record(ADD, "t1", hours=2, actor=replace(EVE, id="", name="Mallory")),
            ),
            "An administrator with a long name": [
                one
                for found in find_directory_acts([record(RESET, "x1")], Surroundings({"x1": LONG}))
                for one in say(found)
            ],
            "By nobody, to what nobody calls anything": log(
                record(RESET, BOSS_ID, "", actor=ActivityActor(ActorKind.UNKNOWN))
            ),
            "A policy about something else, and one about guests": log(
                record("Update policy", "p1", hours=2),
                record("Update policy", "p2", parameters={"x": POLICY_TEXT}),
            ),
        },
    )


def test_sentences_about_many_acts_of_one_actor() -> None:
    owner = "Remove owner from application"
    check_sentences(
        "privileged_change_many_acts",
        cases={
            "Passes for four": log(*repeat(PASS, 4)),
            "Passes for two": log(*repeat(PASS, 2)),
            "A pass for an administrator": log(record(PASS, BOSS_ID)),
            "Passes for five": log(*repeat(PASS, 5)),
            "Passes for one, again and again": log(record(PASS, "t1"), record(PASS, "t1", hours=2)),
            "A pass for somebody who began two weeks ago": log(
                record(PASS, "T1"), made_at={"t1": NOW - timedelta(days=14, hours=1)}
            ),
            "A pass for somebody who began before": log(
                record(PASS, "t1"), made_at={"t1": NOW - timedelta(days=14, hours=1, minutes=1)}
            ),
            "Nineteen guests": log(*repeat(INVITE, 19)),
            "Twenty guests": log(*repeat(INVITE, 20)),
            "Few guests by one, and many by another": log(
                *repeat(INVITE, 2), *repeat(INVITE, 20, actor=BOSS_ACTOR)
            ),
            "Guests by a guest": log(*repeat(INVITE, 2, actor=GUEST)),
            "A guest from a look-alike": log(
                record(INVITE, "g0", "x@other.example", hours=2),
                record(INVITE, "g1", "kim_x_C0ntoso.com#EXT#@contoso.com", "#EXT#"),
                looks_like_own=look_alike,
            ),
            "A guest from a look-alike, by address": log(
                record(INVITE, "g1", '"a@b"@c0ntoso.com'), looks_like_own=look_alike
            ),
            "Guests on two days": log(*repeat(INVITE, 20, 72)),
            "Four apps within an hour": log(*repeat("Add application", 4)),
            "Five apps within an hour": log(*repeat("Add application", 5, 15)),
            "Five apps of somebody who changes their name": log(
                *repeat("Add application", 4),
                record("Add application", "t9", hours=8.9, actor=RENAMED),
            ),
            "Five apps within longer": log(*repeat("Add application", 5, 15.1)),
            "Apps by an app": log(
                *repeat("Add application", 5, actor=replace(EVE, kind=ActorKind.APP))
            ),
            "Apps removed": log(*repeat("Delete application", 12, 0.01)),
            "Two apps removed": log(*repeat("Delete application", 2)),
            "Eight and nine": [
                *log(*repeat("Delete application", 8)),
                *log(*repeat("Delete application", 9)),
            ],
            "Apps removed by an app": log(
                *repeat("Delete application", 2, actor=replace(EVE, kind=ActorKind.APP))
            ),
            "An owner removed": log(*repeat(owner, 1)),
            "Owners and an app removed": log(
                *repeat(owner, 2), record("Delete application", "a1", shown="Payroll")
            ),
        },
    )


def test_sentences_about_emergencies_and_senders() -> None:
    known = EmergencyAccount("chief@contoso.com", BOSS_ID, NOW - HOUR)

    def block(identity: str = "Dana@contoso.com", **values: object) -> list[Finding]:
        return say(Configuration("blocked-sender", identity, identity, values))

    stale = Account(BOSS_ID, "boss@contoso.com")
    check_sentences(
        "privileged_change_emergencies",
        shows_steps=True,
        cases={
            "A sign-in with an emergency account": say(known),
            "A sign-in with one with a long name": say(replace(known, name=LONG)),
            "An emergency account that rests": say(replace(known, signed_in_at=None)),
            "An emergency account that is gone": say(EmergencyAccount("Spare@contoso.com")),
            "A blocked sender": block(),
            "A blocked sender with all that is told": block(
                Reason="OutboundSpamLast24Hours=9", CreatedDatetime="2026-11-20"
            ),
            "A blocked sender, dated otherwise": block(WhenCreated="2026-11-20"),
            "A blocked sender with long texts": block(LONG, Reason=LONG * 2, CreatedDateTime=LONG),
            "An administrator whom nobody uses": say(
                StaleAdministrator(stale, ("Global Administrator", "Other"), NOW - 2_400 * HOUR)
            ),
            "An administrator without a name": say(
                StaleAdministrator(replace(stale, upn=""), (), NOW)
            ),
            "An administrator with a long name": say(
                StaleAdministrator(replace(stale, upn=LONG), (), NOW)
            ),
            "Many administrators": say(
                ManyAdministrators(("b", "A", LONG, *(f"c{number}" for number in range(8))))
            ),
        },
    )


def build_tenant() -> FakeTenant:
    """A tenant with acts of every kind, emergency accounts, and administrators whom nobody uses."""
    other = RoleHolder("a1", "eligible", frozenset({EXCHANGE_ADMINISTRATOR}))
    through = RoleHolder("x1", "exchange", name="x1@contoso.com")
    group = replace(BOSS, id="g1", is_group=True)
    return FakeTenant(
        holders=[BOSS, other, through, group],
        users=[
            Account(BOSS_ID, "boss@contoso.com"),
            Account("a1", "a1@contoso.com"),
            Account("c1", "chief@contoso.com"),
            Account("p1", "p1@contoso.com", created_at=NOW - timedelta(days=2)),
        ],
        sign_ins=[SignIn(BOSS_ID, NOW - timedelta(days=91)), SignIn("a1", NOW)],
        logged_sign_ins=[SignIn("c1", NOW - HOUR)],
        activity_records=[
            record("User registered security info", BOSS_ID),
            record("Disable Strong Authentication", BOSS_ID, hours=30),
            record("Read BitLocker key", "d1"),
            *(record("Read BitLocker key", f"d{number}") for number in range(2, 12)),
            record(RESET, BOSS_ID),
            record(PASS, "p1"),
            record(PASS, "p2", "second@contoso.com"),
            record(RESET, "a1", hours=2),
            record(INVITE, "g1", "kim@c0ntoso.com"),
        ],
        configurations=[
            Configuration("blocked-sender", "dana@contoso.com", "", {"Reason": "spam"}),
            Configuration("domain", "contoso.com", "contoso.com", {"isVerified": True}),
        ],
    )


async def test_sentences_about_a_tenant_with_acts_of_every_kind() -> None:
    names = ("chief@contoso.com", "Spare@contoso.com")
    options = PrivilegedOptions(names)
    await check_looks("privileged_change_looks", GUARD, build_tenant, options)
