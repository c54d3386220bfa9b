"""Sets and restores single properties of the organization's configuration."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.m365.configuration import read_source_rows
from core.adapters.m365.configuration_rows import NAME_LIMIT
from core.adapters.m365.verified_write import Sleep, UndoProcedure, run_undo, write_verified
from core.adapters.parsing import ResponseRow, parse_text, parse_value_list, strip_annotations
from core.errors import NotFound, Rejected, Unavailable
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.source_shapes import ConfigurationSource
from core.model.guards import Service
from core.property_values import (
    find_property,
    matches_value,
    parse_printed_bool,
    parse_printed_int,
    parse_printed_list,
)
from core.tenant.changes import AppliedChange, SetConfiguration
from core.tenant.reversibility import PRIOR_STATE_UNKNOWN

RELIES_ON = ("exchange-write-answer", "exchange-empty-list", "write-policy-merge")

FIELD_DELTA = "#Exchange.StringFieldDeltaUpdateData"


async def set_configuration(
    graph: GraphClient, exchange: ExchangeClient, change: SetConfiguration, sleep: Sleep
) -> AppliedChange:
    """Set one writable property of exactly one object."""
    source = get_writable_source(change)
    wanted = list(change.value) if isinstance(change.value, tuple) else change.value

    async def read_current() -> ResponseRow:
        return await read_target_object(graph, exchange, source, change)

    now = await read_current()
    before = {change.name: get_target_property(now, change)}
    if matches_value(before[change.name], change.value):
        return AppliedChange(before, unchanged=True)
    await write_verified(
        lambda: write_configuration_property(graph, exchange, source, change, wanted, now),
        read_current,
        lambda row: matches_value(get_target_property(row, change), change.value) is True,
        before,
        sleep,
    )
    if source.service is Service.EXCHANGE or "." not in change.name:
        return AppliedChange(before)
    return AppliedChange(before, note=compare_siblings(now, await read_current(), change.name))


def compare_siblings(before: ResponseRow, after: ResponseRow, name: str) -> str:
    """A note if other properties of the object that a change is inside of are not as before."""
    top = name.partition(".")[0]
    inner = [row.get(top) for row in (before, after)]
    old, new = (dict(one) if isinstance(one, Mapping) else {} for one in inner)
    changed = sorted(
        f"{top}.{key}"
        for key in old.keys() | new.keys()
        if f"{top}.{key}" != name and old.get(key) != new.get(key)
    )
    return f"Changed besides, so look at them: {', '.join(changed)}." if changed else ""


async def undo_set_configuration(
    graph: GraphClient,
    exchange: ExchangeClient,
    change: SetConfiguration,
    before: Mapping[str, object],
    sleep: Sleep,
) -> AppliedChange:
    """Set the property to what it was, if it is still what the change set it to."""
    source = get_writable_source(change)
    if change.name not in before:
        raise Rejected(PRIOR_STATE_UNKNOWN)
    was = before[change.name]
    undo = UndoProcedure[ResponseRow](
        read=lambda: read_target_object(graph, exchange, source, change),
        to_record=lambda now: {change.name: get_target_property(now, change)},
        is_as_before=lambda now: is_equal_as_printed(get_target_property(now, change), was),
        is_as_applied=lambda now: (
            matches_value(get_target_property(now, change), change.value) is True
        ),
        write=lambda now: write_configuration_property(
            graph, exchange, source, change, convert_for_write(was, change.value), now
        ),
    )
    return await run_undo(undo, sleep)


def is_equal_as_printed(found: object, previous: object) -> bool:
    """True when two values say the same, as they are printed: a list of one may be its element."""
    if isinstance(found, list | tuple) or isinstance(previous, list | tuple):
        entries = parse_printed_list(found)
        return entries is not None and entries == parse_printed_list(previous)
    plain = bool | int | str | None
    if not isinstance(found, plain) or not isinstance(previous, plain):
        return False
    return matches_value(found, previous) is True or matches_value(previous, found) is True


def convert_for_write(previous: object, sample: object) -> object:
    """A value as it was read, in the type in which the property is written."""
    if isinstance(sample, tuple):
        return list(parse_value_list(previous))
    known = (
        parse_printed_bool(previous)
        if isinstance(sample, bool)
        else parse_printed_int(previous)
        if isinstance(sample, int)
        else None
    )
    return previous if known is None else known


def get_writable_source(change: SetConfiguration) -> ConfigurationSource:
    """The source of a property that may be changed. Raises Rejected for any other."""
    source = CONFIGURATION_SOURCES.get(change.source)
    if source is None or change.name not in source.writable_properties:
        raise Rejected(f"{change.name} of {change.source} is not among what may be changed")
    return source


async def read_target_object(
    graph: GraphClient,
    exchange: ExchangeClient,
    source: ConfigurationSource,
    change: SetConfiguration,
) -> ResponseRow:
    """Exactly the object that is meant.

    Raises NotFound, or Unavailable when the response leaves the property out: without its value the
    change could not be undone.
    """
    rows = await read_source_rows(graph, exchange, source)
    found = [one for one in rows if is_target_object(source, one, change.identity)]
    if len(found) != 1:
        raise NotFound(f"{source.read}: {len(found)} objects are called like that now")
    row = strip_annotations(found[0])
    if not find_property(row, change.name)[0]:
        raise Unavailable(f"{source.read} did not tell {change.name}")
    return row


def get_target_property(row: ResponseRow, change: SetConfiguration) -> object:
    """The property that is changed."""
    return find_property(row, change.name)[1]


def is_target_object(source: ConfigurationSource, row: ResponseRow, identity: str) -> bool:
    """True for the object a change names."""
    return not source.identity_property or (
        parse_text(row.get(source.identity_property), NAME_LIMIT).strip().casefold()
        == identity.casefold()
    )


async def write_configuration_property(
    graph: GraphClient,
    exchange: ExchangeClient,
    source: ConfigurationSource,
    change: SetConfiguration,
    value: object,
    now: ResponseRow,
) -> None:
    """Write this property and no other. `now` is the present object.

    Exchange does not take an empty list for "none" (terraprovider, delta.go), so every entry that
    is there is removed instead. Whether Graph keeps what an update of an inner object leaves out
    was never seen, so all of it is sent as it is now.
    """
    if source.service is Service.EXCHANGE:
        named = {"Identity": change.identity} if source.identity_property else {}
        if value == []:
            there = parse_value_list(get_target_property(now, change))
            value = {"@odata.type": FIELD_DELTA, "Remove": list(there)}
        # The answer of Set-OrganizationConfig can fail although the write was carried out, unless
        # little is selected (a fork of CIPP-API).
        await exchange.invoke(source.write, {**named, change.name: value}, select=("Identity",))
        return
    top, *steps = change.name.split(".")
    body = {top: set_inner_value(now.get(top), steps, value)}
    path = source.write + (
        f"/{quote(change.identity, safe='')}" if source.identity_property else ""
    )
    await graph.patch(path, body, source.write_permission)


def set_inner_value(present: object, steps: Sequence[str], value: object) -> object:
    """A value inside of an object, with everything beside it as it is."""
    if not steps:
        return value
    inner = dict(strip_annotations(present)) if isinstance(present, Mapping) else {}
    return {**inner, steps[0]: set_inner_value(inner.get(steps[0]), steps[1:], value)}
