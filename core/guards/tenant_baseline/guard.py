"""The threat: a setting of the whole organization stands, or is put, where it helps intruders.

One switch lets mail be forwarded to anywhere, lets phones in that nobody locks, or lets anybody
invite strangers. Defaults are lax, somebody changes them for an afternoon, an intruder for good.
Nothing in any mailbox shows it.

What should be is the table of `core/guards/tenant_baseline/baseline.json`. A row is judged by its
value alone, never by when an object was last written: Microsoft rewrites some of these objects
itself.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from core.guards.tenant_baseline.rule_file import everything, is_writable
from core.microsoft365.configuration_sources import SOURCES, Source, surface_of
from core.microsoft365.powershell import literal, writable
from core.model.baseline import Baseline, Row, printed
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Guard, Look, Permission, Service, Terms
from core.property_values import folded, number, property_of, same, truth
from core.sanitize import plain
from core.tenant.changes import SetConfiguration
from core.tenant.configuration import Configuration
from core.tenant.merging import missed
from core.tenant.port import Tenant
from core.tenant.readings import Reading, Unread

CUT = 200
ORGANIZATION = "organization"
POLICIES, RULES = "outbound-spam-policy", "outbound-spam-rule"
LAST = 1_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of one row in one object. `notes` say for whom it counts; `idle`: for nobody."""

    row: Row
    found: Configuration
    value: object
    notes: tuple[str, ...] = ()
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """For whom an object counts, and its place among its kind."""

    order: int = 0
    notes: tuple[str, ...] = ()
    idle: bool = False


def row_surface(row: Row) -> str:
    """The surface of one row: a property may be hidden while its object is seen."""
    return f"baseline-{row.id}"


# Looking ----------------------------------------------------------------------------------------


async def observe(tenant: Tenant, look: Look) -> AsyncIterator[Reading[Setting]]:
    """Each source the rows speak of, with all its objects."""
    rows = look.terms.baseline.rows
    for source in dict.fromkeys(row.source for row in rows):
        seen = await tenant.configuration(source)
        rules = Reading[Configuration]()
        if source == POLICIES:
            rules = await tenant.configuration(RULES)
        yield part_of(seen, rules, [row for row in rows if row.source == source])


def part_of(
    seen: Reading[Configuration], rules: Reading[Configuration], rows: Sequence[Row]
) -> Reading[Setting]:
    """What the objects of a source say to its rows. What they do not show is unread."""
    settings, hidden = list[Setting](), list[Unread]()
    reaches = {one.id: reach_of(one, rules) for one in seen.items}
    for found in sorted(seen.items, key=lambda one: (reaches[one.id].order, one.id)):
        for row in rows:
            shown, value = property_of(found.values, row.property)
            if not applies(row, found):
                continue
            if shown:
                reach = reaches[found.id]
                settings.append(Setting(row, found, value, reach.notes, reach.idle))
            else:
                hidden.append(not_shown(row, found))
    surface = surface_of(rows[0].source)
    read = frozenset() if seen.blind_to(surface) else frozenset(map(row_surface, rows))
    detail = tuple(replace(miss, optional=True) for miss in missed((rules,), optional=True))
    return Reading(
        tuple(settings),
        (*missed((seen,)), *hidden, *detail),
        seen.surfaces | rules.surfaces | read,
        population=seen.population,
        complete=seen.complete,
    )


def applies(row: Row, found: Configuration) -> bool:
    """True unless an object is known to be none of those the row is limited to."""
    for name, wanted in row.where:
        shown, value = property_of(found.values, name)
        if shown and same(value, wanted) is False:
            return False
    return True


def not_shown(row: Row, found: Configuration) -> Unread:
    """A property the tenant does not show: that is no answer, and never a good one."""
    return Unread(
        row_surface(row),
        f"the tenant does not show {row.property}",
        found.id or ORGANIZATION,
        subject_of(found),
    )


def reach_of(found: Configuration, rules: Reading[Configuration]) -> Reach:
    """For whom an outbound spam policy counts: rules go by priority, the default comes last."""
    if found.source != POLICIES:
        return Reach()
    if truth(found.values.get("IsDefault")):
        return Reach(LAST, ("applies to everybody no rule names",))
    if rules.unread or not rules.complete:
        return Reach(notes=("to whom it applies could not be read",))
    naming = [rule for rule in rules.items if names_policy(rule, found)]
    switched_on = [rule for rule in naming if not is_disabled(rule)]
    if not naming:
        return Reach(LAST, ("no rule names it: it applies to nobody now",), idle=True)
    if not switched_on:
        return Reach(LAST, ("its rule is switched off: it applies to nobody now",), idle=True)
    place = number(switched_on[0].values.get("Priority"))
    shown = "of a priority that is not shown" if place is None else f"of priority {place}"
    return Reach(place or 0, (f"applies to those its rule {shown} names",))


def names_policy(rule: Configuration, policy: Configuration) -> bool:
    """True when a rule says for whom this policy counts."""
    named = folded(str(rule.values.get("HostedOutboundSpamFilterPolicy") or ""))
    return bool(named) and named in {
        folded(name) for name in (policy.id, policy.name, str(policy.values.get("Identity") or ""))
    }


def is_disabled(rule: Configuration) -> bool:
    """True for a rule that is known to be switched off."""
    return folded(str(rule.values.get("State") or "")) == "disabled"


# Judgement --------------------------------------------------------------------------------------


def judge(item: Setting, terms: Terms) -> Iterator[Finding]:
    """A value that is not what it should be, or of which that cannot be told."""
    row, fits = item.row, item.row.wanted.fits(item.value)
    left = isinstance(item.value, str) and folded(item.value) in map(folded, row.unknown)
    if fits and not left:
        return
    told = fits is False and not left
    severity = Severity[row.severity.upper()]
    if item.idle:
        severity = min(severity, Severity.LOW)
    elif not told:
        severity = min(severity, Severity.MEDIUM)
    shown, subject = plain(printed(item.value), CUT), subject_of(item.found)
    finding = Finding(
        kind=row.id,
        object_id=item.found.id or ORGANIZATION,
        subject=subject,
        severity=severity,
        verdict=Verdict.DRIFT if told else Verdict.COULD_NOT_TELL,
        summary=f"{subject}: {row.property} is {shown}, and should be {row.wanted}.",
        facts=(
            *((left_to_others(shown),) if left else ()),
            *(f"too wide: {plain(entry, CUT)}" for entry in beyond(item)[:10]),
            f"why: {row.why}",
            *item.notes,
            f"reference: {row.reference}",
            reach_of_row(row, terms.baseline),
        ),
        surfaces=(surface_of(row.source), row_surface(row)),
        dangerous="\n".join(beyond(item)),
        advice=remedy_of(item),
    )
    yield with_row(item, finding, terms, repairable=told or left)


def left_to_others(shown: str) -> str:
    return f"what {shown} means is Microsoft's to decide and to change; say it yourself"


def beyond(item: Setting) -> list[str]:
    """The entries of a list that should not be in it, in order."""
    return sorted(item.row.wanted.beyond(item.value))


def with_row(item: Setting, finding: Finding, terms: Terms, repairable: bool) -> Finding:
    """The finding as its row has it: written, only told, or switched off for a time."""
    row = item.row
    if row.off and terms.now.date() <= row.off.until:
        decided = f"switched off until {row.off.until} by {row.off.who}: {row.off.why}"
        return replace(
            finding,
            severity=Severity.INFO,
            verdict=Verdict.KEEP,
            facts=(plain(decided, 2 * CUT), *finding.facts),
        )
    if row.off:
        ended = f"it was switched off until {row.off.until} by {row.off.who}; that is over"
        finding = replace(finding, facts=(plain(ended, CUT), *finding.facts))
    value = row.wanted.repair
    if row.id not in terms.baseline.enforced or not repairable or value is None:
        return finding
    change = SetConfiguration(row.source, item.found.id, row.property, value)
    return replace(finding, verdict=Verdict.REPAIR, changes=(change,))


def reach_of_row(row: Row, baseline: Baseline) -> str:
    """How far this row may go, in words."""
    if row.id in baseline.enforced:
        return f"row {row.id}: put right in enforce mode"
    if is_writable(row):
        return f"row {row.id} only alerts: BASELINE_ENFORCE does not name it"
    return f"row {row.id} only alerts: it is for a person to set"


def subject_of(found: Configuration) -> str:
    """An object as people know it."""
    kind = found.source.replace("-", " ")
    if not found.id:
        return kind
    return f"{kind} {plain(found.name or found.id, CUT)}"


def remedy_of(item: Setting) -> str:
    """The command or the click that sets it. An object that cannot be written is left out."""
    identity = item.found.id if writable(item.found.id) else item.found.name
    named = literal(identity) if writable(identity) else "<identity>"
    return item.row.remedy.replace("<identity>", named)


# Permissions ------------------------------------------------------------------------------------


def permissions(baseline: Baseline) -> tuple[Permission, ...]:
    """What a baseline needs: to read its sources, and to write the rows it enforces."""
    reads, writes = dict[str, list[Row]](), dict[str, list[Row]]()
    for row in baseline.rows:
        source = SOURCES[row.source]
        reads.setdefault(source.permission, []).append(row)
        if row.id in baseline.enforced:
            writes.setdefault(source.write_permission, []).append(row)
    found = [read_permission(SOURCES[rows[0].source], rows) for rows in reads.values()]
    if any(row.source == POLICIES for row in baseline.rows):
        found.append(
            Permission(
                Service.EXCHANGE,
                SOURCES[RULES].permission,
                "to whom an outbound policy applies",
                optional=True,
            )
        )
    found += [write_permission(SOURCES[rows[0].source], rows) for rows in writes.values()]
    return tuple(found)


def names_of(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.property for row in rows))


def read_permission(source: Source, rows: Sequence[Row]) -> Permission:
    """To see the properties of some rows."""
    return Permission(source.service, source.permission, f"to compare {', '.join(names_of(rows))}")


def write_permission(source: Source, rows: Sequence[Row]) -> Permission:
    """To set the properties of some rows, and with a cmdlet no other."""
    identity = ("Identity",) if source.identity else ()
    exchange = source.service is Service.EXCHANGE
    return Permission(
        source.service,
        source.write_permission,
        f"to set {', '.join(names_of(rows))}",
        writes=True,
        parameters=(*identity, *names_of(rows)) if exchange else (),
    )


GUARD = Guard(
    name="tenant-baseline",
    title="Baseline of the organization",
    why="One lax setting of the organization opens every mailbox at once, and shows in none.",
    permissions=permissions(everything()),
    observe=observe,
    judge=judge,
    noun="objects",
    settles=timedelta(hours=1),
)
