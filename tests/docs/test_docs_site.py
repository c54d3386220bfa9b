"""The site of the documents: its links, its list of pages, and the length of the first one."""

import re
from pathlib import Path

import pytest

from core.config.catalog import CATALOG
from tools.docs_site import ROOT, list_shown_files, rewrite_links, write_source

SHOWN = frozenset({Path("README.md"), Path("docs/deploy.md"), Path("docs/images/a.png")})
REPOSITORY = "https://example.org/r/blob/main"


@pytest.mark.parametrize(
    ("page", "text", "expected"),
    [
        ("README.md", "[d](docs/deploy.md#cost)", "[d](docs/deploy.md#cost)"),
        ("docs/deploy.md", "[top](../README.md)", "[top](../index.md)"),
        ("README.md", "![i](docs/images/a.png)", "![i](docs/images/a.png)"),
        ("README.md", "[a [b] c](core/x.py)", f"[a [b] c]({REPOSITORY}/core/x.py)"),
        ("docs/deploy.md", "[x](../core/x.py#L3)", f"[x]({REPOSITORY}/core/x.py#L3)"),
        (
            "docs/deploy.md",
            "[w](https://a.example/b) [h](#here)",
            "[w](https://a.example/b) [h](#here)",
        ),
        ("README.md", "a [1] (b) and `f(x)`", "a [1] (b) and `f(x)`"),
    ],
)
def test_a_link_leads_to_a_page_or_to_the_repository(page: str, text: str, expected: str) -> None:
    assert rewrite_links(text, Path(page), SHOWN, REPOSITORY) == expected


def test_without_an_address_of_the_repository_a_link_to_a_file_is_text() -> None:
    text = "see [the port](core/tenant/port.py) and [deploy](docs/deploy.md)"
    expected = "see the port and [deploy](docs/deploy.md)"
    assert rewrite_links(text, Path("README.md"), SHOWN, "") == expected


def test_the_list_of_pages_names_every_document_and_no_other() -> None:
    pages = {str(path) for path in list_shown_files(ROOT) if path.suffix == ".md"}
    listed = re.findall(r"^ +- [^\n]*?: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M)
    assert len(listed) == len(set(listed))
    assert set(listed) == pages - {"README.md"} | {"index.md"}


def test_each_guard_has_its_practice_in_the_order_of_the_catalog() -> None:
    """When it is harmless comes first: that is what somebody asks at night."""
    text = (ROOT / "docs" / "guards-in-practice.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert [part.partition("\n")[0] for part in parts] == [one.guard.name for one in CATALOG]
    for part in parts:
        order = [part.index(mark) for mark in ("**Harmless when**", "**Example.**", "**Do.**")]
        assert order == sorted(order), part


def test_the_source_of_the_site_is_made_anew(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "docs").mkdir(parents=True)
    (source / "docs" / "gone.md").write_text("old", encoding="utf-8")
    copies = write_source(ROOT, source, "")
    assert sorted(path for path in source.rglob("*") if path.is_file()) == sorted(copies)
    assert "](core/" not in (source / "index.md").read_text(encoding="utf-8")
    assert (source / "docs" / "images" / "status-light.png").stat().st_size > 0


def test_the_first_page_is_read_in_a_few_minutes() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120
