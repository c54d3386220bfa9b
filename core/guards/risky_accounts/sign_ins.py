"""Single sign-ins that say an account is being taken, or just was.

A device code is typed by the victim and signs in the thief: it passes the second factor, and no
list of risks has to notice. A bare password through an app never meets one. A person who is asked
to approve again and again has a stolen password already.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.guards.risky_accounts.remedies import build_risk_remedy
from core.guards.risky_accounts.verdicts import RiskVerdict
from core.microsoft365.known_apps import PUBLIC_CLIENTS
from core.microsoft365.service_plans import has_device_plan
from core.model.findings import Fact, Finding, Severity
from core.model.guards import ObserveContext
from core.tenant.directory import SignInEvent, SignInKind
from core.tenant.known_traits import KnownTraits, build_traits_key, note_traits
from core.tenant.mailboxes import Mailbox
from core.tenant.port import HasAccounts
from core.tenant.quoting import quote_text
from core.tenant.readings import Reading
from core.tenant.sources import SIGN_IN_EVENTS

MAX_NAME_LENGTH, MAX_SHOWN, MAX_LOOKUPS = 120, 5, 100
TOLD_FOR, MAX_DOWNTIME, HOUR = timedelta(hours=24), timedelta(days=7), timedelta(hours=1)
FLOOD = 5
"""Prompts within an hour that somebody did not approve: more than a slip of the thumb."""
FIRST_LOOK = "sign-in-ways"
FRAUD_WORDS = ("fraud", "reported")
TRAITS: Mapping[SignInKind, str] = {
    SignInKind.DEVICE_CODE: "device-code",
    SignInKind.ROPC: "password-grant",
}


@dataclass(frozen=True, slots=True)
class NewWay:
    """A way of signing in that an account had not used before."""

    event: SignInEvent
    """The first of its sign-ins that was seen."""
    count: int


@dataclass(frozen=True, slots=True)
class PromptFlood:
    """Somebody who was asked again and again."""

    events: tuple[SignInEvent, ...]
    """Those of the worst hour, the oldest first."""
    signed_in_at: datetime | None = None
    """When the account signed in after the first of them; None: it did not, as far as is known."""


type SignInItem = NewWay | PromptFlood


async def read_sign_ins(tenant: HasAccounts, context: ObserveContext) -> Reading[SignInItem]:
    """What the log shows since the last full look, or of a day.

    The ways that accounts had used before the first look are no news, and neither are the devices
    of meeting rooms, which sign in by a code.
    """
    now = context.policy.now
    since = max(min(context.last_full_scan or now, now), now - MAX_DOWNTIME) - TOLD_FOR
    read = await tenant.accounts.read_sign_in_events(since)
    noted = note_ways(context.known_traits, read.items, list_whole_kinds(read), now)
    ways = list(find_new_ways(read.items, noted, now))
    devices = await find_devices(tenant, ways)
    floods = await add_successes(tenant, list(find_floods(read.items)), since)
    return Reading(
        items=(*(one for one in ways if one.event.account_id not in devices), *floods),
        failures=read.failures,
        sources=frozenset({SIGN_IN_EVENTS}),
        known_traits=noted,
    )


def list_whole_kinds(read: Reading[SignInEvent]) -> list[SignInKind]:
    """The kinds of new ways that were read to their end. Where one was not, the others stand; a
    failure that names no kind may be of any.
    """
    unread = {failure.subject for failure in read.failures}
    return [kind for kind in TRAITS if unread.isdisjoint(("", kind))]


def note_ways(
    known: Mapping[str, KnownTraits],
    events: Iterable[SignInEvent],
    kinds: Sequence[SignInKind],
    now: datetime,
) -> tuple[KnownTraits, ...]:
    """The ways of each account, with those of before: who signs in so twice a year does so. Each
    kind has a row that says when it was first read.
    """
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for one in events:
        if one.kind in kinds:
            found[one.account_id, TRAITS[one.kind]].add(one.app_id or "unknown")
    rows = [note_traits(known, FIRST_LOOK, TRAITS[kind], (), now) for kind in kinds]
    for (account, kind), apps in found.items():
        before = known.get(build_traits_key(account, kind))
        rows.append(
            note_traits(known, account, kind, {*apps, *(before.traits if before else ())}, now)
        )
    return tuple(rows)


def find_new_ways(
    events: Sequence[SignInEvent], noted: Sequence[KnownTraits], now: datetime
) -> Iterator[NewWay]:
    """The ways that came after the first look and within the day, each with its first sign-in."""
    starts = {row.kind: row.first_looked_at for row in noted if row.object_id == FIRST_LOOK}
    for row in noted:
        for app, seen_at in row.traits.items():
            if seen_at == starts[row.kind] or now - seen_at >= TOLD_FOR:
                continue
            mine = [
                one
                for one in events
                if one.account_id == row.object_id
                and TRAITS.get(one.kind) == row.kind
                and (one.app_id or "unknown") == app
            ]
            if mine:
                yield NewWay(min(mine, key=lambda one: one.at), len(mine))


def find_floods(events: Iterable[SignInEvent]) -> Iterator[PromptFlood]:
    """The accounts that were asked too often within an hour, or said that it was fraud."""
    by_account: defaultdict[str, list[SignInEvent]] = defaultdict(list)
    for one in sorted(events, key=lambda each: each.at):
        if one.kind is SignInKind.PROMPT_DENIED:
            by_account[one.account_id].append(one)
    for found in by_account.values():
        worst = find_worst_hour(found)
        if len(worst) >= FLOOD or any(map(is_fraud, worst)):
            yield PromptFlood(tuple(worst))


def find_worst_hour(events: Sequence[SignInEvent]) -> list[SignInEvent]:
    """The most prompts within an hour; one that somebody reported outweighs any number."""
    hours = (
        [each for each in events[start:] if each.at - one.at <= HOUR]
        for start, one in enumerate(events)
    )
    return max(hours, key=lambda hour: (any(map(is_fraud, hour)), len(hour)))


def is_fraud(event: SignInEvent) -> bool:
    """Whether somebody said that the sign-in was not theirs."""
    return any(word in event.detail.casefold() for word in FRAUD_WORDS)


async def find_devices(tenant: HasAccounts, ways: Sequence[NewWay]) -> frozenset[str]:
    """The accounts that a device of a meeting room may sign in with, by their licences."""
    ids = list(dict.fromkeys(one.event.account_id for one in ways))[:MAX_LOOKUPS]
    if not ids:
        return frozenset()
    owners = [Mailbox(one, one, "") for one in ids]
    read = await tenant.accounts.read_accounts(owners)
    return frozenset(one.id for one in read.items if one.plans and has_device_plan(one.plans))


async def add_successes(
    tenant: HasAccounts, floods: Sequence[PromptFlood], since: datetime
) -> list[PromptFlood]:
    """Whether somebody signed in with each account after it was asked so often."""
    ids = [one.events[0].account_id for one in floods][:MAX_LOOKUPS]
    if not ids:
        return list(floods)
    read = await tenant.accounts.read_successful_sign_ins(ids, since)
    times = {one.id: one.last_success for one in read.items}
    found: list[PromptFlood] = []
    for one in floods:
        at = times.get(one.events[0].account_id)
        after = at if at is not None and at >= one.events[0].at else None
        found.append(PromptFlood(one.events, after))
    return found


def build_sign_in_finding(item: SignInItem) -> Finding:
    """What is told of a sign-in."""
    return build_flood_finding(item) if isinstance(item, PromptFlood) else build_way_finding(item)


def build_way_finding(way: NewWay) -> Finding:
    """A way of signing in that is new for an account."""
    event = way.event
    name = quote_text(event.name or event.account_id, MAX_NAME_LENGTH)
    app = quote_text(event.app_name or event.app_id or "an app", MAX_NAME_LENGTH)
    by_code = event.kind is SignInKind.DEVICE_CODE
    is_tool = event.app_id in PUBLIC_CLIENTS
    how = "by a device code" if by_code else "by a bare password, past every second factor,"
    return Finding(
        kind="device-code-sign-in" if by_code else "password-grant-sign-in",
        object_id=event.account_id,
        subject=name,
        severity=Severity.LOW if by_code and is_tool else Severity.MEDIUM,
        verdict=RiskVerdict.NEW_WAY,
        summary=f"{name} signed in to {app} {how} and had not done so before.",
        facts=(
            Fact("at", f"{event.at:%Y-%m-%d %H:%M} UTC"),
            Fact("from", quote_text(event.address, 64) or "not told"),
            Fact("", f"{way.count:,} such sign-ins since then"),
            Fact("technique", "T1528, T1566.002" if by_code else "T1078.004"),
        ),
        sources=(SIGN_IN_EVENTS,),
        fingerprint=quote_text(event.app_id or "unknown", 64),
        advice=f"Ask {name}, by telephone, whether they typed a code or set up the app. If not, "
        "the account is in other hands: contain it. Conditional Access can forbid both ways "
        "(authentication flows, legacy clients).",
        steps=build_risk_remedy(event.account_id, event.name, name),
        held_account=event.account_id,
        is_one_off=True,
        needs_own_exemption=True,
    )


def build_flood_finding(flood: PromptFlood) -> Finding:
    """Somebody whose password is known, and who is asked to let the thief in."""
    first, last = flood.events[0], flood.events[-1]
    name = quote_text(first.name or first.account_id, MAX_NAME_LENGTH)
    fraud = any(map(is_fraud, flood.events))
    then = "; then somebody signed in" if flood.signed_in_at else ""
    text = (
        f"{name} said that a prompt for the second factor was not theirs{then}."
        if fraud
        else f"{name} did not approve {len(flood.events):,} prompts within an hour{then}."
    )
    places = dict.fromkeys(one.address for one in flood.events if one.address)
    return Finding(
        kind="prompt-flood",
        object_id=first.account_id,
        subject=name,
        severity=Severity.HIGH if fraud or flood.signed_in_at else Severity.MEDIUM,
        verdict=RiskVerdict.PROMPTED,
        summary=text,
        facts=(
            Fact("first", f"{first.at:%Y-%m-%d %H:%M} UTC"),
            Fact("last", f"{last.at:%Y-%m-%d %H:%M} UTC"),
            Fact("from", ", ".join(quote_text(one, 64) for one in [*places][:MAX_SHOWN]) or "-"),
            *(
                [Fact("signed in", f"{flood.signed_in_at:%Y-%m-%d %H:%M} UTC")]
                if flood.signed_in_at
                else []
            ),
            Fact("technique", "T1621"),
        ),
        sources=(SIGN_IN_EVENTS,),
        fingerprint=f"{first.at:%Y-%m-%d}{' signed in' if flood.signed_in_at else ''}",
        advice=f"Whoever is asked so often has a stolen password: ask {name}, by telephone, reset "
        "it and end the sessions.",
        steps=build_risk_remedy(first.account_id, first.name, name),
        held_account=first.account_id,
        is_one_off=True,
        needs_own_exemption=True,
    )
