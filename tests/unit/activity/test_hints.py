"""From records to looks: which are noise, what they name, and when a guard is to run in full."""

from datetime import timedelta

import pytest

from core.activity.hints import (
    MAX_ACTS_PER_OBJECT,
    Resolved,
    add_mailboxes,
    build_act,
    build_looks,
    is_look_settled,
    list_concerns,
    list_news,
    merge_new_acts,
)
from core.activity.operations import ENTRA_OPERATIONS, EXCHANGE_OPERATIONS
from core.config.catalog import CATALOG
from core.engine.causes import ActIndex, add_cause
from core.guards.privileged_change.acts import OPERATIONS
from core.microsoft365.activity_operations import normalize_operation
from core.model.activity import MAX_LOOKED_AT, PendingLook
from core.model.cases import Case
from core.model.findings import Severity
from core.tenant.activity import ActivityActor, ActivityLog, ActivityRecord, ActorKind
from core.tenant.mailboxes import Mailbox
from tests.support.acts import EVE, SERVICE, build_record
from tests.support.fakes.clock import START

BOX = Mailbox("u1", "g1", "ann@contoso.com")
FOUND = Resolved({"g1": BOX})
BEFORE = dict.fromkeys(ActivityLog, START - timedelta(days=1))
FORWARD = {"Identity": "g1", "ForwardingSmtpAddress": "smtp:x@evil.example"}


RARE_ACTS = frozenset(
    {
        "Add Passkey (device-bound) security key",
        "Add Windows Hello for Business credential",
        "Admin updated temporary access pass",
        "Admin registered temporary access pass method for user",
    }
)
"""Spellings that no public record shows: read each hour, and no reason to look sooner."""


def list_guards(record: ActivityRecord) -> list[str]:
    return sorted(concern.watch.guard for concern in list_concerns(record))


def look(*records: ActivityRecord, resolved: Resolved = FOUND) -> dict[str, PendingLook]:
    return build_looks(records, resolved, {}, BEFORE, START)


@pytest.mark.parametrize(
    ("operation", "parameters", "guards"),
    [
        ("set-mailbox", FORWARD, ["mailbox-forwarding"]),
        ("set-mailbox", {"Identity": "g1", "AuditOwner": "None"}, ["mailbox-audit"]),
        ("set-mailbox", {"Identity": "g1", "GrantSendOnBehalfTo": "x"}, ["mailbox-delegation"]),
        (
            "set-mailbox",
            {"Identity": "g1", "Type": "Shared"},
            ["shared-mailbox-health", "shared-mailbox-sign-in"],
        ),
        ("set-mailbox", {"Identity": "g1", "ModeratedBy": "eve"}, ["mail-protection"]),
        ("set-mailbox", {"Identity": "g1", "AcceptMessagesOnlyFrom": "e"}, ["mail-protection"]),
        ("set-mailbox", {"Identity": "g1", "LitigationHoldEnabled": "False"}, ["mail-protection"]),
        ("set-mailboxfolderpermission", {"Identity": "g1:\\Inbox"}, ["mailbox-delegation"]),
        ("set-mailbox", {"Identity": "g1", "MaxSendSize": "1"}, []),
        ("set-clutter", {"Identity": "g1"}, []),
        ("set-user", {"AuthenticationPolicy": "Legacy"}, ["legacy-protocols"]),
        ("disable-hostedoutboundspamfilterrule", {"Identity": "x"}, ["tenant-baseline"]),
        (
            "add passkey (device-bound) security key",
            {},
            ["mfa-registration", "privileged-change"],
        ),
        ("new-inboxrule", {"Name": "."}, ["mailbox-forwarding"]),
        ("add-mailboxpermission", {"User": "x"}, ["mailbox-delegation"]),
        ("set-mailboxauditbypassassociation", {"AuditBypassEnabled": "True"}, ["mailbox-audit"]),
        ("set-organizationconfig", {"AuditDisabled": "True"}, ["mailbox-audit", "tenant-baseline"]),
        ("consent to application", {}, ["app-consent"]),
        ("update application - certificates and secrets management", {}, ["app-consent"]),
        ("enable account", {}, ["shared-mailbox-sign-in"]),
        ("set-user", {"EXOModuleEnabled": "True"}, ["exchange-module-access"]),
        ("set-user", {"Title": "Boss"}, []),
        ("new-transportrule", {}, ["mail-protection", "mailbox-forwarding"]),
        ("set-antiphishpolicy", {}, ["mail-protection"]),
        ("disable-eopprotectionpolicyrule", {}, ["mail-protection"]),
        ("new-organizationrelationship", {}, ["external-trust"]),
        ("new-migrationbatch", {}, ["external-trust"]),
        ("update-rolegroupmember", {}, ["exchange-module-access", "exchange-roles"]),
        ("remove-journalrule", {}, ["mailbox-forwarding"]),
        ("new-app", {}, ["app-consent"]),
        ("remove member from role", {}, ["privileged-change"]),
        ("update role setting in pim", {}, ["privileged-change"]),
        ("delete conditional access policy", {}, ["mass-deletion", "privileged-change"]),
        ("set domain authentication", {}, ["privileged-change"]),
        ("read bitlocker key", {}, ["privileged-change"]),
        ("update a partner cross-tenant access setting", {}, ["external-trust"]),
        ("reset user password", {}, ["privileged-change"]),
        ("change user password", {}, ["privileged-change"]),
        ("reset password (self-service)", {}, ["privileged-change"]),
        ("add member to group", {}, []),
    ],
)
def test_an_operation_concerns_the_guards_that_judge_what_it_set(
    operation: str, parameters: dict[str, str], guards: list[str]
) -> None:
    assert list_guards(build_record(operation, parameters=parameters)) == guards


def test_what_microsofts_service_does_is_noise_but_for_new_mailboxes() -> None:
    for operation in ("set-mailbox", "set-transportconfig", "add-mailboxpermission"):
        assert list_guards(build_record(operation, actor=SERVICE)) == []
    assert list_guards(build_record("new-mailbox", actor=SERVICE)) == ["shared-mailbox-sign-in"]


def test_passwords_that_a_copied_directory_sets_all_day_are_noise_and_its_methods_are_not() -> None:
    copy = ActivityActor(ActorKind.SYNC, "fim_password_service@contoso.com", "s1")
    assert list_guards(build_record("reset user password", actor=copy)) == []
    assert list_guards(build_record("disable strong authentication", actor=copy)) == [
        "privileged-change"
    ]


def test_a_password_leads_to_no_look_by_itself() -> None:
    assert look(build_record("reset user password", "u1")) == {}
    # Nor does a method to the guard that reads a large tenant for minutes.
    given = look(build_record("user registered security info", "u1"))
    assert [guard for guard, one in given.items() if one.is_whole] == ["privileged-change"]
    assert given.keys() == {"privileged-change"}


@pytest.mark.parametrize(
    ("operation", "guard", "kind", "is_told"),
    [
        ("User registered security info", "mfa-registration", "administrator-method-added", True),
        ("Disable Strong Authentication", "mfa-registration", "administrator-second-factor", True),
        ("Admin deleted security info", "mfa-registration", "administrator-second-factor", True),
        ("User registered security info", "privileged-change", "administrator-added", False),
        ("Reset user password", "privileged-change", "administrator-added", False),
        ("Reset user password", "mfa-registration", "administrator-method-added", False),
    ],
)
def test_who_gave_or_took_a_way_in_explains_what_that_leaves_and_no_more(
    operation: str, guard: str, kind: str, is_told: bool
) -> None:
    record = build_record(normalize_operation(operation), "A1", log=ActivityLog.DIRECTORY)
    act = build_act(record, list_concerns(record), Resolved({}), START)
    case = Case("k1", kind, "a1", "root", Severity.HIGH, "new", "new", "New.", START)
    found = add_cause(case, ActIndex.build([act], guard), START, (), timedelta(minutes=10))
    assert (found.cause is not None) is is_told


def test_every_watched_guard_exists_and_every_name_is_spelled_once() -> None:
    watched = {
        one.guard
        for table in (EXCHANGE_OPERATIONS, ENTRA_OPERATIONS)
        for watches in table.values()
        for one in watches
    }
    assert watched <= {config.guard.name for config in CATALOG}
    # What is told from the log alone is looked at as soon as it is recorded.
    assert frozenset(OPERATIONS) - ENTRA_OPERATIONS.keys() <= RARE_ACTS
    names = [*EXCHANGE_OPERATIONS, *ENTRA_OPERATIONS]
    assert len(set(map(normalize_operation, names))) == len(names)


def test_a_mailbox_that_a_record_names_is_looked_at() -> None:
    found = look(build_record(parameters=FORWARD))
    assert found == {"mailbox-forwarding": PendingLook("mailbox-forwarding", START, ("g1",))}


def test_a_mailbox_that_nobody_finds_is_a_full_run() -> None:
    found = look(build_record("new-inboxrule", "Invalid/Path/Format"), resolved=Resolved({}))
    assert found["mailbox-forwarding"].is_whole
    # An account without a mailbox is nothing to look at; one that could not be asked about is.
    entra = build_record("enable account", "u9", log=ActivityLog.DIRECTORY)
    assert look(entra, resolved=Resolved({})).get("shared-mailbox-sign-in") == PendingLook(
        "shared-mailbox-sign-in", START
    )
    unread = look(entra, resolved=Resolved({}, frozenset({"u9"})))
    assert unread["shared-mailbox-sign-in"].is_whole


def test_more_than_two_hundred_objects_are_a_full_run_and_one_object_in_a_burst_is_one() -> None:
    boxes = [Mailbox(f"u{one}", f"g{one}", "") for one in range(MAX_LOOKED_AT + 1)]
    most = add_mailboxes(PendingLook("g", START), boxes[:-1], START)
    assert (len(most.guids), most.is_whole) == (MAX_LOOKED_AT, False)
    assert add_mailboxes(most, boxes[-1:], START).is_whole
    burst = [
        build_record("updateinboxrules", record_id=f"r{one}", has_body=False)
        for one in range(2_000)
    ]
    assert look(*burst)["mailbox-forwarding"].guids == ("g1",)


def test_a_look_that_was_taken_is_opened_anew_and_no_earlier_run_stands_for_it() -> None:
    later = START + timedelta(hours=1)
    ran = START + timedelta(minutes=30)
    record = build_record("set-organizationconfig", parameters={"AuditDisabled": "True"}, at=later)
    taken = {"tenant-baseline": PendingLook("tenant-baseline", START, attempts=3)}
    found = build_looks([record], FOUND, taken, BEFORE, later)["tenant-baseline"]
    assert found == PendingLook("tenant-baseline", later, is_whole=True)
    assert not is_look_settled(found, ran, later)
    # A run that ended while a look at mailboxes waited has not seen what came since.
    waits = {"mailbox-audit": PendingLook("mailbox-audit", START, ("g1",), attempts=3)}
    whole = build_looks([record], FOUND, waits, BEFORE, later)["mailbox-audit"]
    assert whole == PendingLook("mailbox-audit", later, ("g1",), is_whole=True, attempts=3)
    boxes = [Mailbox(f"u{one}", f"g{one}", "") for one in range(MAX_LOOKED_AT + 1)]
    assert not is_look_settled(add_mailboxes(waits["mailbox-audit"], boxes, later), ran, later)


def test_our_own_writes_and_what_happened_before_the_first_reading_need_no_look() -> None:
    own = ActivityActor(ActorKind.APP, app_id="a1", is_this_app=True)
    old = START - timedelta(days=2)
    assert look(build_record(parameters=FORWARD, actor=own)) == {}
    assert look(build_record(parameters=FORWARD, at=old)) == {}


def test_a_record_is_news_once_whatever_is_doubled_or_read_again() -> None:
    record = build_record(parameters=FORWARD)
    news = list_news([record, record], ())
    assert news == [record]
    acts = merge_new_acts((build_act(one, list_concerns(one), FOUND, START) for one in news), ())
    assert list_news([record], acts) == []
    other = build_record(parameters=FORWARD, record_id="r2")
    assert list_news([other, record], acts) == [other]


def test_an_act_keeps_what_was_set_and_whom_it_was_done_to() -> None:
    record = build_record(parameters={**FORWARD, "MaxSendSize": "1"})
    act = build_act(record, list_concerns(record), FOUND, START)
    assert act.detail == "ForwardingSmtpAddress smtp:x@evil.example"
    (target,) = act.targets
    assert (target.object_id, target.kinds) == ("u1", ("mailbox-forward",))
    assert {"g1", "u1", "ann@contoso.com"} <= set(target.names)
    assert act.key.startswith(f"{START:%Y%m%d%H}")


def test_a_burst_is_one_act_with_a_count_and_a_crowd_of_acts_is_bounded() -> None:
    bare = [
        build_record("updateinboxrules", record_id=f"r{one}", has_body=False) for one in range(513)
    ]
    (burst,) = merge_new_acts(
        (build_act(one, list_concerns(one), FOUND, START) for one in bare), ()
    )
    assert burst.count == 513
    named = [
        build_record("new-inboxrule", record_id=f"n{one}", at=START + timedelta(seconds=one))
        for one in range(100)
    ]
    acts = merge_new_acts((build_act(one, list_concerns(one), FOUND, START) for one in named), ())
    assert len(acts) == MAX_ACTS_PER_OBJECT + 1
    assert sum(act.count for act in acts) == 100
    assert {act.actor for act in acts} == {EVE}
    # Served again, none of them is news, and one more is one more.
    assert list_news([*bare, *named], (burst, *acts)) == []
    more = build_record("new-inboxrule", record_id="n100", at=START + timedelta(seconds=100))
    assert list_news([*named, more], acts) == [more]
    (crowd,) = merge_new_acts([build_act(more, list_concerns(more), FOUND, START)], acts)
    assert crowd.count == 100 - MAX_ACTS_PER_OBJECT + 1
    # It stands for all from the first to the last, in whatever order they come.
    first, last = (START + timedelta(seconds=one) for one in (MAX_ACTS_PER_OBJECT, 100))
    assert (crowd.began_at, crowd.at) == (first, last)
    late = build_record("new-inboxrule", record_id="late", at=START + timedelta(seconds=1))
    (longer,) = merge_new_acts([build_act(late, list_concerns(late), FOUND, START)], (*acts, crowd))
    assert (longer.began_at, longer.at) == (late.at, last)
    again = merge_new_acts([build_act(more, list_concerns(more), FOUND, START)], (*acts, crowd))
    assert [act.count for act in again] == [crowd.count]
