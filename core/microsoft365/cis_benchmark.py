"""Which recommendations of a public benchmark each guard covers. Pure.

Ids and titles are those of the CIS Microsoft 365 Foundations Benchmark, whose text is behind a form
at the address below; they were compared with two public lists of it (github.com/maester365/maester,
website/versioned_docs/version-2.0.0/tests/cis, of v6.0.1; github.com/r04chy/CIS-365-EasyAudit, of
v6.0.0). Other versions number some of them otherwise.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

BENCHMARK = "CIS Microsoft 365 Foundations Benchmark v6.0.1"
BENCHMARK_URL = "https://www.cisecurity.org/benchmark/microsoft_365"


@dataclass(frozen=True, slots=True)
class ControlScope:
    """The findings of one kind, or only those with certain verdicts or about certain objects."""

    kind: str
    verdicts: frozenset[str] = field(default_factory=frozenset)
    objects: frozenset[str] = field(default_factory=frozenset)

    def matches_finding(self, kind: str, verdict: str, object_id: str) -> bool:
        return (
            kind == self.kind
            and (not self.verdicts or verdict in self.verdicts)
            and (not self.objects or object_id in self.objects)
        )


@dataclass(frozen=True, slots=True)
class Control:
    """One recommendation of a benchmark, and the findings that mean it is not followed."""

    id: str
    title: str
    scopes: tuple[ControlScope, ...]
    uncovered: str = ""
    """What of it the findings do not cover; empty where they cover it in full."""
    benchmark: str = BENCHMARK
    url: str = BENCHMARK_URL

    def covers_finding(self, kind: str, verdict: str, object_id: str) -> bool:
        """True for a finding that is about this recommendation. `verdict` is the guard's own."""
        return any(scope.matches_finding(kind, verdict, object_id) for scope in self.scopes)


def define_cis_control(
    number: str, title: str, *kinds: str | ControlScope, uncovered: str = ""
) -> Control:
    """A recommendation, and the kinds of findings that are about it, in full or in part."""
    return Control(
        number,
        title,
        tuple(ControlScope(one) if isinstance(one, str) else one for one in kinds),
        uncovered,
    )


NO_SECOND_FACTOR_VERDICTS = frozenset({"no-second-factor"})

CONTROLS: Mapping[str, tuple[Control, ...]] = {
    "shared-mailbox-sign-in": (
        define_cis_control(
            "1.2.2", "Ensure sign-in to shared mailboxes is blocked", "sign-in-enabled"
        ),
    ),
    "mailbox-forwarding": (
        define_cis_control(
            "6.2.1",
            "Ensure all forms of mail forwarding are blocked and/or disabled",
            *("mailbox-forward", "inbox-rule-forward", "transport-rule"),
        ),
    ),
    "mailbox-audit": (
        define_cis_control(
            "3.1.1", "Ensure Microsoft 365 audit log search is Enabled", "unified-audit-log-off"
        ),
        define_cis_control(
            "6.1.1",
            "Ensure 'AuditDisabled' organizationally is set to 'False'",
            "organization-audit-disabled",
        ),
        define_cis_control(
            "6.1.2",
            "Ensure mailbox audit actions are configured",
            *(
                "mailbox-audit-off",
                "audit-set-customised",
                "audit-actions-missing",
                "auditing-plan-off",
            ),
        ),
        define_cis_control(
            "6.1.3", "Ensure 'AuditBypassEnabled' is not enabled on mailboxes", "audit-bypass"
        ),
    ),
    "mailbox-delegation": (),
    "tenant-baseline": (
        define_cis_control(
            "1.3.3",
            "Ensure 'External sharing' of calendars is not available",
            "calendar-sharing",
            uncovered="it wants no sharing at all; whether somebody is busy may be shared here",
        ),
        define_cis_control(
            "1.3.6", "Ensure the customer lockbox feature is enabled", "customer-lockbox"
        ),
        define_cis_control(
            "1.3.9",
            "Ensure shared bookings pages are restricted to select users",
            "owa-bookings",
            uncovered="it also passes where Bookings is off for the whole organization",
        ),
        define_cis_control(
            "2.1.15",
            "Ensure outbound anti-spam message limits are in place",
            *("outbound-limit-action", "outbound-limit-external", "outbound-limit-internal"),
            "outbound-limit-day",
            uncovered="the service's own limits (0) and its block for a day pass here",
        ),
        define_cis_control(
            "5.1.2.2",
            "Ensure third party integrated applications are not allowed",
            "users-register-applications",
        ),
        define_cis_control(
            "5.1.2.3",
            "Ensure 'Restrict non-admin users from creating tenants' is set to 'Yes'",
            "users-create-tenants",
        ),
        define_cis_control(
            "5.1.3.2",
            "Ensure users cannot create security groups",
            "users-create-security-groups",
        ),
        define_cis_control(
            "5.1.4.6",
            "Ensure users are restricted from recovering BitLocker keys",
            "users-read-bitlocker-keys",
        ),
        define_cis_control(
            "5.1.5.2", "Ensure the admin consent workflow is enabled", "admin-consent-workflow"
        ),
        define_cis_control(
            "5.1.6.2", "Ensure that guest user access is restricted", "guest-access"
        ),
        define_cis_control(
            "5.1.6.3",
            "Ensure guest user invitations are limited to the Guest Inviter role",
            "guest-invitations",
        ),
        define_cis_control(
            "5.2.3.5",
            "Ensure weak authentication methods are disabled",
            *("method-sms", "method-voice"),
        ),
        define_cis_control(
            "5.2.3.6",
            "Ensure system-preferred multifactor authentication is enabled",
            "method-system-preferred",
        ),
        define_cis_control(
            "5.2.3.7", "Ensure the email OTP authentication method is disabled", "method-email"
        ),
        define_cis_control(
            "6.2.1",
            "Ensure all forms of mail forwarding are blocked and/or disabled",
            *("remote-domain-forwarding", "outbound-forwarding"),
        ),
        define_cis_control(
            "6.5.1",
            "Ensure modern authentication for Exchange Online is enabled",
            "modern-authentication",
        ),
        define_cis_control(
            "6.5.2",
            "Ensure MailTips are enabled for end users",
            *("mail-tips", "mail-tips-external", "mail-tips-group-metrics", "mail-tips-audience"),
        ),
        define_cis_control(
            "6.5.3",
            "Ensure additional storage providers are restricted in Outlook on the web",
            "owa-storage-providers",
        ),
        define_cis_control("6.5.5", "Ensure Direct Send submissions are rejected", "direct-send"),
    ),
    "app-consent": (
        define_cis_control(
            "5.1.5.1",
            "Ensure user consent to apps accessing company data on their behalf is not allowed",
            "user-consent",
        ),
    ),
    "mfa-registration": (
        define_cis_control(
            "5.2.3.4",
            "Ensure all member users are 'MFA capable'",
            ControlScope("administrator-second-factor", NO_SECOND_FACTOR_VERDICTS),
            ControlScope(
                "without-second-factor", NO_SECOND_FACTOR_VERDICTS, frozenset({"members"})
            ),
        ),
    ),
    "mass-deletion": (),
    "exchange-module-access": (),
    "legacy-protocols": (
        define_cis_control("6.5.4", "Ensure SMTP AUTH is disabled", "smtp-auth-organization"),
    ),
    "external-trust": (),
    "exchange-roles": (),
    "mail-protection": (),
    "privileged-change": (),
    "risky-accounts": (),
    "shared-mailbox-health": (),
}
"""The recommendations by guard; for one without, `NO_CONTROL_REASONS` says why."""

NO_CONTROL_REASONS: Mapping[str, str] = {
    "mailbox-delegation": "it recommends nothing about rights over mailboxes",
    "mass-deletion": "it is about settings, and a deletion is an event",
    "exchange-module-access": "it recommends nothing about who may use Exchange PowerShell",
    "external-trust": "it is about levels of settings, and this guard about what changes",
    "exchange-roles": "it is about levels of settings, and this guard about what changes",
    "privileged-change": "it is about levels of settings, and this guard about what changes",
    "mail-protection": "it is about levels of settings, and this guard about what changes",
    "risky-accounts": "it is about settings, and a risk is what Microsoft saw",
    "shared-mailbox-health": "it recommends nothing about the licences of shared mailboxes",
}


def find_controls(guard: str, kind: str, verdict: str, object_id: str) -> Iterator[Control]:
    """The recommendations a finding is about."""
    for control in CONTROLS.get(guard, ()):
        if control.covers_finding(kind, verdict, object_id):
            yield control
