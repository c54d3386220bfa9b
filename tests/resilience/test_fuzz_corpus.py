"""What coverage-guided chance found worth keeping, replayed; and some chance of its own.

Rows, bodies, refusals and batches of Microsoft 365, recipients, headers; cards of any texts; rows
of the state table; baseline files; requests, and messages of the queues: nothing in any of them
does anything but be understood or be refused with the one error that is meant for it. `make fuzz`
looks for what these miss.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.resilience.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "fuzz" / "corpus"
KEPT = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name[:20]}")
def test_what_once_broke_a_parser_or_might_have_does_not(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_the_corpus_speaks_of_every_target() -> None:
    assert {path.parent.name for path in KEPT} == set(TARGETS)


@pytest.mark.parametrize("name", sorted(TARGETS))
@given(data=st.binary(max_size=400))
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_no_bytes_do_anything_but_be_understood_or_refused(name: str, data: bytes) -> None:
    TARGETS[name](data)
