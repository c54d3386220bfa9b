"""Reads the objects that the rows of the baseline speak of."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from core.guards.tenant_baseline.baseline import Baseline, BaselineRow
from core.guards.tenant_baseline.live_forwards import (
    FORWARD_ENDING_PROPERTIES,
    BaselinePorts,
    LiveForwards,
    read_live_forwards,
)
from core.guards.tenant_baseline.permissions import POLICIES, RULES
from core.guards.tenant_baseline.scope import find_allowed_domains, find_policy_scope
from core.microsoft365.configuration_sources import (
    CONFIGURATION_SOURCES,
    get_configuration_source_name,
)
from core.model.guards import ObserveContext, SingleLook
from core.property_values import find_property, matches_value
from core.tenant.configuration import Configuration
from core.tenant.merging import collect_failures
from core.tenant.port import HasConfiguration
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading

MAX_TEXT_LENGTH = 200
ORGANIZATION = "organization"


@dataclass(frozen=True, slots=True)
class BaselineItem:
    """The value of one row in one object. `notes` say for whom it counts; `is_inactive`: for
    nobody.
    """

    row: BaselineRow
    configuration: Configuration
    value: object
    notes: tuple[str, ...] = ()
    is_inactive: bool = False
    live_forwards: LiveForwards | None = None
    """The forwards that setting the row may end; None where nothing is written to it now."""
    allowed_domains: tuple[str, ...] = ()
    """The domains to which mail may be forwarded, as far as the object decides about them."""


def build_row_source(row: BaselineRow) -> str:
    """The surface of one row: a property may be hidden while its object is seen."""
    return f"baseline-{row.id}"


async def observe(
    tenant: BaselinePorts, context: ObserveContext[Baseline]
) -> AsyncIterator[Reading[BaselineItem]]:
    """Each source the rows speak of, with all its objects.

    Before the first change that ends automatic forwards, those in effect are read.
    """
    forwards: LiveForwards | None = None
    for source in dict.fromkeys(row.source for row in context.policy.options.rows):
        seen = await tenant.configuration.read_configuration(source)
        batch = await read_rows_of(tenant, context, source, seen)
        if needs_live_forwards(batch, context):
            forwards = forwards or await read_live_forwards(tenant)
            batch = add_live_forwards(batch, context, forwards)
        yield batch


async def read_rows_of(
    tenant: HasConfiguration,
    context: ObserveContext[Baseline],
    source: str,
    seen: Reading[Configuration],
) -> Reading[BaselineItem]:
    """What the objects of one source say to its rows."""
    rules = Reading[Configuration]()
    if source == POLICIES:
        rules = await tenant.configuration.read_configuration(RULES)
    baseline = context.policy.options
    rows = [row for row in baseline.rows if row.source == source]
    return build_baseline_batch(seen, rules, rows, baseline)


def needs_live_forwards(batch: Reading[BaselineItem], context: ObserveContext[Baseline]) -> bool:
    """Whether the guard would end automatic forwards of the organization."""
    return any(ends_forwards(item, context) for item in batch.items)


def add_live_forwards(
    batch: Reading[BaselineItem], context: ObserveContext[Baseline], forwards: LiveForwards
) -> Reading[BaselineItem]:
    """The batch with the forwards that setting a property may end."""
    items = (
        replace(item, live_forwards=forwards) if ends_forwards(item, context) else item
        for item in batch.items
    )
    return replace(batch, items=tuple(items))


def build_single_look(source: str) -> SingleLook[BaselineItem, Baseline]:
    """The look at single objects of a source that its listing no longer shows."""

    async def look_up(
        tenant: BaselinePorts, context: ObserveContext[Baseline], ids: Sequence[str]
    ) -> Reading[BaselineItem]:
        # About which domains an object decides follows from those beside it.
        listed = await tenant.configuration.read_configuration(source)
        alone = await tenant.configuration.read_objects(source, ids)
        beside = tuple(one for one in listed.items if one.id not in ids)
        seen = replace(alone, items=(*alone.items, *beside))
        read = await read_rows_of(tenant, context, source, seen)
        asked = (one for one in read.items if one.configuration.id in ids)
        batch = replace(read, items=tuple(asked), scope=frozenset(ids))
        if needs_live_forwards(batch, context):
            batch = add_live_forwards(batch, context, await read_live_forwards(tenant))
        return batch

    listing = get_configuration_source_name(source)
    return SingleLook(listing, frozenset({listing}), look_up)


def ends_forwards(item: BaselineItem, context: ObserveContext[Baseline]) -> bool:
    """Whether the guard would set a property that ends automatic forwards of the organization."""
    return (
        context.is_enforcing
        and item.row.id in context.policy.options.enforced
        and item.row.property_name in FORWARD_ENDING_PROPERTIES
        and item.row.expected.matches(item.value) is not True
    )


def build_baseline_batch(
    configurations: Reading[Configuration],
    rules: Reading[Configuration],
    rows: Sequence[BaselineRow],
    baseline: Baseline,
) -> Reading[BaselineItem]:
    """What the objects of a source say to its rows. What they do not show is unread."""
    settings, hidden = list[BaselineItem](), list[ReadFailure]()
    reaches = {one.id: find_policy_scope(one, rules) for one in configurations.items}
    allowed = find_allowed_domains(configurations.items, baseline)
    for found in sorted(configurations.items, key=lambda one: (reaches[one.id].priority, one.id)):
        for row in rows:
            shown, value = find_property(found.values, row.property_name)
            if not row_applies(row, found):
                continue
            if shown:
                reach = reaches[found.id]
                settings.append(
                    BaselineItem(
                        row,
                        found,
                        value,
                        reach.notes,
                        reach.is_inactive,
                        allowed_domains=allowed.get(found.id, ())
                        if row.property_name in FORWARD_ENDING_PROPERTIES and not reach.is_inactive
                        else (),
                    )
                )
            else:
                hidden.append(build_hidden_property_failure(row, found))
    source = get_configuration_source_name(rows[0].source)
    read = (
        frozenset()
        if configurations.find_source_failure(source)
        else frozenset(map(build_row_source, rows))
    )
    detail = tuple(replace(failure, optional=True) for failure in collect_failures((rules,)))
    return Reading(
        tuple(settings),
        (*collect_failures((configurations,)), *hidden, *detail),
        configurations.sources | rules.sources | read,
        population=configurations.population,
        complete=configurations.complete,
    )


def row_applies(row: BaselineRow, configuration: Configuration) -> bool:
    """True unless an object is known to be none of those the row is limited to."""
    return not any(
        matches_value(find_property(configuration.values, name)[1], wanted) is False
        for name, wanted in row.where
    )


def build_hidden_property_failure(row: BaselineRow, configuration: Configuration) -> ReadFailure:
    """A property the tenant does not show: that is no answer, and never a good one."""
    return ReadFailure(
        build_row_source(row),
        f"the tenant does not show {row.property_name}",
        configuration.id or ORGANIZATION,
        format_configuration_name(configuration),
    )


def format_configuration_name(configuration: Configuration) -> str:
    """An object as people know it."""
    kind = configuration.source.replace("-", " ")
    if not configuration.id:
        return kind
    return f"{kind} {quote_text(configuration.name or configuration.id, MAX_TEXT_LENGTH)}"


SINGLE_LOOKS = tuple(
    build_single_look(name)
    for name, source in CONFIGURATION_SOURCES.items()
    if source.has_single_objects
)
"""The rows of an operator may be about any source."""
