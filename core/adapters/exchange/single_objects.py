"""Single objects of Exchange, each asked for by a key of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each
from core.adapters.parsing import ResponseRow, parse_each_row
from core.adapters.read_errors import build_object_failures
from core.errors import NotFound, TenantError
from core.microsoft365.assumptions.assumption import Assumption
from core.microsoft365.assumptions.exchange_objects import SINGLE_OBJECTS, SINGLE_SETTINGS
from core.tenant.readings import ReadFailure, Reading

RELIES_ON = (SINGLE_OBJECTS, SINGLE_SETTINGS)

NO_OBJECT = "Exchange showed no object, and did not say that there is none"
NOT_BELIEVED = "Exchange does not find it, and of this tenant that says nothing"
OTHER_OBJECT = "Exchange showed another object than was asked for"


@dataclass(slots=True)
class SingleObjects[T]:
    """What keys stand for. One that Exchange does not find is in neither."""

    asked_count: int
    found: dict[str, T] = field(default_factory=dict)
    errors: dict[str, TenantError | str] = field(default_factory=dict)

    def add_rows(
        self,
        key: str,
        rows: list[ResponseRow],
        parse: Callable[[ResponseRow], T],
        is_asked: Callable[[str, T], bool],
    ) -> None:
        """Take in the answer for a key: one object, or it was not read."""
        found, broken = parse_each_row(rows, parse)
        if broken:
            self.errors[key] = broken[0][1]
        elif not found:
            self.errors[key] = NO_OBJECT
        elif len(found) > 1:
            self.errors[key] = f"it is the name of {len(found):,} objects"
        elif not is_asked(key, found[0]):
            self.errors[key] = OTHER_OBJECT
        else:
            self.found[key] = found[0]

    def build_failures(
        self, source: str, subjects: Mapping[str, str] | None = None
    ) -> tuple[ReadFailure, ...]:
        """The keys that could not be read."""
        return build_object_failures(source, self.errors, self.asked_count, subjects or {})

    def build_reading(self, source: str) -> Reading[T]:
        """The objects as a reading of one source."""
        return Reading(
            items=tuple(self.found.values()),
            failures=self.build_failures(source),
            sources=frozenset({source}),
            population=self.asked_count,
        )


async def fetch_single_objects[T](
    exchange: ExchangeClient,
    commands: Mapping[str, Command],
    parse: Callable[[ResponseRow], T],
    is_asked: Callable[[str, T], bool] = lambda key, found: True,
    assumption: Assumption = SINGLE_OBJECTS,
    *,
    filters: bool = False,
) -> SingleObjects[T]:
    """The object of each key, as its command shows it.

    Nobody is gone because of an answer without a row, unless the key `filters` a list: only
    Exchange's own word says so, and it is believed for as long as the `assumption` holds.
    """
    objects = SingleObjects[T](len(commands))
    is_believed = await exchange.chosen_ways.find(assumption) == assumption.default_way
    answers = await list_each(exchange, list(commands.values()))
    for key, rows in zip(commands, answers, strict=True):
        if isinstance(rows, NotFound) or (filters and rows == []):
            if not is_believed:
                objects.errors[key] = NOT_BELIEVED
        elif isinstance(rows, TenantError):
            objects.errors[key] = rows
        else:
            objects.add_rows(key, rows, parse, is_asked)
    return objects
