"""What each policy of sign-ins asks and leaves out, and what is said of it, word for word."""

from collections.abc import Mapping

from core.guards.privileged_change import COLLECTIONS
from core.guards.privileged_change.sign_in_settings import explain_method_loss
from core.microsoft365.configuration_sources import EXCLUDED_GROUP
from tests.support.privileged_tenants import ADMIN, LONG, ON, REPORTS, policy
from tests.support.sentences import check_text
from tests.support.watched_sentences import Cases, Describer

describe = Describer(COLLECTIONS).describe
POLICIES: Cases = {
    "of each state": [{"state": state} for state in (ON, "ENABLED", REPORTS, "disabled", "")],
    "leaves out": [
        {
            "state": state,
            "conditions": {
                "users": {
                    "excludeUsers": ["u1", LONG],
                    "excludeGroups": ["g1"],
                    "excludeRoles": ["r1"],
                    "excludeGuestsOrExternalUsers": {"guestOrExternalUserTypes": "b2bMember"},
                },
                "applications": {"excludeApplications": ["a1"]},
                "locations": {"excludeLocations": ["l1"]},
                "platforms": {"excludePlatforms": ["iOS"]},
            },
        }
        for state in (ON, REPORTS)
    ],
    "leaves out nobody": [
        {"state": ON, "conditions": {"users": None, "applications": None}},
        {"state": ON, "conditions": {"users": {"excludeGuestsOrExternalUsers": None}}},
    ],
    "counts for everybody": [
        {
            "state": ON,
            "conditions": {
                "users": {"includeUsers": ["ALL"]},
                "applications": {"includeApplications": ["All"]},
            },
        }
    ],
    "counts for some": [
        {
            "state": ON,
            "conditions": {
                "users": {
                    "includeUsers": users,
                    "includeGroups": ["g1"],
                    "includeRoles": ["r1"],
                },
                "applications": {"includeApplications": ["a1"]},
            },
        }
        for users in (["U1", "u2"], ["u2", "u1"], ["All", "u1"])
    ],
    "counts under conditions": [
        {"state": ON, "conditions": {name: ["x"]}}
        for name in (
            *("clientAppTypes", "signInRiskLevels", "userRiskLevels", "somethingElse"),
            *("servicePrincipalRiskLevels", "insiderRiskLevels"),
        )
    ]
    + [
        {"state": ON, "conditions": {name: {"x": ["x"]}}}
        for name in ("platforms", "devices", "clientApplications", "authenticationFlows")
    ]
    + [
        {"state": ON, "conditions": {LONG: {"x": "y"}, "ofTomorrow": None}},
        {"state": ON, "conditions": {"locations": {"includeLocations": ["l1"]}}},
        {"state": ON, "conditions": {"clientAppTypes": ["all"], "devices": None}},
    ],
    "asks": [
        {"state": ON, "grantControls": controls}
        for controls in (
            None,
            {"operator": "OR", "builtInControls": ["mfa"]},
            {"operator": "OR", "builtInControls": ["mfa", LONG]},
            {"operator": "AND", "builtInControls": ["mfa", "compliantDevice"]},
            {"operator": "OR", "builtInControls": ["mfa"], "termsOfUse": ["t1"]},
            {"builtInControls": ["mfa"], "customAuthenticationFactors": ["c1"]},
            {"operator": "OR", "authenticationStrength": {"id": "s1"}},
            {"operator": "OR", "authenticationStrength": None},
        )
    ],
    "names": [{"Called": LONG}, {"Called": ""}],
}
GROUPS: Cases = {
    "members*": [
        {
            "Called": name,
            "members": [
                {"id": "admin", "name": "adm@contoso.com"},
                {"id": "u1", "name": LONG},
                {"id": "u2"},
                {"name": "without an id"},
            ],
            "membershipRule": rule,
        }
        for name, rule in (("Board", ""), (LONG, "user.city -eq 'Ulm'"), ("", None))
    ],
    "no members": [{"members": []}, {}],
    "many members": [{"members": [{"id": f"u{number}"} for number in range(10)]}],
}
EXCLUDING = (
    policy(ON, "First", users={"excludeGroups": ["ID0", "other"]}),
    policy(ON, LONG, users={"excludeGroups": ["id0"]}),
    policy(ON, "", users={"excludeGroups": ["id0"]}),
    policy(REPORTS, "Reports", users={"excludeGroups": ["id0", "id1"]}),
    *(policy(ON, f"P{number}", users={"excludeGroups": ["id2"]}) for number in range(8)),
)
LOCATIONS: Cases = {
    "addresses and countries*": [
        {
            "isTrusted": trusted,
            "ipRanges": [{"cidrAddress": "192.0.2.0/24"}, {"cidrAddress": LONG}, {}],
            "countriesAndRegions": ["KP", "a b"],
            "includeUnknownCountriesAndRegions": unknown,
        }
        for trusted, unknown in ((True, True), ("True", False), (False, True), (None, None))
    ],
    "nothing": [{}, {"ipRanges": []}, {"Called": LONG}, {"Called": ""}],
}
ASKING = (
    policy(ON, locations={"includeLocations": ["ID0", "elsewhere"]}),
    policy(REPORTS, locations={"includeLocations": ["id1"]}),
)
DEFAULTS: Cases = {"of each state*": [{"isEnabled": state} for state in (True, "False", False)]}


def allow_methods(*methods: object) -> Mapping[str, object]:
    """A policy of these methods."""
    return {"authenticationMethodConfigurations": [*methods]}


METHOD_IDS = (
    *("Sms", "Voice", "Email", "TemporaryAccessPass", "QRCodePin", "X509Certificate"),
    *("HardwareOath", "SoftwareOath", "MicrosoftAuthenticator", "Fido2", "Another"),
)
METHODS: Cases = {
    "each": [
        allow_methods(
            *({"id": one, "state": "Enabled", "includeTargets": []} for one in METHOD_IDS)
        )
    ],
    "for whom": [
        allow_methods(
            {
                "id": method,
                "state": "enabled",
                "displayName": LONG,
                "includeTargets": [{"id": "all_users"}, {"id": "g1"}, {"targetType": "x"}],
            },
            {"id": "Voice", "state": "enabled", "includeTargets": None},
        )
        for method in ("X509Certificate", "Fido2")
    ],
    "what they are held to": [
        allow_methods(
            {
                "id": "Fido2",
                "state": state,
                "isAttestationEnforced": True,
                "keyRestrictions": {"isEnforced": "True"},
                "isUsableOnce": True,
            },
            {"id": "TemporaryAccessPass", "state": state, "isUsableOnce": False},
        )
        for state in ("enabled", "disabled")
    ],
}


def test_sentences_about_sign_ins_and_policies() -> None:
    check_text(
        "privileged_change_access",
        [
            *describe("conditional-access-policy", POLICIES),
            *describe(
                "excluded-group",
                GROUPS,
                EXCLUDED_GROUP,
                conditional_access_policy=EXCLUDING,
                role_holder=(ADMIN,),
            ),
            *describe("named-location", LOCATIONS),
            *describe(
                "named-location",
                {"where a policy asks": LOCATIONS["addresses and countries*"][:2]},
                conditional_access_policy=ASKING,
            ),
            *describe("security-defaults", DEFAULTS),
            *describe(
                "security-defaults",
                {"beside policies": [{"isEnabled": False}]},
                conditional_access_policy=(policy(REPORTS), policy(ON)),
            ),
            *describe(
                "security-defaults",
                {"beside a report": [{"isEnabled": False}]},
                conditional_access_policy=(policy(REPORTS),),
            ),
            *describe("authentication-method", METHODS),
            str(explain_method_loss("rule of tomorrow")),
        ],
    )
