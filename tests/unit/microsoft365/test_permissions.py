"""What is needed, what is missing, what is too much: and each permission known in full."""

import re
from dataclasses import replace

import pytest

from core.config.catalog import CATALOG
from core.engine.self_findings import permissions, troubles
from core.microsoft365.permissions import (
    APP_ROLES,
    CMDLET_RISKS,
    NO_EXCHANGE,
    excess,
    grant_command,
    missing,
    needed,
    risk,
)
from core.model.findings import Severity
from core.model.guards import Mode, Permission, Service
from core.model.state import Memory
from core.tenant.port import Grants
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import GRANTS, INBOX_RULES
from tests.support.builders import AUDIT, FORWARDING, SIGN_IN
from tests.support.fakes.world import START

EVERY = [permission for duty in CATALOG for permission in duty.guard.permissions]
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def names(found: tuple[Permission, ...]) -> set[str]:
    return {permission.name for permission in found}


def everything(*, but: str = "") -> Grants:
    """All that any guard needs, but for one, and for the wider roles that would do as well."""
    roles = {p.name for p in EVERY if p.service is Service.GRAPH}
    cmdlets = {p.name for p in EVERY if p.service is Service.EXCHANGE}
    wider = APP_ROLES[but].within if but in APP_ROLES else frozenset()
    return Grants(frozenset(roles - {but, *wider}), frozenset(cmdlets - {but}))


@pytest.mark.parametrize("permission", EVERY, ids=lambda permission: permission.name)
def test_every_permission_has_its_risk_and_the_command_that_grants_it(
    permission: Permission,
) -> None:
    assert len(risk(permission)) > 10
    assert permission.why
    assert "<CLIENT_ID>" in grant_command(permission)
    if permission.service is Service.GRAPH:
        assert GUID.fullmatch(APP_ROLES[permission.name].id)
        assert APP_ROLES[permission.name].id in grant_command(permission)


def test_no_permission_is_described_that_no_guard_needs() -> None:
    assert APP_ROLES.keys() | CMDLET_RISKS.keys() == {permission.name for permission in EVERY}


def test_only_an_enforcing_guard_needs_to_write_and_one_that_is_off_needs_nothing() -> None:
    alerting = {p.name for p in needed(replace(SIGN_IN, mode=Mode.ALERT))}
    enforcing = {p.name for p in needed(replace(SIGN_IN, mode=Mode.ENFORCE))}
    assert enforcing - alerting == {"User.EnableDisableAccount.All", "User.RevokeSessions.All"}
    assert list(needed(replace(SIGN_IN, mode=Mode.OFF))) == []


@pytest.mark.parametrize("name", ["Domain.Read.All", "Get-TransportRule"])
def test_what_is_not_granted_is_missing(name: str) -> None:
    assert missing(FORWARDING, everything()) == ()
    assert names(missing(FORWARDING, everything(but=name))) == {name}


def test_a_wider_role_is_as_good() -> None:
    grants = everything(but="User.Read.All")
    assert grants.app_roles is not None
    wider = replace(grants, app_roles=grants.app_roles | {"Directory.Read.All"})
    assert missing(AUDIT, wider) == ()
    assert "Directory.Read.All" in excess((AUDIT,), wider).app_roles


def test_nothing_is_missing_as_far_as_nothing_is_known() -> None:
    assert missing(FORWARDING, Grants()) == ()


def test_too_much_is_what_no_guard_needs_and_reading_cmdlets_are_let_be() -> None:
    grants, duties = everything(), [replace(duty, mode=Mode.ENFORCE) for duty in CATALOG]
    assert grants.cmdlets is not None
    more = replace(grants, cmdlets=grants.cmdlets | {"Remove-Mailbox", "Get-Everything"})
    assert excess(duties, more).cmdlets == ("Remove-Mailbox",)
    assert excess(duties, more).app_roles == ()
    duties = [replace(duty, mode=Mode.ALERT) for duty in duties]
    assert "MailboxSettings.ReadWrite" in excess(duties, more).app_roles


def reading(*unread: Unread) -> Reading[object]:
    return Reading(surfaces=frozenset({GRANTS, INBOX_RULES}), unread=unread, population=1)


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("User.Read.All", Severity.CRITICAL),
        ("User.EnableDisableAccount.All", Severity.HIGH),
        ("AuditLog.Read.All", Severity.LOW),
    ],
    ids=["to look", "to write", "optional"],
)
def test_a_missing_permission_is_as_grave_as_what_it_keeps_from_being_done(
    name: str, severity: Severity
) -> None:
    (_,), (finding,) = permissions(SIGN_IN, everything(but=name), reading())
    assert (finding.subject, finding.severity) == (name, severity)
    assert finding.patience == 0


def test_without_any_exchange_role_there_is_one_finding_for_all_of_exchange() -> None:
    _, found = permissions(AUDIT, replace(everything(), cmdlets=frozenset()), reading())
    required = [finding.subject for finding in found if finding.severity > Severity.LOW]
    assert required == [NO_EXCHANGE]


def test_what_a_missing_permission_explains_is_only_a_note() -> None:
    blind = Unread(INBOX_RULES, "HTTP 403", permission="MailboxSettings.Read")
    grants = Grants(frozenset({"Domain.Read.All"}), everything().cmdlets)
    found = {
        finding.subject: finding
        for finding in troubles(FORWARDING, reading(blind), Memory(), grants, START)
    }
    lacking = found["MailboxSettings.Read"]
    assert lacking.severity is Severity.CRITICAL
    assert "inbox rules" in lacking.facts[-1]
    assert found[INBOX_RULES].severity is Severity.INFO
    unexplained = {
        finding.kind: finding
        for finding in troubles(FORWARDING, reading(blind), Memory(), everything(), START)
    }
    assert unexplained["blind"].severity is Severity.CRITICAL
