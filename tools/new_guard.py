"""Writes a new guard that runs: `make new-guard NAME=open-things TITLE="Open things"`.

The guard that it writes reads mailboxes and reports those of a kind that Exchange Online no longer
creates. It works and has a test, a scene and its row in the catalog; replace what it reads and how
it judges. Texts that only a person can write stand as DESCRIBE; the generator of the documents,
which runs at the end, lists every one by file and line, with whatever else is missing.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")

GUARD_TEMPLATE = '''"""The threat: DESCRIBE what an attacker does where this guard is missing.

DESCRIBE why people do not notice it by themselves.
"""

from collections.abc import AsyncIterator, Iterator

from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import Guard, GuardPolicy, ObserveContext, Permission, Service
from core.tenant.mailboxes import Mailbox, format_mailbox_name
from core.tenant.port import HasMailboxes
from core.tenant.quoting import quote_text
from core.tenant.readings import Reading
from core.tenant.sources import MAILBOXES

WRONG_KINDS = frozenset({{"legacymailbox"}})


async def observe(
    tenant: HasMailboxes, context: ObserveContext
) -> AsyncIterator[Reading[Mailbox]]:
    """Every mailbox, in pages; what cannot be read is in the failures of a page."""
    async for page in tenant.mailboxes.list_mailboxes():
        yield page


def judge(mailbox: Mailbox, policy: GuardPolicy) -> Iterator[Finding]:
    """What is wrong with one mailbox."""
    if mailbox.kind.casefold() not in WRONG_KINDS:
        return
    name = format_mailbox_name(mailbox)
    yield Finding(
        kind="{kind}",
        object_id=mailbox.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=Verdict.ASK,
        summary=f"Mailbox {{name}} is of a kind that Exchange Online no longer creates.",
        facts=(Fact("kind", quote_text(mailbox.kind)),),
        sources=(MAILBOXES,),
        advice="Find out who uses it, and convert it: Set-Mailbox -Type Regular.",
    )


GUARD = Guard(
    name="{name}",
    title="{title}",
    rationale="DESCRIBE why this is worth guarding, in one sentence.",
    permissions=(Permission(Service.EXCHANGE, "Get-Mailbox", "which mailboxes there are"),),
    observe=observe,
    judge=judge,
)
'''

TEST_TEMPLATE = '''"""{title}: one mailbox in order, then one thing wrong a case."""

from datetime import UTC, datetime

from core.guards.{module} import GUARD, judge
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.mailboxes import Mailbox
from core.tenant.sources import MAILBOXES
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all

POLICY = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC))
HEALTHY = Mailbox("m1", "g1", "ann@contoso.com")
WRONG = Mailbox("m2", "g2", "old@contoso.com", kind="LegacyMailbox")


def judge_one(mailbox: Mailbox) -> Finding:
    (finding,) = judge(mailbox, POLICY)
    return finding


def test_a_mailbox_in_order_has_no_finding() -> None:
    assert list(judge(HEALTHY, POLICY)) == []


def test_a_mailbox_of_a_wrong_kind_is_left_to_an_operator() -> None:
    finding = judge_one(WRONG)
    assert (finding.kind, finding.object_id) == ("{kind}", "m2")
    assert (finding.severity, finding.verdict) == (Severity.MEDIUM, Verdict.ASK)
    assert finding.changes == ()


async def test_every_mailbox_is_read() -> None:
    reading = await observe_all(GUARD, FakeTenant(boxes=[HEALTHY, WRONG]), ObserveContext(POLICY))
    assert reading.items == (HEALTHY, WRONG)
    assert reading.failures == ()
    assert MAILBOXES in reading.sources
'''

SCENE_TEST_TEMPLATE = '''"""{title} through the app: a healthy tenant, then one thing wrong."""

from copy import deepcopy
from typing import Any

from core.config.catalog import CATALOG
from sandbox.scene_runner import run_scene
from tests.support.run_scene import list_declared_permissions, load_scene

GUARD = "{name}"
MODES = {{config.guard.name: "off" for config in CATALOG if config.guard.name != GUARD}}


def build_scene(*, wrong: bool) -> dict[str, Any]:
    """The healthy tenant of the sandbox, as the app may read it."""
    scene = {{"grants": list_declared_permissions()}} | deepcopy(load_scene("healthy"))
    if wrong:
        scene["exchange"]["Get-Mailbox"][0]["RecipientTypeDetails"] = "LegacyMailbox"
    return scene


async def find_subjects(scene: dict[str, Any]) -> list[tuple[str, str]]:
    """Kind and verdict of what the guard finds in its first run."""
    result = await run_scene(scene, modes=MODES)
    (run,) = (run for run in result["runs"] if run["guard"] == GUARD)
    return [(finding["kind"], finding["verdict"]) for finding in run["findings"]]


async def test_a_healthy_tenant_has_no_findings() -> None:
    assert await find_subjects(build_scene(wrong=False)) == []


async def test_what_is_wrong_is_found() -> None:
    assert await find_subjects(build_scene(wrong=True)) == [("{kind}", "ask")]
'''

CRASH_SCENE_TEMPLATE = """    "{name}": GuardScene(
        lambda: FakeTenant(boxes=[replace(ANN, kind="LegacyMailbox"), BEN]),
        lambda tenant: tenant.boxes.append(replace(ANN, id="m3", guid="g3", kind="LegacyMailbox")),
        lambda tenant: tenant.boxes.clear(),
    ),
"""

DOCUMENT_TEMPLATE = """## {name}

**Threat.** DESCRIBE what an attacker does, and how far it goes unnoticed.

| verdict | when | what happens |
|---|---|---|
| `ask` | DESCRIBE when | alert |
| `could-not-tell` | a mailbox cannot be read | alert |

**Articles and controls.** DESCRIBE which articles ask for it, or say that none does.

<!-- controls {name} -->
<!-- end -->

<!-- permissions {name} -->
<!-- end -->

"""


class GuardExists(ValueError):
    """There is a guard of this name, or the name cannot be one."""


def insert_before(path: Path, mark: str, text: str) -> None:
    """Write text into a file before the last place that has a mark."""
    content = path.read_text(encoding="utf-8")
    if mark not in content:
        raise LookupError(f"{path} no longer contains {mark!r}")
    place = content.rindex(mark)
    path.write_text(content[:place] + text + content[place:], encoding="utf-8")


def write_new_files(root: Path, words: dict[str, str]) -> Iterator[Path]:
    """Write the guard, its unit test and its scene test, and yield their paths."""
    for path, template in (
        (root / "core" / "guards" / f"{words['module']}.py", GUARD_TEMPLATE),
        (root / "tests" / "unit" / "guards" / f"test_{words['module']}.py", TEST_TEMPLATE),
        (
            root / "tests" / "integration" / f"test_{words['module']}_scenes.py",
            SCENE_TEST_TEMPLATE,
        ),
    ):
        if path.exists():
            raise GuardExists(f"{path.relative_to(root)} exists")
        path.write_text(template.format(**words), encoding="utf-8")
        yield path


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


def add_to_documents(root: Path, words: dict[str, str]) -> None:
    """Add the guard's row to the README and its section to docs/guards.md."""
    readme = root / "README.md"
    rows = re.findall(
        r"^\| `[a-z-]+` \|.*\| (?:alert|enforce), .*\n", readme.read_text("utf-8"), re.M
    )
    text = readme.read_text(encoding="utf-8")
    row = f"| `{words['name']}` | DESCRIBE what it looks for | alert, every hour |\n"
    readme.write_text(text.replace(rows[-1], rows[-1] + row), encoding="utf-8")
    insert_before(
        root / "docs" / "guards.md",
        "## What the articles describe that no guard does\n",
        DOCUMENT_TEMPLATE.format(**words),
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


def write_guard(root: Path, name: str, title: str) -> tuple[Path, ...]:
    """Write everything of a new guard but the generated documents. Returns the Python files.

    Raises GuardExists for a name that is taken or cannot be one.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise GuardExists(f"{name!r} is not a valid name; use words with dashes: open-things")
    module = name.replace("-", "_")
    if (root / "core" / "guards" / module).exists():
        raise GuardExists(f"core/guards/{module} exists")
    words = {"name": name, "title": title, "module": module, "kind": f"{name}-kind"}
    written = tuple(write_new_files(root, words))
    scenes = root / "tests" / "resilience" / "generators" / "scenes.py"
    insert_before(scenes, "}\n", CRASH_SCENE_TEMPLATE.format(**words))
    catalog = add_to_catalog(root, words["module"])
    add_controls(root, name)
    add_to_documents(root, words)
    return (*written, scenes, catalog)


def main() -> int:
    """Write the guard, run the generators, and say what is left to do."""
    parser = argparse.ArgumentParser(description="Writes a new guard that runs.")
    parser.add_argument("name", help="words with dashes: open-things")
    parser.add_argument("--title", default="", help='as pages show it: "Open things"')
    given = parser.parse_args()
    title = given.title or given.name.replace("-", " ").capitalize()
    try:
        files = write_guard(ROOT, given.name, title)
    except GuardExists as error:
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
