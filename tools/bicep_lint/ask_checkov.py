"""Runs checkov's checks of Bicep on the folder given as an argument; prints its report as JSON.

Runs in .tools/infra/venv, where checkov is. Its command line says the same, and takes four times
as long: it loads what checks every other language, and writes a log that nobody reads.
"""

# The project's own environment does not have it.
# mypy: disable-error-code="import-not-found"

import json
import logging
import sys

# Most checks of Bicep are those of ARM templates, which register themselves for both.
import checkov.arm.runner  # noqa: F401
from checkov.bicep.runner import Runner
from checkov.runner_filter import RunnerFilter

# types.bicep declares no resource, and checkov's parser cannot read it.
SKIPPED_PATHS = ["types.bicep"]


def main() -> None:
    """Check the folder."""
    # A check that breaks is told as an error.
    logging.basicConfig(level=logging.ERROR)
    chosen = RunnerFilter(
        framework=["bicep"], excluded_paths=SKIPPED_PATHS, show_progress_bar=False
    )
    report = Runner().run(root_folder=sys.argv[1], runner_filter=chosen)
    json.dump(report.get_dict(is_quiet=True), sys.stdout)


if __name__ == "__main__":
    main()
