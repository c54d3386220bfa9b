"""Measures what takes a command or more for each mailbox, source by source."""

from collections.abc import AsyncIterator, Callable
from uuid import uuid4

from bench.environment import BenchEnvironment
from bench.results import SWEEP, SWEEPS, Measurement
from bench.runs import run_client


async def measure_sweeps(
    environment: BenchEnvironment, report_progress: Callable[[str], None], up_to: int
) -> AsyncIterator[Measurement]:
    """Measures the sweeps of mailbox-delegation one by one, in a tenant of at most so many
    mailboxes; a run makes them at the same time. Their state is new, whichever guards ran before.
    """
    environ = {**environment.build_app_settings(), "STATE_TABLE": f"sweeps{uuid4().hex}"}
    for name, source in SWEEPS.items() if environment.spec.mailboxes <= up_to else ():
        report_progress(f"{environment.spec.mailboxes:,} mailboxes: {name}, every mailbox")
        order = {"client": "sweep", "sweep": source, "environ": environ}
        yield await run_client(environment, name, SWEEP, order)
