"""`make new-guard` writes a guard that passes lint, types and its test, and asks for the rest."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.new_guard import GuardRefused, write_guard

ROOT = Path(__file__).resolve().parent.parent.parent
COPIED = ("core", "sandbox", "tests", "tools", "docs", "infra", ".github")
COPIED_FILES = (
    *("README.md", "pyproject.toml", "local.settings.sample.json", "function_app.py"),
    "azure.yaml",
)
NEW_FILES = (
    "core/guards/open_things.py",
    "tests/unit/guards/test_open_things.py",
    "tests/integration/test_open_things_scenes.py",
)
READER_FILES = (
    "core/guards/open_migrations.py",
    "tests/unit/guards/test_open_migrations.py",
    "tests/integration/test_open_migrations_scenes.py",
)
SOURCES = "core/microsoft365/configuration_sources.py"
STEPS = "sandbox/scenes/attack_steps.py"
CONTRACT = "tests/contract/test_configuration.py"
CRASH_SCENES = "tests/resilience/generators/scenes.py"


def run_module(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=root, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree, so that nothing is written into this one."""
    root = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        # With what was compiled, which is found to be as old as its source.
        shutil.copytree(ROOT / name, root / name)
    for name in COPIED_FILES:
        shutil.copy(ROOT / name, root / name)
    if (ROOT / ".tools").exists():
        (root / ".tools").symlink_to(ROOT / ".tools")
    if (ROOT / ".mypy_cache").exists():
        shutil.copytree(ROOT / ".mypy_cache", root / ".mypy_cache")
    return root


@pytest.fixture(scope="module")
def written(copy: Path) -> subprocess.CompletedProcess[str]:
    """What the command says about a new guard."""
    return run_module(copy, "tools.new_guard", "open-things", "--title", "Open things")


@pytest.fixture(scope="module")
def written_reader(
    copy: Path, written: subprocess.CompletedProcess[str]
) -> subprocess.CompletedProcess[str]:
    """What the command says about a new guard with a new read, in the same tree."""
    assert written.returncode == 1
    return run_module(copy, "tools.new_guard", "open-migrations", "--reads", "Get-MobileDevice")


def test_it_writes_the_guard_its_tests_and_its_places(
    copy: Path, written: subprocess.CompletedProcess[str]
) -> None:
    for name in (*NEW_FILES, "core/config/catalog.py", "tests/resilience/generators/scenes.py"):
        assert f"wrote {name}\n" in written.stdout
    for name, mark in {
        "README.md": "| `open-things` |",
        "docs/guards.md": "\n## open-things\n",
        "docs/settings.md": "`OPEN_THINGS_MODE`",
        "local.settings.sample.json": '"OPEN_THINGS_SCHEDULE"',
        "infra/main.bicep": "'open-things': {",
        "infra/exchange-role.ps1": '"open-things"',
    }.items():
        assert mark in (copy / name).read_text(encoding="utf-8"), name


def test_it_asks_by_file_for_what_only_a_person_can_write(
    written: subprocess.CompletedProcess[str],
) -> None:
    assert written.returncode == 1
    for start in (
        "  sandbox/scenes/attack_steps.py does not name open-things: add ",
        "  core/guards/open_things.py:1 is a placeholder: DESCRIBE ",
        "  core/microsoft365/cis_benchmark.py:",
        "  docs/guards.md:",
    ):
        assert f"\n{start}" in written.stderr, start


def test_a_read_that_nobody_declared_is_declared_and_asked_for(
    copy: Path, written_reader: subprocess.CompletedProcess[str]
) -> None:
    assert written_reader.returncode == 1
    for name in (*READER_FILES, SOURCES, STEPS, CRASH_SCENES, "core/config/catalog.py"):
        assert f"wrote {name}\n" in written_reader.stdout
    row = (copy / SOURCES).read_text(encoding="utf-8").partition('"mobile-device": ')[2]
    # Microsoft's reference has it take ResultSize.
    assert "parameters=ALL_RESULTS" in row.partition('"organization"')[0]
    role = (copy / "infra" / "exchange-role.ps1").read_text(encoding="utf-8")
    assert '{"guard": "open-migrations", "cmdlet": "Get-MobileDevice"' in role
    for start in (
        "  core/guards/open_migrations.py:1 is a placeholder: DESCRIBE ",
        f"  {SOURCES}:",
        f"  {STEPS}:",
        "  docs/guards.md:",
    ):
        assert f"\n{start}" in written_reader.stderr, start
    assert "does not name open-migrations" not in written_reader.stderr


def test_the_new_files_pass_lint_and_types(
    copy: Path, written_reader: subprocess.CompletedProcess[str]
) -> None:
    assert "wrote" in written_reader.stdout
    files = (*NEW_FILES, *READER_FILES, SOURCES, STEPS, CRASH_SCENES, "core/config/catalog.py")
    for words in (
        ("ruff", "check", *files),
        ("ruff", "format", "--check", *files),
        ("mypy", *files),
    ):
        done = run_module(copy, *words)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_new_tests_pass_and_those_that_follow_from_the_row_of_the_read(
    copy: Path, written_reader: subprocess.CompletedProcess[str]
) -> None:
    assert "wrote" in written_reader.stdout
    options = ("-v", "-n0", "-p", "no:cacheprovider")
    # Of the contract of all sources, what the new row brings.
    chosen = ("-k", "not test_configuration or mobile-device")
    tests = (NEW_FILES[1], READER_FILES[1], READER_FILES[2], "tests/infra/test_exchange_role.py")
    done = run_module(copy, "pytest", *options, *chosen, *tests, CONTRACT)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in (*tests, CONTRACT):
        assert f"{name}::" in done.stdout


def test_an_unknown_permission_is_asked_for_by_file_and_name(
    copy: Path, written: subprocess.CompletedProcess[str]
) -> None:
    guard = copy / NEW_FILES[0]
    text = guard.read_text(encoding="utf-8")
    guard.write_text(text.replace('"Get-Mailbox"', '"Get-NoSuchThing"'), encoding="utf-8")
    asked = run_module(copy, "tools.docs_gen.documents")
    assert asked.returncode == 1
    assert (
        "  core/microsoft365/permission_risks.py: CMDLETS has no row for Get-NoSuchThing: add"
        in asked.stderr
    )
    assert "KeyError" not in asked.stderr


@pytest.mark.parametrize("cmdlet", ["Set-Mailbox", "Get-NoSuchThing", "mobile-device"])
def test_what_is_no_cmdlet_of_exchange_online_that_reads_is_refused(
    copy: Path, cmdlet: str
) -> None:
    with pytest.raises(GuardRefused, match=cmdlet):
        write_guard(copy, "other-things", "Other things", cmdlet)


@pytest.mark.parametrize("name", ["open", "Open-Things", "open_things", "../x-y", "mailbox-audit"])
def test_a_name_that_is_taken_or_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "core" / "guards" / "mailbox_audit").mkdir(parents=True)
    with pytest.raises(GuardRefused):
        write_guard(tmp_path, name, "Open things")
