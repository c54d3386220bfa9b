"""Tenants for tests of single guards: apps and grants, protocols, baseline settings, deletions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from core.guards.app_consent.grants import POLICY
from core.guards.legacy_protocols.items import PLANS, POLICIES, SETTINGS, TRANSPORT
from core.tenant.apps import App, AppPermission, DelegatedGrant
from core.tenant.configuration import Configuration
from core.tenant.directory import Actor, DeletedObject, Deletion
from core.tenant.mailboxes import Mailbox, MailboxProtocols
from tests.support.fakes.tenant import FakeTenant
from tests.support.http_recorder import build_scene
from tests.support.in_memory_services import build_fake_tenant

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
ADMIN = Actor("a1", "admin@contoso.com", ip="203.0.113.9")
OTHER_ACTOR = Actor("a2", "other@contoso.com")


def build_deletions(
    number: int, actor: Actor = ADMIN, hours: float = 1.0, kind: str = "user", first: int = 0
) -> list[Deletion]:
    """A number of objects deleted by one actor some hours ago, within one minute."""
    at = NOW - timedelta(hours=hours)
    return [
        Deletion(
            f"{kind}-{one}",
            kind,
            at + timedelta(seconds=one % 60),
            name_deleted_object(kind, one),
            actor=actor,
        )
        for one in range(first, first + number)
    ]


def name_deleted_object(kind: str, one: int) -> str:
    return f"{kind}-{one}@contoso.com" if kind == "user" else f"{kind} {one}"


def build_recycle_bin(rows: Sequence[Deletion]) -> list[DeletedObject]:
    return [DeletedObject(one.id, one.kind, one.at, one.name) for one in rows]


MICROSOFT_SERVICES_TENANT = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
OTHER_TENANT = "0e15e000-0000-4000-8000-000000000001"
GRAPH = App(
    "graph", "00000003-0000-0000-c000-000000000000", "Microsoft Graph", MICROSOFT_SERVICES_TENANT
)
VERIFIED_APP = App("c1", "a-c1", "Contoso Notes", OTHER_TENANT, publisher="Contoso Ltd")
UNVERIFIED_APP = replace(VERIFIED_APP, publisher="")
HOME_APP = replace(VERIFIED_APP, owner_tenant_id="here", is_home_tenant=True, publisher="")
FOR_SELF = "ManagePermissionGrantsForSelf.microsoft-user-default-legacy"


def build_consent_policy(*assigned: str, **more: object) -> Configuration:
    permissions = {"permissionGrantPoliciesAssigned": list(assigned)}
    values = {"defaultUserRolePermissions": permissions, **more}
    return Configuration(POLICY, "", POLICY, values)


def build_delegated_grant(
    client: str, scopes: str, everyone: bool = False, api: str = "graph"
) -> DelegatedGrant:
    return DelegatedGrant(client, api, everyone, frozenset(scopes.split()))


def build_app_consent_tenant(
    *grants: DelegatedGrant, roles: tuple[AppPermission, ...] = ()
) -> FakeTenant:
    apps = [GRAPH, UNVERIFIED_APP, replace(HOME_APP, id="c2")]
    return FakeTenant(
        service_principals=apps,
        oauth_grants=list(grants),
        configurations=[build_consent_policy()],
        page_size=2,
        app_role_assignments=list(roles),
    )


ANN = Mailbox("m1", "g1", "ann@contoso.com")
BEN = Mailbox("m2", "g2", "ben@contoso.com")
CLOSED = frozenset({"imap", "pop"})


def build_configuration(source: str, name: str = "", **values: object) -> Configuration:
    return Configuration(source, name, name or source, values)


def build_legacy_protocol_tenant(*changed: Configuration, **more: object) -> FakeTenant:
    """A tenant with every legacy protocol off, except for the given settings."""
    usual = [
        build_configuration(TRANSPORT, SmtpClientAuthenticationDisabled=True),
        build_configuration(SETTINGS, DefaultAuthenticationPolicy="Block"),
        build_configuration(PLANS, "Enterprise", ImapEnabled=False, PopEnabled=False),
        build_configuration(POLICIES, "Block", AllowBasicAuthSmtp=False),
    ]
    replaced = {(one.source, one.id) for one in changed}
    kept = [one for one in usual if (one.source, one.id) not in replaced]
    tenant = FakeTenant(
        boxes=[ANN, BEN],
        configurations=[*kept, *changed],
        protocol_settings=[
            MailboxProtocols(ANN, denied=CLOSED),
            MailboxProtocols(BEN, denied=CLOSED),
        ],
    )
    for name, value in more.items():
        setattr(tenant, name, value)
    return tenant


def build_protocols(*protocols: str, box: Mailbox = ANN) -> list[MailboxProtocols]:
    """The settings of two mailboxes, one of which allows some protocols."""
    other = BEN if box.id == ANN.id else ANN
    return [
        MailboxProtocols(box, frozenset(protocols), CLOSED - {*protocols}),
        MailboxProtocols(other, denied=CLOSED),
    ]


BASELINE_SCENE = build_scene(
    exchange={
        "Get-RemoteDomain": [
            {"Guid": "d1", "Name": "Default", "DomainName": "*", "AutoForwardEnabled": False}
        ],
        "Get-HostedOutboundSpamFilterPolicy": [
            {"Guid": "p1", "Name": "Default", "IsDefault": True, "AutoForwardingMode": "Off"}
        ],
    }
)


def build_baseline_tenant() -> FakeTenant:
    """An organization that meets every shipped row of the baseline."""
    return build_fake_tenant(BASELINE_SCENE)


def build_varied_baseline_tenant(source: str, name: str, value: object, at: str = "") -> FakeTenant:
    """The same with one value of one object changed; `at` names a nested object, `a.b` an entry of
    a list and the id it has there.
    """
    found = build_baseline_tenant()
    index = next(n for n, one in enumerate(found.configurations) if one.source == source)
    one = found.configurations[index]
    if at:
        at, _, entry = at.partition(".")
        inner = one.values[at]
        if isinstance(inner, Mapping):
            name, value = at, {**inner, name: value}
        else:
            assert isinstance(inner, list)
            changed = [
                {**row, name: value} if row["id"] == entry else row
                for row in cast(list[dict[str, object]], inner)
            ]
            name, value = at, changed
    found.configurations[index] = replace(one, values={**one.values, name: value})
    return found
