"""Runs checkov's checks of Bicep on the folder given as an argument; prints its report as JSON.

Runs in .tools/infra/venv, where checkov is. Its command line says the same, and takes four times
as long: it loads what checks every other language, and writes a log that nobody reads.
"""

# The project's own environment does not have it.
# mypy: disable-error-code="import-not-found"

import json
import logging
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

# Most checks of Bicep are those of ARM templates, which register themselves for both.
import checkov.arm.runner  # noqa: F401
from checkov.bicep.runner import Runner
from checkov.runner_filter import RunnerFilter
from ply import yacc

# types.bicep declares no resource, and checkov's parser cannot read it.
SKIPPED_PATHS = ["types.bicep"]


def build_parsers_once() -> None:
    """Lets checkov read the paths of properties with one parser: the library that it uses builds
    one for each of them, which took three quarters of the time.
    """
    build = yacc.yacc

    @cache
    def build_for(kind: Callable[[], Any], start: str) -> Any:
        return build(module=kind(), start=start, write_tables=False, debug=False)

    yacc.yacc = lambda *, module, start, **_: build_for(module.__class__, start)


def main() -> None:
    """Check the folder."""
    build_parsers_once()
    # A check that breaks is told as an error.
    logging.basicConfig(level=logging.ERROR)
    chosen = RunnerFilter(
        framework=["bicep"], excluded_paths=SKIPPED_PATHS, show_progress_bar=False
    )
    report = Runner().run(root_folder=sys.argv[1], runner_filter=chosen)
    json.dump(report.get_dict(is_quiet=True), sys.stdout)


if __name__ == "__main__":
    main()
