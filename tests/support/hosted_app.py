"""The app on the local host in a process of its own, as a test over HTTP sees it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class HostedApp:
    """Where the app answers, and its keys."""

    base_url: str
    function_key: str
    master_key: str


@asynccontextmanager
async def start_hosted_app(
    settings: Mapping[str, str], folder: Path, *options: str
) -> AsyncIterator[HostedApp]:
    """The app with these settings, without schedules; `folder` is for the file that has them."""
    file = folder / "settings.json"
    file.write_text(json.dumps(dict(settings)), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(
            "-m",
            "sandbox.functions_host.host",
            "--app",
            str(ROOT),
            "--settings",
            str(file),
            "--no-schedules",
        ),
        *options,
        cwd=ROOT,
        env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout
    try:
        ready = json.loads(await process.stdout.readline())
        yield HostedApp(ready["base"], ready["keys"]["function"], ready["keys"]["master"])
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
