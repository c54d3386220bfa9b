"""Single objects: who is gone, who is unread, and who is there."""

from dataclasses import dataclass

import pytest

from core.adapters.exchange.command import Command
from core.adapters.exchange.single_objects import (
    NO_OBJECT,
    NOT_BELIEVED,
    OTHER_OBJECT,
    SingleObjects,
    fetch_single_objects,
)
from core.adapters.parsing import ResponseRow
from core.errors import Forbidden, NotFound, Rejected, TenantError
from core.microsoft365.assumptions.exchange_objects import SINGLE_OBJECTS
from tests.support.fakes.exchange import ScriptedExchange


@dataclass(frozen=True, slots=True)
class Box:
    name: str


def parse_box(row: ResponseRow) -> Box:
    name = row.get("Name")
    if not isinstance(name, str):
        raise ValueError("a mailbox without a name")
    return Box(name)


async def ask(
    *answers: list[ResponseRow] | TenantError, ways: dict[str, str] | None = None
) -> SingleObjects[Box]:
    """What keys a, b, ... stand for, by these answers."""
    exchange = ScriptedExchange(batches=answers)
    exchange.chosen_ways.adopt(ways or {})
    keys = "abcdefgh"[: len(answers)]
    commands = {key: Command("Get-Mailbox", {"Identity": key}) for key in keys}
    return await fetch_single_objects(
        exchange, commands, parse_box, lambda key, box: box.name == key
    )


async def test_who_is_not_found_is_gone_and_everybody_else_there_or_unread() -> None:
    read = await ask(
        [{"Name": "a"}],
        NotFound("nobody"),
        [],
        [{"Name": "d"}, {"Name": "d"}],
        [{"Name": "x"}],
        [{}],
        Rejected("not now"),
    )
    assert read.found == {"a": Box("a")}
    assert {key: str(error) for key, error in read.errors.items()} == {
        "c": NO_OBJECT,
        "d": "it is the name of 2 objects",
        "e": OTHER_OBJECT,
        "f": "a mailbox without a name",
        "g": "not now",
    }
    assert [one.object_id for one in read.build_failures("boxes")] == ["c", "d", "e", "f", "g"]


async def test_a_cmdlet_that_is_refused_for_all_is_a_permission_that_is_missing() -> None:
    read = await ask(*[Forbidden("no role", "Get-Mailbox")] * 2)
    (failure,) = read.build_reading("boxes").failures
    assert (failure.object_id, failure.permission) == ("", "Get-Mailbox")


@pytest.mark.parametrize(("way", "gone"), [("believed", True), ("doubted", False)])
async def test_where_the_probe_found_ids_that_exchange_does_not_know_nobody_is_gone(
    way: str, gone: bool
) -> None:
    read = await ask(NotFound("nobody"), ways={SINGLE_OBJECTS.id: way})
    assert read.errors == ({} if gone else {"a": NOT_BELIEVED})
