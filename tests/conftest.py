"""Shared by all tests: one Azurite, long files first, a collector that spares imports."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from sandbox.functions_host.azurite import Azurite
from tests.support.shared_azurite import (
    get_shared_azurite,
    offer_accounts,
    stop_shared_azurite,
)

# function_app refuses to start without settings, here and in processes that tests start.
os.environ.setdefault("TENANT_ID", "00000000-0000-4000-8000-000000000001")

# The files that take longest, longest first: one of them that began last would keep one process
# busy while all others are done. Among them are those that wait and those that compute, and either
# uses what the other leaves.
TESTS = Path(__file__).parent
LONG_FILES = (
    "integration/test_scenes.py",
    "resilience/test_crashes.py",
    "resilience/test_random_faults.py",
    "browser/test_pages.py",
    "integration/test_neglected_scene.py",
    "integration/test_two_workers.py",
    "bench/test_bench.py",
    "integration/test_openapi_conformance.py",
    "integration/test_make_run.py",
    "resilience/test_canaries.py",
    "integration/test_crash_recovery.py",
    "resilience/test_state_machine.py",
    "resilience/test_missing_pages.py",
    "resilience/test_processes.py",
    "resilience/test_untouched_tenant.py",
    "resilience/test_flood.py",
    "sandbox/functions_host/test_host.py",
    "resilience/test_page_left_out.py",
    "resilience/test_versions_and_settings.py",
    "resilience/test_missing_pages_of_guards.py",
    "integration/test_operations.py",
    "sandbox/functions_host/test_instances.py",
    "bench/test_days.py",
    "resilience/test_state_table.py",
    "infra/test_checks.py",
    "docs/test_new_guard.py",
)

# What took less is not among the slowest that pytest lists (--durations), in seconds.
SHOWN_DURATION = 0.005


def pytest_configure(config: pytest.Config) -> None:
    """Has one Azurite for all processes: each would need seconds to start its own."""
    if config.getoption("numprocesses"):
        offer_accounts()


def pytest_unconfigure() -> None:
    """Ends Azurite once the last test is over."""
    stop_shared_azurite()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; all others keep their order."""
    ranks = {TESTS / name: rank for rank, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leaves what is being imported alone, nearly all of which is there to stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Sets what is imported apart: to walk over it again and again took a tenth of all CPU.

    Hardly any of it is garbage: even one walk to find that costs more than it frees.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Runs a test and, in a process of xdist's, sends on what somebody reads, and nothing else.

    By itself each test is six messages: that it starts and is over, and how it was set up, ran and
    was torn down. With --maxfail pytest must know at once that a test failed.
    """
    if not hasattr(item.config, "workerinput") or item.config.getoption("maxfail"):
        return None
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed or report.duration > SHOWN_DURATION:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


@pytest.fixture(scope="session")
def azurite() -> Azurite:
    """A storage account in memory, which all tests of the process share."""
    return get_shared_azurite()
