"""Writes a new guard that runs: `make new-guard NAME=open-things TITLE="Open things"`.

The guard that it writes reads mailboxes and reports those of a kind that Exchange Online no longer
creates; with READS=Get-MobileDevice it reads what that cmdlet lists, and writes the row that
declares the read where there is none. It works and has a test, a scene and its row in the catalog;
replace what it reads and how it judges. Texts that only a person can write stand as DESCRIBE; the
generator of the documents, which runs at the end, lists every one by file and line, with whatever
else is missing.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from core.microsoft365.configuration_sources import EXCHANGE_SOURCES
from tools.guard_templates import (
    GUIDE_SECTION,
    MAILBOX_TEMPLATES,
    SOURCE_ROW,
    SOURCE_TEMPLATES,
    GuardTemplates,
)

ROOT = Path(__file__).resolve().parent.parent
NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
SOURCES_FILE = Path("core/microsoft365/configuration_sources.py")
REFERENCE_FILE = Path("tests/infra/data/exchange_cmdlets.json")
CRASH_SCENES_FILE = Path("tests/resilience/generators/scenes.py")
STEPS_FILE = Path("sandbox/scenes/attack_steps.py")
EXAMPLE_ID = "c0ffee00-0000-4000-8000-000000000001"


class GuardRefused(ValueError):
    """There is such a guard already, or its name or what it is to read cannot be one."""


def insert_before(path: Path, mark: str, text: str) -> None:
    """Write text into a file before the last place that has a mark."""
    content = path.read_text(encoding="utf-8")
    if mark not in content:
        raise LookupError(f"{path} no longer contains {mark!r}")
    place = content.rindex(mark)
    path.write_text(content[:place] + text + content[place:], encoding="utf-8")


def describe_source(root: Path, cmdlet: str) -> dict[str, str]:
    """The words of the templates about the source that a cmdlet reads, which may be a new one.

    Raises GuardRefused for what is no cmdlet of Exchange Online that reads.
    """
    known: Mapping[str, list[str]] = json.loads((root / REFERENCE_FILE).read_text("utf-8"))[
        "cmdlets"
    ]
    if not cmdlet.startswith("Get-") or cmdlet not in known:
        raise GuardRefused(f"{cmdlet!r} is no cmdlet that reads in {REFERENCE_FILE}")
    noun = cmdlet.removeprefix("Get-")
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z0-9]*|[A-Z]+", noun)
    found = {
        "cmdlet": cmdlet,
        "source": "-".join(words).lower(),
        "identity": "Guid",
        "noun": f"{' '.join(words).lower()}s",
        "parameters": "\n        parameters=ALL_RESULTS," if "ResultSize" in known[cmdlet] else "",
        "example_id": EXAMPLE_ID,
    }
    for name, source in EXCHANGE_SOURCES.items():
        if source.read == cmdlet:
            return found | {"source": name, "identity": source.identity_property or "Identity"}
    return found


def declare_source(root: Path, words: Mapping[str, str]) -> Path | None:
    """Write the row that declares what the guard reads. None if there is one."""
    if words["source"] in EXCHANGE_SOURCES:
        return None
    path = root / SOURCES_FILE
    insert_before(path, '    "organization": ConfigurationSource(', SOURCE_ROW.format(**words))
    return path


def write_new_files(
    root: Path, templates: GuardTemplates, words: Mapping[str, str]
) -> Iterator[Path]:
    """Write the guard, its unit test and its scene test, and yield their paths."""
    module = words["module"]
    for path, template in (
        (root / "core" / "guards" / f"{module}.py", templates.guard),
        (root / "tests" / "unit" / "guards" / f"test_{module}.py", templates.unit_test),
        (root / "tests" / "integration" / f"test_{module}_scenes.py", templates.scene_test),
    ):
        if path.exists():
            raise GuardRefused(f"{path.relative_to(root)} exists")
        path.write_text(template.format(**words), encoding="utf-8")
        yield path


def add_crash_scene(root: Path, templates: GuardTemplates, words: Mapping[str, str]) -> Path:
    """Add a tenant in which the guard finds something, for the tests of crashes."""
    path = root / CRASH_SCENES_FILE
    insert_before(path, "}\n", templates.crash_scene.format(**words))
    used = "from core.tenant.configuration import Configuration\n"
    content = path.read_text(encoding="utf-8")
    if "Configuration(" in templates.crash_scene and used not in content:
        mark = "from core.tenant.directory import"
        path.write_text(content.replace(mark, used + mark, 1), encoding="utf-8")
    return path


def add_attack_step(root: Path, templates: GuardTemplates, words: Mapping[str, str]) -> Path | None:
    """Add the step in which an attacker does it. None where it cannot be guessed."""
    if not templates.attack_step:
        return None
    path = root / STEPS_FILE
    insert_before(path, "def build_aftermath(", templates.attack_step.format(**words))
    insert_before(path, "    )\n", f"        build_{words['module']}_step(),\n")
    return path


def add_to_catalog(root: Path, module: str) -> Path:
    """Add the guard to the catalog: hourly, and in alert mode."""
    path = root / "core" / "config" / "catalog.py"
    content = path.read_text(encoding="utf-8")
    found = re.search(r"from core\.guards import \(\n(.*?)\n\)", content, re.DOTALL)
    if not found:
        raise LookupError(f"{path} no longer imports the guards by one statement")
    modules = sorted({*re.findall(r"\w+", found[1]), module})
    listed = "\n".join(f"    {one}," for one in modules)
    content = f"{content[: found.start(1)]}{listed}{content[found.end(1) :]}"
    path.write_text(content, encoding="utf-8")
    insert_before(path, ")\n", f'    GuardConfig({module}.GUARD, "0 50 * * * *", Mode.ALERT),\n')
    return path


def add_to_documents(root: Path, words: Mapping[str, str]) -> None:
    """Add the guard's section to docs/guards.md."""
    insert_before(
        root / "docs" / "guards.md",
        "## What the articles describe that no guard does\n",
        GUIDE_SECTION.format(**words),
    )


def add_controls(root: Path, name: str) -> None:
    """Add the guard to the benchmark's table as one that covers no recommendation."""
    path = root / "core" / "microsoft365" / "cis_benchmark.py"
    content = path.read_text(encoding="utf-8")
    first, second, rest = content.partition("NO_CONTROL_REASONS: Mapping[str, str] = {\n")
    reason = f'    "{name}": "DESCRIBE why it recommends nothing about this",\n'
    place = first.rindex("}\n")
    path.write_text(
        f'{first[:place]}    "{name}": (),\n{first[place:]}{second}{reason}{rest}', encoding="utf-8"
    )


def write_guard(root: Path, name: str, title: str, cmdlet: str = "") -> tuple[Path, ...]:
    """Write everything of a new guard but the generated documents. Returns the Python files.

    The guard reads what a cmdlet lists, or mailboxes. Raises GuardRefused for a name that is taken
    or cannot be one, and for a cmdlet that Exchange Online does not have.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise GuardRefused(f"{name!r} is not a valid name; use words with dashes: open-things")
    module = name.replace("-", "_")
    if (root / "core" / "guards" / module).exists():
        raise GuardRefused(f"core/guards/{module} exists")
    words = {"name": name, "title": title, "module": module, "kind": f"{name}-kind"}
    templates = SOURCE_TEMPLATES if cmdlet else MAILBOX_TEMPLATES
    if cmdlet:
        words |= describe_source(root, cmdlet)
    written = tuple(write_new_files(root, templates, words))
    added = (
        declare_source(root, words) if cmdlet else None,
        add_crash_scene(root, templates, words),
        add_attack_step(root, templates, words),
        add_to_catalog(root, module),
    )
    add_controls(root, name)
    add_to_documents(root, words)
    return (*written, *(path for path in added if path))


def main() -> int:
    """Write the guard, run the generators, and say what is left to do."""
    parser = argparse.ArgumentParser(description="Writes a new guard that runs.")
    parser.add_argument("name", help="words with dashes: open-things")
    parser.add_argument("--title", default="", help='as pages show it: "Open things"')
    parser.add_argument("--reads", default="", help="the cmdlet it reads: Get-MobileDevice")
    given = parser.parse_args()
    title = given.title or given.name.replace("-", " ").capitalize()
    try:
        files = write_guard(ROOT, given.name, title, given.reads)
    except GuardRefused as error:
        print(f"new-guard: {error}", file=sys.stderr)
        return 2
    subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--quiet", *files], cwd=ROOT, check=True
    )
    for file in files:
        print(f"wrote {file.relative_to(ROOT)}")
    # A process of its own imports the catalog that has just been written.
    return subprocess.run([sys.executable, "-m", "tools.docs_gen.documents"], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
