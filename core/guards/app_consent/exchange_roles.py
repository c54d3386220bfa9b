"""Judges what Exchange itself allows apps: role assignments that no consent in Entra shows. Pure.

RBAC for Applications lets an app read or send the mail of every mailbox, or of those in a scope
(Microsoft Learn: Role Based Access Control for Applications in Exchange Online).
"""

from collections.abc import Iterator

from core.guards.app_consent.grants import ASSIGNMENTS, ExchangeAppRole
from core.guards.app_consent.rating import is_trusted_app, rate_app_grant
from core.guards.app_consent.remedies import build_exchange_role_remedy
from core.guards.app_consent.texts import (
    MAX_TEXT_LENGTH,
    format_app_name,
    format_app_title,
    list_app_facts,
)
from core.guards.app_consent.verdicts import ConsentVerdict
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.exchange_roles import weigh_exchange_role
from core.microsoft365.permission_rules import PermissionRisk
from core.model.findings import Fact, Finding, Severity
from core.tenant.quoting import quote_text


def judge_exchange_role(item: ExchangeAppRole) -> Iterator[Finding]:
    """One role of Exchange that an app holds."""
    app = item.app
    risk = weigh_exchange_role(item.role)
    base = {
        PermissionRisk.TENANT_WIDE: Severity.CRITICAL,
        PermissionRisk.SENSITIVE: Severity.HIGH,
        PermissionRisk.BROAD: Severity.MEDIUM,
    }.get(risk, Severity.LOW)
    if item.scope:
        base = Severity(max(base - 1, Severity.LOW))
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
