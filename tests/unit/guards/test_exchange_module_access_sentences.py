"""What the guard says of a tenant that was broken into, and what faults change about it."""

from core.guards.exchange_module_access import GUARD
from tests.support.sentences import check_looks


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("exchange_module_access_looks", GUARD)
