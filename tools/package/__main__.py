"""`python -m tools.package [--output dist] [--stage-only]`: builds what is deployed.

Writes app/ (the package as a folder, which azd uploads), exoguard.zip (the same as a file),
exoguard.cdx.json (its bill of materials), exoguard.files (the digest of every file in it) and
SHA256SUMS of all of these.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import zlib
from pathlib import Path

OLDEST_PYTHON = (3, 12)
ROOT = Path(__file__).resolve().parent.parent.parent


def build_package(root: Path, output: Path, *, stage_only: bool) -> None:
    """Build the package of a checkout. Raises PackageError."""
    # Imported here: an older Python is told so, and does not fail over the syntax of these.
    from tools.package.bill_of_materials import build_bill_of_materials
    from tools.package.compiled import can_compile, iter_compiled_files
    from tools.package.contents import (
        collect_contents,
        hash_contents,
        list_hashes,
        sort_contents,
        write_folder,
        write_ignore_file,
        write_zip,
    )
    from tools.package.wheels import download_wheels

    with tempfile.TemporaryDirectory() as folder:
        wheels = download_wheels(root / "requirements.txt", Path(folder))
        contents = collect_contents(root, wheels)
        digest = hash_contents(contents)
        if can_compile():
            contents = sort_contents({**contents, **dict(iter_compiled_files(contents))})
        else:
            print("Without compiled files, for which Python 3.13 is needed: each start is slower.")
        write_folder(contents, output / "app")
        write_ignore_file(output / "app")
        print(f"{output / 'app'}: {len(contents):,} files, digest {digest[:12]}")
        if stage_only:
            return
        bill = build_bill_of_materials(wheels, digest)
    written = [output / f"exoguard.{kind}" for kind in ("zip", "cdx.json", "files")]
    write_zip(contents, written[0])
    written[1].write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8", newline="\n")
    written[2].write_text("\n".join(list_hashes(contents)) + "\n", encoding="utf-8", newline="\n")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in written]
    (output / "SHA256SUMS").write_text("\n".join(sums) + "\n", encoding="utf-8", newline="\n")
    print("\n".join(sums))
    print(
        f"{written[0].stat().st_size / 1e6:.1f} MB, compressed by zlib {zlib.ZLIB_RUNTIME_VERSION}"
    )


def main() -> int:
    """Builds, or says in one line what is missing."""
    if sys.version_info < OLDEST_PYTHON:
        print("package: Python 3.12 or later is needed; this is", sys.version.split()[0])
        return 1
    parser = argparse.ArgumentParser(prog="python -m tools.package", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--stage-only", action="store_true", help="the folder that azd uploads")
    asked = parser.parse_args()
    from tools.package.wheels import PackageError

    try:
        build_package(ROOT, asked.output, stage_only=asked.stage_only)
    except (PackageError, OSError) as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
