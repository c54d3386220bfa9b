"""What Python makes of the package's modules, so that no start of an instance compiles them.

A compiled file of Python names the release that reads it (PEP 3147) and, here, no time but the hash
of its source, which is not compared again when it is read: the package is replaced as a whole
(PEP 552, unchecked). The bytes follow from the sources and the release of Python alone.
"""

import importlib.util
import marshal
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from tools.package.wheels import PYTHON_VERSION, SITE_PACKAGES

# The models of the SDK for Microsoft Graph: three quarters of all modules, and the app loads none.
LEFT_OUT = (SITE_PACKAGES / "msgraph" / "generated",)
TAG = f"cpython-{PYTHON_VERSION.replace('.', '')}"
UNCHECKED_HASH = 0b01
# Later versions say by references which objects are the same, and that depends on what else the
# process holds; this one writes each of them out.
MARSHAL_VERSION = 2


def can_compile() -> bool:
    """True on the Python that the app runs on: another one would make files that it cannot read."""
    return "{}.{}".format(*sys.version_info[:2]) == PYTHON_VERSION


def iter_compiled_files(
    contents: Mapping[PurePosixPath, bytes],
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The compiled file of each module, with its place, beside those that are left out."""
    for place, source in contents.items():
        if place.suffix != ".py" or any(place.is_relative_to(folder) for folder in LEFT_OUT):
            continue
        try:
            yield (
                place.parent / "__pycache__" / f"{place.stem}.{TAG}.pyc",
                compile_module(place, source),
            )
        except (SyntaxError, ValueError):
            continue  # Some packages bring templates, which nobody imports.


def compile_module(place: PurePosixPath, source: bytes) -> bytes:
    """The compiled file of a module. Raises SyntaxError or ValueError for what is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # What others write is not ours to warn of.
        code = compile(source, place.as_posix(), "exec", dont_inherit=True, optimize=0)
    return b"".join(
        (
            importlib.util.MAGIC_NUMBER,
            UNCHECKED_HASH.to_bytes(4, "little"),
            importlib.util.source_hash(source),
            marshal.dumps(code, MARSHAL_VERSION),
        )
    )
