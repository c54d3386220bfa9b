"""Sign-in of shared mailboxes: one account that should be blocked, then one thing varied a case."""

from copy import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from core.guards.shared_mailbox_sign_in import GUARD
from core.guards.shared_mailbox_sign_in.accounts import ResourceAccount, SignInRecord
from core.guards.shared_mailbox_sign_in.judge import judge
from core.guards.shared_mailbox_sign_in.observe import MAX_CONVERSION_LOOKUPS
from core.guards.shared_mailbox_sign_in.options import read_options
from core.guards.shared_mailbox_sign_in.verdicts import SignInVerdict
from core.microsoft365.service_plans import DEVICE_PLANS, MAILBOX_PLANS, MEETING_ROOM_PLANS
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.model.options import SettingReader
from core.tenant.changes import BlockSignIn, Change, EndSessions
from core.tenant.directory import Account, Actor, Enabling, RoleHolder, SignIn
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import Reading
from core.tenant.sources import (
    ACCOUNTS,
    ENABLINGS,
    MAILBOXES,
    ROLE_HOLDERS,
    SIGN_IN_LOG,
    SIGN_INS,
)
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all
from tests.support.remedy_checks import tell_remedy

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
TERMS = GuardPolicy(NOW, GUARD.options)
LICENSED_ACCOUNTS = ("alert", "block", "ignore")
BOX = Mailbox("m1", "g1", "info@contoso.com", "Info", "SharedMailbox")
OPEN = Account("m1", "info@contoso.com", enabled=True)
PLAN_2 = next(plan for plan, name in MAILBOX_PLANS.items() if name == "Exchange Online (Plan 2)")
ROOM = next(iter(DEVICE_PLANS))
FOUNDATION = "113feb6c-3fe4-4440-bddc-54d774bf0318"
ARCHIVE = "176a09a6-7ec5-4039-ac02-b2791c6ba793"
ITEM = ResourceAccount(BOX, OPEN, sign_ins=SignInRecord.READ)
SYNCED = replace(OPEN, synced=True)
LICENSED = replace(OPEN, plans=frozenset({PLAN_2, FOUNDATION}), licensed=True)
UNKNOWN_PLANS = replace(OPEN, plans=None, licensed=True)


def only(item: ResourceAccount, terms: GuardPolicy = TERMS) -> Finding:
    (finding,) = judge(item, terms)
    return finding


def test_an_unlicensed_cloud_account_that_nobody_uses_is_blocked() -> None:
    finding = only(ITEM)
    assert finding.verdict is SignInVerdict.BLOCK
    assert finding.severity is Severity.HIGH
    assert finding.changes == (BlockSignIn("m1", "g1", TERMS.options.resource_kinds),)
    assert finding.summary == "The account of shared mailbox info@contoso.com can sign in."
    assert finding.sources == (MAILBOXES, ACCOUNTS)
    assert any("delegation" in fact for fact in format_facts(finding.facts))
    assert "last successful sign-in: none on record" in format_facts(finding.facts)


def test_a_blocked_account_is_nothing_to_speak_of() -> None:
    assert list(judge(replace(ITEM, account=replace(OPEN, enabled=False)), TERMS)) == []


@pytest.mark.parametrize(
    ("set_days_ago", "ends_sessions"), [(1, True), (30, True), (31, False), (400, False)]
)
def test_sessions_end_with_the_block_where_somebody_set_the_password_lately(
    set_days_ago: int, ends_sessions: bool
) -> None:
    created = NOW - timedelta(days=500)
    changed = NOW - timedelta(days=set_days_ago)
    account = replace(OPEN, created_at=created, password_changed_at=changed)
    finding = only(replace(ITEM, account=account))
    assert finding.verdict is SignInVerdict.BLOCK
    (change,) = finding.changes
    assert isinstance(change, BlockSignIn)
    assert change.ends_sessions is ends_sessions
    assert ("revoke its sessions" in tell_remedy(finding)) is ends_sessions


@pytest.mark.parametrize(("days", "is_quiet"), [(0, False), (6, False), (7, True), (300, True)])
def test_sessions_end_when_a_block_has_stood_for_a_week(days: int, is_quiet: bool) -> None:
    blocked = replace(
        ITEM, account=replace(OPEN, enabled=False), blocked_at=NOW - timedelta(days=days)
    )
    found = list(judge(blocked, TERMS))
    assert [one.changes for one in found] == ([(EndSessions("m1"),)] if is_quiet else [])
    assert list(judge(replace(blocked, sessions_ended=True), TERMS)) == []
    for finding in found:
        assert finding.verdict is SignInVerdict.END_SESSIONS
        assert "Revoke-MgUserSignInSession -UserId 'm1'" in tell_remedy(finding)


@pytest.mark.parametrize(
    ("account", "verdict", "severity"),
    [
        (None, Verdict.COULD_NOT_TELL, Severity.LOW),
        (replace(OPEN, enabled=None), Verdict.COULD_NOT_TELL, Severity.LOW),
        (replace(OPEN, plans=frozenset({ROOM})), Verdict.ASK, Severity.MEDIUM),
        (SYNCED, Verdict.ON_PREMISES, Severity.HIGH),
        (replace(LICENSED, synced=True), Verdict.ON_PREMISES, Severity.HIGH),
        (LICENSED, Verdict.ASK, Severity.MEDIUM),
        (UNKNOWN_PLANS, Verdict.ASK, Severity.MEDIUM),
        (replace(OPEN, plans=frozenset({FOUNDATION, ARCHIVE})), Verdict.ASK, Severity.MEDIUM),
        (replace(OPEN, plans=frozenset({"no-such-plan"})), Verdict.ASK, Severity.MEDIUM),
        (replace(OPEN, licence_ids=frozenset({"a"})), Verdict.ASK, Severity.MEDIUM),
        (replace(OPEN, plans=None), Verdict.ASK, Severity.HIGH),
        (replace(OPEN, is_management_restricted=True), SignInVerdict.NEVER, Severity.LOW),
        (replace(SYNCED, is_management_restricted=True), Verdict.ON_PREMISES, Severity.HIGH),
    ],
)
def test_each_account_has_its_verdict(
    account: Account | None, verdict: str, severity: Severity
) -> None:
    finding = only(replace(ITEM, account=account))
    assert (finding.verdict, finding.severity) == (verdict, severity)
    assert bool(finding.changes) is (verdict is SignInVerdict.BLOCK)
    assert finding.compute_key(GUARD.name) == only(ITEM).compute_key(GUARD.name), (
        "one case, whatever its verdict"
    )


@pytest.mark.parametrize("plan", DEVICE_PLANS)
def test_a_devices_licence_spares_a_room_and_is_a_question_about_any_other_mailbox(
    plan: str,
) -> None:
    plans, none = frozenset({plan}), frozenset[str]()
    kinds = (
        ("RoomMailbox", SignInVerdict.NEVER),
        ("EquipmentMailbox", SignInVerdict.NEVER),
        ("SharedMailbox", Verdict.ASK),
        ("SchedulingMailbox", Verdict.ASK),
    )
    for setting, idle, (kind, verdict) in product(LICENSED_ACCOUNTS, (none, plans), kinds):
        terms = replace(TERMS, options=replace(GUARD.options, licensed_accounts=setting))
        account = replace(OPEN, plans=plans, idle_plans=idle)
        finding = only(ResourceAccount(replace(BOX, kind=kind), account), terms)
        assert (finding.verdict, finding.changes) == (verdict, ())
        quiet = kind.startswith(("Room", "Equipment")) and plan in MEETING_ROOM_PLANS
        assert (finding.severity is Severity.INFO) is quiet
        assert ("Shared Devices" in tell_remedy(finding)) is (
            verdict is SignInVerdict.NEVER and not quiet
        )


@pytest.mark.parametrize(
    ("setting", "verdict"),
    [("alert", Verdict.ASK), ("ignore", SignInVerdict.KEEP), ("block", SignInVerdict.BLOCK)],
)
@pytest.mark.parametrize("account", [LICENSED, UNKNOWN_PLANS])
def test_what_happens_to_licensed_accounts_is_a_setting(
    account: Account, setting: str, verdict: str
) -> None:
    finding = only(
        replace(ITEM, account=account),
        replace(TERMS, options=replace(GUARD.options, licensed_accounts=setting)),
    )
    assert finding.verdict is verdict


@pytest.mark.parametrize(
    ("days", "verdict"),
    [(0, Verdict.ASK), (30, Verdict.ASK), (30.1, SignInVerdict.BLOCK), (-1, Verdict.ASK)],
)
def test_a_recent_success_is_a_reason_to_ask_first(days: float, verdict: str) -> None:
    seen = replace(ITEM, last_sign_in=NOW - timedelta(days=days))
    finding = only(seen)
    assert finding.verdict is verdict
    assert f"last successful sign-in: {NOW - timedelta(days=days):%Y-%m-%d}" in format_facts(
        finding.facts
    )


def test_a_recent_success_speaks_for_a_licensed_account_even_where_those_are_blocked() -> None:
    seen = replace(ITEM, account=LICENSED, last_sign_in=NOW)
    assert (
        only(
            seen, replace(TERMS, options=replace(GUARD.options, licensed_accounts="block"))
        ).verdict
        is Verdict.ASK
    )


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        (None, Verdict.ASK),
        (timedelta(0), SignInVerdict.BLOCK),
        (timedelta(minutes=5), SignInVerdict.BLOCK),
        (timedelta(minutes=6), Verdict.ASK),
        (timedelta(days=400), Verdict.ASK),
        (-timedelta(days=1), Verdict.ASK),
    ],
)
@pytest.mark.parametrize("record", [SignInRecord.UNREAD, SignInRecord.UNCLEAR])
def test_where_sign_ins_are_not_known_only_an_untouched_password_is_proof(
    changed: timedelta | None, verdict: str, record: SignInRecord
) -> None:
    made = NOW - timedelta(days=900)
    account = replace(
        OPEN, created_at=made, password_changed_at=made + changed if changed is not None else None
    )
    finding = only(replace(ITEM, account=account, sign_ins=record))
    assert finding.verdict is verdict
    assert bool(finding.changes) is (verdict is SignInVerdict.BLOCK)
    if verdict is Verdict.ASK:
        assert "Update-MgUser -UserId 'm1' -AccountEnabled:$false" in tell_remedy(finding)


def test_that_sign_ins_cannot_be_read_is_said() -> None:
    finding = only(replace(ITEM, sign_ins=SignInRecord.UNREAD))
    assert any(
        "not readable (AuditLog.Read.All and Entra ID P1)" in f for f in format_facts(finding.facts)
    )
    assert "sign-ins cannot be read" in tell_remedy(finding)


def test_a_read_log_is_proof_whatever_the_password() -> None:
    account = replace(OPEN, created_at=NOW, password_changed_at=NOW + timedelta(days=1))
    assert only(replace(ITEM, account=account)).verdict is SignInVerdict.BLOCK


@pytest.mark.parametrize(
    "account",
    [
        LICENSED,
        UNKNOWN_PLANS,
        replace(OPEN, plans=frozenset({ROOM})),
        replace(OPEN, plans=frozenset({"no-such-plan"})),
        replace(OPEN, licence_ids=frozenset({"a"})),
        replace(SYNCED, plans=frozenset({ROOM})),
    ],
)
def test_a_room_with_any_licence_is_never_blocked(account: Account) -> None:
    is_rooms_device = ROOM in (account.plans or ())
    for kind, setting in product(("RoomMailbox", "EquipmentMailbox"), LICENSED_ACCOUNTS):
        terms = replace(TERMS, options=replace(GUARD.options, licensed_accounts=setting))
        finding = only(replace(ITEM, mailbox=replace(BOX, kind=kind), account=account), terms)
        assert finding.verdict is SignInVerdict.NEVER, (kind, setting)
        assert finding.severity is (Severity.INFO if is_rooms_device else Severity.LOW)
        assert finding.is_said_once, (kind, setting)
        assert not finding.changes, (kind, setting)


@pytest.mark.parametrize(
    ("password_days", "sign_in_days", "record", "verdict"),
    [
        (None, None, SignInRecord.READ, SignInVerdict.BLOCK),
        (0, None, SignInRecord.UNREAD, SignInVerdict.BLOCK),
        (300, None, SignInRecord.READ, Verdict.ASK),
        (None, 45, SignInRecord.READ, Verdict.ASK),
        (None, None, SignInRecord.UNREAD, Verdict.ASK),
        (0, 3, SignInRecord.READ, Verdict.ASK),
    ],
)
def test_a_room_without_a_licence_may_still_serve_a_device(
    password_days: int | None, sign_in_days: int | None, record: SignInRecord, verdict: str
) -> None:
    made = NOW - timedelta(days=900)
    password = made + timedelta(days=password_days) if password_days is not None else None
    item = ResourceAccount(
        replace(BOX, kind="RoomMailbox"),
        replace(OPEN, created_at=made, password_changed_at=password),
        last_sign_in=NOW - timedelta(days=sign_in_days) if sign_in_days is not None else None,
        sign_ins=record,
    )
    assert only(item).verdict is verdict


@pytest.mark.parametrize(
    ("item", "verdict"),
    [
        (replace(ITEM, holds_role=True), SignInVerdict.NEVER),
        (replace(ITEM, account=LICENSED, holds_role=True), SignInVerdict.NEVER),
        (replace(ITEM, holds_role=None), Verdict.ASK),
        (replace(ITEM, account=SYNCED, holds_role=True), Verdict.ON_PREMISES),
    ],
)
def test_an_administrator_is_never_blocked_and_said_once(
    item: ResourceAccount, verdict: str
) -> None:
    finding = only(item)
    assert finding.verdict is verdict
    assert not finding.changes
    assert finding.is_said_once is (verdict is SignInVerdict.NEVER)


@pytest.mark.parametrize("name", ["m1", "info@contoso.com"])
def test_a_break_glass_account_is_never_blocked(name: str) -> None:
    terms = replace(TERMS, options=replace(GUARD.options, break_glass_accounts=(name,)))
    finding = only(replace(ITEM, account=replace(OPEN, upn="Info@Contoso.com")), terms)
    assert (finding.verdict, finding.severity) == (SignInVerdict.NEVER, Severity.INFO)


@pytest.mark.parametrize(
    ("enabling", "said"),
    [
        (None, "enabled again: the directory's audit log does not say by whom"),
        (
            Enabling("m1", NOW, Actor("a1", "dana@contoso.com")),
            "enabled again: by dana@contoso.com on 2026-11-20 06:00 UTC",
        ),
        (
            Enabling("m1", NOW, Actor("a1", "Provisioning", is_app=True)),
            "enabled again: by the app Provisioning on 2026-11-20 06:00 UTC",
        ),
    ],
)
def test_an_account_that_somebody_enabled_again_is_asked_about(
    enabling: Enabling | None, said: str
) -> None:
    item = replace(ITEM, blocked_at=NOW - timedelta(days=1), enabling=enabling)
    for account in (OPEN, LICENSED):
        finding = only(replace(item, account=account))
        assert (finding.verdict, finding.severity) == (Verdict.ASK, Severity.HIGH)
        assert not finding.changes
        assert said in format_facts(finding.facts)
        assert "blocked by Exoguard: 2026-11-19 06:00 UTC" in format_facts(finding.facts)


def test_a_mailbox_that_became_a_persons_again_is_told_with_the_block() -> None:
    item = ResourceAccount(
        replace(BOX, kind="UserMailbox"),
        replace(LICENSED, enabled=False),
        blocked_at=NOW - timedelta(days=1),
    )
    finding = only(item)
    assert finding.verdict is Verdict.ASK
    assert "blocked by Exoguard: 2026-11-19 06:00 UTC" in format_facts(finding.facts)
    assert "-AccountEnabled:$true" in tell_remedy(finding)
    assert list(judge(replace(item, account=LICENSED), TERMS)) == []


def test_a_block_says_what_it_changes_for_others() -> None:
    told = " ".join(format_facts(only(ITEM).facts))
    for word in ("delegation", "signature", "deletes the mailbox", "stays blocked"):
        assert word in told


@pytest.mark.parametrize(("setting", "asks"), [("block", False), ("ask", True)])
def test_what_was_there_at_the_first_look_may_be_a_question(setting: str, asks: bool) -> None:
    terms = replace(TERMS, options=replace(GUARD.options, at_first_look=setting))
    assert only(ITEM, terms).asks_if_preexisting is asks


def test_a_synced_account_comes_with_the_command_for_its_own_directory() -> None:
    finding = only(replace(ITEM, account=replace(SYNCED, upn="o'hara@contoso.com")))
    assert (
        "Get-ADUser -Filter \"UserPrincipalName -eq 'o''hara@contoso.com'\" | Disable-ADAccount"
    ) in tell_remedy(finding)
    assert "sync" in tell_remedy(finding)
    hostile = only(replace(ITEM, account=replace(SYNCED, upn="a\nb")))
    assert "Get-ADUser" not in tell_remedy(hostile)
    assert "in the directory on premises" in tell_remedy(hostile)


def test_a_synced_account_that_is_licensed_says_so() -> None:
    finding = only(replace(ITEM, account=replace(LICENSED, synced=True)))
    assert any("licensed" in fact and "on-premises" in fact for fact in format_facts(finding.facts))


def test_foreign_text_is_bounded() -> None:
    box = replace(BOX, address="a" * 5000, kind="K" * 5000)
    finding = only(replace(ITEM, mailbox=box, account=replace(OPEN, upn="u" * 5000)))
    assert len(finding.summary) < 400
    assert all(len(fact) < 300 for fact in format_facts(finding.facts))


def test_facts_do_not_move_with_the_clock() -> None:
    seen = replace(ITEM, last_sign_in=NOW - timedelta(days=100))
    assert only(seen).facts == only(seen, replace(TERMS, now=NOW + timedelta(days=9))).facts


# ----------------------------------------------------------------------------------------------
# Observation
# ----------------------------------------------------------------------------------------------


async def look(tenant: FakeTenant, terms: GuardPolicy = TERMS) -> Reading[ResourceAccount]:
    return await observe_all(GUARD, tenant, ObserveContext(terms))


async def test_only_resource_mailboxes_are_looked_at() -> None:
    person = Mailbox("m2", "g2", "ann@contoso.com")
    room = Mailbox("m3", "g3", "room@contoso.com", kind="RoomMailbox")
    tenant = FakeTenant(boxes=[BOX, person, room], users=[OPEN, Account("m2", enabled=True)])
    reading = await look(tenant)
    assert {item.mailbox.id for item in reading.items} == {"m1", "m3"}
    assert reading.population == 2
    assert reading.covers((MAILBOXES, ACCOUNTS), "m1")


async def test_sign_ins_are_asked_for_only_where_they_decide() -> None:
    accounts = [
        OPEN,
        replace(LICENSED, id="m2"),
        replace(SYNCED, id="m3"),
        Account("m4", enabled=False),
        Account("m5", enabled=True, plans=frozenset({ROOM})),
        Account("m6", enabled=True),
        replace(OPEN, id="m7", is_management_restricted=True),
    ]
    boxes = [replace(BOX, id=account.id, guid=f"g-{account.id}") for account in accounts]
    boxes[4] = replace(boxes[4], kind="RoomMailbox")
    tenant = FakeTenant(boxes=boxes, users=accounts, holders=[RoleHolder("m6", "eligible")])
    await look(tenant)
    await look(tenant, replace(TERMS, options=replace(GUARD.options, licensed_accounts="block")))
    assert [ids for surface, ids in tenant.read_log if surface == SIGN_INS] == [
        ("m1",),
        ("m1", "m2"),
    ]


async def test_the_enabled_state_comes_from_the_account_joined_by_id() -> None:
    tenant = FakeTenant(boxes=[BOX], users=[replace(OPEN, upn="renamed@contoso.com")])
    tenant.sign_ins = [SignIn("m1", NOW - timedelta(days=3))]
    (item,) = (await look(tenant)).items
    assert item.account is not None
    assert item.account.upn == "renamed@contoso.com"
    assert item.last_sign_in == NOW - timedelta(days=3)
    assert only(item).verdict is Verdict.ASK


async def test_an_account_entra_does_not_know_is_a_finding_and_a_failed_read_is_none() -> None:
    tenant = FakeTenant(boxes=[BOX])
    (item,) = (await look(tenant)).items
    assert only(item).verdict is Verdict.COULD_NOT_TELL
    for object_id in ("m1", ""):
        tenant.clear_faults()
        tenant.fail_read(ACCOUNTS, object_id)
        reading = await look(tenant)
        assert reading.items == ()
        assert not reading.covers((MAILBOXES, ACCOUNTS), "m1")


async def test_a_mailbox_without_an_account_id_is_a_finding_by_itself() -> None:
    tenant = FakeTenant(boxes=[replace(BOX, has_account=False)])
    tenant.fail_read(ACCOUNTS, permission="User.Read.All")
    (item,) = (await look(tenant)).items
    assert only(item).verdict is Verdict.COULD_NOT_TELL


async def test_one_failed_look_at_sign_ins_does_not_lead_to_a_block() -> None:
    tenant = FakeTenant(boxes=[BOX], users=[OPEN])
    tenant.fail_read(SIGN_INS, "m1")
    reading = await look(tenant)
    assert reading.items == ()
    assert not reading.covers((MAILBOXES, ACCOUNTS), "m1")
    assert len(reading.unread_object_ids) == 1


async def test_without_the_right_to_read_sign_ins_accounts_are_judged_without_them() -> None:
    tenant = FakeTenant(boxes=[BOX], users=[OPEN])
    tenant.fail_read(SIGN_INS, permission="AuditLog.Read.All")
    reading = await look(tenant)
    (item,) = reading.items
    assert item.sign_ins is SignInRecord.UNREAD
    assert only(item).verdict is Verdict.ASK
    assert reading.covers((MAILBOXES, ACCOUNTS), "m1")
    assert all(miss.optional for miss in reading.failures)


async def test_a_log_that_fails_for_the_moment_leaves_accounts_unread() -> None:
    tenant = FakeTenant(boxes=[BOX], users=[OPEN])
    tenant.fail_read(SIGN_INS)
    reading = await look(tenant)
    assert reading.items == ()
    assert reading.unread_object_ids == {"m1"}


@pytest.mark.parametrize("permission", ["", "RoleManagement.Read.Directory"])
async def test_where_roles_are_not_known_nothing_is_blocked(permission: str) -> None:
    tenant = FakeTenant(boxes=[BOX], users=[OPEN])
    tenant.fail_read(ROLE_HOLDERS, permission=permission)
    reading = await look(tenant)
    if permission:
        (item,) = reading.items
        assert only(item).verdict is Verdict.ASK
        assert "roles cannot be read" in tell_remedy(only(item))
    else:
        assert reading.unread_object_ids == {"m1"}
    assert all(miss.optional for miss in reading.failures if not miss.object_id)


async def test_whoever_may_activate_a_role_is_never_blocked() -> None:
    for holder in ("m1", "g1"):
        tenant = FakeTenant(boxes=[BOX], users=[OPEN], holders=[RoleHolder(holder, "eligible")])
        (item,) = (await look(tenant)).items
        assert only(item).verdict is SignInVerdict.NEVER


SPRAYED = SignIn("m1", None, NOW - timedelta(hours=1))


async def test_failed_attempts_protect_no_account_whose_log_shows_no_success() -> None:
    tenant = FakeTenant(boxes=[BOX], users=[OPEN], sign_ins=[SPRAYED])
    (item,) = (await look(tenant)).items
    assert only(item).verdict is SignInVerdict.BLOCK


async def test_a_success_that_only_the_log_knows_is_a_reason_to_ask() -> None:
    tenant = FakeTenant(boxes=[BOX], users=[OPEN], sign_ins=[SPRAYED])
    tenant.logged_sign_ins = [SignIn("m1", NOW - timedelta(hours=1))]
    (item,) = (await look(tenant)).items
    assert only(item).verdict is Verdict.ASK
    assert "signed in lately" in tell_remedy(only(item))


async def test_attempts_without_a_log_are_not_known() -> None:
    tenant = FakeTenant(boxes=[BOX], users=[OPEN], sign_ins=[SPRAYED])
    tenant.fail_read(SIGN_IN_LOG, permission="AuditLog.Read.All")
    (item,) = (await look(tenant)).items
    assert item.sign_ins is SignInRecord.UNCLEAR
    assert only(item).verdict is Verdict.ASK
    tenant.clear_faults()
    tenant.fail_read(SIGN_IN_LOG, "m1")
    assert (await look(tenant)).unread_object_ids == {"m1"}
    tenant.clear_faults()
    longer = replace(TERMS, options=replace(GUARD.options, recent_days=60))
    (item,) = (await look(tenant, longer)).items
    assert only(item, longer).verdict is Verdict.ASK, "the log ends before those days"


async def test_old_attempts_need_no_log() -> None:
    old = replace(SPRAYED, last_attempt=NOW - timedelta(days=31))
    tenant = FakeTenant(boxes=[BOX], users=[OPEN], sign_ins=[old])
    (item,) = (await look(tenant)).items
    assert only(item).verdict is SignInVerdict.BLOCK
    assert SIGN_IN_LOG not in {source for source, _ in tenant.read_log}


BLOCKED_AT = NOW - timedelta(days=2)
PAST_BLOCK = (BlockSignIn("m1", "g1", TERMS.options.resource_kinds), BLOCKED_AT)


async def look_back(
    tenant: FakeTenant, open_case_ids: frozenset[str] = frozenset()
) -> Reading[ResourceAccount]:
    context = ObserveContext(TERMS, open_case_ids=open_case_ids, applied_changes=(PAST_BLOCK,))
    return await observe_all(GUARD, tenant, context)


async def test_who_enabled_a_blocked_account_again_is_read_from_the_audit_log() -> None:
    dana = Actor("a1", "dana@contoso.com")
    tenant = FakeTenant(boxes=[BOX], users=[OPEN])
    tenant.enablings = [
        Enabling("m1", BLOCKED_AT - timedelta(hours=1), Actor("a0", "before@contoso.com")),
        Enabling("m1", BLOCKED_AT + timedelta(hours=1), dana),
        Enabling("m2", BLOCKED_AT + timedelta(hours=2), Actor("a0", "other@contoso.com")),
    ]
    (item,) = (await look_back(tenant)).items
    assert item.blocked_at == BLOCKED_AT
    assert item.enabling is not None
    assert item.enabling.actor == dana
    tenant.fail_read(ENABLINGS, permission="AuditLog.Read.All")
    reading = await look_back(tenant)
    (item,) = reading.items
    assert only(item).verdict is Verdict.ASK
    assert reading.covers((MAILBOXES, ACCOUNTS), "m1")


@pytest.mark.parametrize(
    ("more", "is_ended"),
    [
        ((), False),
        (((EndSessions("m1"), BLOCKED_AT + timedelta(days=1)),), True),
        (((EndSessions("m2"), BLOCKED_AT + timedelta(days=1)),), False),
        # Of an earlier block: the account signed in again since then.
        (((EndSessions("m1"), BLOCKED_AT - timedelta(days=1)),), False),
        (((replace(PAST_BLOCK[0], ends_sessions=True), BLOCKED_AT + timedelta(1)),), True),
    ],
)
async def test_a_standing_block_knows_whether_sessions_were_ended_since(
    more: tuple[tuple[Change, datetime], ...], is_ended: bool
) -> None:
    tenant = FakeTenant(boxes=[BOX], users=[replace(OPEN, enabled=False)])
    context = ObserveContext(TERMS, applied_changes=(PAST_BLOCK, *more))
    (item,) = (await observe_all(GUARD, tenant, context)).items
    assert item.blocked_at is not None
    assert item.sessions_ended is is_ended


async def test_a_converted_mailbox_is_looked_up_and_its_old_case_ends() -> None:
    person = replace(BOX, kind="UserMailbox")
    tenant = FakeTenant(boxes=[person], users=[replace(OPEN, enabled=False)])
    reading = await look_back(tenant, open_case_ids=frozenset({"m1"}))
    (item,) = reading.items
    assert only(item).kind == "blocked-after-conversion"
    assert reading.covers((MAILBOXES, ACCOUNTS), "m1")
    tenant.users = [OPEN]
    (item,) = (await look_back(tenant)).items
    assert list(judge(item, TERMS)) == []
    tenant.boxes = []
    assert (await look_back(tenant)).items == ()


async def test_of_many_converted_mailboxes_the_latest_blocked_are_looked_up() -> None:
    numbers = range(MAX_CONVERSION_LOOKUPS + 10)
    ages = {number: timedelta(minutes=(number * 7) % len(numbers)) for number in numbers}
    boxes = [
        replace(BOX, id=f"m{number}", guid=f"g{number}", kind="UserMailbox") for number in numbers
    ]
    users = [replace(OPEN, id=box.id, enabled=False) for box in boxes]
    blocks = tuple(
        (BlockSignIn(f"m{number}", f"g{number}", ("SharedMailbox",)), NOW - ages[number])
        for number in numbers
    )
    context = ObserveContext(TERMS, applied_changes=blocks)
    reading = await observe_all(GUARD, FakeTenant(boxes=boxes, users=users), context)
    latest = sorted(numbers, key=ages.__getitem__)[:MAX_CONVERSION_LOOKUPS]
    assert {item.mailbox.id for item in reading.items} == {f"m{number}" for number in latest}


@pytest.mark.parametrize(
    "box", [replace(BOX, kind="RoomMailbox"), replace(BOX, id="other", kind="UserMailbox")]
)
async def test_a_room_and_a_mailbox_of_somebody_else_are_not_converted(box: Mailbox) -> None:
    options = replace(GUARD.options, resource_kinds=("SharedMailbox",))
    tenant = FakeTenant(boxes=[box], users=[replace(OPEN, id=box.id, enabled=False)])
    context = ObserveContext(replace(TERMS, options=options), applied_changes=(PAST_BLOCK,))
    assert (await observe_all(GUARD, tenant, context)).items == ()


async def test_a_listing_that_broke_off_makes_the_reading_incomplete() -> None:
    tenant = FakeTenant(boxes=[BOX], users=[OPEN])
    tenant.interrupted_sources.add(MAILBOXES)
    reading = await look(tenant)
    assert not reading.complete
    assert not reading.covers((MAILBOXES,), "m2")


async def test_a_mailbox_that_is_listed_twice_is_judged_once() -> None:
    tenant = FakeTenant(boxes=[BOX, BOX], users=[OPEN])
    assert len((await look(tenant)).items) == 1


async def test_the_change_blocks_exactly_this_account() -> None:
    other = replace(OPEN, id="m2", upn="other@contoso.com")
    tenant = FakeTenant(boxes=[BOX], users=[OPEN, other])
    (item,) = (await look(tenant)).items
    (change,) = only(item).changes
    applied = await tenant.writer.apply(change)
    assert applied.before == {"accountEnabled": True}
    assert [user.enabled for user in tenant.users] == [False, True]
    assert not [finding for item in (await look(tenant)).items for finding in judge(item, TERMS)]


def test_every_option_is_read_from_its_setting() -> None:
    options = read_options(
        SettingReader(
            {
                "LICENSED_MAILBOXES": "block",
                "BREAK_GLASS_ACCOUNTS": "Chief@contoso.com",
                "SIGN_IN_AT_FIRST_LOOK": "ask",
            }
        )
    )
    assert (options.licensed_accounts, options.at_first_look) == ("block", "ask")
    assert options.break_glass_accounts == ("chief@contoso.com",)
