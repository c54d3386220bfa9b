"""The dependencies as wheels for the platform that Azure Functions runs the app on.

They are fetched by hash, whatever the machine that builds: no compiler takes part, and no build on
Azure's side, whose Python need not be the app's (Azure/azure-dev#8538).
"""

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PYTHON_VERSION = "3.13"
ABI = "cp313"
# The image of Python 3.13 is a Debian with glibc 2.36; the first that fits is taken.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
# Where the Python worker looks for packages that came with the app.
SITE_PACKAGES = PurePosixPath(".python_packages/lib/site-packages")
# What stands in NAME.data beside the package: only these belong into site-packages.
LIBRARY_SCHEMES = ("purelib", "platlib")
LEFT_OUT_SCHEMES = ("scripts", "headers", "data")


class PackageError(Exception):
    """The package cannot be built; the message says why and what to do."""


def download_wheels(requirements: Path, folder: Path) -> list[Path]:
    """Fetch the wheel of every locked requirement, by hash. Raises PackageError."""
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-input", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
        *("--implementation", "cp", "--python-version", PYTHON_VERSION, "--abi", ABI),
        *(part for platform in PLATFORMS for part in ("--platform", platform)),
        *("--requirement", str(requirements), "--dest", str(folder)),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        said = (run.stderr or run.stdout).strip().splitlines()[-6:]
        raise PackageError("pip could not fetch the dependencies:\n" + "\n".join(said))
    wheels = sorted(folder.glob("*.whl"))
    wanted = {name for name, _ in read_locked_versions(requirements)}
    found = {get_project_name(wheel) for wheel in wheels}
    if wanted != found:
        raise PackageError(f"fetched and locked differ: {', '.join(sorted(wanted ^ found))}")
    return wheels


def read_locked_versions(requirements: Path) -> Iterator[tuple[str, str]]:
    """The name and version of every line of a lock."""
    for line in requirements.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;]+)", line):
            yield normalize_name(match[1]), match[2]


def normalize_name(name: str) -> str:
    """A project's name as all spellings of it are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def get_project_name(wheel: Path) -> str:
    """The project a wheel is of."""
    return normalize_name(wheel.name.partition("-")[0])


def iter_wheel_files(wheel: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """What a wheel puts into site-packages, by place. Raises PackageError.

    Programs are left out: nobody calls them in the app, and their first line would name the Python
    of whoever built the package.
    """
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            place = PurePosixPath(name)
            if name.endswith("/"):
                continue
            if place.is_absolute() or ".." in place.parts or "\\" in name:
                raise PackageError(f"{wheel.name} holds a file outside of itself: {name}")
            if place.parts[0].endswith(".data"):
                scheme = place.parts[1]
                if scheme in LEFT_OUT_SCHEMES:
                    continue
                if scheme not in LIBRARY_SCHEMES:
                    raise PackageError(f"{wheel.name} holds {name}, whose place is not known")
                place = PurePosixPath(*place.parts[2:])
            yield SITE_PACKAGES / place, archive.read(name)
