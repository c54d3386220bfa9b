"""The program of test_cli: the command line against the app on the local host; prints JSON.

One process hosts one app, so it runs on its own. Some command lines are processes too; most run in
a thread of this one, which spares their start.
"""

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from core.cli.program import main
from core.cli.session import Session
from sandbox.functions_host.host import Host
from sandbox.scene_runner import build_app_settings
from sandbox.server import Sandbox
from tests.support.shared_azurite import take_account

ROOT = Path(__file__).resolve().parents[2]
GUARD_NAME = "shared-mailbox-sign-in"
WHY_OPTIONS = ("--who", "Dana", "--why", "the journey")


def create_console(text: StringIO) -> Console:
    """A console of the least width a terminal has."""
    return Console(file=text, width=80, markup=False, highlight=False)


@dataclass
class Terminal:
    """Runs command lines and keeps their results by name."""

    environ: Mapping[str, str]
    results: dict[str, tuple[int, str, str]] = field(default_factory=dict)

    async def start_process(self, *words: str) -> asyncio.subprocess.Process:
        """Start a command line as a process without a terminal."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "core.cli", *words),
            cwd=ROOT,
            env=self.environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run_process(self, name: str, *words: str) -> str:
        """Run a command line as a process and return its output."""
        process = await self.start_process(*words)
        out, err = await process.communicate()
        self.results[name] = (process.returncode or 0, out.decode(), err.decode())
        return out.decode()

    async def run_command(self, name: str, *words: str, **environ: str) -> str:
        """Run a command line in this process and return its output."""
        out, err = StringIO(), StringIO()
        session = Session(
            {**self.environ, **environ},
            out=create_console(out),
            err=create_console(err),
            is_interactive=False,
        )
        code = await asyncio.to_thread(main, words, session)
        self.results[name] = (code, out.getvalue(), err.getvalue())
        return out.getvalue()


async def run_read_commands(terminal: Terminal, folder: Path) -> None:
    """Run every command that reads."""
    await terminal.run_process("status", "status")
    for name in ("cases", "changes", "requests"):
        await terminal.run_command(name, name)
    await terminal.run_command("status --json", "status", "--json")
    listed = json.loads(
        await terminal.run_command("all cases", "cases", "--state", "all", "--json")
    )
    short = listed["cases"][0]["short"]
    await terminal.run_command("case", "case", short)
    await terminal.run_command("no such case", "case", "ffffffff")
    await terminal.run_command("strange severity", "cases", "--severity", "awful")
    file = str(folder / "evidence.jsonl")
    await terminal.run_command(
        "export", "export", "--from", "2026-01-01", "--to", "2026-01-02", "-o", file
    )
    await terminal.run_command("export again", "export", "--from", "2026-01-01", "-o", file)
    await terminal.run_command("verify", "verify", file)
    append_line(Path(file))
    await terminal.run_command("verify a changed one", "verify", file)


def append_line(file: Path) -> None:
    """Tamper with an export by adding a line."""
    file.write_bytes(file.read_bytes() + b"{}\n")


async def run_write_commands(terminal: Terminal, change: str) -> None:
    """Run every command that submits a request."""
    yes = ("--yes", "--wait", *WHY_OPTIONS)
    await terminal.run_command("unasked", "run", GUARD_NAME, *WHY_OPTIONS)
    await terminal.run_command("undo", "undo", GUARD_NAME, change, *yes)
    await terminal.run_command("undo again", "undo", GUARD_NAME, change, *yes)
    await terminal.run_command("release", "release", GUARD_NAME, "0" * 32, *yes)
    await terminal.run_command(
        "exempt", "exempt", GUARD_NAME, "some-object", "--until", "30d", *yes
    )
    await terminal.run_command(
        "too long", "exempt", GUARD_NAME, "some-object", "--until", "999d", *yes
    )
    await terminal.run_command("unexempt", "unexempt", GUARD_NAME, "some-object", *yes)
    asked = json.loads(
        await terminal.run_command("asked", "run", "mailbox-audit", "--yes", "--json", *WHY_OPTIONS)
    )
    await terminal.run_command("not yet", "request", "mailbox-audit", asked["request"])
    await terminal.run_command("run", "run", "mailbox-audit", "--mode", "alert", *yes)


async def use_viewer(terminal: Terminal) -> dict[str, Any]:
    """Use the viewer as a browser does."""
    process = await terminal.start_process("page", "--no-browser")
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().strip()
    base = re.sub(r"/open/.*", "", line)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:

        async def get(address: str, **headers: str) -> tuple[int, str]:
            async with browser.get(address, headers=headers) as reply:
                return reply.status, await reply.text()

        early = await get(f"{base}/api/status.json")
        opened = await get(line)
        seen = await get(f"{base}/api/status.json")
        missing = await get(f"{base}/api/cases/{GUARD_NAME}/{'0' * 32}.json")
        elsewhere = await get(f"{base}/admin/host/keys")
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    terminal.results["page"] = (process.returncode or 0, line + out.decode(), err.decode())
    return {
        "early": early[0],
        "opened": opened[0],
        "seen": [seen[0], json.loads(seen[1])["health"]],
        "missing": missing[0],
        "elsewhere": elsewhere[0],
    }


async def run_local_commands(terminal: Terminal, folder: Path, environ: Mapping[str, str]) -> None:
    """Run commands directly on the table, without the app."""
    file = folder / "local.settings.json"
    values = {name: value for name, value in environ.items() if not name.startswith("IDENTITY_")}
    file.write_text(json.dumps({"IsEncrypted": False, "Values": values}), encoding="utf-8")
    local = ("--local", "--settings", str(file))
    await terminal.run_command("local status", *local, "status", "--json")
    await terminal.run_command("local run", *local, "run", GUARD_NAME, "--yes", *WHY_OPTIONS)
    await terminal.run_command(
        "left",
        *local,
        "exempt",
        GUARD_NAME,
        "thing",
        "--until",
        "5d",
        "--yes",
        "--no-wait",
        *WHY_OPTIONS,
    )


async def run_cli_journey(scene: Mapping[str, Any]) -> dict[str, Any]:
    """Run all commands in the order of an operator's day."""
    async with Sandbox(scene) as box:
        environ = build_app_settings(box, take_account(), {})
        async with Host(ROOT, environ, timers_enabled=False) as host:
            for guard in (GUARD_NAME, GUARD_NAME, "mailbox-audit"):
                await host.invoke_timer(guard)
            plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
            terminal = Terminal(
                {**plain, "EXOGUARD_APP": host.base, "EXOGUARD_KEY": host.keys.function}
            )
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                await run_read_commands(terminal, folder)
                changes = json.loads(terminal.results["status --json"][1])["changes"]
                await run_write_commands(terminal, changes[0]["change"])
                await host.drain()
                await terminal.run_command("wrong key", "status", EXOGUARD_KEY="wrong")
                await terminal.run_command("no key", "status", EXOGUARD_KEY="")
                seen = await use_viewer(terminal)
                await run_local_commands(terminal, folder, environ)
            return {
                "result": terminal.results,
                "view": seen,
                "changes": changes,
                "writes": box.writes,
                "key": host.keys.function,
            }


def start() -> None:
    """The journey through the scene of standard input; prints what was seen."""
    # A suite that runs in the background of a shell ignores SIGINT, and so would the command lines.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdout.write(json.dumps(asyncio.run(run_cli_journey(json.loads(sys.stdin.read())))) + "\n")
