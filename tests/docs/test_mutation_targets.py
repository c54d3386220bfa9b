"""`make mutants` mutates, type-checks and counts the same modules."""

import re
import tomllib

from tools.docs_gen.documents import ROOT
from tools.mutation_testing import TARGETS, load_equivalents

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]


def test_what_is_mutated_is_type_checked_and_counted() -> None:
    counted = {source for sources in TARGETS.values() for source in sources}
    checked = {word for word in SETTINGS["type_check_command"] if word.endswith(".py")}
    assert set(SETTINGS["only_mutate"]) == checked == counted
    assert all((ROOT / source).exists() for source in counted)


def test_every_equivalent_mutant_is_of_a_function_that_exists() -> None:
    for function, _ in load_equivalents():
        path, _, name = function.partition("xǁ") if "xǁ" in function else function.partition("x_")
        source = ROOT / f"{path.rstrip('.').replace('.', '/')}.py"
        defined = re.findall(r"def (\w+)[\[(]", source.read_text(encoding="utf-8"))
        assert name.rpartition("ǁ")[2] in defined, function
