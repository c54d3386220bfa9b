"""A small tenant for each guard of the catalog: something wrong from the start, and more later."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from core.guards.legacy_protocols.guard import TRANSPORT
from core.guards.shared_mailbox_health import GB
from core.guards.tenant_baseline.rule_file import SHIPPED
from core.microsoft365.audit_actions import DEFAULTS
from core.model.baseline import Baseline
from core.model.guards import Terms
from core.tenant.apps import DelegatedGrant
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.directory import Account, ModuleUser, Registration
from core.tenant.mail_flow import AcceptedDomain, InboxRule, OutboundPolicy, Recipient, RemoteDomain
from core.tenant.mailboxes import Delegation, Mailbox, SharedMailbox
from tests.support.fakes.roles import KEEPER
from tests.support.fakes.tenant import FakeTenant
from tests.support.fakes.world import START
from tests.unit.guards import test_app_consent, test_legacy_protocols
from tests.unit.guards.tenant_baseline import test_guard
from tests.unit.guards.test_mass_deletion import OTHER, binned, deleted

ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann")
BEN = Mailbox("m2", "g2", "ben@contoso.com", "Ben")
EVIL = "x@evil.example"


@dataclass(frozen=True)
class Scene:
    """A tenant as a guard first meets it, what goes wrong later, and what a person puts right.

    `otherwise` makes what is wrong from the start right in another way than the guard would.
    `writes`: the guard can put right what is wrong. `every` is how far its runs are apart: a day
    makes all its sweeps due.
    """

    tenant: Callable[[], FakeTenant]
    later: Callable[[FakeTenant], None]
    mended: Callable[[FakeTenant], None] = lambda tenant: None
    otherwise: Callable[[FakeTenant], None] | None = None
    writes: bool = False
    terms: Terms = field(default_factory=lambda: Terms(START))
    every: timedelta = timedelta(days=1)


# Guards that put right ----------------------------------------------------------------------------


def resources() -> FakeTenant:
    info = replace(ANN, kind="SharedMailbox")
    room = replace(BEN, kind="RoomMailbox")
    accounts = [Account("m1", enabled=True), Account("m2", enabled=False)]
    return FakeTenant(boxes=[info, room], users=accounts)


def opened(tenant: FakeTenant) -> None:
    tenant.users[1] = replace(tenant.users[1], enabled=True)


def personal(tenant: FakeTenant) -> None:
    tenant.boxes[0] = ANN


def forwards() -> FakeTenant:
    return FakeTenant(
        boxes=[ANN, replace(BEN, forwarding_smtp_address=f"smtp:{EVIL}")],
        domains=[AcceptedDomain("contoso.com")],
        remotes=[RemoteDomain("*", auto_forward=True)],
        policies=[OutboundPolicy("Default", "On", default=True)],
    )


def inside(tenant: FakeTenant) -> None:
    tenant.boxes[1] = replace(BEN, forwarding_smtp_address="smtp:ann@contoso.com")


def ruled(tenant: FakeTenant) -> None:
    tenant.rules += [InboxRule("r1", "m1", ".", "graph", redirect_to=(EVIL,))]
    tenant.exchange_rules += [InboxRule("h1", "m2", "hidden", "exchange", forward_to=(EVIL,))]


def audited(box: Mailbox) -> MailboxAudit:
    return MailboxAudit(box, True, frozenset(DEFAULTS), dict(DEFAULTS), 180.0)


def audits() -> FakeTenant:
    return FakeTenant(
        boxes=[ANN, BEN],
        users=[Account("m1"), Account("m2")],
        audits=[audited(ANN), audited(BEN)],
        organization=OrganizationAudit(audit_disabled=True, unified_log=True),
    )


def unaudited(tenant: FakeTenant) -> None:
    few = {**DEFAULTS, "Owner": frozenset({"Move"})}
    kept = frozenset({"Admin", "Delegate"})
    tenant.audits[0] = MailboxAudit(ANN, False, kept, few, 30.0)
    tenant.bypasses.append(AuditBypass("b1", "service"))
    tenant.organization = replace(tenant.organization, unified_log=False)


def strict() -> Terms:
    """Two rows of the baseline are put right."""
    rows = frozenset({"remote-domain-forwarding", "outbound-forwarding"})
    return Terms(START, baseline=Baseline(SHIPPED, rows))


def lax() -> FakeTenant:
    return test_guard.varied("remote-domain", "AutoForwardEnabled", True)


def laxer(tenant: FakeTenant) -> None:
    set_value(tenant, "outbound-spam-policy", "AutoForwardingMode", "On")
    set_value(tenant, "owa-mailbox-policy", "AdditionalStorageProvidersAvailable", True)


def set_value(tenant: FakeTenant, source: str, name: str, value: object) -> None:
    """Set one value of the configuration."""
    for at, one in enumerate(tenant.configurations):
        if one.source == source:
            values: Mapping[str, object] = {**one.values, name: value}
            tenant.configurations[at] = replace(one, values=values)


def module() -> FakeTenant:
    return FakeTenant(module=[KEEPER, ModuleUser("u1", "gu1", "user-1@contoso.com")])


def protocols() -> FakeTenant:
    return test_legacy_protocols.tenant_of(protocols=test_legacy_protocols.allowing("imap"))


def smtp(tenant: FakeTenant) -> None:
    set_value(tenant, TRANSPORT, "SmtpClientAuthenticationDisabled", False)


# Guards that only tell, or whose changes are few --------------------------------------------------


def delegated() -> FakeTenant:
    ann = Recipient("ann@contoso.com", True, "UserMailbox", "ann@contoso.com", id="m1")
    ben = Recipient("ben@contoso.com", True, "UserMailbox", "ben@contoso.com", id="m2")
    opens = Delegation("FullAccess", "ann@contoso.com", "S-1-5-21-1-1-1-1001", BEN)
    return FakeTenant(boxes=[ANN, BEN], people=[ann, ben], delegations=[opens])


def consented() -> FakeTenant:
    tenant = test_app_consent.tenant_of(test_app_consent.grant("c1", "Mail.Read"))
    return replace(tenant, configurations=[test_app_consent.policy(test_app_consent.FOR_SELF)])


def more_consented(tenant: FakeTenant) -> None:
    tenant.consented.append(DelegatedGrant("c2", "graph", True, frozenset({"Mail.ReadWrite"})))


def registered() -> FakeTenant:
    admin = Registration("u1", "ann@contoso.com", admin=True)
    user = Registration(
        "u2",
        "ben@contoso.com",
        registered=True,
        capable=True,
        methods=frozenset({"microsoftauthenticatorpush"}),
    )
    accounts = [Account("u1", admin.upn, enabled=True), Account("u2", user.upn, enabled=True)]
    return FakeTenant(registered=[admin, user], users=accounts)


def lapsed(tenant: FakeTenant) -> None:
    tenant.registered[1] = Registration("u2", "ben@contoso.com")


def gone(tenant: FakeTenant) -> None:
    del tenant.registered[0]


def purged() -> FakeTenant:
    rows = deleted(11)
    return FakeTenant(deleted=rows, bin=binned(rows), counted=50)


def purged_again(tenant: FakeTenant) -> None:
    rows = deleted(12, OTHER, hours=0.1, first=50)
    tenant.deleted += rows
    tenant.bin += binned(rows)


def sized() -> FakeTenant:
    info = replace(ANN, kind="SharedMailbox")
    desk = replace(BEN, kind="SharedMailbox")
    return FakeTenant(
        boxes=[info, desk],
        users=[Account("m1", enabled=False), Account("m2", enabled=False)],
        shared=[SharedMailbox(info), SharedMailbox(desk)],
        sizes={"m1": 60 * GB},
    )


SCENES: Mapping[str, Scene] = {
    "shared-mailbox-sign-in": Scene(
        resources, opened, otherwise=personal, writes=True, every=timedelta(minutes=15)
    ),
    "mailbox-forwarding": Scene(forwards, ruled, otherwise=inside, writes=True),
    "mailbox-audit": Scene(audits, unaudited, writes=True),
    "mailbox-delegation": Scene(
        delegated,
        lambda tenant: tenant.delegations.append(
            Delegation("SendAs", "ben@contoso.com", "S-1-5-21-1-1-1-1002", of="ann@contoso.com")
        ),
        lambda tenant: tenant.delegations.clear(),
    ),
    "tenant-baseline": Scene(
        lax,
        laxer,
        lambda tenant: set_value(
            tenant, "owa-mailbox-policy", "AdditionalStorageProvidersAvailable", False
        ),
        writes=True,
        terms=strict(),
    ),
    "app-consent": Scene(
        consented, more_consented, lambda tenant: tenant.consented.clear(), writes=True
    ),
    "mfa-registration": Scene(registered, lapsed, gone),
    "mass-deletion": Scene(purged, purged_again, every=timedelta(hours=1)),
    "exchange-module-access": Scene(
        module,
        lambda tenant: tenant.module.append(ModuleUser("u2", "gu2", "user-2@contoso.com")),
        writes=True,
    ),
    "legacy-protocols": Scene(
        protocols, smtp, writes=True, terms=Terms(START, without_sign_ins="enforce")
    ),
    "shared-mailbox-health": Scene(
        sized,
        lambda tenant: tenant.sizes.update(m2=70 * GB),
        lambda tenant: tenant.sizes.update(m1=GB),
    ),
}
