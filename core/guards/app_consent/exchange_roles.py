"""Judges what Exchange itself allows apps: roles that no consent in Entra shows. Pure.

RBAC for Applications lets an app read or send the mail of every mailbox, or of those in a scope
(Microsoft Learn: Role Based Access Control for Applications in Exchange Online).
"""

from collections.abc import Iterator

from core.guards.app_consent.grants import (
    ASSIGNMENTS,
    ExchangeAppRole,
    RoleGroupMembership,
)
from core.guards.app_consent.rating import is_trusted_app, rate_app_grant
from core.guards.app_consent.remedies import (
    build_exchange_role_remedy,
    build_role_group_remedy,
)
from core.guards.app_consent.texts import (
    MAX_TEXT_LENGTH,
    format_app_name,
    format_app_title,
    format_name_list,
    list_app_facts,
)
from core.guards.app_consent.verdicts import ConsentVerdict
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.exchange_roles import weigh_exchange_role
from core.microsoft365.permission_rules import PermissionRisk
from core.model.findings import Fact, Finding, Severity
from core.model.reach import Reach
from core.tenant.apps import App
from core.tenant.quoting import quote_text
from core.tenant.sources import ROLE_HOLDERS


def rate_exchange_risk(risk: PermissionRisk, *, is_limited: bool) -> Severity:
    """How grave a role of Exchange is before it is known whose app holds it."""
    base = {
        PermissionRisk.TENANT_WIDE: Severity.CRITICAL,
        PermissionRisk.SENSITIVE: Severity.HIGH,
        PermissionRisk.BROAD: Severity.MEDIUM,
    }.get(risk, Severity.LOW)
    return Severity(max(base - 1, Severity.LOW)) if is_limited else base


def judge_exchange_role(item: ExchangeAppRole) -> Iterator[Finding]:
    """One role of Exchange that an app holds."""
    app = item.app
    risk = weigh_exchange_role(item.role)
    base = rate_exchange_risk(risk, is_limited=bool(item.scope))
    severity, verdict = rate_app_grant(app, risk, base)
    if not item.is_enabled and not is_trusted_app(app):
        severity, verdict = Severity.INFO, ConsentVerdict.DORMANT
    role = quote_text(item.role, MAX_TEXT_LENGTH)
    where = (
        f"within the scope {quote_text(item.scope, MAX_TEXT_LENGTH)}"
        if item.scope
        else "for every mailbox"
    )
    yield Finding(
        kind="exchange-role",
        object_id=app.id,
        subject=format_app_name(app),
        severity=severity,
        verdict=verdict,
        summary=f"{format_app_title(app)} holds the Exchange role {role} {where}, by a role "
        "assignment of Exchange and not by a consent in Entra.",
        facts=(
            *(list_app_facts(app) if app.app_id else ()),
            Fact("role assignment", quote_text(item.assignment, MAX_TEXT_LENGTH)),
            Fact("reaches", where),
            *(() if item.is_enabled else (Fact("", "the assignment is disabled"),)),
        ),
        sources=(get_configuration_source_name(ASSIGNMENTS),),
        fingerprint=f"{item.role.casefold()} {item.scope.casefold()}",
        advice="If nobody can answer for it, take the role away. If the app needs the mail of some "
        "mailboxes, give it the role with a scope.",
        steps=build_exchange_role_remedy(item),
    )


def weigh_role_group(membership: RoleGroupMembership) -> PermissionRisk:
    """What a role group is worth to its members. One without roles mirrors a role of Entra."""
    own = weigh_exchange_role(membership.group)
    return max((weigh_exchange_role(one.role) for one in membership.roles), default=own)


def judge_role_group(app: App, membership: RoleGroupMembership) -> Finding:
    """A role group of Exchange that an app is in: all that it gives, as one finding."""
    risk = weigh_role_group(membership)
    gravest = [one for one in membership.roles if weigh_exchange_role(one.role) is risk]
    is_limited = bool(gravest) and all(one.scope for one in gravest)
    severity, verdict = rate_app_grant(app, risk, rate_exchange_risk(risk, is_limited=is_limited))
    group = quote_text(membership.group, MAX_TEXT_LENGTH)
    roles = format_name_list(sorted({one.role for one in gravest}))
    scopes = sorted({one.scope for one in membership.roles if one.scope})
    return Finding(
        kind="exchange-role-group",
        object_id=app.id,
        subject=format_app_name(app),
        severity=severity,
        verdict=verdict,
        summary=f"{format_app_title(app)} is in the role group {group} of Exchange, which gives "
        "it roles that no consent in Entra shows.",
        facts=(
            *list_app_facts(app),
            Fact("roles", roles or "those of a role in Entra"),
            *([Fact("scopes", format_name_list(scopes))] if scopes else []),
        ),
        sources=(ROLE_HOLDERS, get_configuration_source_name(ASSIGNMENTS)),
        fingerprint=membership.group.casefold(),
        advice="If nobody can answer for it, take the app out of the group. If it needs some of "
        "these roles, or the mail of some mailboxes, give it those alone, with a scope.",
        steps=build_role_group_remedy(app, membership.group),
        reaches=(Reach.of(sorted(f"{one.role} {one.scope}".strip() for one in membership.roles)),),
    )
