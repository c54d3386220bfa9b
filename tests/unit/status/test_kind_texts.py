"""What cases are called on cards: every kind that there is has words, for one and for several."""

import re
from pathlib import Path

from core.config.catalog import WATCHED_COLLECTIONS
from core.engine.self_findings import SELF_CHECK_KINDS
from core.guards.tenant_baseline.rule_file import build_full_baseline
from core.model.findings import Severity
from core.status.kind_texts import count_kind, describe_kind, load_kind_texts
from tests.support.sentences import FOLDER

GUARDS = Path(__file__).resolve().parents[3] / "core" / "guards"


def test_every_kind_has_words_of_its_own() -> None:
    headings = re.compile(r"^([a-z-]+): (?:info|low|medium|high|critical), ", re.MULTILINE)
    told = {kind for path in FOLDER.glob("*.txt") for kind in headings.findall(path.read_text())}
    written = {
        kind
        for path in GUARDS.rglob("*.py")
        for kind in re.findall(r'\bkind="([a-z-]+)"', path.read_text())
    }
    watched = {
        kind
        for collections in WATCHED_COLLECTIONS.values()
        for one in collections
        for kind in (one.name, *([f"{one.name}-gone"] if one.departure > Severity.INFO else []))
    }
    rows = {row.id for row in build_full_baseline().rows} | {"own-row", "stock"}
    known = load_kind_texts().keys()
    assert (told | written | watched | SELF_CHECK_KINDS) - rows - known == set()


def test_words_are_plain_and_short() -> None:
    for kind, words in load_kind_texts().items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind)
        for text in words:
            assert 0 < len(text) <= 90
            assert kind not in text or "-" not in kind


def test_a_number_stands_before_the_words() -> None:
    assert count_kind("sign-in-enabled", 6) == "6 accounts that can sign in"
    assert count_kind("sign-in-enabled", 1) == "1 account that can sign in"
    assert count_kind("inbox-rule-forward", 1_200) == "1,200 inbox rules that send mail on"
    assert count_kind("a-row-of-mine", 2) == "2 x a row of mine"
    assert describe_kind("a-row-of-mine") == "a row of mine"
