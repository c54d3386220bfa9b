"""What Graph's audit log and reports tell."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing

AUDIT_APP_ID = Assumption(
    id="graph-audit-app-id",
    assumed="Rows of directoryAudits that an app caused have no appId, only the id and name of "
    "its service principal.",
    standing=Standing.MEASURED,
    source="graph2otel (every app row)",
    dated="2026-07",
    otherwise="The actor of a deletion is not recognized as an app.",
    depends=Dependents(guards=("mass-deletion",)),
    probe="graph-directory-audits",
)
AUDIT_VALUES = Assumption(
    id="graph-audit-values",
    assumed="oldValue and newValue of directoryAudits are JSON as text; rows trail by minutes and"
    " need no licence.",
    standing=Standing.MEASURED,
    source="graph2otel",
    dated="2026-07",
    otherwise="Who enabled an account is not named.",
    depends=Dependents(guards=("mass-deletion", "shared-mailbox-sign-in")),
)
AUDIT_DAYS = Assumption(
    id="graph-audit-days",
    assumed="directoryAudits reach back seven days without a licence, thirty with one.",
    standing=Standing.UNSEEN,
    source="inferred from Microsoft Learn, Entra data retention",
    dated="2026",
    otherwise="Deletions before the reach of the log are not counted.",
    depends=Dependents(guards=("mass-deletion",), settings=("MASS_DELETION_HOURS",)),
)
DELETION_NAMES = Assumption(
    id="graph-deletion-names",
    assumed="Deletions are called Delete user, Hard Delete user, Delete application, Delete "
    "conditional access policy, and so on, in the audit log; lockouts Disable account, Reset user "
    "password, Reset password (by admin) and Admin deleted security info.",
    standing=Standing.MEASURED,
    source="Microsoft Learn, Entra audit log activities",
    dated="2026",
    otherwise="What has a new name is not counted; the recycle bin still shows deleted users and "
    "groups.",
    depends=Dependents(
        guards=("mass-deletion",), verdicts=("mass-deletion", "deleted-for-good", "mass-lockout")
    ),
)
EXTERNAL_METHOD = Assumption(
    id="graph-external-method",
    assumed="The registration report lists an external authentication method as "
    "externalAuthMethod, and may not count it as a second factor.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, userRegistrationDetails and external authentication methods",
    dated="2026",
    otherwise="An account that has only such a method is reported as without a second factor.",
    depends=Dependents(guards=("mfa-registration",), verdicts=("no-second-factor", "method-added")),
)
METHOD_NAMES = Assumption(
    id="graph-method-names",
    assumed="The registration report names methods as the enumeration usageAuthMethod does.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, usageAuthMethod (Graph beta); userRegistrationDetails names examples",
    dated="2026",
    otherwise="A method of another name is told as a second factor of which nobody knows what it "
    "is worth, where an account has no better one.",
    depends=Dependents(
        guards=("mfa-registration",), verdicts=("could-not-tell", "weak-factor", "method-added")
    ),
)

PRIVILEGED_ACTS = Assumption(
    id="graph-privileged-acts",
    assumed="directoryAudits name sign-in methods that were added, the elevation to Azure and the "
    "reading of recovery secrets as Microsoft lists them.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, Microsoft Entra audit log categories and activities",
    dated="2024-04",
    otherwise="Such an act is not told; a method is, from the registration report, within a day.",
    depends=Dependents(
        guards=("privileged-change",), verdicts=("method-added", "elevated", "secrets-read")
    ),
)
SIGN_IN_PROTOCOLS = Assumption(
    id="graph-sign-in-protocols",
    assumed="Beta's sign-in log takes filters by authenticationProtocol (deviceCode, ropc) and by "
    "status/errorCode, and 500121 is a prompt for a second factor that was not approved.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, signIn resource type; Entra authentication error codes",
    dated="2026",
    otherwise="Sign-ins by device code or bare password, or floods of prompts, are unread, which "
    "the report says.",
    depends=Dependents(guards=("risky-accounts",), verdicts=("new-way", "prompted")),
)
DIRECTORY_ACTS = Assumption(
    id="graph-directory-acts",
    assumed="directoryAudits name resets, enablings, passes, removed methods, refused activations, "
    "invitations and apps as Microsoft lists them, and print the policy of invitations under "
    "PolicyDetail, beginning with B2BManagementPolicy.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, Microsoft Entra audit log categories and activities; "
    "splunk/security_content (B2BManagementPolicy)",
    dated="2026",
    otherwise="Such an act is not told.",
    depends=Dependents(
        guards=("privileged-change",),
        verdicts=("locked-out", "revived", "refused-role", "invited", "apps-changed"),
    ),
)
RISK_FILTER = Assumption(
    id="graph-risk-filter",
    assumed="riskyUsers and riskDetections take a filter of two risk states and pages of 500; "
    "refusals for want of a licence are 403 with one of several texts.",
    standing=Standing.MEASURED,
    source="graph2otel (pages, deleted users); Microsoft Learn, List riskyUsers (filter)",
    dated="2026-07",
    otherwise="Accounts at risk are unread, which the case says.",
    depends=Dependents(guards=("risky-accounts",)),
)
ASSUMPTIONS = (
    RISK_FILTER,
    PRIVILEGED_ACTS,
    DIRECTORY_ACTS,
    SIGN_IN_PROTOCOLS,
    AUDIT_APP_ID,
    AUDIT_VALUES,
    AUDIT_DAYS,
    DELETION_NAMES,
    EXTERNAL_METHOD,
    METHOD_NAMES,
)
