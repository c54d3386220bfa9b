"""Runs the command line: `python -m core.cli`."""

import logging
import sys

from core.cli.program import main

# With --local the engine runs in this process. The command prints its results, not its log.
logging.getLogger("exoguard").addHandler(logging.NullHandler())
logging.getLogger("exoguard").propagate = False

sys.exit(main(sys.argv[1:]))
