"""`python -m core.cli`."""

import logging
import sys

from core.cli.program import main

# What the engine logs while it works for --local is told by the command itself.
logging.getLogger("exoguard").addHandler(logging.NullHandler())
logging.getLogger("exoguard").propagate = False

sys.exit(main(sys.argv[1:]))
