"""Rows of service principals, grants and assignments: what is understood, and what is refused."""

from typing import Any

import pytest

from core.adapters.credentials import parse_token_claims, parse_token_roles
from core.adapters.m365.apps import (
    REPLY_URLS_LIMIT,
    CallerIdentity,
    parse_app,
    parse_app_permission,
    parse_role_names,
)
from core.adapters.m365.grants import SCOPE_LIMIT, SCOPES_LIMIT, parse_delegated_grant

HERE = "5a4d0b0c-7e1a-4a6f-9c55-0d7e5a11ce00"
READER = CallerIdentity("a99a11ce-0000-4000-8000-00000000a44d", HERE)
ZERO = "00000000-0000-0000-0000-000000000000"
SIGN, OTHER = (f"fe000000-0000-4000-8000-00000000000{number}" for number in (1, 2))


def row(**more: Any) -> dict[str, Any]:
    return {"id": "p1", "appId": "a1", "displayName": "n", **more}


def test_a_missing_publisher_is_an_object_full_of_nulls() -> None:
    nobody = {"displayName": None, "verifiedPublisherId": None, "addedDateTime": None}
    for value in (None, {}, nobody, {"displayName": "Microsoft"}, "Microsoft"):
        assert parse_app(row(verifiedPublisher=value), READER).publisher == ""
    known = {"displayName": "Contoso", "verifiedPublisherId": "1234567"}
    assert parse_app(row(verifiedPublisher=known), READER).publisher == "Contoso"


def test_an_owner_that_is_not_told_is_nobody_and_not_this_tenant() -> None:
    for reader in (READER, CallerIdentity()):
        for owner in (None, "", ZERO):
            found = parse_app(row(appOwnerOrganizationId=owner), reader)
            assert (found.owner_tenant_id, found.is_home_tenant) == ("", False)


def test_ids_are_compared_in_one_case() -> None:
    found = parse_app(row(appOwnerOrganizationId=HERE.upper(), appId=READER.app_id.upper()), READER)
    assert (found.is_home_tenant, found.is_self) == (True, True)


def test_a_token_that_does_not_say_who_reads_makes_nobody_itself() -> None:
    assert not parse_app(row(appId=None), CallerIdentity()).is_self


def test_a_managed_identity_belongs_to_this_tenant_whoever_owns_its_registration() -> None:
    assert parse_app(row(servicePrincipalType="ManagedIdentity"), READER).is_home_tenant


def test_only_an_app_that_is_switched_off_is_off() -> None:
    assert parse_app(row(accountEnabled=False), READER).enabled is False
    assert parse_app(row(accountEnabled=None), READER).enabled is True
    assert parse_app(row(), READER).enabled is True


@pytest.mark.parametrize("object_id", [None, "", ZERO, 7.5, [], "a b"])
def test_an_app_without_an_id_is_not_an_app(object_id: object) -> None:
    with pytest.raises(ValueError, match="usable id"):
        parse_app(row(id=object_id), READER)


def test_a_saml_certificate_signs_and_the_password_of_its_file_is_no_secret() -> None:
    found = parse_app(
        row(
            keyCredentials=[
                {"keyId": SIGN, "usage": "Sign", "customKeyIdentifier": "c1"},
                {"keyId": OTHER, "usage": "Verify", "customKeyIdentifier": "c1"},
            ],
            passwordCredentials=[{"keyId": SIGN}, {"keyId": "own"}],
        ),
        READER,
    )
    assert [one.saml_signing for one in found.credentials] == [True, True, True, False]


def test_a_certificate_to_verify_with_that_no_one_signs_with_opens_the_app() -> None:
    found = parse_app(row(keyCredentials=[{"keyId": OTHER, "usage": "Verify"}]), READER)
    assert [(one.kind, one.saml_signing) for one in found.credentials] == [("certificate", False)]


@pytest.mark.parametrize(
    "value", [{"keyId": OTHER}, [{}], [None], ["x"], [{"keyId": None}], [{"keyId": "k"}] * 501]
)
def test_secrets_that_cannot_be_understood_are_not_no_secrets(value: object) -> None:
    with pytest.raises(ValueError, match=r"passwordCredentials|secret"):
        parse_app(row(passwordCredentials=value), READER)


def test_replies_are_sorted_and_all_there_and_too_many_leave_an_app_unread() -> None:
    many = [f"https://{number:04}.example" for number in range(REPLY_URLS_LIMIT - 3)]
    found = parse_app(row(replyUrls=[*reversed(many), None, 7, ""]), READER)
    assert found.reply_urls == tuple(many)
    with pytest.raises(ValueError, match="reply addresses"):
        parse_app(row(replyUrls=[*many, *many]), READER)
    deep = f"https://{'a' * 250}.example/"
    assert parse_app(row(replyUrls=[deep]), READER).reply_urls == (deep,)
    assert parse_app(row(replyUrls="https://a.example"), READER).reply_urls == ()


def grant(**more: Any) -> dict[str, Any]:
    return {"clientId": "c1", "resourceId": "r1", "consentType": "Principal", **more}


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        (" Mail.Read  openid ", {"Mail.Read", "openid"}),
        ("Mail.Read Mail.Read", {"Mail.Read"}),
        ("", set()),
        (None, set()),
    ],
)
def test_scopes_are_a_set_however_they_are_spaced(scope: object, scopes: set[str]) -> None:
    assert parse_delegated_grant(grant(scope=scope)).scopes == scopes


@pytest.mark.parametrize(
    "more",
    [
        {"scope": ["Mail.Read"]},
        {"scope": "x " * SCOPES_LIMIT},
        {"scope": "x" * (SCOPE_LIMIT + 1)},
        {"clientId": None},
        {"resourceId": ZERO},
        {"consentType": None},
        {"consentType": "everybody"},
    ],
)
def test_a_grant_is_refused_rather_than_cut_short(more: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"grant|scope"):
        parse_delegated_grant(grant(**more))


def assigned(**more: Any) -> dict[str, Any]:
    ids = {"id": "x1", "principalId": "c1", "resourceId": "r1", "appRoleId": "role"}
    return {**ids, "principalType": "ServicePrincipal", **more}


def test_access_of_people_and_mere_access_are_no_permissions() -> None:
    assert parse_app_permission(assigned(principalType="User"), {}) is None
    assert parse_app_permission(assigned(principalType="Group"), {}) is None
    assert parse_app_permission(assigned(appRoleId=ZERO), {}) is None


def test_a_principal_of_no_known_type_is_taken_for_an_app() -> None:
    found = parse_app_permission(assigned(principalType=None), {"role": "Mail.Read"})
    assert found is not None
    assert found.value == "Mail.Read"


@pytest.mark.parametrize("name", ["principalId", "resourceId", "appRoleId"])
def test_an_assignment_without_its_ids_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="assignment"):
        parse_app_permission(assigned(**{name: None}), {})


def test_roles_are_known_by_id_and_garbage_is_refused() -> None:
    roles = [{"id": "ROLE-1", "value": "Mail.Read"}, None, {"id": "r2", "value": None}]
    assert parse_role_names({"appRoles": roles}) == {"ROLE-1": "Mail.Read", "r2": ""}
    assert parse_role_names({}) == {}
    wrong: tuple[object, ...] = ("x", {"id": 1}, [{}] * 10_001)
    for value in wrong:
        with pytest.raises(ValueError, match="appRoles"):
            parse_role_names({"appRoles": value})


@pytest.mark.parametrize("token", ["", "a.b", "a.!.c", "a.W10.c", "a.bnVsbA.c", "x" * 100_000])
def test_a_token_that_cannot_be_read_says_nothing(token: str) -> None:
    assert parse_token_claims(token) is None
    assert parse_token_roles(token) is None
