"""How a property of a filter is compared: what weaker means for a switch, a step, a number, a list.

Pure. Levels are the baseline's matter: here only less than before counts. A switch that a new
tenant has on opens something when it is off; one that somebody has to turn on keeps something while
it is on, so that a policy without it is no news.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.microsoft365.powershell import can_be_quoted, quote_literal
from core.microsoft365.remedies import MAX_STOPPED, build_command, make_exchange_step
from core.model.findings import Severity, Step
from core.property_values import get_flag, get_text, get_texts, parse_printed_int
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import Trait, build_token, build_value_token, read_entry

MAX_NAME_LENGTH = 120
MEDIUM, LOW = Severity.MEDIUM, Severity.LOW


@dataclass(frozen=True, slots=True)
class Switch:
    """A boolean that protects while it is on."""

    name: str
    purpose: str
    """What it does while it is on, as a clause after "no longer"."""
    is_on_by_default: bool = True
    severity: Severity = MEDIUM


@dataclass(frozen=True, slots=True)
class Hole:
    """A boolean that opens something while it is on."""

    name: str
    text: str
    severity: Severity = MEDIUM


@dataclass(frozen=True, slots=True)
class Steps:
    """An action of several, from the strongest to the weakest. An unknown one is told as such."""

    name: str
    about: str
    """What it is done to, such as `spam`."""
    values: tuple[str, ...]
    severity: Severity = MEDIUM
    apart: tuple[str, ...] = ()
    """Actions that are neither stronger nor weaker: mail is kept from its reader in another way."""
    receivers: str = ""
    """The property that names who is sent such mail, by an action that sends it on."""
    switch: str = ""
    """The switch without which nothing is done at all, so that the action does not matter."""


SENDING_ACTIONS = frozenset({"redirect", "bccmessage"})


@dataclass(frozen=True, slots=True)
class Number:
    """A threshold. Each step towards the weak end is one more thing that is let through."""

    name: str
    about: str
    low: int
    high: int
    is_higher_weaker: bool
    severity: Severity = LOW


@dataclass(frozen=True, slots=True)
class Tag:
    """The quarantine policy that says what people may do with held mail of one kind."""

    name: str
    about: str
    severity: Severity = MEDIUM


ADMIN_ONLY = "adminonlyaccesspolicy"
"""The strictest of Microsoft's quarantine policies: only administrators release held mail."""


@dataclass(frozen=True, slots=True)
class AllowList:
    """Entries that pass."""

    name: str
    text: str
    """What an entry does, as a clause before it."""
    severity: Severity = MEDIUM


@dataclass(frozen=True, slots=True)
class ProtectedList:
    """Entries that are protected; fewer is weaker."""

    name: str
    text: str
    """What it does for an entry, as a clause after "no longer" and before the entry."""
    severity: Severity = MEDIUM
    is_set_whole: bool = False
    """Whether its cmdlet takes the whole list only, and no entry more or less."""


@dataclass(frozen=True, slots=True)
class FilterShape:
    """All properties of one kind of filter that count."""

    switches: tuple[Switch, ...] = ()
    holes: tuple[Hole, ...] = ()
    steps: tuple[Steps, ...] = ()
    numbers: tuple[Number, ...] = ()
    tags: tuple[Tag, ...] = ()
    allowed: tuple[AllowList, ...] = ()
    protected: tuple[ProtectedList, ...] = ()
    set_by_tenant: frozenset[str] = field(default_factory=frozenset)
    """Of a preset, the properties that the tenant decides and Microsoft does not."""

    def for_preset(self) -> "FilterShape":
        """The part of the shape that counts for one of Microsoft's presets."""
        return FilterShape(
            allowed=tuple(one for one in self.allowed if one.name in self.set_by_tenant),
            protected=tuple(one for one in self.protected if one.name in self.set_by_tenant),
        )


def list_exposures(
    shape: FilterShape, item: Configuration, own: Iterable[str], settled: Iterable[str]
) -> Iterator[Trait]:
    """Everything that a filter lets through. Of the tenant's `own` domains, mail that is sent to
    the `settled` ones stays inside.
    """
    values = item.values
    for switch in shape.switches:
        if switch.is_on_by_default and not get_flag(values, switch.name, default=True):
            yield Trait(
                f"{switch.name} off",
                f"no longer {switch.purpose} ({switch.name} is False)",
                switch.severity,
            )
    for hole in shape.holes:
        if get_flag(values, hole.name, default=False):
            yield Trait(f"{hole.name} on", f"{hole.text} ({hole.name} is True)", hole.severity)
    for steps in shape.steps:
        is_on = not steps.switch or get_flag(values, steps.switch, default=False)
        yield from list_steps(steps, get_text(values, steps.name), is_on=is_on)
        yield from list_receivers(steps, values, frozenset(settled))
    for number in shape.numbers:
        yield from list_number_steps(number, item)
    yield from list_tag_traits(shape, values)
    yield from list_allowed_entries(shape, item, frozenset(own))


def list_tag_traits(shape: FilterShape, values: Mapping[str, object]) -> Iterator[Trait]:
    """Which held mail is more than administrators' to release, and by what."""
    for tag in shape.tags:
        held = get_text(values, tag.name)
        if held and held.casefold() != ADMIN_ONLY:
            text = f"holds {tag.about} by {quote_text(held, MAX_NAME_LENGTH)}, which people may use"
            yield Trait(build_value_token(tag.name, held), f"{text} ({tag.name})", tag.severity)


def list_steps(steps: Steps, value: str, *, is_on: bool = True) -> Iterator[Trait]:
    """How far an action is from the strongest one, a trait for each step."""
    severity = steps.severity if is_on else Severity.INFO
    folded = [one.casefold() for one in steps.values]
    if not value or value.casefold() in map(str.casefold, steps.apart):
        return
    text = f"only does {quote_text(value, 60)} with {steps.about} ({steps.name})"
    if value.casefold() not in folded:
        yield Trait(build_token(steps.name, value), text, LOW)
        return
    for place in range(1, folded.index(value.casefold()) + 1):
        yield Trait(f"{steps.name} {folded[place]}", text, severity)


def list_receivers(
    steps: Steps, values: Mapping[str, object], own: frozenset[str]
) -> Iterator[Trait]:
    """Who is sent mail by an action that sends it on: somebody outside reads what was stopped."""
    if get_text(values, steps.name).casefold() not in SENDING_ACTIONS or not steps.receivers:
        return
    for address in get_texts(values, steps.receivers):
        is_own = address.rpartition("@")[2].casefold() in own
        yield Trait(
            build_token(f"{steps.name} to", address),
            f"sends {steps.about} to {quote_text(address, MAX_NAME_LENGTH)} ({steps.receivers})",
            MEDIUM if is_own else Severity.HIGH,
        )


def list_number_steps(number: Number, item: Configuration) -> Iterator[Trait]:
    """How far a threshold is from its strongest value."""
    value = parse_printed_int(item.values.get(number.name))
    if value is None:
        return
    kept = min(max(value, number.low), number.high)
    crossed: Sequence[int] = (
        range(number.low, kept) if number.is_higher_weaker else range(kept, number.high)
    )
    for step in crossed:
        text = f"is laxer about {number.about} ({number.name} is {value})"
        yield Trait(f"{number.name} past {step}", text, number.severity)


def list_allowed_entries(
    shape: FilterShape, item: Configuration, own: frozenset[str]
) -> Iterator[Trait]:
    """Who passes. To let one's own domain pass lets everybody pass who claims to be a colleague."""
    for allowed in shape.allowed:
        for entry in get_texts(item.values, allowed.name):
            domain = entry.rpartition("@")[2].casefold()
            is_own = domain in own
            more = ", a domain of one's own: whoever claims it passes" if is_own else ""
            yield Trait(
                build_token(allowed.name, entry),
                f"{allowed.text} {quote_text(entry, MAX_NAME_LENGTH)}{more}",
                max(allowed.severity, Severity.HIGH if is_own else allowed.severity),
            )


def list_kept(shape: FilterShape, item: Configuration) -> Iterator[str]:
    """The tokens of what a filter protects."""
    for switch in shape.switches:
        if not switch.is_on_by_default and get_flag(item.values, switch.name, default=False):
            yield switch.name
    for protected in shape.protected:
        for entry in get_texts(item.values, protected.name):
            yield build_token(protected.name, entry)


def explain_filter_loss(shape: FilterShape, token: str) -> Trait:
    """What it means that a filter no longer protects something."""
    name, _, entry = token.partition(" ")
    for switch in shape.switches:
        if switch.name == name:
            text = f"no longer {switch.purpose} ({name} is False)"
            return Trait(token, text, switch.severity)
    for protected in shape.protected:
        if protected.name == name:
            text = f"no longer {protected.text} {quote_text(entry, MAX_NAME_LENGTH)}"
            return Trait(token, text, protected.severity)
    return Trait(token, f"lacks {quote_text(token, MAX_NAME_LENGTH)}", LOW)


# What sets a filter back -------------------------------------------------------------------------


def list_parameters(shape: FilterShape, tokens: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The parameters that set back what tokens say got weaker, with their values in PowerShell.

    A token that shows only a part of its entry, or that nobody can say the former value of, has
    none.
    """
    found = frozenset(tokens)
    for switch in shape.switches:
        if found & {switch.name, f"{switch.name} off"}:
            yield switch.name, "$true"
    yield from ((hole.name, "$false") for hole in shape.holes if f"{hole.name} on" in found)
    yield from list_level_parameters(shape, found)
    for allowed in shape.allowed:
        yield from list_entry_parameters(allowed.name, "Remove", tokens)
    for protected in shape.protected:
        if not protected.is_set_whole:
            yield from list_entry_parameters(protected.name, "Add", tokens)


def list_level_parameters(shape: FilterShape, tokens: Collection[str]) -> Iterator[tuple[str, str]]:
    """The actions and thresholds as they were: one step stronger than the first that is new."""
    for steps in shape.steps:
        reached = [
            place
            for place, value in enumerate(steps.values)
            if f"{steps.name} {value.casefold()}" in tokens
        ]
        if reached:
            yield steps.name, quote_literal(steps.values[max(min(reached) - 1, 0)])
    for number in shape.numbers:
        crossed = [
            step
            for step in range(number.low, number.high + 1)
            if f"{number.name} past {step}" in tokens
        ]
        if crossed:
            former = min(crossed) if number.is_higher_weaker else max(crossed) + 1
            yield number.name, str(former)


def list_entry_parameters(
    name: str, action: str, tokens: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """The parameter that takes entries of a list out, or puts them back in."""
    entries = [read_entry(token) for token in tokens if token.startswith(f"{name} ")]
    listed = [quote_literal(one) for one in entries if can_be_quoted(one)][:MAX_STOPPED]
    if listed:
        yield name, f"@{{{action}={','.join(listed)}}}"


def restore_filter(
    shape: FilterShape, cmdlet: str, identity: str, tokens: Sequence[str]
) -> Iterator[Step]:
    """What sets a filter back to what it was, in one command; nothing where no parameter does."""
    values = " ".join(f"-{name} {value}" for name, value in list_parameters(shape, tokens))
    if not values:
        return
    yield make_exchange_step(
        "Unless somebody answers for it: set it back.",
        build_command(f"Set-{cmdlet}", values, Identity=identity),
    )
    is_whole = all(any(list_parameters(shape, [token])) for token in tokens)
    if not is_whole or len(tokens) > MAX_STOPPED:
        yield Step("Set back the rest by hand: what was saved first says how it is now.")
