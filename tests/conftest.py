"""Shared by all tests: one Azurite a process, and a collector that leaves imports alone."""

import gc
import os
from collections.abc import Iterator

import pytest

from sandbox.functions_host.azurite import Azurite
from tests.support.shared_azurite import get_shared_azurite, stop_shared_azurite

# function_app refuses to start without settings, here and in processes that tests start.
os.environ.setdefault("TENANT_ID", "00000000-0000-4000-8000-000000000001")


def pytest_collection_finish() -> None:
    """Sets what is imported apart: to walk over it again and again took a tenth of all CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(scope="session")
def azurite() -> Azurite:
    """A storage account in memory, which all tests of the process share."""
    return get_shared_azurite()


@pytest.fixture(scope="session", autouse=True)
def storage_ends_with_the_session() -> Iterator[None]:
    """Ends Azurite once the last test is over."""
    yield
    stop_shared_azurite()
