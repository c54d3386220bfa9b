"""Runs the command line: `python -m core.cli`, or `exo` where it is installed."""

import logging
import os
import sys
from pathlib import Path

from core.cli.program import EXIT_BROKEN_PIPE, NAME, NAME_VARIABLE, main
from core.cli.session import Session


def start() -> None:
    """Run the arguments of this process and exit."""
    # With --local the engine runs in this process. The command prints its results, not its log.
    logging.getLogger("exoguard").addHandler(logging.NullHandler())
    logging.getLogger("exoguard").propagate = False
    own_name = Path(sys.argv[0]).stem
    called = NAME if own_name == "__main__" else own_name
    code = main(sys.argv[1:], Session(environ={NAME_VARIABLE: called, **os.environ}))
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = EXIT_BROKEN_PIPE
    if code == EXIT_BROKEN_PIPE:
        # What is still buffered goes nowhere, or Python would complain of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


if __name__ == "__main__":
    start()
