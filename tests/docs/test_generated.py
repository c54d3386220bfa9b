"""Documents and sample say what the code says."""

import re

from core.config.catalog import CATALOG
from core.model.findings import Verdict
from tools.docs_gen.documents import (
    ROOT,
    build_openapi_json,
    build_parameters_file,
    build_sample_settings,
    list_tables,
    replace_tables,
)

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_tables_in_documents_are_what_the_code_says() -> None:
    for path, tables in list_tables().items():
        text = path.read_text(encoding="utf-8")
        assert replace_tables(text, tables) == text, "run: python -m tools.docs_gen.documents"


def test_the_sample_settings_are_what_the_code_says() -> None:
    text = (ROOT / "local.settings.sample.json").read_text(encoding="utf-8")
    assert text == build_sample_settings(), "run: python -m tools.docs_gen.documents"


def test_the_document_of_the_api_is_what_the_routes_say() -> None:
    text = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert text == build_openapi_json(), "run: python -m tools.docs_gen.documents"


def test_the_parameters_of_the_deployment_name_the_settings_of_every_guard() -> None:
    text = (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8")
    assert text == build_parameters_file(text), "run: python -m tools.docs_gen.documents"


def test_every_verdict_is_explained() -> None:
    text = (ROOT / "docs" / "guards.md").read_text(encoding="utf-8")
    verdicts = {*Verdict, *(word for config in CATALOG for word in config.guard.verdicts)}
    assert [word for word in sorted(verdicts) if f"`{word}`" not in text] == []


def test_every_guard_is_in_the_readme_and_has_its_files() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for config in CATALOG:
        module = config.guard.name.replace("-", "_")
        assert f"`{config.guard.name}`" in readme
        guards, tests = ROOT / "core" / "guards", ROOT / "tests" / "unit" / "guards"
        assert (guards / f"{module}.py").exists() or (guards / module / "guard.py").exists()
        assert (tests / f"test_{module}.py").exists() or (tests / module / "test_guard.py").exists()


def test_every_file_a_document_links_to_exists() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_guards_are_described_in_the_order_of_the_catalog() -> None:
    text = (ROOT / "docs" / "guards.md").read_text(encoding="utf-8")
    names = [config.guard.name for config in CATALOG]
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")][:-1] == names
    for name in names:
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section.count("**Articles and controls.**") == 1


def test_every_test_a_document_names_exists() -> None:
    named = {
        found
        for path in DOCUMENTS
        for found in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", path.read_text("utf-8"))
    }
    assert len(named) > 20
    for file, name in named:
        path = ROOT / file
        assert path.exists(), file
        assert not name or f"def {name}(" in path.read_text("utf-8"), f"{file}::{name}"
