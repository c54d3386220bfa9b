"""The package: what is in it, the same bytes each time, and a bill of what it is made of."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests.infra.bicep_values import ROOT
from tools.package.bill_of_materials import build_bill_of_materials
from tools.package.compiled import iter_compiled_files
from tools.package.contents import (
    collect_app_files,
    collect_contents,
    hash_contents,
    list_hashes,
    write_folder,
    write_ignore_file,
    write_zip,
)
from tools.package.wheels import (
    SITE_PACKAGES,
    PackageError,
    get_project_name,
    iter_wheel_files,
    read_locked_versions,
)

METADATA = (
    "Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
    "License-Expression: MIT\n{needs}\nText of the project.\n"
)


def make_wheel(
    folder: Path, name: str, files: dict[str, str], *, version: str = "1.0", needs: str = ""
) -> Path:
    """A wheel with some files."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in files.items():
            archive.writestr(place, text)
        metadata = METADATA.format(name=name, version=version, needs=needs)
        archive.writestr(f"{name}-{version}.dist-info/METADATA", metadata)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small checkout."""
    for place in (
        *("function_app.py", "host.json", "requirements.txt", "local.settings.json"),
        *("core/run.py", "core/web/page.html", "core/cli/program.py"),
        *("core/__pycache__/run.cpython-313.pyc", "tests/test_run.py", "exoguard_env/pyvenv.cfg"),
    ):
        path = tmp_path / "checkout" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(place, encoding="utf-8")
    return tmp_path / "checkout"


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    """Two wheels, of which one needs the other."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    return [
        make_wheel(
            folder,
            "first_one",
            {
                "first_one/__init__.py": "x = 1",
                "first_one-1.0.data/scripts/first": "#!python",
                "first_one-1.0.data/purelib/extra.py": "y = 2",
            },
            needs='Requires-Dist: Second.One>=1\nRequires-Dist: other; extra == "x"\n',
        ),
        make_wheel(folder, "second_one", {"second/__init__.py": ""}),
    ]


def test_the_package_is_the_app_and_its_dependencies_and_nothing_else(
    checkout: Path, wheels: list[Path]
) -> None:
    assert [place.as_posix() for place in collect_contents(checkout, wheels)] == [
        ".python_packages/lib/site-packages/extra.py",
        ".python_packages/lib/site-packages/first_one-1.0.dist-info/METADATA",
        ".python_packages/lib/site-packages/first_one/__init__.py",
        ".python_packages/lib/site-packages/second/__init__.py",
        ".python_packages/lib/site-packages/second_one-1.0.dist-info/METADATA",
        "core/run.py",
        "core/web/page.html",
        "function_app.py",
        "host.json",
        "requirements.txt",
    ]


def test_the_same_package_has_the_same_bytes(
    checkout: Path, wheels: list[Path], tmp_path: Path
) -> None:
    one, other = tmp_path / "one.zip", tmp_path / "other.zip"
    write_zip(collect_contents(checkout, wheels), one)
    for path in checkout.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    write_zip(collect_contents(checkout, list(reversed(wheels))), other)
    assert one.read_bytes() == other.read_bytes()
    (checkout / "core" / "run.py").write_text("another", encoding="utf-8")
    write_zip(collect_contents(checkout, wheels), other)
    assert one.read_bytes() != other.read_bytes()


def test_what_is_listed_is_what_is_in_the_folder_and_in_the_zip(
    checkout: Path, wheels: list[Path], tmp_path: Path
) -> None:
    contents = collect_contents(checkout, wheels)
    folder, path = tmp_path / "app", tmp_path / "app.zip"
    folder.mkdir()
    (folder / "left over").write_text("from before", encoding="utf-8")
    write_folder(contents, folder)
    write_zip(contents, path)
    listed = {line.partition("  ")[2]: line.partition("  ")[0] for line in list_hashes(contents)}
    found = {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }
    with zipfile.ZipFile(path) as archive:
        packed = {
            name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()
        }
    assert listed == found == packed


MODULES = {
    PurePosixPath("app/__init__.py"): b"",
    PurePosixPath("app/part.py"): b"def say():\n    return {'a', 'b', 'c'}, 'compiled', 1.5\n",
    PurePosixPath("app/page.html"): b"<p>",
    PurePosixPath("app/template.py"): b"class {{ name }}:\n",
    PurePosixPath("app/nul.py"): b"x = '\x00'\n",
    SITE_PACKAGES / "msgraph/generated/models/user.py": b"x = 1\n",
    SITE_PACKAGES / "msgraph/client.py": b"x = 1\n",
}
COMPILED = [
    "app/__pycache__/__init__.cpython-313.pyc",
    "app/__pycache__/part.cpython-313.pyc",
    f"{SITE_PACKAGES}/msgraph/__pycache__/client.cpython-313.pyc",
]


def run_bare(folder: Path, program: str, **environ: str) -> str:
    """What a Python of its own prints that writes no compiled files."""
    run = subprocess.run(
        [sys.executable, "-B", "-c", program],
        cwd=folder,
        env={**{k: v for k, v in os.environ.items() if k != "PYTHONPYCACHEPREFIX"}, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


def test_python_runs_the_compiled_files_and_reads_no_source(tmp_path: Path) -> None:
    compiled = dict(iter_compiled_files(MODULES))
    assert [place.as_posix() for place in compiled] == COMPILED
    write_folder({**MODULES, **compiled}, tmp_path / "app")
    source = tmp_path / "app" / "app" / "part.py"
    program = "import app.part; print(app.part.say()[1], app.part.say.__code__.co_filename)"
    assert run_bare(tmp_path / "app", program).split() == ["compiled", str(source)]
    source.write_text("def say():\n    return 0, 'from source'\n", encoding="utf-8")
    assert run_bare(tmp_path / "app", program).split()[0] == "compiled"


def test_what_is_compiled_has_the_same_bytes_in_every_process() -> None:
    program = (
        "import hashlib, json\n"
        "from tests.infra.test_package import MODULES, iter_compiled_files\n"
        "made = [content.hex() for _, content in iter_compiled_files(MODULES)]\n"
        "print(hashlib.sha256(json.dumps(made).encode()).hexdigest())\n"
    )
    digests = {
        run_bare(ROOT, f"{before}\n{program}", PYTHONHASHSEED=seed)
        for seed, before in (("1", ""), ("2", "import core.bootstrap, azure.data.tables"))
    }
    assert len(digests) == 1


def test_azd_leaves_out_nothing_of_the_folder(tmp_path: Path) -> None:
    """Without an ignore file of its own azd leaves out __pycache__."""
    write_folder(MODULES, tmp_path)
    write_ignore_file(tmp_path)
    rules = (tmp_path / ".funcignore").read_text(encoding="utf-8").splitlines()
    assert rules
    assert all(line.startswith("#") for line in rules)


def test_the_bill_names_every_file_that_was_packed_and_who_needs_whom(
    checkout: Path, wheels: list[Path]
) -> None:
    digest = hash_contents(collect_contents(checkout, wheels))
    bill = json.loads(json.dumps(build_bill_of_materials(wheels, digest)))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert [(one["purl"], one["hashes"][0]["content"]) for one in bill["components"]] == [
        ("pkg:pypi/first-one@1.0", hashlib.sha256(wheels[0].read_bytes()).hexdigest()),
        ("pkg:pypi/second-one@1.0", hashlib.sha256(wheels[1].read_bytes()).hexdigest()),
    ]
    assert bill["components"][0]["licenses"] == [{"expression": "MIT"}]
    needs = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert needs["pkg:pypi/first-one@1.0"] == ["pkg:pypi/second-one@1.0"]
    assert needs[bill["metadata"]["component"]["bom-ref"]] == [
        "pkg:pypi/first-one@1.0",
        "pkg:pypi/second-one@1.0",
    ]
    assert bill == json.loads(json.dumps(build_bill_of_materials(wheels, digest)))
    assert "timestamp" not in json.dumps(bill)


@pytest.mark.parametrize(
    "place", ["../outside.py", "/etc/passwd", "a\\b.py", "hostile-1.0.data/unknown/x.py"]
)
def test_a_file_that_has_no_place_in_the_package_is_refused(tmp_path: Path, place: str) -> None:
    wheel = make_wheel(tmp_path, "hostile", {place: "x"})
    with pytest.raises(PackageError, match=r"hostile-1\.0"):
        list(iter_wheel_files(wheel))


def test_two_wheels_that_bring_different_files_of_one_place_are_refused(
    checkout: Path, tmp_path: Path
) -> None:
    wheels = [make_wheel(tmp_path, name, {"shared.py": name}) for name in ("one", "two")]
    with pytest.raises(PackageError, match=r"both bring .*shared\.py"):
        collect_contents(checkout, wheels)


def test_the_app_is_packed_whole_and_without_what_works_elsewhere() -> None:
    places = collect_app_files(ROOT)
    assert PurePosixPath("core/bootstrap.py") in places
    assert PurePosixPath("host.json") in places
    assert not [place for place in places if place.is_relative_to("core/cli")]
    assert not [place for place in places if place.suffix == ".pyc"]
    assert {place.parts[0] for place in places} == {
        *("core", "function_app.py", "host.json", "requirements.txt")
    }


def test_the_lock_is_read_with_all_its_names() -> None:
    locked = dict(read_locked_versions(ROOT / "requirements.txt"))
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert len(locked) == len(re.findall(r"^[A-Za-z].*==", text, re.MULTILINE)) > 40
    assert get_project_name(Path("azure_data_tables-12.7.0-py3-none-any.whl")) in locked


def test_no_dependency_of_the_app_depends_on_the_machine_that_packs_it() -> None:
    """pip evaluates markers for its own machine, so none may tell platforms apart."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    markers = set(re.findall(r"^\S+==\S+ ; ([^\\\n]+?) *\\?$", text, re.MULTILINE))
    assert not [
        one for one in markers if re.search(r"sys_platform|platform_(?!python)|os_name", one)
    ]


def test_azd_uploads_what_the_hook_builds_and_builds_nothing_itself() -> None:
    plan = (ROOT / "azure.yaml").read_text(encoding="utf-8")
    assert "    dist: dist/app\n    remoteBuild: false\n" in plan
    for python in ("python3", "python"):
        assert f"run: {python} -m tools.package --stage-only\n" in plan
    assert PurePosixPath(".python_packages/lib/site-packages") == SITE_PACKAGES


def test_a_restore_installs_the_command_line_and_leaves_nothing_to_upload() -> None:
    """azd restore takes pyproject.toml and makes FOLDER_env (Azure/azure-dev, python.go)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    dynamic = project["tool"]["setuptools"]["dynamic"]
    assert dynamic["dependencies"] == {"file": ["requirements-cli.in"]}
    assert dynamic["optional-dependencies"] == {"app": {"file": ["requirements.in"]}}
    ignored = (ROOT / ".funcignore").read_text(encoding="utf-8").split()
    for name in ("*_env", "dist", "build", "*.egg-info", ".github", ".devcontainer"):
        assert name in ignored or (name == ".github" and ".git*" in ignored)


def test_the_rehearsal_names_each_text_one_may_meet_with_a_remedy() -> None:
    text = (ROOT / "docs" / "rehearsal.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and line.count("|") >= 4]
    for words, remedy in (
        ("InaccessibleStorageException", "azd deploy"),
        ("`503` from", "azd deploy"),
        ("No matching distribution found for azure-functions", "remoteBuild: false"),
        ("Microsoft.App", "az provider register"),
        ("already exists in deleted state", "RECOVER_KEY_VAULT true"),
        ("User is not allowed to call", "the Exchange role, not a permission of Entra"),
        ("queried reference-property", "wait five minutes"),
    ):
        assert any(words in row and remedy in row for row in rows), words


def test_an_older_python_is_told_so(tmp_path: Path) -> None:
    script = (
        "import runpy, sys; sys.version_info = (3, 9, 0); "
        "runpy.run_module('tools.package', run_name='__main__')"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "Python 3.12 or later is needed" in run.stdout
