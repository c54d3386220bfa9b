"""What people call the sources of data."""

import pytest

from core.tenant.sources import (
    ALL_LISTED,
    HIDDEN_RULES,
    OWN_ADD_INS,
    SIGN_IN_METHODS,
    SIGN_INS,
    name_source,
)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (HIDDEN_RULES, "hidden rules"),
        (ALL_LISTED, "all that it lists"),
        ("send-as", "send as"),
        (SIGN_INS, "sign-ins"),
        (SIGN_IN_METHODS, "sign-in methods"),
        (OWN_ADD_INS, "own add-ins"),
        ("watched-sign-in-name", "sign-in names"),
        ("watched-outlook-add-in", "outlook add-ins"),
        ("a-sign-inside", "a sign inside"),
        ("watched-domain", "domains"),
        ("watched-conditional-access-policy", "conditional access policies"),
        ("watched-role-activation", "role activations"),
        ("configuration-cas-mailbox", "cas mailboxes"),
        ("configuration-migration-batch", "migration batches"),
        ("watched-security-defaults", "security defaults"),
        ("watched-trust-store-authority", "trust store authorities"),
        ("watched-allow-entry", "allow entries"),
        # Only before the name, and once.
        ("the-watched-door", "the watched door"),
        ("configuration-watched-door", "watched doors"),
    ],
)
def test_a_source_is_called_by_its_objects(source: str, shown: str) -> None:
    assert name_source(source) == shown
