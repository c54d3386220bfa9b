"""The health of shared mailboxes: one in order, then one thing wrong a case."""

from collections.abc import AsyncIterator, Sequence
from copy import replace
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from core.guards.shared_mailbox_health.guard import GUARD
from core.guards.shared_mailbox_health.items import (
    GB,
    LICENCES,
    SETTINGS,
    SIZE_SOURCES,
    MeasuredMailbox,
    SharedMailboxState,
)
from core.guards.shared_mailbox_health.judge import judge
from core.guards.shared_mailbox_health.observe import (
    MAX_FAILED_ACCOUNTS,
    combine_account_failures,
    look_up_mailboxes,
    observe,
)
from core.microsoft365.remote_recipient_type import parse_recipient_type_flags
from core.model.findings import Finding, Severity, Shell, Step, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.directory import Account
from core.tenant.mail_readers import MailboxReader, SharedMailboxReader
from core.tenant.mailbox_index import BETWEEN_CHECKS_LIMIT
from core.tenant.mailboxes import Mailbox, MailboxSize, SharedMailbox
from core.tenant.readers import AccountReader
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ACCOUNTS, MAILBOX_SIZES, MAILBOXES, SHARED_MAILBOXES
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all
from tests.support.remedy_checks import tell_remedy

TERMS = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC))
SWEEP = frozenset({MAILBOX_SIZES})
PLAN_1 = "9aaf7827-d63c-4b61-89c3-182f06f82e5c"
PLAN_2 = "efb87545-963c-4e0d-99df-69c6916d9eb0"
PLAN_2_GOVERNMENT = "8c3069c0-ccdb-44be-ab77-986203a67df2"
KIOSK = "4a82b400-a79f-41a4-b4e2-e94f5787b113"
ARCHIVING = "176a09a6-7ec5-4039-ac02-b2791c6ba793"
FOUNDATION = "113feb6c-3fe4-4440-bddc-54d774bf0318"

INFO = Mailbox("m1", "g1", "info@contoso.com", "Info", kind="SharedMailbox")
ANN = Mailbox("m2", "g2", "ann@contoso.com", "Ann")
SYNCED = replace(INFO, synced=True)
SETTLED = SharedMailbox(INFO, "info@contoso.com")
ACCOUNT = Account("m1", "info@contoso.com", enabled=False)


def licensed(*plans: str, enabled: bool = False) -> Account:
    return replace(ACCOUNT, plans=frozenset(plans), licensed=True, enabled=enabled)


UNTOLD = replace(ACCOUNT, plans=None, licensed=True)


def one(item: SharedMailboxState | MeasuredMailbox) -> Finding:
    (finding,) = judge(item, TERMS)
    return finding


def none(item: SharedMailboxState | MeasuredMailbox) -> bool:
    return list(judge(item, TERMS)) == []


def remote(printed: str, account: Account | None = ACCOUNT) -> SharedMailboxState:
    settings = SharedMailbox(
        SYNCED, "info@contoso.com", remote_recipient_type=parse_recipient_type_flags(printed)
    )
    return SharedMailboxState(settings, account)


def sized(
    gigabytes: float, account: Account | None, settings: SharedMailbox = SETTLED
) -> MeasuredMailbox:
    return MeasuredMailbox(INFO, int(gigabytes * GB), account, settings)


# ----------------------------------------------------------------------------------------------
# In order
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [
        SharedMailboxState(SETTLED, ACCOUNT),
        sized(1, ACCOUNT),
        sized(44.9, ACCOUNT),
        sized(45, licensed(PLAN_2)),
        sized(80, licensed(PLAN_2, FOUNDATION)),
        sized(80, licensed(PLAN_2_GOVERNMENT.upper())),
        SharedMailboxState(replace(SETTLED, litigation_hold=True), licensed(PLAN_2)),
        SharedMailboxState(
            replace(SETTLED, litigation_hold=True, has_archive=True), licensed(PLAN_1, ARCHIVING)
        ),
        sized(1, licensed(PLAN_2), replace(SETTLED, litigation_hold=True)),
        sized(1, licensed(PLAN_2), replace(SETTLED, has_archive=True)),
        sized(1, licensed(PLAN_2), replace(SETTLED, on_hold=True)),
        sized(1, licensed(FOUNDATION)),
    ],
)
def test_a_shared_mailbox_with_what_it_needs_is_nothing_to_speak_of(
    item: SharedMailboxState | MeasuredMailbox,
) -> None:
    assert none(item)


# ----------------------------------------------------------------------------------------------
# What the directory on premises says
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "printed",
    [
        "ProvisionMailbox, SharedMailbox",
        "Migrated, SharedMailbox",
        "97",
        "100",
        "ProvisionMailbox, ProvisionArchive, SharedMailbox",
        "None",
        "ProvisionArchive",
        "DeprovisionArchive",
    ],
)
def test_a_directory_that_calls_it_shared_or_says_nothing_is_healthy(printed: str) -> None:
    assert none(remote(printed))


@pytest.mark.parametrize(
    ("printed", "value"), [("ProvisionMailbox", 100), ("1", 100), ("3", 102), ("17", 116)]
)
def test_a_mailbox_that_is_a_users_again_tomorrow_is_grave(printed: str, value: int) -> None:
    finding = one(remote(printed))
    assert (finding.kind, finding.verdict) == ("comes-back", Verdict.ON_PREMISES)
    assert finding.severity is Severity.HIGH
    assert finding.sources == (SETTINGS,)
    assert finding.summary == (
        "The next synchronisation makes info@contoso.com a user mailbox again."
    )
    assert finding.changes == ()
    assert "Set-RemoteMailbox -Identity 'info@contoso.com' -Type Shared" in tell_remedy(finding)
    assert (
        "Get-ADUser -Filter \"UserPrincipalName -eq 'info@contoso.com'\" | Set-ADUser -Replace "
        f"@{{msExchRemoteRecipientType={value}; msExchRecipientTypeDetails=34359738368}}"
    ) in tell_remedy(finding)


def test_what_becomes_of_its_mail_and_its_sign_in_is_told() -> None:
    lost = "no licence: as a user mailbox it is disconnected after 30 days, and its mail lost"
    assert lost in format_facts(one(remote("1")).facts)
    assert "sign-in of its account: blocked" in format_facts(one(remote("1")).facts)
    facts = format_facts(one(remote("1", licensed(PLAN_2, enabled=True))).facts)
    assert lost not in facts
    assert "sign-in of its account: enabled" in facts
    assert lost not in format_facts(one(remote("1", UNTOLD)).facts)
    assert len(format_facts(one(remote("1", None)).facts)) == 2


def test_who_may_sign_in_does_not_make_it_another_case() -> None:
    keys = {
        one(remote("1", who)).compute_key(GUARD.name) for who in (None, ACCOUNT, licensed(PLAN_2))
    }
    assert len(keys) == 1
    assert one(remote("4")).compute_key(GUARD.name) not in keys


def test_a_migrated_one_is_kept_as_it_is_and_told_all_the_same() -> None:
    finding = one(remote("Migrated"))
    assert (finding.severity, finding.verdict) == (Severity.LOW, Verdict.ON_PREMISES)
    assert "RemoteRecipientType: Migrated (4)" in format_facts(finding.facts)
    assert not any("lost" in fact for fact in format_facts(finding.facts))


@pytest.mark.parametrize("printed", ["33", "ProvisionMailbox, RoomMailbox", "68"])
def test_half_of_the_flags_of_a_shared_mailbox_are_a_room_or_equipment(printed: str) -> None:
    finding = one(remote(printed))
    assert finding.severity is Severity.HIGH
    assert "a room or equipment mailbox again" in finding.summary


def test_a_mailbox_of_the_cloud_is_not_synchronised_whatever_its_flags_say() -> None:
    assert none(SharedMailboxState(replace(SETTLED, remote_recipient_type=1), ACCOUNT))
    managed = replace(remote("1").settings, cloud_managed=True)
    assert none(SharedMailboxState(managed, ACCOUNT))


def test_flags_that_make_no_sense_are_no_healthy_ones() -> None:
    finding = one(remote("ProvisionMailbox, SomethingNew"))
    assert (finding.kind, finding.verdict) == ("settings-unknown", Verdict.COULD_NOT_TELL)
    assert "RemoteRecipientType" in finding.summary


def test_a_mailbox_that_is_not_synchronised_has_no_flags_to_know() -> None:
    assert none(SharedMailboxState(replace(SETTLED, remote_recipient_type=None), ACCOUNT))


HOSTILE = "o'hara$(calc)\"; calc #@contoso.com"


def test_a_hostile_name_never_leaves_its_quotes() -> None:
    box = replace(SYNCED, address=HOSTILE)
    advice = tell_remedy(
        one(SharedMailboxState(SharedMailbox(box, HOSTILE, remote_recipient_type=1), ACCOUNT))
    )
    inner = "o''hara$(calc)\"; calc #@contoso.com"
    assert f"Set-RemoteMailbox -Identity '{inner}' -Type Shared" in advice
    escaped = "o''hara`$(calc)`\"; calc #@contoso.com"
    assert f"-eq '{escaped}'\" | Set-ADUser" in advice


@pytest.mark.parametrize("name", ["a\nb", "o\u2019hara@contoso.com"])
def test_a_name_that_cannot_be_written_gives_the_values_and_no_command(name: str) -> None:
    box = replace(SYNCED, address=name)
    advice = tell_remedy(
        one(SharedMailboxState(SharedMailbox(box, name, remote_recipient_type=1), ACCOUNT))
    )
    assert "set msExchRemoteRecipientType to 100, msExchRecipient" in advice
    assert "\n" not in advice
    assert "Set-ADUser" not in advice


# ----------------------------------------------------------------------------------------------
# Holds and archives
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("account", [ACCOUNT, licensed(PLAN_1), licensed(ARCHIVING)])
@pytest.mark.parametrize("feature", ["held", "archive"])
def test_a_hold_or_an_archive_without_its_licence_is_found(account: Account, feature: str) -> None:
    settings = replace(SETTLED, litigation_hold=feature == "held", has_archive=feature == "archive")
    finding = one(SharedMailboxState(settings, account))
    assert (finding.kind, finding.verdict) == ("hold-without-licence", Verdict.ASK)
    assert finding.severity is Severity.MEDIUM
    assert finding.fingerprint == {"held": "litigation hold", "archive": "archive"}[feature]
    assert finding.sources == (SETTINGS, LICENCES)


def test_the_licence_that_is_missing_is_the_one_in_the_command() -> None:
    held = replace(SETTLED, litigation_hold=True)
    nothing = tell_remedy(one(SharedMailboxState(held, ACCOUNT)))
    assert (
        "Set-MgUserLicense -UserId 'm1' -AddLicenses @(@{SkuId = (Get-MgSubscribedSku -All | "
        "Where-Object SkuPartNumber -eq 'EXCHANGEENTERPRISE').SkuId}) -RemoveLicenses @()"
    ) in nothing
    assert "exclude each other" not in nothing
    assert "'EXCHANGEARCHIVE_ADDON'" in tell_remedy(one(SharedMailboxState(held, licensed(PLAN_1))))
    kiosk = tell_remedy(one(SharedMailboxState(held, licensed(KIOSK))))
    assert "'EXCHANGEENTERPRISE'" in kiosk
    assert "First take away the mailbox plan it has: two of them exclude each other." in kiosk


@pytest.mark.parametrize("account", [UNTOLD, None])
def test_plans_nobody_told_are_neither_enough_nor_too_little(account: Account | None) -> None:
    finding = one(SharedMailboxState(replace(SETTLED, litigation_hold=True), account))
    assert (finding.verdict, finding.severity) == (Verdict.COULD_NOT_TELL, Severity.LOW)
    assert none(
        SharedMailboxState(replace(SETTLED, litigation_hold=True), None, is_account_unreadable=True)
    )


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (replace(SETTLED, litigation_hold=None), "LitigationHoldEnabled"),
        (replace(SETTLED, has_archive=None), "ArchiveStatus"),
    ],
)
def test_a_setting_that_is_not_told_is_not_off(settings: SharedMailbox, name: str) -> None:
    finding = one(SharedMailboxState(settings, ACCOUNT))
    assert (finding.kind, finding.fingerprint) == ("settings-unknown", name)
    assert finding.verdict is Verdict.COULD_NOT_TELL
    look = f"Get-Mailbox -Identity 'g1' | Format-List {name}"
    assert finding.steps == (Step("Look at them.", look, Shell.EXCHANGE),)


# ----------------------------------------------------------------------------------------------
# Sizes
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gigabytes", "severity", "step"),
    [
        (45, Severity.LOW, "45 to 50 GB"),
        (50, Severity.LOW, "45 to 50 GB"),
        (50.01, Severity.HIGH, "50 to 60 GB"),
        (74, Severity.HIGH, "60 to 75 GB"),
        (90, Severity.HIGH, "75 to 90 GB"),
        (400, Severity.HIGH, "over 90 GB"),
    ],
)
def test_a_mailbox_outgrows_what_it_may_have_in_steps(
    gigabytes: float, severity: Severity, step: str
) -> None:
    finding = one(sized(gigabytes, ACCOUNT))
    assert (finding.kind, finding.verdict) == ("too-large", Verdict.ASK)
    assert finding.severity is severity
    assert f"size: {step}" in format_facts(finding.facts)
    assert finding.sources == SIZE_SOURCES
    assert "'EXCHANGEENTERPRISE'" in tell_remedy(finding)


def test_a_mail_that_came_in_makes_no_other_case_and_no_other_fact() -> None:
    before, after = one(sized(52.1, ACCOUNT)), one(sized(52.2, ACCOUNT))
    assert before == after
    assert one(sized(46, ACCOUNT)).compute_key(GUARD.name) == before.compute_key(GUARD.name)


@pytest.mark.parametrize("plans", [(PLAN_1,), (PLAN_1, ARCHIVING), (KIOSK,), (FOUNDATION,)])
def test_another_licence_than_plan_2_does_not_make_it_larger(plans: tuple[str, ...]) -> None:
    assert one(sized(51, licensed(*plans))).severity is Severity.HIGH


def with_quota(gigabytes: float, quota: float | None, account: Account | None) -> MeasuredMailbox:
    box = replace(INFO, quota_bytes=None if quota is None else int(quota * GB))
    return MeasuredMailbox(box, int(gigabytes * GB), account, SETTLED)


@pytest.mark.parametrize(
    ("gigabytes", "quota", "account", "severity", "words"),
    [
        (60, 100, ACCOUNT, Severity.MEDIUM, "Its quota still lets mail in."),
        (60, None, ACCOUNT, Severity.HIGH, "whether it still takes mail is not known."),
        (60, 50, ACCOUNT, Severity.HIGH, "is full: it takes no more mail."),
        (50, 50, ACCOUNT, Severity.HIGH, "is full: it takes no more mail."),
        (20, 20, ACCOUNT, Severity.HIGH, "is full: it takes no more mail."),
        (2, 2, licensed(PLAN_2), Severity.HIGH, "is full: it takes no more mail."),
        (100, 100, licensed(PLAN_2), Severity.HIGH, "is full: it takes no more mail."),
        (60, 50, None, Severity.HIGH, "is full: it takes no more mail."),
        (95, 100, licensed(PLAN_2), Severity.LOW, "is near its quota"),
        (18.5, 20, ACCOUNT, Severity.LOW, "is near its quota"),
        (18.5, 20, None, Severity.LOW, "is near its quota"),
        (47, 100, ACCOUNT, Severity.LOW, "is near the 50 GB it may have without a licence."),
        (60, 2**20, ACCOUNT, Severity.MEDIUM, "Its quota still lets mail in."),
    ],
)
def test_whether_it_takes_mail_is_decided_by_its_own_quota(
    gigabytes: float,
    quota: float | None,
    account: Account | None,
    severity: Severity,
    words: str,
) -> None:
    (finding,) = (
        found
        for found in judge(with_quota(gigabytes, quota, account), TERMS)
        if found.kind == "too-large"
    )
    assert (finding.severity, finding.verdict) == (severity, Verdict.ASK)
    assert finding.summary.endswith(words) or words in finding.summary


@pytest.mark.parametrize(
    ("gigabytes", "quota", "account"),
    [
        (60, 100, licensed(PLAN_2)),
        (17.9, 20, ACCOUNT),
        (1, None, ACCOUNT),
        (44, 50, ACCOUNT),
        (60, 2**20, licensed(PLAN_2)),
    ],
)
def test_a_mailbox_with_room_is_nothing_to_speak_of(
    gigabytes: float, quota: float | None, account: Account
) -> None:
    assert none(with_quota(gigabytes, quota, account))


@pytest.mark.parametrize(("quota", "told"), [(1023, "1023 GB"), (1024, "unlimited")])
def test_a_quota_of_a_terabyte_is_none(quota: float, told: str) -> None:
    assert f"quota: {told}" in format_facts(one(with_quota(60, quota, ACCOUNT)).facts)


def test_a_small_quota_is_raised_to_what_the_licence_allows() -> None:
    advice = tell_remedy(one(with_quota(20, 20, ACCOUNT)))
    assert "Set-Mailbox -Identity 'info@contoso.com' -ProhibitSendReceiveQuota 50GB" in advice
    assert "'EXCHANGEENTERPRISE'" in advice
    assert "Set-Mailbox" not in tell_remedy(one(with_quota(60, 100, ACCOUNT)))
    full = tell_remedy(one(with_quota(100, 100, licensed(PLAN_2))))
    assert "Delete or move what is not needed." in full
    assert "Set-" not in full


def idle(*plans: str) -> Account:
    return replace(licensed(*plans), idle_plans=frozenset(plans))


def test_a_plan_that_does_not_serve_is_no_licence() -> None:
    held = replace(SETTLED, litigation_hold=True)
    assert one(SharedMailboxState(held, idle(PLAN_2))).severity is Severity.MEDIUM
    large = one(sized(60, idle(PLAN_2)))
    assert (large.kind, large.severity) == ("too-large", Severity.HIGH)
    shown = "licences: Exchange Online (Plan 2) (suspended or locked out)"
    assert shown in format_facts(large.facts)
    assert none(sized(3, idle(PLAN_2))), "nothing is paid for"
    both = replace(licensed(PLAN_2, PLAN_1), idle_plans=frozenset({PLAN_1}))
    assert none(sized(60, both))
    lost = remote("ProvisionMailbox", idle(PLAN_2))
    assert any("disconnected after 30 days" in fact for fact in format_facts(one(lost).facts))


@pytest.mark.parametrize(
    ("printed", "is_refused"),
    [("Migrated", True), ("4", True), ("6", True), ("ProvisionMailbox", False), ("5", False)],
)
def test_the_advice_works_for_a_migrated_mailbox(printed: str, is_refused: bool) -> None:
    advice = tell_remedy(one(remote(printed)))
    assert ("Set-RemoteMailbox -Identity" in advice) is not is_refused
    assert "msExchRemoteRecipientType=1" in advice


@pytest.mark.parametrize("account", [None, UNTOLD])
def test_without_known_licences_a_large_mailbox_is_not_judged(account: Account | None) -> None:
    finding = one(sized(51, account))
    assert (finding.verdict, finding.severity) == (Verdict.COULD_NOT_TELL, Severity.LOW)
    assert finding.steps == (), "nobody can say yet what it needs"
    assert none(sized(1, account))


# ----------------------------------------------------------------------------------------------
# Licences without need
# ----------------------------------------------------------------------------------------------


def test_a_licence_without_need_is_low_and_the_command_takes_it_by_its_plan() -> None:
    finding = one(sized(3, licensed(PLAN_2, FOUNDATION)))
    assert (finding.kind, finding.verdict) == ("needless-licence", Verdict.ASK)
    assert finding.severity is Severity.LOW
    assert (
        "Set-MgUserLicense -UserId 'm1' -AddLicenses @() -RemoveLicenses "
        "@((Get-MgUserLicenseDetail -UserId 'm1' | Where-Object "
        f"{{ $_.ServicePlans.ServicePlanId -match '{PLAN_2}' }}).SkuId)"
    ) in tell_remedy(finding)
    both = tell_remedy(one(sized(3, licensed(PLAN_2, KIOSK))))
    assert f"-match '{KIOSK}|{PLAN_2}'" in both


def test_one_with_an_enabled_sign_in_may_be_in_use_as_a_persons() -> None:
    quiet, used = (one(sized(3, licensed(PLAN_2, enabled=on))) for on in (False, True))
    assert used.severity is Severity.MEDIUM
    assert "sign-in of its account: enabled" in format_facts(used.facts)
    assert used.compute_key(GUARD.name) == quiet.compute_key(GUARD.name)


@pytest.mark.parametrize(
    "settings",
    [
        replace(SETTLED, litigation_hold=None),
        replace(SETTLED, has_archive=None),
        replace(SETTLED, on_hold=None),
    ],
)
def test_what_the_licence_may_be_for_and_is_not_told_keeps_the_guard_silent(
    settings: SharedMailbox,
) -> None:
    assert none(sized(3, licensed(PLAN_2), settings))


# ----------------------------------------------------------------------------------------------
# Looking
# ----------------------------------------------------------------------------------------------


def tenant(
    account: Account = ACCOUNT, size: int | None = GB, settings: SharedMailbox = SETTLED
) -> FakeTenant:
    return FakeTenant(
        boxes=[INFO, ANN],
        users=[account, Account("m2", "ann@contoso.com", plans=frozenset({PLAN_2}))],
        shared_settings=[settings],
        sizes={"m1": size, "m2": 80 * GB},
    )


async def look(
    fake: FakeTenant, due: frozenset[str] = SWEEP, watched: frozenset[str] = frozenset()
) -> Reading[object]:
    return await observe_all(GUARD, fake, ObserveContext(TERMS, due, open_case_ids=watched))


async def kinds(
    fake: FakeTenant, due: frozenset[str] = SWEEP, watched: frozenset[str] = frozenset()
) -> list[str]:
    reading = await observe_all(GUARD, fake, ObserveContext(TERMS, due, open_case_ids=watched))
    return [found.kind for item in reading.items for found in judge(item, TERMS)]


async def test_people_are_not_looked_at_and_shared_mailboxes_are_read_in_full() -> None:
    fake = tenant()
    reading = await look(fake)
    assert (reading.failures, reading.population) == ((), 1)
    assert reading.covers((*SIZE_SOURCES, SETTINGS, LICENCES), "m1")
    assert not any("m2" in names for _, names in fake.read_log)


async def test_what_is_wrong_is_found_in_every_part() -> None:
    assert await kinds(tenant(settings=replace(SETTLED, litigation_hold=True))) == [
        "hold-without-licence"
    ]
    assert await kinds(tenant(size=51 * GB)) == ["too-large"]
    assert await kinds(tenant(licensed(PLAN_2))) == ["needless-licence"]
    synced = tenant()
    synced.shared_settings = [SharedMailbox(SYNCED, remote_recipient_type=1)]
    assert await kinds(synced) == ["comes-back"]


async def test_sizes_are_swept_and_between_sweeps_only_open_cases_are_measured() -> None:
    fake = tenant(size=51 * GB)
    assert await kinds(fake, due=frozenset()) == []
    assert MAILBOX_SIZES not in {surface for surface, _ in fake.read_log}
    assert await kinds(fake, due=frozenset(), watched=frozenset({"m1"})) == ["too-large"]
    reading = await look(fake, frozenset(), frozenset({"m1"}))
    assert reading.covers(SIZE_SOURCES, "m1")
    assert not reading.covers(SIZE_SOURCES, "m9")


async def test_between_sweeps_no_more_are_measured_than_a_run_has_time_for() -> None:
    boxes = [
        replace(INFO, id=f"m{number}", guid=f"g{number}")
        for number in range(BETWEEN_CHECKS_LIMIT + 5)
    ]
    fake = FakeTenant(boxes=boxes, users=[replace(ACCOUNT, id=box.id) for box in boxes])
    await look(fake, frozenset(), frozenset(box.id for box in boxes))
    (asked,) = (names for surface, names in fake.read_log if surface == MAILBOX_SIZES)
    assert len(asked) == BETWEEN_CHECKS_LIMIT


@pytest.mark.parametrize("surface", [MAILBOX_SIZES, ACCOUNTS, SHARED_MAILBOXES])
async def test_one_object_that_cannot_be_read_is_not_taken_for_healthy(surface: str) -> None:
    fake = tenant(licensed(PLAN_2))
    fake.fail_read(surface, "m1")
    reading = await look(fake)
    assert not reading.covers(SIZE_SOURCES, "m1")
    assert "needless-licence" not in await kinds(fake)


@pytest.mark.parametrize("surface", [MAILBOX_SIZES, ACCOUNTS, SHARED_MAILBOXES])
async def test_a_whole_surface_that_cannot_be_read_ends_no_case_and_no_sweep(surface: str) -> None:
    fake = tenant(licensed(PLAN_2))
    fake.fail_read(surface, permission="Some.Permission")
    reading = await look(fake)
    assert not reading.covers(SIZE_SOURCES, "m1")
    if surface == ACCOUNTS:
        # The sweep must not move on over mailboxes of which nothing could be said.
        assert reading.find_source_failure(MAILBOX_SIZES)
        assert reading.find_source_failure(LICENCES)


async def test_an_account_that_is_not_read_hides_nothing_that_exchange_tells() -> None:
    fake = tenant()
    fake.shared_settings = [SharedMailbox(SYNCED, litigation_hold=True, remote_recipient_type=1)]
    fake.fail_read(ACCOUNTS, "m1")
    assert await kinds(fake) == ["comes-back"]
    reading = await look(fake)
    assert reading.covers((SETTINGS,), "m1")
    assert not reading.covers((SETTINGS, LICENCES), "m1")


async def test_a_listing_that_breaks_off_ends_nothing() -> None:
    fake = tenant()
    fake.interrupted_sources.add(SHARED_MAILBOXES)
    reading = await look(fake)
    assert not reading.complete
    parts = [part async for part in GUARD.observe(fake, ObserveContext(TERMS, SWEEP))]
    assert not any(isinstance(one, Reading) and one.covers((SETTINGS,), "gone") for one in parts)


async def test_what_is_no_shared_mailbox_any_more_is_gone_for_every_page_at_once() -> None:
    parts = [part async for part in GUARD.observe(tenant(), ObserveContext(TERMS, SWEEP))]
    *pages, last = (part for part in parts if isinstance(part, Reading))
    assert not any(page.covers((SETTINGS,), "gone") for page in pages)
    assert last.covers((SETTINGS, LICENCES), "gone")
    assert sum(part.population for part in parts if isinstance(part, Reading)) == 0


async def test_a_mailbox_nobody_has_used_is_noted_and_not_counted_as_unread() -> None:
    reading = await look(tenant(licensed(PLAN_2), size=None))
    assert [miss.optional for miss in reading.failures] == [True]
    assert reading.unread_object_ids == frozenset()
    assert not reading.covers(SIZE_SOURCES, "m1")


async def test_a_mailbox_that_was_converted_while_it_was_looked_at_is_no_finding() -> None:
    fake = tenant(licensed(PLAN_2))
    assert GUARD.inspect
    fake.boxes = [replace(INFO, kind="UserMailbox"), ANN]
    reading = await GUARD.inspect(fake, ObserveContext(TERMS, SWEEP), (INFO,))
    assert reading.items == ()
    assert reading.covers(SIZE_SOURCES, "m1")


def test_a_thousand_unread_accounts_are_one_trouble() -> None:
    lost = {
        ReadFailure(LICENCES, "HTTP 503", f"m{number}"): None
        for number in range(MAX_FAILED_ACCOUNTS + 1)
    }
    (only,) = combine_account_failures(lost)
    assert (only.source, only.object_id) == (LICENCES, "")
    broken = ReadFailure(SETTINGS, "no id", "unidentified-1")
    assert combine_account_failures({**lost, broken: None})[0] is broken


def test_as_many_unread_accounts_as_may_be_are_told_one_by_one() -> None:
    lost = [
        ReadFailure(LICENCES, "HTTP 503", f"m{number}") for number in range(MAX_FAILED_ACCOUNTS)
    ]
    assert combine_account_failures(dict.fromkeys(lost)) == tuple(lost)


@pytest.mark.parametrize("count", [1, MAX_FAILED_ACCOUNTS + 1])
def test_why_no_account_at_all_can_be_read_is_told_once(count: int) -> None:
    why = ReadFailure(LICENCES, "HTTP 403", permission="User.Read.All")
    lost = [why, *(ReadFailure(LICENCES, "HTTP 503", f"m{number}") for number in range(count))]
    assert combine_account_failures(dict.fromkeys(lost)) == (why,)


@dataclass(frozen=True)
class PagedReader:
    """A reader whose listing has these pages."""

    reader: SharedMailboxReader
    pages: Sequence[Reading[SharedMailbox]]

    async def list_shared_mailboxes(self) -> AsyncIterator[Reading[SharedMailbox]]:
        for page in self.pages:
            yield page

    async def read_shared_mailboxes(self, owners: Sequence[Mailbox]) -> Reading[SharedMailbox]:
        return await self.reader.read_shared_mailboxes(owners)

    async def read_mailbox_sizes(self, owners: Sequence[Mailbox]) -> Reading[MailboxSize]:
        return await self.reader.read_mailbox_sizes(owners)


@dataclass(frozen=True)
class PagedTenant:
    accounts: AccountReader
    mailboxes: MailboxReader
    shared_mailboxes: PagedReader


async def is_gone_known(*pages: Reading[SharedMailbox]) -> bool:
    """Whether a listing of these pages says that a mailbox it does not show is gone."""
    fake = tenant()
    paged = PagedTenant(fake.accounts, fake.mailboxes, PagedReader(fake.shared_mailboxes, pages))
    parts = [part async for part in observe(paged, ObserveContext(TERMS, SWEEP))]
    return any(isinstance(one, Reading) and one.covers((SETTINGS,), "gone") for one in parts)


async def test_of_a_listing_each_page_has_to_be_whole_before_anything_is_gone() -> None:
    page = Reading((SETTLED,), sources=frozenset({SHARED_MAILBOXES}), population=1)
    assert await is_gone_known(page)
    assert await is_gone_known(page, page)
    unread = (ReadFailure(SHARED_MAILBOXES, "HTTP 503"),)
    for broken in (replace(page, complete=False), replace(page, failures=unread)):
        assert not await is_gone_known(broken)
        assert not await is_gone_known(broken, page)
        assert not await is_gone_known(page, broken)


async def test_only_small_mailboxes_with_a_licence_are_asked_what_it_is_for() -> None:
    for account, size, is_asked in (
        (licensed(PLAN_2), GB, True),
        (licensed(PLAN_2), 45 * GB - 1, True),
        (licensed(PLAN_2), 45 * GB, False),
        (ACCOUNT, GB, False),
        (UNTOLD, GB, False),
    ):
        fake = tenant(account, size)
        await look(fake)
        assert ((SHARED_MAILBOXES, ("m1",)) in fake.read_log) is is_asked


# Mailboxes that the listing no longer shows -----------------------------------------------------


async def look_up(fake: FakeTenant, *ids: str) -> Reading[Any]:
    return await look_up_mailboxes(fake, ObserveContext(TERMS, SWEEP), ids)


EVERYTHING = (*SIZE_SOURCES, SETTINGS, LICENCES)


async def test_a_mailbox_that_a_listing_left_out_is_judged_anew_in_every_respect() -> None:
    fake = tenant(size=51 * GB, settings=replace(SETTLED, litigation_hold=True))
    reading = await look_up(fake, "m1")
    kinds = [found.kind for item in reading.items for found in judge(item, TERMS)]
    assert kinds == ["hold-without-licence", "too-large"]
    assert reading.covers(EVERYTHING, "m1")
    assert not reading.covers(EVERYTHING, "m9"), "nobody asked about it"
    assert reading.failures == ()


async def test_one_that_is_gone_or_no_shared_mailbox_any_more_ends_its_case() -> None:
    reading = await look_up(tenant(), "m2", "m9")
    assert reading.items == ()
    assert all(reading.covers(EVERYTHING, one) for one in ("m2", "m9"))


@pytest.mark.parametrize(
    ("surface", "is_judged"),
    [(MAILBOXES, False), (SHARED_MAILBOXES, False), (ACCOUNTS, True), (MAILBOX_SIZES, True)],
)
async def test_one_of_which_a_part_cannot_be_read_is_not_taken_for_gone(
    surface: str, is_judged: bool
) -> None:
    fake = tenant(licensed(PLAN_2))
    fake.fail_read(surface, "m1")
    reading = await look_up(fake, "m1", "m9")
    assert {(one.object_id, one.reason) for one in reading.failures} == {("m1", "HTTP 503")}
    assert not reading.covers(EVERYTHING, "m1")
    assert reading.covers((SETTINGS,), "m1") is is_judged
    assert reading.covers(EVERYTHING, "m9")
