"""What is said and done about methods, certificates, devices, units and roles, one at a time."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from core.guards.privileged_change.certificates import describe_trust_store
from core.guards.privileged_change.device_registration import list_right_traits
from core.guards.privileged_change.devices import (
    list_device_facts,
    list_device_traits,
    list_kit_traits,
)
from core.guards.privileged_change.remedies import build_holder_remedy, build_owner_remedy
from core.guards.privileged_change.roles import restore_unit
from core.guards.privileged_change.sign_in_settings import (
    describe_defaults,
    describe_methods,
    list_certificate_traits,
    list_key_traits,
)
from core.guards.privileged_change.standing_roles import build_removal
from core.microsoft365.kit_devices import find_kit
from core.microsoft365.source_shapes import TYPE_NAME
from core.model.findings import Fact, Severity
from core.tenant.configuration import Configuration
from core.tenant.directory import RoleHolder
from core.tenant.quoting import quote_text
from core.watched.items import SourceRows, Trait, build_token
from tests.support.privileged_tenants import GLOBAL_ADMINISTRATOR, LONG
from tests.support.watched_looks import NOW


def read(source: str, values: Mapping[str, object], name: str = "Name") -> SourceRows:
    """One object of a source, and nothing beside it."""
    one = Configuration(source, "id1", name, values)
    return SourceRows({"conditional-access-policy": None, source: (one,)}, NOW)


def test_settings_that_are_not_told_are_unread() -> None:
    with pytest.raises(ValueError, match=r"^Graph does not tell whether the security defaults"):
        list(describe_defaults(read("security-defaults", {"isEnabled": None})))
    with pytest.raises(ValueError, match=r"^Graph does not tell which methods may be used$"):
        list(describe_methods(read("authentication-methods-policy", {})))


def test_what_certificates_count_for_is_known_by_issuer_and_by_whom_they_find() -> None:
    both = "X509CertificateMultiFactor"
    method = {
        "authenticationModeConfiguration": {
            "x509CertificateAuthenticationDefaultMode": both,
            "rules": [{"identifier": "CN=Thief", "x509CertificateAuthenticationMode": both}],
        },
        "certificateUserBindings": [
            {"x509CertificateField": "RFC822Name", "userProperty": "userPrincipalName"}
        ],
    }
    assert list(list_certificate_traits(method)) == [
        Trait("both factors", "lets any certificate count as both factors", Severity.HIGH),
        Trait(
            "rule cn=thief",
            "lets certificates of CN=Thief count as both factors",
            Severity.HIGH,
        ),
        Trait(
            "binding rfc822name userprincipalname",
            "finds whose certificate it is by RFC822Name and userPrincipalName",
            Severity.MEDIUM,
        ),
    ]


def test_each_make_of_passkeys_is_known_by_its_id() -> None:
    allowed = {"keyRestrictions": {"enforcementType": "Allow", "aaGuids": ["AB-12"]}}
    assert list(list_key_traits(allowed)) == [
        Trait("make ab-12", "takes passkeys of one more make (AB-12)", Severity.LOW)
    ]


def test_an_authority_of_a_trust_store_is_removed_by_its_id() -> None:
    rows = read("trust-store", {"certificateAuthorities": [{"id": "a1", "issuer": "CN=Thief"}]})
    (item,) = describe_trust_store(rows)
    (step,) = item.stop
    assert step.command == (
        "Invoke-MgGraphRequest -Method DELETE -Uri 'v1.0/directory/publicKeyInfrastructure/"
        "certificateBasedAuthConfigurations/id1/certificateAuthorities/a1'"
    )


def test_whom_a_policy_of_devices_lets_do_something_is_shown_short() -> None:
    who = {TYPE_NAME: f"#microsoft.graph.{LONG}"}
    values = {"azureADJoin": {"allowedToJoin": who}}
    policy = Configuration("device-registration-policy", "p", "", values)
    (trait,) = list_right_traits(policy, "azureADJoin.allowedToJoin")
    assert len(trait.text) < 160
    assert trait.text.endswith("join devices")


ANN = {"id": "U1", "userPrincipalName": "ann@contoso.com"}
BEN = {"id": "u2"}


def test_a_device_of_several_people_names_each_and_a_long_name_is_cut() -> None:
    device = Configuration("device", "d1", "PC", {"registeredOwners": [ANN, BEN]})
    owner, *_ = list_device_facts(device, None)
    assert owner == Fact("owner", "ann@contoso.com, u2")
    long = {"id": "u1", "userPrincipalName": LONG}
    device = Configuration("device", "d1", "PC", {"registeredOwners": [long]})
    owner, *_ = list_device_facts(device, None)
    shown = quote_text(LONG, 120)
    assert owner == Fact("owner", shown)
    (trait,) = list_device_traits(device, None, {"u1"}, {})
    assert trait.token == build_token("administrator", "u1")
    assert trait.text == f"was registered for {shown}, who administers"


def test_a_device_that_looks_made_up_is_told_once_whatever_makes_it_so() -> None:
    kit = find_kit("DESKTOP-7QK4M2XB", "10.0.19041.928")
    device = Configuration("device", "d1", "PC", {"registeredOwners": [ANN]})
    (trait,) = list_kit_traits(kit, device)
    assert (trait.token, trait.text) == (
        "kit",
        "has a name and a system as tools such as ROADtools make them up, and belongs to "
        "ann@contoso.com",
    )
    # The owner is added some seconds after the device.
    (early,) = list_kit_traits(kit, replace(device, values={}))
    assert (early.token, early.text.endswith(" make them up")) == ("kit", True)
    assert not [*list_kit_traits(None, device)]


def test_only_members_that_are_new_are_taken_out_of_a_unit() -> None:
    one, other = restore_unit("a1", ["member u1", "member u2"])
    for step, member in ((one, "u1"), (other, "u2")):
        assert step.command == (
            "Invoke-MgGraphRequest -Method DELETE -Uri "
            f"'v1.0/directory/administrativeUnits/a1/members/{member}/$ref'"
        )
    # Of a member whose token has only a part of the id nobody can be taken out, and of a unit that
    # is new itself nobody is.
    assert restore_unit("a1", ["member u1", build_token("member", LONG)]) == ()
    assert restore_unit("a1", ["member u1", "restricted"]) == ()


def test_of_more_members_than_a_person_works_through_the_rest_is_counted() -> None:
    *_, rest = restore_unit("a1", [f"member u{number}" for number in range(10)])
    assert rest.text == "And 2 more members: what was saved first names them."


def test_no_command_takes_away_the_role_of_somebody_whose_id_cannot_be_quoted() -> None:
    assert build_removal(GLOBAL_ADMINISTRATOR, "u1\n") == ""
    assert "principalId = 'u1'" in build_removal(GLOBAL_ADMINISTRATOR, "u1")


@pytest.mark.parametrize(
    ("role", "is_saved"),
    [(GLOBAL_ADMINISTRATOR, True), ("r\u00f6le", False), ("a/b", False), ("..", False)],
)
def test_how_a_role_is_held_is_saved_in_a_file_that_is_named_after_its_id(
    role: str, is_saved: bool
) -> None:
    holder = RoleHolder("eve", "entra", frozenset({role}), "eve@contoso.com")
    saved, *_ = build_holder_remedy(holder, role, "Eve", "Role")
    assert saved.command.endswith("-Path 'evidence-role-62e90394.xml'") is is_saved
    assert bool(saved.command) is is_saved


def test_a_new_owner_without_a_plain_name_is_looked_for_by_id() -> None:
    owner = RoleHolder("u-1", "owner", frozenset(), "Eve Example")
    *_, around, _ = build_owner_remedy(owner, "Eve", "Role")
    assert around.command == "exo cases --about 'u-1'"
