"""What each role and unit opens and asks, and what is said of it, word for word."""

from collections.abc import Mapping

import pytest

from core.guards.privileged_change import COLLECTIONS
from core.guards.privileged_change.activation import (
    describe_activation,
    explain_activation_loss,
)
from core.microsoft365.source_shapes import TYPE_NAME
from core.tenant.configuration import Configuration
from core.watched.items import SourceRows
from tests.support.privileged_tenants import (
    ADMIN,
    GLOBAL_ADMINISTRATOR,
    LONG,
    ON,
    REPORTS,
    policy,
)
from tests.support.sentences import check_text
from tests.support.watched_looks import NOW
from tests.support.watched_sentences import Cases, Describer

SECURITY_ADMINISTRATOR = "194ae4cb-b126-40b2-bd5b-6091b380977d"
READER = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
describe = Describer(COLLECTIONS).describe
GRAVE = "microsoft.directory/"
ACTIONS = (
    "applications/credentials/update",
    "applications.myOrganization/owners/update",
    "servicePrincipals/basic/allTasks",
    "servicePrincipals/managePermissionGrantsForAll.policy",
    "permissionGrantPolicies/basic/update",
    "roleAssignments/allProperties/read",
    "users/password/update",
    "users/authenticationMethods/create",
    "users/allProperties/allTasks",
    "conditionalAccessPolicies/create",
    "groups.security/members/update",
    "deviceLocalCredentials/password/read",
    "bitlockerKeys/key/read",
    "devices/allProperties/allTasks",
    "devices/enable",
    "users/standard/read",
    "applications/policies/read",
    "applications/allProperties/read",
)
OWN_ROLES: Cases = {
    "actions": [
        {"rolePermissions": [{"allowedResourceActions": [f"{GRAVE}{one}" for one in ACTIONS]}]}
    ],
    "several parts": [
        {
            "rolePermissions": [
                {"allowedResourceActions": ["a/b/c"]},
                {"allowedResourceActions": [LONG]},
                {},
            ]
        }
    ],
    "nothing": [{}, {"rolePermissions": None}, {"Called": LONG}, {"Called": ""}],
    "off": [
        {"isEnabled": "False", "rolePermissions": [{"allowedResourceActions": ["a"]}]},
        {"isEnabled": False, "Called": LONG},
        {"isEnabled": False, "Called": ""},
    ],
}
EXPIRY = ("Expiration_Admin_Assignment", "Expiration_Admin_Eligibility")


def activate(*rules: object, role: str = GLOBAL_ADMINISTRATOR) -> Mapping[str, object]:
    """How a role is activated by these rules."""
    return {"roleDefinitionId": role, "policy": {"rules": [*rules]}}


def enable(identity: str, *names: str) -> Mapping[str, object]:
    """A rule that asks these things."""
    return {"id": identity, "enabledRules": [*names]}


def approve(*approvers: object, required: object = True) -> Mapping[str, object]:
    """A rule by which some of these approve."""
    setting = {
        "isApprovalRequired": required,
        "approvalStages": [{"primaryApprovers": [*approvers]}],
    }
    return {"id": "Approval_EndUser_Assignment", "setting": setting}


def ask_context(claim: str, enabled: object = True) -> Mapping[str, object]:
    """A rule by which Conditional Access is asked."""
    identity = "AuthenticationContext_EndUser_Assignment"
    return {"id": identity, "isEnabled": enabled, "claimValue": claim}


def limit(duration: str) -> Mapping[str, object]:
    """A rule by which an activation ends."""
    return {"id": "Expiration_EndUser_Assignment", "maximumDuration": duration}


NO_RULE: Mapping[str, object] = {"id": "Notification_Admin_Admin_Eligibility"}
ACTIVATIONS: Cases = {
    "asks*": [
        activate(
            enable("Enablement_EndUser_Assignment", "MultiFactorAuthentication", "Justification"),
            enable("Enablement_Admin_Assignment", "multifactorauthentication"),
            role=GLOBAL_ADMINISTRATOR.upper(),
        ),
        activate(
            enable("Enablement_EndUser_Assignment", "Ticketing"),
            enable("Enablement_Admin_Assignment", "Justification"),
        ),
        activate(*({"id": one, "isExpirationRequired": True} for one in EXPIRY)),
        activate(*({"id": one, "isExpirationRequired": "false"} for one in EXPIRY)),
        activate(NO_RULE, role=READER),
        activate(NO_RULE, role=SECURITY_ADMINISTRATOR),
    ],
    "approval": [
        activate(
            approve(
                {"userId": "u1", "description": "Ann"},
                {"groupId": "g1"},
                {"id": "x1", "description": LONG},
                {TYPE_NAME: "#microsoft.graph.requestorManager"},
            )
        ),
        activate(approve({"userId": "u1"}, required=False)),
        activate({"id": "Approval_EndUser_Assignment", "setting": {"isApprovalRequired": True}}),
        activate(approve({"userId": "u1"}, required=None)),
    ],
    "contexts": [
        activate(ask_context(claim, enabled))
        for claim, enabled in (
            ("c1", True),
            ("C2", "True"),
            ("c3", True),
            (LONG, True),
            ("c1", False),
        )
    ],
    "hours": [
        activate(limit(text))
        for text in ("PT2H", "pt1h30m", "P1D", "P1DT1H5S", "P999D", "PT", "", "forever")
    ],
}
CONTEXT_POLICIES = tuple(
    policy(state, applications={"includeAuthenticationContextClassReferences": [claim]})
    for state, claim in ((ON, "C1"), (REPORTS, "c2"), (REPORTS, "c1"))
)
UNITS: Cases = {
    "what they do": [
        {
            "isMemberManagementRestricted": restricted,
            "visibility": visibility,
            "members": ["u1", {"id": "U2", "displayName": LONG}],
            "membershipRule": rule,
        }
        for restricted, visibility, rule in (
            (True, None, ""),
            ("True", "HiddenMembership", "rule"),
            (False, "hiddenmembership", LONG),
            (False, "Public", "rule"),
        )
    ],
    "one member, without its list": [{"isMemberManagementRestricted": True, "members": "u1"}],
    "names": [{"Called": LONG}, {"Called": ""}],
}


HOLDERS: Cases = {
    "of roles": [
        {"roles": [GLOBAL_ADMINISTRATOR, SECURITY_ADMINISTRATOR, READER], "Called": LONG},
        {"roles": [SECURITY_ADMINISTRATOR], "Called": ""},
        {"roles": [READER]},
        {},
    ]
}


def hold(role: str = GLOBAL_ADMINISTRATOR, **more: object) -> Mapping[str, object]:
    """A row that gives a role."""
    return {"roleDefinitionId": role.upper(), "principalId": "Admin", **more}


GIVEN: Cases = {
    "for ever": [{}],
    "until a day": [{"endDateTime": "2026-12-01T00:00:00Z"}],
    "for a while": [{"assignmentType": "ACTIVATED"}],
    "of a unit": [{"directoryScopeId": "/administrativeUnits/1"}],
    "without a scope": [{"directoryScopeId": None}],
}
STANDING: Cases = {
    f"held {title}*": [
        {**hold(assignmentType="Assigned", directoryScopeId="/"), **more} for more in given
    ]
    for title, given in GIVEN.items()
}
ELIGIBLE = tuple(
    Configuration("role-eligibility-instance", f"e-{role}", "", {**hold(role)})
    for role in (GLOBAL_ADMINISTRATOR, SECURITY_ADMINISTRATOR, READER)
)


@pytest.mark.parametrize("rules", [None, []])
def test_a_role_that_came_without_its_rules_is_unread(rules: object) -> None:
    values = {"roleDefinitionId": GLOBAL_ADMINISTRATOR, "policy": {"rules": rules}}
    rows = {
        "role-activation-policy": (Configuration("role-activation-policy", "r", "r", values),),
        "conditional-access-policy": (),
    }
    with pytest.raises(ValueError, match="Global Administrator came without its rules"):
        list(describe_activation(SourceRows(rows, NOW)))


def test_sentences_about_roles() -> None:
    check_text(
        "privileged_change_roles",
        [
            *describe("administrator", HOLDERS),
            *describe("standing-role", STANDING),
            *describe(
                "standing-role",
                STANDING,
                role_eligibility_instance=ELIGIBLE,
                role_holder=(ADMIN,),
            ),
            *describe("directory-role", OWN_ROLES),
            *describe("role-activation", ACTIVATIONS),
            *describe(
                "role-activation",
                {"contexts, with policies": ACTIVATIONS["contexts"]},
                conditional_access_policy=CONTEXT_POLICIES,
            ),
            str(explain_activation_loss("of tomorrow")),
            *describe("administrative-unit", UNITS),
        ],
    )
