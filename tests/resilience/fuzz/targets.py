"""Everything of ours that reads foreign bytes, each as a function of bytes that must not fail.

A target takes any bytes, lets them grow into what it is about, and asserts what has to hold of the
outcome: a value of ours, or the one error that is meant for what is none.
`tests.resilience.fuzz.driver` feeds them with coverage-guided chance, `test_fuzzed` with what that
found worth keeping.
"""

from collections.abc import Callable, Mapping

from tests.resilience.fuzz import targets_m365 as m365
from tests.resilience.fuzz import targets_storage as own

TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        m365.rows,
        m365.bodies,
        m365.refusals,
        m365.batches,
        m365.headers,
        m365.recipients,
        own.shown,
        own.records,
        own.baselines,
        own.requests,
        own.messages,
    )
}
