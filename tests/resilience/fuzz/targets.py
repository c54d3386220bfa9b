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
    target.__name__.removeprefix("fuzz_"): target
    for target in (
        m365.fuzz_rows,
        m365.fuzz_bodies,
        m365.fuzz_refusals,
        m365.fuzz_batches,
        m365.fuzz_headers,
        m365.fuzz_recipients,
        own.fuzz_cards,
        own.fuzz_records,
        own.fuzz_baselines,
        own.fuzz_requests,
        own.fuzz_messages,
    )
}
