"""What the guard of mass deletion says of one burst and another."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from core.guards.mass_deletion.guard import GUARD
from core.guards.mass_deletion.items import (
    ACT_CLASSES,
    SEVERAL_ACTORS,
    UNKNOWN_ACTOR,
    DeletionBurst,
)
from core.guards.mass_deletion.judge import judge
from core.guards.mass_deletion.remedies import build_burst_remedy
from core.model.findings import Finding, Step
from core.model.guards import GuardPolicy
from core.tenant.directory import Account, Actor, Deletion
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import ADMIN, OTHER_ACTOR, build_deletions, build_recycle_bin
from tests.support.sentences import NOW, check_looks, check_sentences, check_steps

TERMS = GuardPolicy(NOW, GUARD.options)
OBJECTS, APPS, POLICIES, LOCKOUTS = ACT_CLASSES
USERS = tuple(build_deletions(12))
IDS = frozenset(one.id for one in USERS)
APP = Actor("p1", "Cleaner", is_app=True)
SELF = Actor("e1", "Exoguard", is_app=True, is_this_app=True)


def say(rows: Sequence[Deletion] = USERS, who: str = "a1", **more: Any) -> list[Finding]:
    """What is said of a burst all of which can be restored, with some of it changed."""
    usual = DeletionBurst(who, tuple(rows), 10, restorable_ids=frozenset(one.id for one in rows))
    return list(judge(replace(usual, **more), TERMS))


def by(actor: Actor, rows: Sequence[Deletion] = USERS) -> tuple[Deletion, ...]:
    return tuple(replace(one, actor=actor) for one in rows)


def test_sentences_about_bursts() -> None:
    nobody = Actor("", "")
    purged = (*USERS[:11], replace(USERS[11], permanent=True))
    groups = build_deletions(2, kind="group")
    devices = build_deletions(3, kind="device")
    mixed = (*USERS, *groups, *devices, *build_deletions(1, kind="contact"))
    four = tuple(
        replace(one, actor=Actor(f"a{index % 4}", f"admin{index % 4}@contoso.com"))
        for index, one in enumerate(USERS)
    )
    locked = tuple(build_deletions(11, kind="disabled")) + tuple(build_deletions(1, kind="reset"))
    check_sentences(
        "mass_deletion",
        {
            "One administrator deletes users": say(),
            "It was told at twelve": say(reported_count=12),
            "Four times the limit": say(limit=3),
            "Five times the limit": say(limit=2),
            "Exactly five times the limit": say(USERS[:10], limit=2),
            "Somebody who was renamed deletes users": say(
                (*by(OTHER_ACTOR, USERS[:11]), replace(USERS[11], actor=replace(ADMIN, name="new")))
            ),
            "It went on for hours": say(
                tuple(
                    replace(one, at=one.at - timedelta(hours=12 - index), name="")
                    for index, one in enumerate(USERS)
                )
            ),
            "Names in capitals": say(
                tuple(replace(one, name=name) for one, name in zip(USERS, "aBcD", strict=False))
            ),
            "One of four administrators did most": say(
                (*by(Actor("a9", "most@contoso.com"), USERS[:6]), *four[6:]), SEVERAL_ACTORS
            ),
            "One of them is directory synchronization": say(
                (*by(Actor("s1", "Sync_DC1_0@x"), USERS[:1]), *four[1:]), SEVERAL_ACTORS
            ),
            "An app deletes users": say(by(APP)),
            "Somebody without a name deletes users": say(by(Actor("a9", ""))),
            "Nobody is named by the log": say(by(nobody), UNKNOWN_ACTOR),
            "Only the bin tells": say(by(nobody), UNKNOWN_ACTOR, is_attributed=False),
            "Only the bin tells for the moment": say(
                by(nobody), UNKNOWN_ACTOR, is_attributed=False, is_transient=True
            ),
            "The log fails for the moment, and names who did it": say(is_transient=True),
            "Four administrators together": say(four, SEVERAL_ACTORS),
            "Three administrators together": say(
                tuple(one for one in four if one.actor.id != "a3"), SEVERAL_ACTORS
            ),
            "Of all users a quarter": say(user_count=48),
            "More than there were users": say(user_count=3),
            "Of all users some are back": say(user_count=48, restored_ids=frozenset({"user-0"})),
            "Many kinds of objects": say(mixed, user_count=100),
            "One was deleted for good": say(purged),
            "One has left the bin": say(restorable_ids=IDS - {"user-3"}),
            "One has left the bin and is back": say(
                restorable_ids=IDS - {"user-3"}, restored_ids=frozenset({"user-3"})
            ),
            "One has left the bin, and nobody could look": say(
                restorable_ids=IDS - {"user-3"}, unverified_ids=frozenset({"user-3"})
            ),
            "The name of one is taken": say(name_taken_ids=frozenset({"user-3"})),
            "Devices are kept nowhere": say((*USERS, *devices), restorable_ids=IDS),
            "Directory synchronization deletes users": say(by(Actor("s1", "Sync_DC1_0@x"))),
            "Entra Connect deletes users": say(by(Actor("s1", "Microsoft Entra Connect"))),
            "Apps are deleted": say(
                build_deletions(11, kind="application"),
                act_class=APPS,
                restorable_ids=frozenset(),
                unverified_ids=frozenset({"application-0"}),
            ),
            "Enterprise apps are deleted": say(
                build_deletions(11, kind="service-principal"), act_class=APPS
            ),
            "Policies are deleted": say(build_deletions(3, kind="policy"), act_class=POLICIES),
            "Policies are deleted by several": say(
                build_deletions(3, kind="policy"), SEVERAL_ACTORS, act_class=POLICIES
            ),
            "Many are locked out": say(locked, act_class=LOCKOUTS),
            "Many are locked out by nobody knows whom": say(
                locked, UNKNOWN_ACTOR, act_class=LOCKOUTS
            ),
            "Exoguard locks many out": say(by(SELF, locked), "e1", act_class=LOCKOUTS),
            "Exoguard deletes users": say(by(SELF), "e1"),
            "Many methods are removed": say(build_deletions(60, kind="method"), act_class=LOCKOUTS),
            "Names are long": say(
                by(
                    Actor("a1", "a" * 300, ip="1" * 300),
                    tuple(replace(one, name="n" * 300) for one in USERS[:2]),
                )
            ),
        },
    )


def do(
    rows: Sequence[Deletion] = USERS, who: str = "a1", *, is_sync: bool = False, **more: Any
) -> tuple[Step, ...]:
    """The steps about a burst all of which can be restored, with some of it changed."""
    usual = DeletionBurst(who, tuple(rows), 10, restorable_ids=frozenset(one.id for one in rows))
    return build_burst_remedy(replace(usual, **more), "Admin (x)", is_sync=is_sync)


def test_sentences_about_what_to_do() -> None:
    few = USERS[:3]
    purged = (*few[:2], replace(few[2], permanent=True))
    others = (*build_deletions(2, kind="group"), *build_deletions(2, kind="device"))
    apps = (*build_deletions(2, kind="application"), *build_deletions(1, kind="service-principal"))
    policies = build_deletions(3, kind="policy")
    locked = (*build_deletions(2, kind="disabled"), *build_deletions(2, kind="reset", first=7))
    odd = (*few[:2], replace(few[2], id="a\nb"))
    check_steps(
        "mass_deletion_steps",
        {
            "An administrator deletes users": do(few),
            "An app deletes users": do(by(APP, few), "p1"),
            "Nobody knows who deletes users": do(few, UNKNOWN_ACTOR),
            "Several delete users": do(few, SEVERAL_ACTORS),
            "Directory synchronization deletes users": do(few, is_sync=True),
            "An actor with an id that no command can hold": do(few, "a b"),
            "An app with an id that no command can hold": do(by(APP, few), "a\nb"),
            "Users, groups and devices are deleted": do((*few, *others)),
            "One was deleted for good": do(purged),
            "One is back": do(few, restored_ids=frozenset({"user-1"})),
            "One has left the bin": do(few, restorable_ids=IDS - {"user-1"}),
            "One has left the bin, and nobody could look": do(
                few, restorable_ids=IDS - {"user-1"}, unverified_ids=frozenset({"user-1"})
            ),
            "One has an id that no command can hold": do(odd),
            "As many as one command takes": do(build_deletions(30)),
            "One more": do(build_deletions(31)),
            "As many as three commands take": do(build_deletions(90)),
            "One more than three commands take": do(build_deletions(91)),
            "Apps are deleted": do(apps, act_class=APPS, restorable_ids=frozenset()),
            "Policies are deleted": do(policies, act_class=POLICIES),
            "Many are locked out": do(locked, act_class=LOCKOUTS),
            "Many are locked out by nobody knows whom": do(
                locked, UNKNOWN_ACTOR, act_class=LOCKOUTS
            ),
        },
    )


def build_deleting_tenant() -> FakeTenant:
    """A tenant in which several delete, purge, lock out and take names."""
    bulk = build_deletions(14)
    purged = replace(build_deletions(1, first=90)[0], permanent=True)
    early = build_deletions(11, OTHER_ACTOR, hours=30.0, first=200)
    rows = [
        *(bulk[:12]),
        purged,
        *early,
        *build_deletions(3, kind="group"),
        *build_deletions(2, kind="device"),
        *build_deletions(12, OTHER_ACTOR, kind="disabled"),
        *build_deletions(3, kind="policy"),
        *build_deletions(6, kind="application"),
        *build_deletions(6, OTHER_ACTOR, kind="service-principal"),
        *(
            replace(one, permanent=True, actor=Actor("", ""))
            for one in build_deletions(3, first=300)
        ),
    ]
    kept = [one for one in rows if one.kind in ("user", "group") and not one.permanent]
    return FakeTenant(
        deletion_events=rows,
        recycle_bin=build_recycle_bin([*kept[2:], *bulk[12:]]),
        users=[
            Account("user-0", "user-0@contoso.com"),
            Account("new", "user-5@contoso.com"),
        ],
        reported_user_count=40,
    )


async def test_sentences_about_a_tenant_in_which_much_is_deleted() -> None:
    await check_looks("mass_deletion_bursts_looks", GUARD, build_deleting_tenant)


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("mass_deletion_looks", GUARD)
