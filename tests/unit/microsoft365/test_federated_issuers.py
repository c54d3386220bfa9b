"""Providers whose tokens stand in for a secret: told by their host, never by what they call it."""

import pytest

from core.microsoft365.federated_issuers import describe_issuer, is_own_issuer

TENANT = "AAAA-1"


@pytest.mark.parametrize(
    ("issuer", "is_own", "text"),
    [
        ("https://login.microsoftonline.com/aaaa-1/v2.0", True, "another tenant of Entra"),
        (" HTTPS://STS.Windows.net/AAAA-1/ ", True, "another tenant of Entra"),
        ("https://login.microsoftonline.com/bbbb-2/aaaa-1", False, "another tenant of Entra"),
        ("https://login.microsoftonline.com/", False, "another tenant of Entra"),
        ("https://token.actions.githubusercontent.com", False, "GitHub Actions"),
        ("https://token.actions.githubusercontent.com/aaaa-1", False, "GitHub Actions"),
        ("https://gitlab.com.evil.example", False, "another provider"),
        ("https://evil.example/login.microsoftonline.com/aaaa-1", False, "another provider"),
        ("https://login.microsoftonline.com@evil.example/aaaa-1", False, "an unknown provider"),
        ("http://login.microsoftonline.com/aaaa-1", False, "an unknown provider"),
        ("https:///aaaa-1", False, "an unknown provider"),
        ("https://[evil", False, "an unknown provider"),
        ("", False, "an unknown provider"),
    ],
)
def test_an_issuer_is_this_tenant_or_named_by_its_host(
    issuer: str, is_own: bool, text: str
) -> None:
    assert is_own_issuer(issuer, TENANT) is is_own
    assert describe_issuer(issuer) == text


def test_without_a_tenant_no_issuer_is_own() -> None:
    assert not is_own_issuer("https://login.microsoftonline.com//v2.0", "")
