"""What is needed, what is missing, what is too much: and each permission known in full."""

import re
from dataclasses import replace

import pytest

from core.config.catalog import CATALOG
from core.engine.self_findings import check_guard_permissions, find_self_check_findings
from core.microsoft365.containment_permissions import (
    CONTAINMENT_PERMISSIONS,
    list_containment_permissions,
)
from core.microsoft365.permission_risks import APP_ROLES, AUDIT_QUERY_PERMISSION, CMDLETS
from core.microsoft365.permissions import (
    ACTIVITY_PERMISSIONS,
    AUDIT_QUERY_PERMISSIONS,
    EXCHANGE_REQUIREMENT,
    GRAPH_APP_ID,
    MANAGEMENT_APP_ID,
    ExcessPermissions,
    build_grant_command,
    collect_needed_permissions,
    compare_permissions,
    describe_risk,
    find_excess_permissions,
    is_granted,
    list_needed_permissions,
    missing_permissions,
    note_granted_permissions,
)
from core.model.findings import Severity
from core.model.guards import Mode, Permission, Service
from core.model.state import GuardSnapshot
from core.tenant.readers import GrantedPermissions
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import GRANTS, INBOX_RULES
from tests.support.builders import AUDIT_CONFIG, FORWARDING_CONFIG, SIGN_IN_CONFIG
from tests.support.fakes.clock import START

EVERY = [permission for duty in CATALOG for permission in duty.guard.permissions]
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def names(found: tuple[Permission, ...]) -> set[str]:
    return {permission.name for permission in found}


def everything(*, but: str = "") -> GrantedPermissions:
    """All that any guard needs, but for one, and for the wider roles that would do as well."""
    roles = {p.name for p in EVERY if p.service is Service.GRAPH}
    cmdlets = {p.name for p in EVERY if p.service is Service.EXCHANGE}
    wider = APP_ROLES[but].included_in if but in APP_ROLES else frozenset()
    return GrantedPermissions(frozenset(roles - {but, *wider}), frozenset(cmdlets - {but}))


def test_every_permission_has_its_risk_and_the_command_that_grants_it() -> None:
    for permission in EVERY:
        name, command = permission.name, build_grant_command(permission)
        assert len(describe_risk(permission)) > 10, name
        assert permission.reason, name
        assert "<CLIENT_ID>" in command, name
        if permission.service is Service.EXCHANGE:
            assert command.startswith("pwsh infra/exchange-role.ps1 -AppId <"), name
            assert command.endswith(" -ServicePrincipalObjectId <OBJECT_ID>"), name
        if permission.service is Service.GRAPH:
            assert GUID.fullmatch(APP_ROLES[name].id), name
            assert APP_ROLES[name].id in command, name
            assert f"--api {GRAPH_APP_ID} " in command, name


def test_no_permission_is_described_that_no_guard_needs() -> None:
    others = (*CONTAINMENT_PERMISSIONS, *AUDIT_QUERY_PERMISSIONS)
    needed = {permission.name for permission in (*EVERY, *others)}
    assert APP_ROLES.keys() | CMDLETS.keys() == needed


def test_what_containment_needs_is_known_and_asked_for_only_where_it_is_on() -> None:
    enforced, alerted = map(set, map(list_containment_permissions, (Mode.ENFORCE, Mode.ALERT)))
    needed = collect_needed_permissions((), Mode.ENFORCE)
    for permission in CONTAINMENT_PERMISSIONS:
        assert len(describe_risk(permission)) > 10, permission.name
        assert permission in enforced
        assert (permission in alerted) is not permission.writes, permission.name
        assert "containment" in needed[permission.name][1]
    assert not set(list_containment_permissions(Mode.OFF))
    assert not collect_needed_permissions(())


def test_a_search_of_the_audit_log_is_asked_for_and_kept_only_where_it_is_on() -> None:
    name = AUDIT_QUERY_PERMISSION
    assert name not in collect_needed_permissions(CATALOG, Mode.ENFORCE)
    permission, needed_by = collect_needed_permissions((), searches=True)[name]
    assert (permission.optional, needed_by) == (True, ["activity"])
    assert len(describe_risk(permission)) > 10
    grants = GrantedPermissions(frozenset({name}), frozenset())
    assert find_excess_permissions(CATALOG, grants).app_roles == (name,)
    assert find_excess_permissions(CATALOG, grants, searches=True).app_roles == ()
    wider = GrantedPermissions(frozenset({"AuditLogsQuery.Read.All"}), frozenset())
    assert compare_permissions((), grants, searches=True).missing == ()
    assert compare_permissions((), wider, searches=True).missing == ()


def test_only_an_enforcing_guard_needs_to_write_and_one_that_is_off_needs_nothing() -> None:
    alerting = {p.name for p in list_needed_permissions(replace(SIGN_IN_CONFIG, mode=Mode.ALERT))}
    enforcing = {
        p.name for p in list_needed_permissions(replace(SIGN_IN_CONFIG, mode=Mode.ENFORCE))
    }
    assert enforcing - alerting == {"User.EnableDisableAccount.All", "User.RevokeSessions.All"}
    assert list(list_needed_permissions(replace(SIGN_IN_CONFIG, mode=Mode.OFF))) == []


@pytest.mark.parametrize("name", ["Domain.Read.All", "Get-TransportRule"])
def test_what_is_not_granted_is_missing(name: str) -> None:
    assert missing_permissions(FORWARDING_CONFIG, everything()) == ()
    assert names(missing_permissions(FORWARDING_CONFIG, everything(but=name))) == {name}


def test_a_wider_role_is_as_good() -> None:
    grants = everything(but="User.Read.All")
    assert grants.app_roles is not None
    wider = replace(grants, app_roles=grants.app_roles | {"Directory.Read.All"})
    assert missing_permissions(AUDIT_CONFIG, wider) == ()
    assert "Directory.Read.All" in find_excess_permissions((AUDIT_CONFIG,), wider).app_roles


def test_a_role_of_the_management_apis_is_granted_there_and_looked_for_there() -> None:
    (feed,) = (one for one in ACTIVITY_PERMISSIONS if one.service is Service.MANAGEMENT)
    assert f"--api {MANAGEMENT_APP_ID} " in build_grant_command(feed)
    assert len(describe_risk(feed)) > 10
    assert is_granted(feed, GrantedPermissions(management_roles=frozenset({feed.name})))
    elsewhere = GrantedPermissions(frozenset({feed.name}), management_roles=frozenset())
    assert not is_granted(feed, elsewhere)
    assert is_granted(feed, GrantedPermissions()), "it is not known to be missing"


def test_what_one_guard_requires_is_required_though_another_could_do_without_it() -> None:
    (name, needed) = next(
        (name, config.guard.name)
        for config in CATALOG
        for name in (one.name for one in config.guard.permissions if not one.optional)
        if name in {one.name for one in ACTIVITY_PERMISSIONS}
    )
    permission, needed_by = collect_needed_permissions(CATALOG)[name]
    assert not permission.optional
    assert {needed, "activity"} <= set(needed_by)
    assert collect_needed_permissions(()) == {}


def test_needed_permissions_come_by_service_and_then_by_name() -> None:
    found = [(one.service, name) for name, (one, _) in collect_needed_permissions(CATALOG).items()]
    assert found == sorted(found)
    assert len({service for service, _ in found}) > 1


def test_a_comparison_counts_what_containment_and_searches_need() -> None:
    block = "User.EnableDisableAccount.All"
    grants = GrantedPermissions(frozenset({block, AUDIT_QUERY_PERMISSION}), frozenset())
    without = compare_permissions((), grants)
    assert (without.granted, without.missing) == ((), ())
    assert without.excess.app_roles == tuple(sorted((block, AUDIT_QUERY_PERMISSION)))
    found = compare_permissions((), grants, Mode.ENFORCE, searches=True)
    granted = {one.name for one, _ in found.granted}
    missing = {one.name for one, _ in found.missing}
    assert granted == {block, AUDIT_QUERY_PERMISSION}
    assert {"User.RevokeSessions.All", "Set-CASMailbox"} <= missing
    assert found.excess.app_roles == ()
    assert not granted & missing


def test_what_is_missing_is_all_there_as_long_as_none_of_it_is_required() -> None:
    assert compare_permissions((SIGN_IN_CONFIG,), everything()).is_complete
    optional = compare_permissions((SIGN_IN_CONFIG,), everything(but="AuditLog.Read.All"))
    assert optional.missing
    assert optional.is_complete
    nothing = compare_permissions(
        (SIGN_IN_CONFIG,), GrantedPermissions(frozenset(), frozenset(), frozenset())
    )
    assert any(one.optional for one, _ in nothing.missing)
    assert not nothing.is_complete


def test_nothing_is_missing_or_too_much_as_far_as_nothing_is_known() -> None:
    assert find_excess_permissions((), GrantedPermissions()) == ExcessPermissions((), ())
    assert missing_permissions(FORWARDING_CONFIG, GrantedPermissions()) == ()


def test_too_much_is_what_no_guard_needs_and_reading_cmdlets_are_let_be() -> None:
    grants, duties = everything(), [replace(duty, mode=Mode.ENFORCE) for duty in CATALOG]
    assert grants.cmdlets is not None
    more = replace(grants, cmdlets=grants.cmdlets | {"Remove-Mailbox", "Get-Everything"})
    assert find_excess_permissions(duties, more).cmdlets == ("Remove-Mailbox",)
    assert find_excess_permissions(duties, more).app_roles == ()
    duties = [replace(duty, mode=Mode.ALERT) for duty in duties]
    assert "MailboxSettings.ReadWrite" in find_excess_permissions(duties, more).app_roles


def reading(*unread: ReadFailure) -> Reading[object]:
    return Reading(sources=frozenset({GRANTS, INBOX_RULES}), failures=unread, population=1)


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
    (_,), (finding,) = check_guard_permissions(
        SIGN_IN_CONFIG, everything(but=name), reading(), frozenset()
    )
    assert (finding.subject, finding.severity) == (name, severity)
    assert " lacks the permission " in finding.summary
    assert finding.confirmations_needed == 0


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("User.Read.All", Severity.CRITICAL),
        ("User.EnableDisableAccount.All", Severity.HIGH),
        ("AuditLog.Read.All", Severity.MEDIUM),
    ],
    ids=["to look", "to write", "optional"],
)
def test_a_withdrawn_permission_is_medium_at_least_and_said_to_be_withdrawn(
    name: str, severity: Severity
) -> None:
    held = frozenset({name, "Get-Mailbox"})
    (_,), (finding,) = check_guard_permissions(
        SIGN_IN_CONFIG, everything(but=name), reading(), held
    )
    assert (finding.subject, finding.severity) == (name, severity)
    assert f" lost the permission {name}." in finding.summary
    assert "withdrawn" in str(finding.facts[0])
    assert finding.advice.startswith("Find out who withdrew it")
    (grant,) = (step for step in finding.steps if step.text.startswith("Grant it. "))
    assert "az ad app permission add" in grant.command


def test_what_was_held_once_stays_known_and_what_cannot_be_read_grants_nothing() -> None:
    unread = GrantedPermissions()
    assert note_granted_permissions(SIGN_IN_CONFIG, unread, frozenset()) == frozenset()
    held = note_granted_permissions(SIGN_IN_CONFIG, everything(), frozenset({"Get-Nothing"}))
    assert held == {one.name for one in list_needed_permissions(SIGN_IN_CONFIG)}
    some = note_granted_permissions(SIGN_IN_CONFIG, everything(but="User.Read.All"), frozenset())
    assert "User.Read.All" not in some
    for less in (unread, everything(but="User.Read.All"), GrantedPermissions(frozenset())):
        assert note_granted_permissions(SIGN_IN_CONFIG, less, held) == held


def test_without_the_exchange_role_it_had_one_finding_says_that_it_was_withdrawn() -> None:
    nothing = replace(everything(), cmdlets=frozenset())
    held = note_granted_permissions(AUDIT_CONFIG, everything(), frozenset())
    _, found = check_guard_permissions(AUDIT_CONFIG, nothing, reading(), held)
    assert [one.subject for one in found if one.severity > Severity.LOW] == [EXCHANGE_REQUIREMENT]
    assert [one.subject for one in found if " lost " in one.summary] == [EXCHANGE_REQUIREMENT]


def test_without_any_exchange_role_there_is_one_finding_for_all_of_exchange() -> None:
    _, found = check_guard_permissions(
        AUDIT_CONFIG, replace(everything(), cmdlets=frozenset()), reading(), frozenset()
    )
    required = [finding.subject for finding in found if finding.severity > Severity.LOW]
    assert required == [EXCHANGE_REQUIREMENT]


def test_what_a_missing_permission_explains_is_only_a_note() -> None:
    blind = ReadFailure(INBOX_RULES, "HTTP 403", permission="MailboxSettings.Read")
    grants = GrantedPermissions(frozenset({"Domain.Read.All"}), everything().cmdlets)
    found = {
        finding.subject: finding
        for finding in find_self_check_findings(
            FORWARDING_CONFIG, reading(blind), GuardSnapshot(), grants, START
        )
    }
    lacking = found["MailboxSettings.Read"]
    assert lacking.severity is Severity.CRITICAL
    assert "inbox rules" in str(lacking.facts[-1])
    assert found[INBOX_RULES].severity is Severity.INFO
    unexplained = {
        finding.kind: finding
        for finding in find_self_check_findings(
            FORWARDING_CONFIG, reading(blind), GuardSnapshot(), everything(), START
        )
    }
    assert unexplained["source-unavailable"].severity is Severity.CRITICAL
