"""Guards with a mistake in them."""

from collections.abc import Iterator
from dataclasses import replace

from core.model.guards import GuardConfig, PeriodicCheck


class OddChecks(tuple[PeriodicCheck, ...]):
    """The periodic checks of a guard whose run dies as soon as it asks for them."""

    error: Exception

    def __iter__(self) -> Iterator[PeriodicCheck]:
        raise self.error


def make_slip(config: GuardConfig, error: Exception) -> GuardConfig:
    """A guard whose runs all end by a mistake that is about no object."""
    checks = OddChecks()
    checks.error = error
    return replace(config, guard=replace(config.guard, periodic_checks=checks))
