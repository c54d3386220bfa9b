"""`make docs`: the documents as a site in dist/site, built by mkdocs with mkdocs.yml.

The documents are written for a reader of the repository too, whose links lead to any of its files.
In the copy that the site is built of, a link to a file that is no page leads to the repository if
its address is given, and is plain text otherwise. mkdocs then checks every link and anchor left.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "dist" / "docs-source"
FRONT_PAGE = "README.md"
TOP_PAGES = (FRONT_PAGE, "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
SHOWN_SUFFIXES = (".md", ".png", ".svg", ".json")
LINK = re.compile(
    r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]+)?\)"
)


def list_shown_files(root: Path) -> Iterator[Path]:
    """The files that the site holds, relative to the repository."""
    yield from (Path(name) for name in TOP_PAGES)
    for path in sorted((root / "docs").rglob("*")):
        if path.suffix in SHOWN_SUFFIXES:
            yield path.relative_to(root)


def rewrite_links(text: str, page: Path, shown: frozenset[Path], repository: str) -> str:
    """A page's text with every link leading to a page of the site or to the repository."""

    def rewrite_link(match: re.Match[str]) -> str:
        mark, label, target, anchor = match[1], match[2], match[3], match[4] or ""
        found = Path(os.path.normpath(page.parent / target))
        if found in shown:
            # The front page of a site is its index.
            name = Path("index.md") if found == Path(FRONT_PAGE) else found
            relative = os.path.relpath(name, page.parent)
            return f"{mark}[{label}]({relative}{anchor})"
        return f"[{label}]({repository}/{found}{anchor})" if repository else label

    return LINK.sub(rewrite_link, text)


def write_source(root: Path, source: Path, repository: str) -> list[Path]:
    """Copy what the site shows into a folder of its own. Returns the copies."""
    shutil.rmtree(source, ignore_errors=True)
    shown = frozenset(list_shown_files(root))
    copies = []
    for path in sorted(shown):
        name = "index.md" if path == Path(FRONT_PAGE) else path
        copy = source / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            text = (root / path).read_text(encoding="utf-8")
            copy.write_text(rewrite_links(text, path, shown, repository), encoding="utf-8")
        else:
            shutil.copyfile(root / path, copy)
        copies.append(copy)
    return copies


def main(arguments: list[str]) -> int:
    """Build the site and return the exit code of mkdocs."""
    parser = argparse.ArgumentParser(prog="make docs", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--repository",
        metavar="ADDRESS",
        default="",
        help="where links to files lead: https://github.com/<owner>/<repository>/blob/main",
    )
    parser.add_argument("--mkdocs", metavar="FILE", default="mkdocs", help="the program")
    options = parser.parse_args(arguments)
    pages = write_source(ROOT, SOURCE, options.repository.rstrip("/"))
    # What mkdocs-material says of other projects at each start is none of the site's business.
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run([options.mkdocs, "build", "--quiet"], cwd=ROOT, env=environ, check=False)
    if done.returncode == 0:
        print(f"{len(pages)} files make the site: open dist/site/index.html")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
