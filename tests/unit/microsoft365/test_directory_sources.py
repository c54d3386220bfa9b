"""Which users, devices, units and domains of the long lists are kept to be looked at."""

from collections.abc import Mapping

import pytest

from core.microsoft365.directory_sources import (
    is_federated_domain,
    is_personal_device,
    is_shielding_unit,
    is_telling_user,
)

OWN: Mapping[str, object] = {"userPrincipalName": "ann@contoso.com", "userType": "Member"}
OUTSIDER = {**OWN, "userPrincipalName": "ann_x.example#EXT#@contoso.com"}
FEDERATED = {"identities": [{"signInType": "userPrincipalName"}, {"signInType": "Federated"}]}
CERTIFIED = {"authorizationInfo": {"certificateUserIds": ["X509:<PN>ann"]}}


@pytest.mark.parametrize(
    ("user", "is_kept"),
    [
        (OWN, False),
        (OUTSIDER, True),
        ({**OUTSIDER, "userType": "guest"}, False),
        ({**OUTSIDER, "userType": None}, True),
        ({**OWN, "userType": "Guest"}, False),
        ({**OWN, **FEDERATED}, True),
        ({**OUTSIDER, **FEDERATED, "userType": "Guest"}, False),
        ({**OWN, "identities": [{"signInType": "userPrincipalName"}, "no object"]}, False),
        ({**OWN, "identities": "federated"}, False),
        ({**OWN, **CERTIFIED}, True),
        ({**OWN, "authorizationInfo": {"certificateUserIds": []}}, False),
        ({**OWN, "authorizationInfo": None}, False),
        ({**OWN, "onPremisesImmutableId": "x"}, True),
        ({**OWN, "onPremisesImmutableId": "x", "onPremisesSyncEnabled": True}, False),
        ({**OWN, "onPremisesImmutableId": "x", "onPremisesSyncEnabled": "False"}, True),
        ({**OWN, "onPremisesImmutableId": ""}, False),
    ],
)
def test_a_user_is_kept_who_can_be_signed_in_otherwise_or_is_an_outside_member(
    user: Mapping[str, object], is_kept: bool
) -> None:
    assert is_telling_user(user) is is_kept


@pytest.mark.parametrize(
    ("device", "is_kept"),
    [
        ({}, True),
        ({"trustType": "AzureAd", "profileType": "RegisteredDevice"}, True),
        ({"onPremisesSyncEnabled": True}, False),
        ({"trustType": "ServerAd"}, False),
        ({"profileType": "SecureVM"}, False),
        ({"profileType": "Printer"}, False),
        ({"profileType": "Shared"}, False),
        ({"profileType": "IoT"}, False),
        ({"enrollmentProfileName": "Office computers"}, False),
        ({"enrollmentType": "DeviceEnrollmentManager"}, False),
        ({"enrollmentType": "userEnrollment"}, True),
        ({"physicalIds": ["[USER-GID]:1", "[ZTDID]:2"]}, False),
        ({"physicalIds": ["[USER-GID]:1", 5]}, True),
        ({"physicalIds": "[ZTDID]:2"}, True),
    ],
)
def test_a_device_is_kept_that_somebody_may_have_registered_by_hand(
    device: Mapping[str, object], is_kept: bool
) -> None:
    assert is_personal_device(device) is is_kept


@pytest.mark.parametrize(
    ("unit", "is_kept"),
    [
        ({}, False),
        ({"isMemberManagementRestricted": "True"}, True),
        ({"visibility": "HiddenMembership"}, True),
        ({"visibility": "Public", "isMemberManagementRestricted": False}, False),
    ],
)
def test_a_unit_is_asked_for_its_members_if_it_shields_or_hides_them(
    unit: Mapping[str, object], is_kept: bool
) -> None:
    assert is_shielding_unit(unit) is is_kept


@pytest.mark.parametrize(
    ("kind", "is_asked"), [("Federated", True), ("", True), ("Managed", False)]
)
def test_a_domain_that_does_not_tell_may_be_federated(kind: str, is_asked: bool) -> None:
    assert is_federated_domain({"authenticationType": kind}) is is_asked
    assert is_federated_domain({})
