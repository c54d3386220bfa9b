"""What may be installed: exactly what the locks name, by hash, and nothing that nobody named.

The app runs on what requirements.txt names: a module that comes from another package, because
something else happens to bring it here, would be missing where it is deployed.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted([*ROOT.glob("requirements*.txt"), *(ROOT / "tools").glob("*requirements.txt")])
NPM = sorted((ROOT / "tools" / "npm").glob("*/package-lock.json"))
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
WHEELS = ("aiohttp", "cffi", "cryptography", "frozenlist", "multidict", "propcache", "yarl")

# Imports these modules, or all of the app, where only files of the named distributions can be
# imported.
CLEAN = """
import importlib, importlib.metadata as metadata, json, pkgutil, re, sys, sysconfig
from os.path import realpath
from pathlib import Path

root, names = Path(sys.argv[1]), set(json.loads(sys.argv[2]))
def plain(name):
    return re.sub("[-_.]+", "-", name).lower()
site = realpath(sysconfig.get_paths()["purelib"])
allowed = set()
for distribution in metadata.distributions():
    if plain(distribution.metadata["Name"]) in names:
        # Each file's path, hash and size: twenty thousand in all, so as they are written.
        for row in distribution.read_text("RECORD").splitlines():
            allowed.add(site + "/" + row.partition(",")[0])

class OnlyNamed:
    def __init__(self, finders):
        self.finders = finders

    def find_spec(self, name, path=None, target=None):
        for finder in self.finders:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                origin = realpath(spec.origin or "/")
                return spec if origin in allowed or not origin.startswith(site) else None
        return None

    def find_distributions(self, *context):
        for finder in self.finders:
            yield from getattr(finder, "find_distributions", lambda *context: ())(*context)

sys.meta_path[:] = [OnlyNamed(list(sys.meta_path))]
sys.path.insert(0, str(root))
import core
imported = sys.argv[3:]
if not imported:
    imported = ["function_app"]
    for found in pkgutil.walk_packages(core.__path__, "core."):
        if not found.name.startswith("core.cli"):
            imported.append(found.name)
for name in imported:
    importlib.import_module(name)
print(json.dumps(len(imported)))
"""


def pinned(lock: Path) -> dict[str, str]:
    """The versions a lock names."""
    found = PINNED.findall(lock.read_text("utf-8"))
    return {re.sub("[-_.]+", "-", name).lower(): version for name, version in found}


def imports_with(names: set[str], *modules: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", CLEAN, str(ROOT), json.dumps(sorted(names)), *modules],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_app_needs_nothing_but_what_is_deployed() -> None:
    became = imports_with(set(pinned(ROOT / "requirements.txt")))
    assert became.returncode == 0, became.stderr[-2000:]
    assert json.loads(became.stdout) > 100


def test_the_command_line_asks_an_app_with_nothing_but_what_it_brings_itself() -> None:
    """What its commands import when they run, other than the app itself for --local and doctor."""
    own = [f"core.cli.{path.stem}" for path in (ROOT / "core" / "cli").glob("[!_]*.py")]
    modules = [name for name in own if name != "core.cli.local_client"]
    late = ["core.engine.request_decisions", "core.evidence.file_format", "core.model.changes"]
    became = imports_with(set(pinned(ROOT / "requirements-cli.txt")), *modules, *late)
    assert became.returncode == 0, became.stderr[-2000:]
    assert json.loads(became.stdout) > 15


def test_a_package_that_is_not_named_would_be_missed() -> None:
    became = imports_with(set(pinned(ROOT / "requirements.txt")) - {"tenacity"})
    assert became.returncode != 0
    assert "tenacity" in became.stderr


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_of_a_lock_has_its_version_and_hashes(lock: Path) -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", "\n" + lock.read_text("utf-8"))[1:]
    assert entries
    for entry in entries:
        assert PINNED.match(entry), entry[:80]
        hashes = re.findall(r"--hash=(\S+)", entry)
        assert hashes, entry[:80]
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes)
    assert "://" not in lock.read_text("utf-8"), "a lock names no host"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_has_the_versions_that_are_asked_for(lock: Path) -> None:
    asked = pinned(lock.with_suffix(".in"))
    assert asked
    assert asked.items() <= pinned(lock).items()


def test_what_is_tested_is_what_is_deployed() -> None:
    deployed = pinned(ROOT / "requirements.txt")
    called = pinned(ROOT / "requirements-cli.txt")
    for name in ("requirements-demo.txt", "requirements-dev.txt"):
        assert deployed.items() <= pinned(ROOT / name).items()
        assert called.items() <= pinned(ROOT / name).items()
    assert {name: called[name] for name in called.keys() & deployed} == {
        name: deployed[name] for name in called.keys() & deployed
    }


@pytest.mark.parametrize("name", WHEELS)
def test_a_compiled_package_is_locked_for_more_than_one_kind_of_machine(name: str) -> None:
    """One wheel each for x86_64 and aarch64, glibc and musl, and the source: at the very least."""
    text = (ROOT / "requirements.txt").read_text("utf-8")
    [entry] = re.findall(rf"(?ms)^{name}==.*?(?=^\S|\Z)", text)
    assert entry.count("--hash=") >= 5


@pytest.mark.parametrize("lock", NPM, ids=lambda path: path.parent.name)
def test_every_npm_package_of_a_lock_has_its_digest(lock: Path) -> None:
    packages = json.loads(lock.read_text("utf-8"))["packages"]
    asked = json.loads(lock.with_name("package.json").read_text("utf-8"))
    direct = asked["dependencies"] | asked.get("optionalDependencies", {})
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in direct.values())
    for name, version in direct.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    for place, package in packages.items():
        if place:
            assert package["integrity"].startswith("sha512-"), place
            assert "resolved" not in package


def test_set_up_installs_nothing_that_is_not_locked() -> None:
    for script in (ROOT / "tools").glob("*.sh"):
        text = script.read_text("utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            if "pip install" in line:
                assert "--require-hashes" in line, (script.name, line)
            if 'npm" install' in line or "/npm install" in line:
                assert "--package-lock-only" in line, (script.name, line)
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    for line in makefile.splitlines():
        if "pip install" in line:
            assert "--require-hashes" in line
