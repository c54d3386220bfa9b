"""A small tenant for each guard of the catalog: what is wrong from the start, and more later.

Guards of watched collections know what was there at the first look, and find wrong from the start
only what is grave on sight. Where nothing is, the end of what goes wrong later is the second news.
"""

from collections.abc import Callable, Mapping
from copy import replace
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from core.guards import legacy_protocols
from core.guards.exchange_roles.groups import MEMBERS
from core.guards.legacy_protocols.items import TRANSPORT
from core.guards.shared_mailbox_health.items import GB
from core.guards.tenant_baseline.baseline import Baseline
from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS
from core.microsoft365.audit_actions import DEFAULT_ACTIONS
from core.tenant.apps import DelegatedGrant
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.configuration import Configuration
from core.tenant.directory import Account, MfaRegistration, ModuleUser
from core.tenant.mail_flow import AcceptedDomain, InboxRule, OutboundPolicy, Recipient, RemoteDomain
from core.tenant.mailboxes import Delegation, Mailbox, SharedMailbox
from tests.support.fakes.state import ADMIN_MODULE_USER
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import (
    FOR_SELF,
    OTHER_ACTOR,
    build_app_consent_tenant,
    build_consent_policy,
    build_delegated_grant,
    build_deletions,
    build_legacy_protocol_tenant,
    build_protocols,
    build_recycle_bin,
    build_varied_baseline_tenant,
)

ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann")
BEN = Mailbox("m2", "g2", "ben@contoso.com", "Ben")
EVIL = "x@evil.example"


@dataclass(frozen=True)
class GuardScene:
    """A tenant as a guard first meets it, what goes wrong later, and what a person puts right.

    `otherwise` makes what is wrong from the start right in another way than the guard would.
    `writes`: the guard can put right what is wrong. `every` is how far its runs are apart: a day
    makes all its sweeps due.
    """

    build_tenant: Callable[[], FakeTenant]
    worsen: Callable[[FakeTenant], None]
    repair: Callable[[FakeTenant], None] = lambda tenant: None
    repair_otherwise: Callable[[FakeTenant], None] | None = None
    can_remediate: bool = False
    options: Any = None
    interval: timedelta = timedelta(days=1)


# Guards that put right ----------------------------------------------------------------------------


def build_resource_tenant() -> FakeTenant:
    info = replace(ANN, kind="SharedMailbox")
    room = replace(BEN, kind="RoomMailbox")
    accounts = [Account("m1", enabled=True), Account("m2", enabled=False)]
    return FakeTenant(boxes=[info, room], users=accounts)


def enable_sign_in(tenant: FakeTenant) -> None:
    tenant.users[1] = replace(tenant.users[1], enabled=True)


def convert_to_personal(tenant: FakeTenant) -> None:
    tenant.boxes[0] = ANN


def build_forwarding_tenant() -> FakeTenant:
    return FakeTenant(
        boxes=[ANN, replace(BEN, forwarding_smtp_address=f"smtp:{EVIL}")],
        domains=[AcceptedDomain("contoso.com")],
        remote_domain_list=[RemoteDomain("*", auto_forward=True)],
        policies=[OutboundPolicy("Default", "On", is_default=True)],
    )


def forward_inside(tenant: FakeTenant) -> None:
    tenant.boxes[1] = replace(BEN, forwarding_smtp_address="smtp:ann@contoso.com")


def add_forwarding_rules(tenant: FakeTenant) -> None:
    tenant.rules += [InboxRule("r1", "m1", ".", "graph", redirect_to=(EVIL,))]
    tenant.exchange_rules += [InboxRule("h1", "m2", "hidden", "exchange", forward_to=(EVIL,))]


def build_mailbox_audit(box: Mailbox) -> MailboxAudit:
    return MailboxAudit(box, True, frozenset(DEFAULT_ACTIONS), dict(DEFAULT_ACTIONS), 180.0)


def build_audit_tenant() -> FakeTenant:
    return FakeTenant(
        boxes=[ANN, BEN],
        users=[Account("m1"), Account("m2")],
        audits=[build_mailbox_audit(ANN), build_mailbox_audit(BEN)],
        organization=OrganizationAudit(audit_disabled=True, unified_log=True),
    )


def weaken_auditing(tenant: FakeTenant) -> None:
    few = {**DEFAULT_ACTIONS, "Owner": frozenset({"Move"})}
    kept = frozenset({"Admin", "Delegate"})
    tenant.audits[0] = MailboxAudit(ANN, False, kept, few, 30.0)
    tenant.bypasses.append(AuditBypass("b1", "service"))
    tenant.organization = replace(tenant.organization, unified_log=False)


def build_strict_baseline() -> Baseline:
    """Two rows of the baseline are remediated."""
    rows = frozenset({"remote-domain-forwarding", "outbound-forwarding"})
    return Baseline(SHIPPED_ROWS, rows)


def build_lax_tenant() -> FakeTenant:
    return build_varied_baseline_tenant("remote-domain", "AutoForwardEnabled", True)


def loosen_settings(tenant: FakeTenant) -> None:
    set_configuration_value(tenant, "outbound-spam-policy", "AutoForwardingMode", "On")
    set_configuration_value(
        tenant, "owa-mailbox-policy", "AdditionalStorageProvidersAvailable", True
    )


def set_configuration_value(tenant: FakeTenant, source: str, name: str, value: object) -> None:
    """Set one value of the configuration."""
    for at, one in enumerate(tenant.configurations):
        if one.source == source:
            values: Mapping[str, object] = {**one.values, name: value}
            tenant.configurations[at] = replace(one, values=values)


def build_module_tenant() -> FakeTenant:
    return FakeTenant(
        powershell_users=[ADMIN_MODULE_USER, ModuleUser("u1", "gu1", "user-1@contoso.com")]
    )


def build_protocol_tenant() -> FakeTenant:
    return build_legacy_protocol_tenant(protocol_settings=build_protocols("imap"))


def enable_smtp(tenant: FakeTenant) -> None:
    set_configuration_value(tenant, TRANSPORT, "SmtpClientAuthenticationDisabled", False)


# Guards that only tell, or whose changes are few --------------------------------------------------


def build_delegation_tenant() -> FakeTenant:
    ann = Recipient("ann@contoso.com", True, "UserMailbox", "ann@contoso.com", id="m1")
    ben = Recipient("ben@contoso.com", True, "UserMailbox", "ben@contoso.com", id="m2")
    opens = Delegation("FullAccess", "ann@contoso.com", "S-1-5-21-1-1-1-1001", BEN)
    return FakeTenant(boxes=[ANN, BEN], known_recipients=[ann, ben], delegations=[opens])


def build_consent_tenant() -> FakeTenant:
    tenant = build_app_consent_tenant(build_delegated_grant("c1", "Mail.Read"))
    tenant.configurations = [build_consent_policy(FOR_SELF)]
    return tenant


def add_consent(tenant: FakeTenant) -> None:
    tenant.oauth_grants.append(DelegatedGrant("c2", "graph", True, frozenset({"Mail.ReadWrite"})))


def build_registration_tenant() -> FakeTenant:
    admin = MfaRegistration("u1", "ann@contoso.com", is_admin=True)
    user = MfaRegistration(
        "u2",
        "ben@contoso.com",
        mfa_registered=True,
        mfa_capable=True,
        methods=frozenset({"microsoftauthenticatorpush"}),
    )
    accounts = [Account("u1", admin.upn, enabled=True), Account("u2", user.upn, enabled=True)]
    return FakeTenant(mfa_registrations=[admin, user], users=accounts)


def lapse_registration(tenant: FakeTenant) -> None:
    tenant.mfa_registrations[1] = MfaRegistration("u2", "ben@contoso.com")


def remove_registration(tenant: FakeTenant) -> None:
    del tenant.mfa_registrations[0]


def build_deletion_tenant() -> FakeTenant:
    rows = build_deletions(11)
    return FakeTenant(
        deletion_events=rows, recycle_bin=build_recycle_bin(rows), reported_user_count=50
    )


def add_deletions(tenant: FakeTenant) -> None:
    rows = build_deletions(12, OTHER_ACTOR, hours=0.1, first=50)
    tenant.deletion_events += rows
    tenant.recycle_bin += build_recycle_bin(rows)


def build_size_tenant() -> FakeTenant:
    info = replace(ANN, kind="SharedMailbox")
    desk = replace(BEN, kind="SharedMailbox")
    return FakeTenant(
        boxes=[info, desk],
        users=[Account("m1", enabled=False), Account("m2", enabled=False)],
        shared_settings=[SharedMailbox(info), SharedMailbox(desk)],
        sizes={"m1": 60 * GB},
    )


def build_relationship(name: str, capability: str) -> Configuration:
    """An organization relationship that lets mailboxes move."""
    values = {
        "DomainNames": [f"{name}.example"],
        "Enabled": True,
        "MailboxMoveEnabled": True,
        "MailboxMoveCapability": capability,
    }
    return Configuration("organization-relationship", f"id-{name}", name, values)


def build_role_tenant() -> FakeTenant:
    return FakeTenant(configurations=[build_role_group("chief")])


def build_role_group(*members: str) -> Configuration:
    """Organization Management with these members."""
    values = {"Roles": ["Role Management"], MEMBERS: [{"Guid": one} for one in members]}
    return Configuration("role-group", "g1", "Organization Management", values)


def add_role_member(tenant: FakeTenant) -> None:
    tenant.configurations[0] = build_role_group("chief", "newcomer")


def remove_role_member(tenant: FakeTenant) -> None:
    tenant.configurations[0] = build_role_group("chief")


def build_filter_tenant() -> FakeTenant:
    names = ("anti-phish", "malware-filter", "content-filter", "connection-filter")
    policies = [Configuration(f"{name}-policy", name, name, {}) for name in names]
    domain = Configuration("accepted-domain", "contoso.com", "contoso.com", {})
    return FakeTenant(configurations=[domain, *policies])


def weaken_filter(tenant: FakeTenant) -> None:
    set_configuration_value(tenant, "anti-phish-policy", "EnableSpoofIntelligence", False)


def restore_filter(tenant: FakeTenant) -> None:
    set_configuration_value(tenant, "anti-phish-policy", "EnableSpoofIntelligence", True)


def build_unit(identity: str) -> Configuration:
    """An administrative unit that keeps administrators away from its members."""
    values = {"isMemberManagementRestricted": True, "members": ["u1"]}
    return Configuration("administrative-unit", identity, identity, values)


def build_governed_tenant() -> FakeTenant:
    organization = Configuration("certificate-authority", "o1", "Contoso", {})
    return FakeTenant(configurations=[organization, build_unit("board")])


def build_trusting_tenant() -> FakeTenant:
    domain = Configuration("accepted-domain", "contoso.com", "contoso.com", {})
    default = Configuration("cross-tenant-default", "", "default", {})
    return FakeTenant(
        configurations=[domain, default, build_relationship("harbour", "RemoteOutbound")]
    )


def build_risky_user(number: int) -> Configuration:
    """An account that Microsoft rates as at risk."""
    values = {
        "id": f"m{number}",
        "userPrincipalName": f"user{number}@contoso.com",
        "riskLevel": "high",
        "riskState": "atRisk",
        "riskLastUpdatedDateTime": f"2026-11-2{number}T06:00:00Z",
    }
    return Configuration("risky-user", f"m{number}", f"user{number}", values)


def build_rated_tenant() -> FakeTenant:
    return FakeTenant(
        users=[Account("m1", "user1@contoso.com"), Account("m2", "user2@contoso.com")],
        configurations=[build_risky_user(1)],
    )


SCENES: Mapping[str, GuardScene] = {
    "shared-mailbox-sign-in": GuardScene(
        build_resource_tenant,
        enable_sign_in,
        repair_otherwise=convert_to_personal,
        can_remediate=True,
        interval=timedelta(minutes=15),
    ),
    "mailbox-forwarding": GuardScene(
        build_forwarding_tenant,
        add_forwarding_rules,
        repair_otherwise=forward_inside,
        can_remediate=True,
    ),
    "mailbox-audit": GuardScene(build_audit_tenant, weaken_auditing, can_remediate=True),
    "mailbox-delegation": GuardScene(
        build_delegation_tenant,
        lambda tenant: tenant.delegations.append(
            Delegation(
                "SendAs", "ben@contoso.com", "S-1-5-21-1-1-1-1002", mailbox_name="ann@contoso.com"
            )
        ),
        lambda tenant: tenant.delegations.clear(),
    ),
    "tenant-baseline": GuardScene(
        build_lax_tenant,
        loosen_settings,
        lambda tenant: set_configuration_value(
            tenant, "owa-mailbox-policy", "AdditionalStorageProvidersAvailable", False
        ),
        can_remediate=True,
        options=build_strict_baseline(),
    ),
    "app-consent": GuardScene(
        build_consent_tenant,
        add_consent,
        lambda tenant: tenant.oauth_grants.clear(),
        can_remediate=True,
    ),
    "mfa-registration": GuardScene(
        build_registration_tenant, lapse_registration, remove_registration
    ),
    "mass-deletion": GuardScene(build_deletion_tenant, add_deletions, interval=timedelta(hours=1)),
    "exchange-module-access": GuardScene(
        build_module_tenant,
        lambda tenant: tenant.powershell_users.append(
            ModuleUser("u2", "gu2", "user-2@contoso.com")
        ),
        can_remediate=True,
    ),
    "legacy-protocols": GuardScene(
        build_protocol_tenant,
        enable_smtp,
        can_remediate=True,
        options=replace(legacy_protocols.GUARD.options, without_sign_ins="enforce"),
    ),
    "external-trust": GuardScene(
        build_trusting_tenant,
        lambda tenant: tenant.configurations.append(build_relationship("quarry", "Outbound")),
        lambda tenant: set_configuration_value(
            tenant, "organization-relationship", "MailboxMoveEnabled", False
        ),
    ),
    "exchange-roles": GuardScene(build_role_tenant, add_role_member, remove_role_member),
    "mail-protection": GuardScene(build_filter_tenant, weaken_filter, restore_filter),
    "privileged-change": GuardScene(
        build_governed_tenant,
        lambda tenant: tenant.configurations.append(build_unit("field-staff")),
        lambda tenant: tenant.configurations.remove(build_unit("field-staff")),
    ),
    "risky-accounts": GuardScene(
        build_rated_tenant,
        lambda tenant: tenant.configurations.append(build_risky_user(2)),
        lambda tenant: tenant.configurations.remove(build_risky_user(1)),
        interval=timedelta(minutes=15),
    ),
    "shared-mailbox-health": GuardScene(
        build_size_tenant,
        lambda tenant: tenant.sizes.update(m2=70 * GB),
        lambda tenant: tenant.sizes.update(m1=GB),
    ),
}
