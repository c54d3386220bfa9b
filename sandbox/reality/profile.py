"""Which side of each contested fact a tenant plays: the scene's `reality`.

    "reality": {"exchange-paging": "refused"}
    "reality": {"exchange-paging": {"side": "refused", "after": 2}}
    "reality": {"profile": "contrary", "exchange-wire-forms": "typed"}
    "reality": "contrary"

A fact that the scene leaves out plays its default, or its worst side under "contrary" if it has
one.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.reality.activity_facts import ACTIVITY_FACTS
from sandbox.reality.exchange_facts import EXCHANGE_FACTS
from sandbox.reality.fact import ContestedFact
from sandbox.reality.graph_facts import GRAPH_FACTS
from sandbox.reality.listing_facts import LISTING_FACTS
from sandbox.reality.platform_facts import PLATFORM_FACTS

FACTS: Mapping[str, ContestedFact] = {
    fact.id: fact
    for fact in (*EXCHANGE_FACTS, *LISTING_FACTS, *GRAPH_FACTS, *ACTIVITY_FACTS, *PLATFORM_FACTS)
}
DEFAULT_PROFILE, CONTRARY = "measured", "contrary"
PROFILES = (DEFAULT_PROFILE, CONTRARY)


class Reality:
    """The sides a tenant plays; `profile` is that of a definition which names none.

    Raises ValueError for an unknown fact, side, option or profile.
    """

    def __init__(self, definition: object = None, profile: str = DEFAULT_PROFILE) -> None:
        entries = parse_definition(definition)
        self.profile = str(entries.pop("profile", profile))
        if self.profile not in PROFILES:
            raise ValueError(f"a profile is one of {', '.join(PROFILES)}, not {self.profile!r}")
        if unknown := entries.keys() - FACTS.keys():
            raise ValueError(f"no contested fact: {', '.join(sorted(unknown))}")
        self.sides: dict[str, str] = {}
        self.options: dict[str, Mapping[str, Any]] = {}
        for fact in FACTS.values():
            entry = entries.get(fact.id)
            if entry is None:
                contrary = self.profile == CONTRARY
                self.sides[fact.id] = (fact.worst if contrary else "") or fact.default
                self.options[fact.id] = fact.worst_options if contrary else {}
            else:
                self.sides[fact.id], self.options[fact.id] = parse_entry(fact, entry)

    def plays(self, fact_id: str, side: str) -> bool:
        """True if the tenant plays this side. Raises ValueError for a side that does not exist."""
        if side not in FACTS[fact_id].sides:
            raise ValueError(f"{fact_id} has no side {side!r}")
        return self.sides[fact_id] == side

    def get_side(self, fact_id: str) -> str:
        """The side that the tenant plays of a fact."""
        return self.sides[fact_id]

    def get_option(self, fact_id: str, name: str, default: Any = None) -> Any:
        """An option of a fact's side, or a default."""
        return self.options[fact_id].get(name, default)


def parse_definition(definition: object) -> dict[str, object]:
    """Parses a scene's `reality`: nothing, a profile, or an object."""
    if definition is None:
        return {}
    if isinstance(definition, str):
        return {"profile": definition}
    if not isinstance(definition, Mapping):
        raise ValueError("reality is a profile or an object")
    return {str(name): value for name, value in definition.items()}


def parse_entry(fact: ContestedFact, entry: object) -> tuple[str, Mapping[str, Any]]:
    """Parses the entry of a fact: a side, or an object with the side and its options."""
    given = {"side": entry} if isinstance(entry, str) else entry
    if not isinstance(given, Mapping):
        raise ValueError(f"{fact.id}: a side, or an object with the key side")
    options = {str(name): value for name, value in given.items() if name != "side"}
    side = str(given.get("side", fact.default))
    if side not in fact.sides:
        raise ValueError(f"{fact.id}: a side is one of {', '.join(fact.sides)}, not {side!r}")
    if unknown := options.keys() - fact.options.keys():
        raise ValueError(f"{fact.id}: no option {', '.join(sorted(unknown))}")
    return side, options
