"""`python -m sandbox`: a simulated Microsoft 365 tenant and the app that guards it.

The system's Python runs this file first, whatever its version, so the file uses only old syntax and
the standard library. Project modules are imported after the switch to the project's own Python.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"


def main() -> int:
    if Path(sys.prefix).resolve() != VENV.resolve():
        continue_in_venv()
    arguments = build_parser().parse_args()
    if arguments.command == "demo":
        from sandbox.demo import main as demo_main

        return demo_main(arguments)
    if arguments.command == "run":
        from sandbox.scene_runner import main as run_main

        return run_main(arguments)
    from sandbox.server import serve_tenant

    asyncio.run(
        serve_tenant(arguments.scene.read_bytes(), port=arguments.port, profile=arguments.profile)
    )
    return 0


def continue_in_venv() -> None:
    """Replaces this process with the project's own Python, which is installed first if missing."""
    python = VENV / "bin" / "python"
    # Setup must not write to standard output: `run --json` prints its document there.
    setup = [str(ROOT / "tools" / "setup.sh"), "--quiet", "demo"]
    done = subprocess.run(setup, stdout=sys.stderr, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    os.execv(str(python), [str(python), "-m", "sandbox", *sys.argv[1:]])


def build_parser() -> argparse.ArgumentParser:
    """Builds the parser of the commands run, demo and serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="run every guard on a scene and print the results")
    run.add_argument("--scene", type=Path, required=True, help="a JSON file with the tenant")
    run.add_argument("--json", action="store_true", help="print one JSON document")
    run.add_argument("--ticks", type=parse_positive, default=1, help="how often each guard runs")
    run.add_argument(
        "--mode",
        nargs="+",
        action="extend",
        default=[],
        metavar="guard=mode",
        help="off, alert or enforce for a guard, instead of its default",
    )
    run.add_argument(
        "--fault",
        action="append",
        default=[],
        help="inject a permanent fault: KIND[/STATUS][:SERVICE[:MATCH]], such as "
        "throttle:graph, or the JSON of a fault; repeatable (sandbox/faults/injection.py lists the "
        "kinds)",
    )

    run.add_argument(
        "--profile",
        default="",
        help="measured, or contrary: the worst side of every contested fact at once",
    )
    run.add_argument(
        "--reality",
        action="append",
        default=[],
        metavar="fact=side",
        help="the side of a contested fact that the tenant plays; repeatable (sandbox/README.md "
        "lists the facts)",
    )

    run.add_argument(
        "--no-probe",
        action="store_true",
        help="do not probe the assumptions before the first run, as a deployed app does",
    )

    demo = commands.add_parser("demo", help="show the guards at work, step by step")
    demo.add_argument("--once", action="store_true", help="exit after the last step")
    demo.add_argument(
        "--verbose", action="store_true", help="print every finding, card and write as well"
    )

    serve = commands.add_parser("serve", help="serve a scene's tenant until interrupted")
    serve.add_argument("--scene", type=Path, required=True, help="a JSON file with the tenant")
    serve.add_argument("--port", type=int, default=0, help="0 picks a free port")
    serve.add_argument("--profile", default="measured", help="as for run")
    return parser


def parse_positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
