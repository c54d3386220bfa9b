"""What the package holds, and how it is written: the same bytes each time."""

import hashlib
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from tools.package.wheels import PackageError, iter_wheel_files

# The app itself. The command line works from a person's machine and has libraries of its own.
APP_FILES = ("function_app.py", "host.json", "requirements.txt")
APP_FOLDER = "core"
LEFT_OUT = (PurePosixPath("core/cli"),)
IGNORE_FILE = ".funcignore"
# The oldest time a zip can say; what is packed has no time of its own.
EPOCH = (1980, 1, 1, 0, 0, 0)
FILE_MODE = 0o100644

type Contents = Mapping[PurePosixPath, bytes]


def collect_app_files(root: Path) -> dict[PurePosixPath, bytes]:
    """The app's own files by place."""
    paths = [root / name for name in APP_FILES]
    paths += [path for path in (root / APP_FOLDER).rglob("*") if path.is_file()]
    found: dict[PurePosixPath, bytes] = {}
    for path in paths:
        place = PurePosixPath(path.relative_to(root).as_posix())
        is_left_out = any(place.is_relative_to(folder) for folder in LEFT_OUT)
        if not is_left_out and "__pycache__" not in place.parts and place.suffix != ".pyc":
            found[place] = path.read_bytes()
    return found


def collect_contents(root: Path, wheels: Sequence[Path]) -> dict[PurePosixPath, bytes]:
    """Everything in the package, in the order it is written. Raises PackageError."""
    found = collect_app_files(root)
    for wheel in wheels:
        for place, content in iter_wheel_files(wheel):
            if found.get(place, content) != content:
                raise PackageError(f"{wheel.name} and another wheel both bring {place}")
            found[place] = content
    return sort_contents(found)


def sort_contents(contents: Contents) -> dict[PurePosixPath, bytes]:
    """Files in the order in which they are written."""
    return dict(sorted(contents.items(), key=lambda item: item[0].as_posix()))


def write_folder(contents: Contents, folder: Path) -> None:
    """Lay the package out as a folder, and nothing else in it."""
    shutil.rmtree(folder, ignore_errors=True)
    for place, content in contents.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def write_ignore_file(folder: Path) -> None:
    """Tell azd to leave nothing out, or it leaves out the compiled files (Azure/azure-dev,
    project_utils.go). It does not upload this file.
    """
    (folder / IGNORE_FILE).write_text("# Everything here is the package.\n", encoding="utf-8")


def write_zip(contents: Contents, path: Path) -> None:
    """Write the package as a zip: no times, no owners, one order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for place, content in contents.items():
            entry = zipfile.ZipInfo(place.as_posix(), EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            # Made on Unix, whatever it was made on: the host keeps what is readable.
            entry.create_system = 3
            entry.external_attr = FILE_MODE << 16
            archive.writestr(entry, content)


def hash_contents(contents: Contents) -> str:
    """One digest of all files with their places, which no compression changes."""
    digest = hashlib.sha256()
    for line in list_hashes(contents):
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def list_hashes(contents: Contents) -> Iterator[str]:
    """A line a file, as `sha256sum` writes it."""
    for place, content in contents.items():
        yield f"{hashlib.sha256(content).hexdigest()}  {place.as_posix()}"
