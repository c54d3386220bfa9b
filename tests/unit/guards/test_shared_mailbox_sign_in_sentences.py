"""What the guard says of a tenant that was broken into, and what faults change about it."""

from core.guards.shared_mailbox_sign_in import GUARD
from tests.support.sentences import check_looks


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("shared_mailbox_sign_in_looks", GUARD)
