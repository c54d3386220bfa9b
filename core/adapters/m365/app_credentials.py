"""Secrets and certificates of apps, as Microsoft Graph prints them."""

from collections.abc import Iterator, Mapping

from core.adapters.parsing import ResponseRow, parse_object_id, parse_text, parse_timestamp
from core.tenant.apps import AppCredential

NAME_LIMIT = 256
CREDENTIAL_LIMIT = 500


def parse_app_credentials(row: ResponseRow) -> Iterator[AppCredential]:
    """The secrets and certificates. Raises ValueError for one that has no id, or too many.

    A certificate for SAML comes as two keys, to sign and to verify, of one customKeyIdentifier, and
    a password under the id of the first: that opens its file and signs nobody in.
    """
    keys = parse_object_list(row, "keyCredentials")
    signing = [key for key in keys if parse_text(key.get("usage"), 16).casefold() == "sign"]
    marks = {parse_text(key.get("customKeyIdentifier"), NAME_LIMIT) for key in signing} - {""}
    ids = {parse_object_id(key.get("keyId")) for key in signing}
    for key in keys:
        mark = parse_text(key.get("customKeyIdentifier"), NAME_LIMIT)
        one = parse_object_id(key.get("keyId"))
        yield parse_app_credential(key, "certificate", saml_signing=one in ids or mark in marks)
    for secret in parse_object_list(row, "passwordCredentials"):
        yield parse_app_credential(
            secret, "secret", saml_signing=parse_object_id(secret.get("keyId")) in ids
        )


def parse_object_list(row: ResponseRow, name: str) -> list[ResponseRow]:
    """A list of objects in a row. Raises ValueError where it is none, or too long."""
    found = row.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise ValueError(f"{name} is not a list of objects")
    if len(found) > CREDENTIAL_LIMIT:
        raise ValueError(f"{name} has {len(found)} elements")
    return found


def parse_app_credential(row: ResponseRow, kind: str, *, saml_signing: bool) -> AppCredential:
    """One secret or certificate."""
    found = parse_object_id(row.get("keyId"))
    if not found:
        raise ValueError(f"a {kind} without a usable id")
    return AppCredential(found, kind, parse_timestamp(row.get("endDateTime")), saml_signing)
