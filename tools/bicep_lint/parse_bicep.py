"""Parses the Bicep files given as arguments with pycep; prints what is wrong as JSON.

Runs in .tools/infra/venv, where pycep and checkov are. A file of its own, because the parser can
take minutes over a text that is wrong in certain ways: the caller ends it after a time.
"""

# The project's own environment does not have them.
# mypy: disable-error-code="import-not-found"

import json
import sys
from pathlib import Path

from lark.exceptions import LarkError
from pycep import BicepParser


def main() -> None:
    """Parse each file."""
    parser = BicepParser()
    wrong: dict[str, str] = {}
    for name in sys.argv[1:]:
        try:
            parser.parse(text=Path(name).read_text(encoding="utf-8"))
        except (LarkError, ValueError) as error:
            wrong[name] = str(error).partition("\n")[0]
    sys.stdout.write(json.dumps(wrong))


if __name__ == "__main__":
    main()
