"""The tests of a small project, run in several processes: what is told is what happened."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
[pytest]
filterwarnings = error
addopts = -p tests.support.forked_workers -p pytest_timeout -rA
"""
CONFTEST = """
import os, pytest, time
from pathlib import Path

def note(text):
    with (Path(__file__).parent / "notes").open("a") as notes:
        notes.write(f"{text} {os.getpid()}\\n")

@pytest.fixture(scope="session", autouse=True)
def process():
    note("set-up")
    yield
    note("tear-down")

def pytest_unconfigure():
    note("ends")
    time.sleep(0.1)
    note("has-ended")
"""
SAMPLES = {
    "test_outcomes.py": """
import pytest, warnings

def test_passes(tmp_path):
    assert tmp_path.is_dir()

def test_fails():
    print("said before it failed")
    assert 1 == 2

@pytest.mark.xfail
def test_is_expected_to_fail():
    assert False

@pytest.mark.skip(reason="no need")
def test_is_skipped():
    pass

@pytest.fixture
def broken():
    yield
    raise ValueError("not torn down")

def test_tear_down_fails(broken):
    pass

@pytest.mark.filterwarnings("default")
def test_warns():
    warnings.warn("look here")
""",
    "test_killed.py": """
import os, signal

def test_before():
    pass

def test_kills_itself():
    os.kill(os.getpid(), signal.SIGKILL)

def test_after():
    pass
""",
    "test_gone.py": """
import os

def test_leaves_without_an_error():
    os._exit(0)
""",
    "test_hanging.py": """
import pytest, threading, time

@pytest.mark.timeout(0.5)
def test_hangs():
    threading.Thread(target=time.sleep, args=(60,), name="sleeper", daemon=True).start()
    time.sleep(60)
""",
    "test_others.py": "def test_others(): pass",
    "test_more.py": "def test_more(): pass",
}
LEAK = """
import gc

class Closed:
    def __init__(self):
        self.itself = self
    def __del__(self):
        raise ValueError("never closed")

def test_leaves_something_behind():
    gc.disable()
    Closed()
"""
WAITING = """
import time
from conftest import note

def test_waits():
    note("waits")
    time.sleep(60)

def test_comes_next():
    pass
"""
STUBBORN = """
import signal, subprocess, time
from conftest import note

def test_does_not_mind():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    started = subprocess.Popen(["sleep", "60"])
    note("waits")
    note(f"started {started.pid} by")
    time.sleep(60)
"""
FAILS_LATER = """
import time
from pathlib import Path

def test_fails():
    notes = Path(__file__).with_name("notes")
    while "waits" not in notes.read_text():
        time.sleep(0.01)
    assert False
"""
TEMPORARY = """
from pathlib import Path

def test_has_a_folder_of_its_own(tmp_path):
    with Path(__file__).with_name("folders").open("a") as folders:
        print(tmp_path, file=folders)
"""
LISTENING = """
from threading import Event, Thread

Thread(target=Event().wait, name="listener", daemon=True).start()

def test_passes():
    pass
"""
PASSES = "def test_passes(): pass"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run of pytest ended."""

    status: int
    output: str

    def get_outcomes(self) -> dict[str, str]:
        """By name what is summed up of the tests, with the reason if it says one."""
        found = re.findall(r"^([A-Z]+) \S+::(\w+)(?: - (.*))?$", self.output, re.MULTILINE)
        return {name: f"{outcome} {reason}".strip() for outcome, name, reason in found}


@contextlib.contextmanager
def start_pytest(
    folder: Path, files: Mapping[str, str], *options: str
) -> Iterator[subprocess.Popen[str]]:
    """A run of pytest in two processes on a project of these files."""
    for name, text in {"pytest.ini": SETTINGS, "conftest.py": CONFTEST, **files}.items():
        (folder / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-n2", *options]
    # Only the plugins that the settings name: loading the others takes longer than a run.
    added = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"}
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **added},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process


def run_pytest(folder: Path, files: Mapping[str, str], *options: str) -> Ended:
    with start_pytest(folder, files, *options) as process:
        output, _ = process.communicate(timeout=60)
    return Ended(process.returncode, output)


def list_noted(folder: Path, what: str) -> list[int]:
    """The ids of the processes that have noted something."""
    notes = folder / "notes"
    lines = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith(what)]


def wait_for_note(folder: Path, what: str) -> int:
    """The id of the first process that notes something."""
    until = time.monotonic() + 30
    while not (noted := list_noted(folder, what)):
        assert time.monotonic() < until, f"nobody has noted {what}"
        time.sleep(0.01)
    return noted[0]


def is_running(process: int) -> bool:
    """Whether a process is there; one that has ended and is not asked about any more is not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return status.rpartition(") ")[2][0] != "Z"


def wait_until_ended(process: int) -> None:
    until = time.monotonic() + 30
    while is_running(process):
        assert time.monotonic() < until, f"{process} still runs"
        time.sleep(0.01)


def test_each_test_is_told_with_its_outcome(tmp_path: Path) -> None:
    ended = run_pytest(tmp_path, SAMPLES, "-n4", "--durations=1", "-vv")
    died = "FAILED The process of this test ended: "
    assert ended.get_outcomes() == {
        "test_passes": "PASSED",
        "test_fails": "FAILED assert 1 == 2",
        "test_is_expected_to_fail": "XFAIL",
        "test_tear_down_fails": "ERROR ValueError: not torn down",
        "test_warns": "PASSED",
        "test_before": "PASSED",
        "test_kills_itself": died + "SIGKILL",
        "test_after": "PASSED",
        "test_leaves_without_an_error": died + "exit status 0",
        "test_hangs": "FAILED Failed: Timeout (>0.5s) from pytest-timeout.",
        "test_others": "PASSED",
        "test_more": "PASSED",
    }
    assert ended.status == pytest.ExitCode.TESTS_FAILED
    assert "4 failed, 7 passed, 1 skipped, 1 xfailed, 1 warning, 1 error" in ended.output
    assert ended.output.count("test session starts") == 1
    assert "said before it failed" in ended.output
    assert "Stack of sleeper" in ended.output
    assert "UserWarning: look here" in ended.output
    assert re.search(
        r"slowest 1 durations =+\n0\.\d+s call +test_hanging.py::test_hangs", ended.output
    )


def test_what_files_share_is_set_up_once_in_each_process(tmp_path: Path) -> None:
    run_pytest(tmp_path, {f"test_{number}.py": TEMPORARY for number in range(8)})
    folders = (tmp_path / "folders").read_text(encoding="utf-8").split()
    assert len(folders) == len(set(folders)) == 8
    assert len({Path(folder).parent for folder in folders}) == 1
    built, torn = list_noted(tmp_path, "set-up"), list_noted(tmp_path, "tear-down")
    assert len(built) == len(set(built)) <= 2
    assert sorted(torn) == sorted(built)


def test_the_last_test_of_a_process_that_leaves_something_behind_fails(tmp_path: Path) -> None:
    ended = run_pytest(tmp_path, {"test_a.py": PASSES, "test_b.py": LEAK})
    assert ended.get_outcomes() == {
        "test_leaves_something_behind": "FAILED The process of this test ended: exit status 1",
        "test_passes": "PASSED",
    }
    assert "ValueError: never closed" in ended.output
    assert ended.status == pytest.ExitCode.TESTS_FAILED


def test_tests_that_no_process_is_left_for_are_no_success(tmp_path: Path) -> None:
    dies = "import os\ndef test_dies(): os._exit(3)\n" + PASSES
    ended = run_pytest(tmp_path, {f"test_{number}.py": dies for number in range(2)})
    assert ended.get_outcomes() == {
        "test_dies": "FAILED The process of this test ended: exit status 3"
    }
    assert "2 tests have not run: no worker is left" in ended.output
    assert ended.status == pytest.ExitCode.TESTS_FAILED


def test_tests_that_failed_last_are_run_alone(tmp_path: Path) -> None:
    files = {
        "test_a.py": PASSES,
        **{name: SAMPLES[name] for name in ("test_outcomes.py", "test_gone.py")},
    }
    run_pytest(tmp_path, files)
    ended = run_pytest(tmp_path, files, "--last-failed")
    assert "2 failed, 1 passed, 1 error" in ended.output


def test_a_project_without_errors_is_a_success(tmp_path: Path) -> None:
    files = {f"test_{number}.py": PASSES for number in range(3)}
    assert "3 tests collected" in run_pytest(tmp_path, files, "--collect-only", "-q").output
    assert list_noted(tmp_path, "set-up") == []
    ended = run_pytest(tmp_path, files)
    assert ended.status == pytest.ExitCode.OK
    assert re.search(r"^\.\.\. +\[100%\]$", ended.output, re.MULTILINE)


def test_a_file_that_cannot_be_collected_is_told(tmp_path: Path) -> None:
    ended = run_pytest(tmp_path, {"test_a.py": PASSES, "test_b.py": PASSES, "test_c.py": "1 / 0"})
    assert ended.status == pytest.ExitCode.INTERRUPTED
    assert "ZeroDivisionError" in ended.output
    assert list_noted(tmp_path, "set-up") == []


def test_threads_that_run_after_collection_are_refused(tmp_path: Path) -> None:
    ended = run_pytest(tmp_path, {"test_a.py": PASSES, "test_b.py": LISTENING})
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert "threads run after collection, use -n0: listener" in ended.output


def test_ctrl_c_tears_down_and_ends_all_processes(tmp_path: Path) -> None:
    with start_pytest(tmp_path, {"test_a.py": WAITING, "test_b.py": PASSES}) as process:
        waiting = wait_for_note(tmp_path, "waits")
        wait_for_note(tmp_path, "ends")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in output
    assert sorted(list_noted(tmp_path, "tear-down")) == sorted(list_noted(tmp_path, "set-up"))
    assert sorted(list_noted(tmp_path, "has-ended")) == sorted(list_noted(tmp_path, "ends"))
    assert not is_running(waiting)


def test_a_run_that_stops_early_ends_what_will_not(tmp_path: Path) -> None:
    files = {"test_a.py": STUBBORN, "test_b.py": FAILS_LATER, "test_c.py": PASSES}
    with start_pytest(tmp_path, files, "-x") as process:
        started = wait_for_note(tmp_path, "started")
        output, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.TESTS_FAILED
    assert "stopping after 1 failures" in output
    assert not any(map(is_running, (started, *list_noted(tmp_path, "waits"))))


def test_workers_end_when_nobody_listens(tmp_path: Path) -> None:
    with start_pytest(
        tmp_path, {"test_a.py": WAITING.replace("60", "1"), "test_b.py": PASSES}
    ) as process:
        wait_for_note(tmp_path, "waits")
        process.kill()
    for worker in list_noted(tmp_path, "set-up"):
        wait_until_ended(worker)
    assert sorted(list_noted(tmp_path, "tear-down")) == sorted(list_noted(tmp_path, "set-up"))
