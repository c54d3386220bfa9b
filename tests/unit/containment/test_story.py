"""Containing one account: from the request to the card, on a tenant and a ledger in memory."""

import asyncio
from collections.abc import Mapping
from copy import replace
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import pytest

from core.containment.desk import Desk
from core.containment.planning import STEP_CHOICES
from core.containment.story import serve_orders
from core.errors import CardRejected, Forbidden, Rejected, TenantError, Unavailable
from core.jobs.containment_news import tell_containments
from core.model.containment import ContainmentState, StepState
from core.model.findings import Severity
from core.model.guards import Mode
from core.model.outbox import NoticeEvent
from core.model.requests import RequestKind, RequestState
from core.ports import CONTAINMENT_PARTITION
from core.tenant.containing import AccountDetail, DetailKind
from core.tenant.readers import GrantedPermissions
from core.tenant.readings import Reading
from sandbox.scenes.default_roles import ADMIN_ID
from tests.support.containment_stage import (
    BOX,
    DEVICE,
    ENFORCE,
    GUID,
    HIDDEN,
    MIA,
    RULE,
    SWITCHES,
    Stage,
    build_tenant,
    judge,
)
from tests.support.deaths import go_on, live_through
from tests.support.fakes.channel import FakeMessageChannel, FakeNotificationChannel
from tests.support.fakes.containment import FakeContainmentReader
from tests.support.fakes.tenant import FakeTenant


async def test_a_plan_changes_nothing_and_is_carried_out_by_its_hash() -> None:
    stage = Stage()
    plan = await stage.plan()
    assert (plan.state, stage.tenant.write_count, stage.is_enabled) == ("planned", 0, True)
    assert [step.name for step in plan.steps if step.change] == [
        "block-sign-in",
        "end-sessions",
        "device-1",
        "forward",
        "rule-1",
    ]
    order = await stage.ask(plan=plan.plan_hash)
    await stage.process()
    done = await stage.get_request(order)
    assert done.state is RequestState.DONE
    assert done.note.startswith("5 of 5 steps are made")
    assert "sign-in was seen to be blocked after 0 s" in done.note
    tenant = stage.tenant
    assert stage.is_enabled is False
    assert tenant.signed_out == [MIA]
    assert not tenant.boxes[0].forwarding_smtp_address
    assert not tenant.rules[0].enabled
    assert tenant.devices == {DEVICE.id: False}
    assert tenant.exchange_rules == [HIDDEN]
    assert tenant.client_switches[GUID] == SWITCHES
    assert "An account was contained" in str(stage.channel.sent)


async def test_taking_it_back_restores_what_was_and_leaves_rules_off_unless_named() -> None:
    stage = Stage()
    await stage.contain(steps=("block-sign-in", "end-sessions", "forwards", "rules", "protocols"))
    assert set(stage.tenant.client_switches[GUID].values()) == {False}
    undo = await stage.ask(RequestKind.UNCONTAIN)
    await stage.process()
    note = (await stage.get_request(undo)).note
    assert stage.is_enabled is True
    assert stage.tenant.client_switches[GUID] == SWITCHES
    assert not stage.tenant.rules[0].enabled
    assert not stage.tenant.boxes[0].forwarding_smtp_address
    assert "taken back: block-sign-in, protocols" in note
    assert "stays off unless named: forward, rule-1" in note
    assert "may take an hour" in note


async def test_rules_and_forwards_come_back_when_they_are_named() -> None:
    stage = Stage()
    await stage.contain()
    await stage.ask(RequestKind.UNCONTAIN, steps=("rule-1", "forward"))
    await stage.process()
    assert stage.tenant.rules[0].enabled
    assert stage.tenant.boxes == [BOX]
    assert (await stage.get_latest()).state is ContainmentState.UNDONE


async def test_a_hidden_rule_goes_off_only_where_it_is_named_and_comes_back_as_it_was() -> None:
    stage = Stage()
    plan = await stage.plan()
    person = plan.find_step("hidden-rule-1")
    assert person
    assert (person.change, person.state) == ("", StepState.FOR_A_PERSON)
    assert "Disable-InboxRule" in person.command
    await stage.contain(steps=("hidden-rules",))
    assert [rule.enabled for rule in stage.tenant.exchange_rules] == [False]
    step = (await stage.get_latest()).find_step("hidden-rule-1")
    assert step
    assert (step.state, step.needs) == (StepState.DONE, "Disable-InboxRule")
    assert "Outlook on the desktop" in step.remark
    undo = await stage.ask(RequestKind.UNCONTAIN)
    await stage.process()
    note = (await stage.get_request(undo)).note
    assert note == "nothing comes back unasked: name hidden-rule-1"
    assert [rule.enabled for rule in stage.tenant.exchange_rules] == [False]
    await stage.ask(RequestKind.UNCONTAIN, steps=("hidden-rule-1",))
    await stage.process()
    assert stage.tenant.exchange_rules == [HIDDEN]


async def test_a_rule_that_was_rewritten_meanwhile_is_not_switched_on_again() -> None:
    stage = Stage()
    await stage.contain(steps=("hidden-rules",))
    (off,) = stage.tenant.exchange_rules
    stage.tenant.exchange_rules = [replace(off, redirect_to=("worse@evil.example",))]
    undo = await stage.ask(RequestKind.UNCONTAIN, steps=("hidden-rule-1",))
    await stage.process()
    assert "not taken back: hidden-rule-1" in (await stage.get_request(undo)).note
    assert not stage.tenant.exchange_rules[0].enabled


async def test_a_device_stays_off_unless_it_is_named() -> None:
    stage = Stage()
    await stage.contain()
    undo = await stage.ask(RequestKind.UNCONTAIN)
    await stage.process()
    assert "stays off unless named: device-1" in (await stage.get_request(undo)).note
    assert stage.tenant.devices == {DEVICE.id: False}
    await stage.ask(RequestKind.UNCONTAIN, steps=("device-1",))
    await stage.process()
    assert stage.tenant.devices == {DEVICE.id: True}


@pytest.mark.parametrize(
    "device",
    [
        replace(DEVICE, kind="iOS"),
        replace(DEVICE, at=None),
        replace(DEVICE, values=(("accountEnabled", "False"),)),
    ],
)
async def test_a_device_that_no_app_may_switch_off_stays_for_a_person(
    device: AccountDetail,
) -> None:
    stage = Stage()
    stage.tenant.account_details[MIA, DetailKind.DEVICES] = (device,)
    step = (await stage.plan()).find_step("device-1")
    assert step
    assert (step.change, step.state) == ("", StepState.FOR_A_PERSON)
    assert "Update-MgDevice" in step.command


async def test_without_the_permission_a_device_stays_for_a_person() -> None:
    stage = Stage()
    stage.tenant.granted = GrantedPermissions(frozenset({"User.Read.All"}), frozenset())
    step = (await stage.plan()).find_step("device-1")
    assert step
    assert step.state is StepState.FOR_A_PERSON
    stage.tenant.granted = GrantedPermissions(frozenset({"Device.ReadWrite.All"}), frozenset())
    wider = (await stage.plan()).find_step("device-1")
    assert wider
    assert wider.change


async def test_an_account_that_was_contained_twice_is_brought_back_whole() -> None:
    stage = Stage()
    await stage.contain()
    await stage.contain(steps=("block-sign-in", "protocols"))
    undo = await stage.ask(RequestKind.UNCONTAIN, steps=("rule-1", "forward", "device-1"))
    await stage.process()
    note = (await stage.get_request(undo)).note
    assert "taken back: protocols, block-sign-in, device-1, forward, rule-1" in note
    assert stage.is_enabled is True
    assert stage.tenant.client_switches[GUID] == SWITCHES
    assert stage.tenant.rules == [RULE]
    assert stage.tenant.boxes == [BOX]
    again = await stage.ask(RequestKind.UNCONTAIN)
    await stage.process()
    assert "nothing of it can be taken back" in (await stage.get_request(again)).note


async def test_what_somebody_changed_since_is_not_taken_back() -> None:
    stage = Stage()
    await stage.contain()
    stage.tenant.boxes[0] = replace(BOX, forwarding_smtp_address="smtp:y@other.example")
    undo = await stage.ask(RequestKind.UNCONTAIN, steps=("forward",))
    await stage.process()
    note = (await stage.get_request(undo)).note
    assert "taken back: block-sign-in" in note
    assert "not taken back: forward" in note
    assert "y@other.example" in note


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"is_deleted": True}, "deleted"),
        ({"is_this_app": True}, "Exoguard itself"),
        ({"is_management_restricted": True}, "restricted management"),
    ],
)
async def test_accounts_that_no_app_contains_are_refused_with_the_reason(
    more: dict[str, Any], reason: str
) -> None:
    stage = Stage(build_tenant(**more))
    plan = await stage.plan()
    assert plan.state is ContainmentState.REFUSED
    assert reason in plan.refusal
    assert not plan.plan_hash
    assert (await stage.get_request(plan.id)).state is RequestState.REFUSED


async def test_an_administrator_and_a_break_glass_account_are_refused() -> None:
    stage = Stage()
    stage.tenant.holders[0] = replace(stage.tenant.holders[0], id=MIA)
    assert "protected administrator" in (await stage.plan()).refusal
    never = Stage(options=replace(ENFORCE, break_glass=frozenset({"mia@example.com"})))
    assert "break-glass" in (await never.plan()).refusal
    assert ADMIN_ID != MIA


async def test_an_account_that_cannot_be_read_is_not_taken_for_absent() -> None:
    stage = Stage()
    stage.tenant.fail_read("contained-account")
    assert "could not be read" in (await stage.plan()).refusal
    stage.tenant.clear_faults()
    absent = await stage.plan(subject="33333333-0000-4000-8000-000000000001")
    assert "no such account" in absent.refusal


async def test_who_holds_roles_is_known_or_nobody_is_contained() -> None:
    stage = Stage()
    stage.tenant.fail_read("role-holders")
    assert "who holds a role could not be read" in (await stage.plan()).refusal


async def test_a_guest_is_blocked_and_its_sessions_are_left_to_its_organization() -> None:
    stage = Stage(build_tenant(is_guest=True))
    stage.tenant.boxes.clear()
    request = await stage.contain()
    assert request.note.startswith("2 of 2 steps are made")
    assert stage.tenant.signed_out == []


async def test_a_synchronised_account_is_looked_at_again_and_blocked_once_more() -> None:
    stage = Stage(build_tenant(synced=True))
    await stage.contain()
    step = (await stage.get_latest()).steps[0]
    assert "Disable-ADAccount" in step.command
    stage.tenant.users[0] = replace(stage.tenant.users[0], enabled=True)
    await stage.process()
    assert stage.is_enabled is True
    stage.clock.current += timedelta(minutes=46)
    await stage.process()
    assert not stage.tenant.users[0].enabled
    assert "enabled again" in str(stage.channel.sent[-1])
    assert (await stage.get_latest()).look_again_at is None
    # Whoever signed in meanwhile is told to end as well.
    assert stage.tenant.signed_out == [MIA, MIA]
    undo = await stage.ask(RequestKind.UNCONTAIN)
    await stage.process()
    note = (await stage.get_request(undo)).note
    assert "enable it there as well: Get-ADUser" in note
    assert "| Enable-ADAccount" in note


async def test_sessions_that_were_told_to_end_before_the_block_are_told_once_more() -> None:
    stage = Stage()
    stage.tenant.fail_change("BlockAccount", Unavailable("busy"))
    order = await stage.contain()
    assert "1 are still being tried" in order.note
    assert (stage.is_enabled, stage.tenant.signed_out) == (True, [MIA])
    stage.tenant.clear_faults()
    await stage.process()
    assert (stage.is_enabled, stage.tenant.signed_out) == (False, [MIA, MIA])
    assert (await stage.get_latest()).state is ContainmentState.DONE


async def test_an_account_that_was_blocked_already_is_told_once() -> None:
    stage = Stage()
    stage.tenant.users[0] = replace(stage.tenant.users[0], enabled=False)
    await stage.contain()
    assert stage.tenant.signed_out == [MIA]


async def test_of_two_plans_alike_the_latest_is_carried_out() -> None:
    stage = Stage()
    first = await stage.contain()
    await stage.ask(RequestKind.UNCONTAIN, steps=("rule-1", "forward", "device-1"))
    await stage.process()
    again = await stage.contain()
    assert (first.state, again.state) == (RequestState.DONE, RequestState.DONE), again.note
    assert again.plan == first.plan
    assert stage.is_enabled is False


# Orders ------------------------------------------------------------------------------------------


async def test_a_plan_is_carried_out_once() -> None:
    stage = Stage()
    plan = await stage.plan()
    first, second = await stage.ask(plan=plan.plan_hash), await stage.ask(plan=plan.plan_hash)
    await stage.process()
    states = [(await stage.get_request(one)).state for one in (first, second)]
    assert sorted(states) == [RequestState.DONE, RequestState.REFUSED]
    assert stage.tenant.signed_out == [MIA]


async def test_a_forged_crossed_or_late_hash_is_refused() -> None:
    stage = Stage()
    plan = await stage.plan()
    forged = await stage.ask(plan="0" * 32)
    crossed = await stage.ask(plan=plan.plan_hash, subject="33333333-0000-4000-8000-000000000001")
    await stage.process()
    assert "no plan of this account" in (await stage.get_request(forged)).note
    assert "no plan of this account" in (await stage.get_request(crossed)).note
    stage.clock.current += timedelta(minutes=61)
    late = await stage.ask(plan=plan.plan_hash)
    await stage.process()
    assert "valid for an hour" in (await stage.get_request(late)).note
    assert stage.tenant.write_count == 0


async def test_a_plan_that_was_edited_in_the_table_is_refused() -> None:
    stage = Stage()
    plan = await stage.plan()
    other = replace(plan.steps[0], change=plan.steps[0].change.replace(MIA, ADMIN_ID))
    async with stage.ledger.claim(CONTAINMENT_PARTITION, "x") as claim:
        assert claim
        await claim.save(replace(plan, steps=(other, *plan.steps[1:])))
    order = await stage.ask(plan=plan.plan_hash)
    await stage.process()
    assert "not the one that was shown" in (await stage.get_request(order)).note
    assert stage.tenant.write_count == 0


async def test_the_brake_holds_more_accounts_than_an_hour_allows() -> None:
    stage = Stage(options=replace(ENFORCE, per_hour=1))
    await stage.contain()
    await stage.ask(RequestKind.UNCONTAIN)
    await stage.process()
    held = await stage.contain()
    assert held.state is RequestState.REFUSED
    assert "the brake holds" in held.note
    assert stage.is_enabled is True
    stage.clock.current += timedelta(hours=1)
    assert (await stage.contain()).state is RequestState.DONE


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.ALERT])
async def test_nothing_is_carried_out_unless_the_mode_says_so(mode: Mode) -> None:
    stage = Stage(options=replace(ENFORCE, mode=mode))
    request = await stage.ask()
    await stage.process()
    if mode is Mode.OFF:
        assert (await stage.get_request(request)).note == "CONTAINMENT_MODE is off"
        return
    plan = await stage.get_latest()
    order = await stage.ask(plan=plan.plan_hash)
    await stage.process()
    assert "not enforce" in (await stage.get_request(order)).note
    assert stage.tenant.write_count == 0


# Faults ------------------------------------------------------------------------------------------


async def test_each_step_fails_by_itself() -> None:
    stage = Stage()
    stage.tenant.fail_change("RevokeSessions", Forbidden("no", "User.RevokeSessions.All"))
    stage.tenant.fail_change("r1", Rejected("only Outlook can change it"))
    request = await stage.contain()
    assert "3 of 5 steps are made" in request.note
    steps = {step.name: step for step in (await stage.get_latest()).steps}
    assert "User.RevokeSessions.All" in steps["end-sessions"].result
    assert steps["rule-1"].state is StepState.REFUSED
    assert stage.is_enabled is False


async def test_what_gets_no_answer_is_tried_again_by_later_ticks() -> None:
    stage = Stage()
    stage.tenant.fail_change("BlockAccount", Unavailable("HTTP 503"))
    request = await stage.contain()
    assert "1 are still being tried" in request.note
    assert not stage.tenant.rules[0].enabled
    assert (await stage.get_latest()).state is ContainmentState.RUNNING
    stage.tenant.clear_faults()
    await stage.process()
    assert stage.is_enabled is False
    assert (await stage.get_latest()).state is ContainmentState.DONE


async def test_an_outage_of_less_than_half_an_hour_leaves_nobody_open() -> None:
    stage = Stage()
    stage.tenant.fail_change("BlockAccount", Unavailable("HTTP 503"))
    await stage.contain()
    for _ in range(4):
        await stage.process()
    assert (await stage.get_latest()).state is ContainmentState.RUNNING
    stage.tenant.clear_faults()
    await stage.process()
    assert stage.is_enabled is False
    assert (await stage.get_latest()).state is ContainmentState.DONE


async def test_what_is_not_taken_back_yet_is_said_to_be_tried_still() -> None:
    stage = Stage()
    await stage.contain()
    stage.tenant.fail_change("BlockAccount", Unavailable("HTTP 503"))
    first = await stage.ask(RequestKind.UNCONTAIN)
    await stage.process()
    note = (await stage.get_request(first)).note
    assert "still being tried: block-sign-in" in note
    assert "not taken back: block-sign-in" not in note
    stage.tenant.clear_faults()
    await stage.process()
    assert stage.is_enabled is True


def build_slow_tenant(known: FakeTenant, opened: asyncio.Event) -> FakeTenant:
    """The tenant, in which evidence waits for an event: who holds roles is not told before."""

    class SlowRoles:
        async def read_role_holders(self) -> object:
            await opened.wait()
            return await FakeTenant(holders=[]).roles.read_role_holders()

    class SlowTenant(FakeTenant):
        @property
        def roles(self) -> SlowRoles:  # type: ignore[override]  # it reads no more than that
            return SlowRoles()

    slow = SlowTenant(**{name: getattr(known, name) for name in ("boxes", "users", "rules")})
    slow.targets, slow.client_switches = known.targets, known.client_switches
    return slow


async def open_when_blocked(stage: Stage, opened: asyncio.Event) -> None:
    while stage.is_enabled:
        await asyncio.sleep(0)
    opened.set()


async def test_slow_evidence_does_not_hold_up_the_block() -> None:
    stage = Stage(options=replace(ENFORCE, evidence_seconds=0.01))
    plan, opened = await stage.plan(), asyncio.Event()
    stage.tenant = build_slow_tenant(stage.tenant, opened)
    await stage.ask(plan=plan.plan_hash)
    await asyncio.gather(stage.process(), open_when_blocked(stage, opened))
    done = await stage.get_latest()
    assert done.bundle_digest
    assert done.state is ContainmentState.DONE


@pytest.mark.parametrize("kind", [RequestKind.EVIDENCE, RequestKind.IMPACT])
async def test_an_order_does_not_wait_for_the_evidence_that_was_asked_for_before(
    kind: RequestKind,
) -> None:
    stage = Stage(options=replace(ENFORCE, evidence_seconds=0.01, orders_pause=0.01))
    plan, opened = await stage.plan(), asyncio.Event()
    stage.tenant = build_slow_tenant(stage.tenant, opened)
    slow = await stage.ask(kind)
    order = await stage.ask(plan=plan.plan_hash)
    await asyncio.gather(stage.process(), open_when_blocked(stage, opened))
    assert (await stage.get_request(order)).state is RequestState.DONE
    assert (await stage.get_request(slow)).state is RequestState.DONE


async def test_an_order_that_comes_while_evidence_is_read_does_not_wait_for_its_end() -> None:
    stage = Stage(options=replace(ENFORCE, evidence_seconds=0.01, orders_pause=0.01))
    plan, opened = await stage.plan(), asyncio.Event()
    stage.tenant = build_slow_tenant(stage.tenant, opened)
    slow = await stage.ask(RequestKind.EVIDENCE)

    async def order_later() -> str:
        await asyncio.sleep(0.05)
        return await stage.ask(plan=plan.plan_hash)

    _, order, _ = await asyncio.gather(
        stage.process(), order_later(), open_when_blocked(stage, opened)
    )
    assert (await stage.get_request(order)).state is RequestState.DONE
    assert (await stage.get_latest()).blocked_at
    assert (await stage.get_request(slow)).note.startswith("sha256")


# Kills -------------------------------------------------------------------------------------------


async def ask_for_plan(stage: Stage) -> None:
    await stage.ask(steps=STEP_CHOICES)


async def order_plan(stage: Stage) -> None:
    await stage.ask(plan=(await stage.get_latest()).plan_hash)


async def take_back(stage: Stage) -> None:
    """All of it is contained, and somebody asks for its end."""
    assert stage.is_enabled is False
    assert not stage.tenant.rules[0].enabled
    assert set(stage.tenant.client_switches[GUID].values()) == {False}
    assert stage.tenant.devices == {DEVICE.id: False}
    assert [rule.enabled for rule in stage.tenant.exchange_rules] == [False]
    named = ("rule-1", "forward", "device-1", "hidden-rule-1")
    await stage.ask(RequestKind.UNCONTAIN, steps=named)


async def live(stage: Stage) -> None:
    """One life of the process."""
    await stage.process()


# Whoever is killed in one of the lives comes back with the next step.
STEPS = (ask_for_plan, live, live, order_plan, live, live, take_back, live, live, live)
LIVES = frozenset({1, 4, 7})


async def test_killed_at_every_operation_it_goes_on_and_brings_back_exactly_what_was() -> None:
    deaths = await live_through(Stage(), STEPS, LIVES)
    assert len(deaths) > 20
    for death in deaths:
        stage, name = await go_on(death, STEPS), death.name
        assert stage.is_enabled is True, name
        assert stage.tenant.rules == [RULE], name
        assert stage.tenant.boxes == [BOX], name
        assert stage.tenant.client_switches[GUID] == SWITCHES, name
        assert stage.tenant.devices == {DEVICE.id: True}, name
        assert stage.tenant.exchange_rules == [HIDDEN], name
        open_requests = [
            one
            for one in await stage.ledger.list_requests(CONTAINMENT_PARTITION, stage.clock())
            if one.state is RequestState.REQUESTED
        ]
        assert not open_requests, name
        assert "taken back" in str(stage.channel.sent), name


class HalfUnderstoodReader(FakeContainmentReader):
    """Meets a row of sent mail that nobody understands."""

    async def read_details(self, kind: DetailKind, *others: Any) -> Reading[AccountDetail]:
        if kind is DetailKind.SENT_MAIL:
            raise ValueError("a row that nobody understands")
        return await super().read_details(kind, *others)


class HalfUnderstoodTenant(FakeTenant):
    """A tenant in which evidence cannot be read."""

    @property
    def containment(self) -> HalfUnderstoodReader:
        return HalfUnderstoodReader(self)


async def test_evidence_that_fails_keeps_no_account_from_being_contained() -> None:
    stage = Stage(HalfUnderstoodTenant(**vars(build_tenant())))
    done = await stage.contain()
    assert done.note.startswith("5 of 5 steps are made")
    assert "no evidence was kept: ask for it by itself" in done.note
    assert stage.is_enabled is False
    stage = Stage()
    assert "no evidence was kept" not in (await stage.contain()).note


async def test_a_request_that_meets_a_mistake_is_refused_and_keeps_back_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(HalfUnderstoodTenant(**vars(build_tenant())))
    plan = await stage.plan()
    odd = await stage.ask(RequestKind.IMPACT)
    order = await stage.ask(plan=plan.plan_hash)
    said = await stage.process()
    impact = await stage.get_request(odd)
    assert impact.state is RequestState.REFUSED
    assert impact.note.startswith("a mistake of the app, ValueError at test_story.py:")
    assert f"impact {odd}: {impact.note}" in said
    assert (await stage.get_request(order)).state is RequestState.DONE
    assert stage.is_enabled is False
    assert "Traceback" in caplog.text


async def test_a_step_that_meets_a_mistake_fails_and_the_others_are_made() -> None:
    stage = Stage()
    odd = cast(TenantError, KeyError("nobody foresaw this answer"))
    stage.tenant.fail_change("ClearMailboxForward", odd)
    await stage.contain()
    assert stage.is_enabled is False
    assert not stage.tenant.rules[0].enabled
    for _ in range(20):
        stage.clock.advance(minutes=5)
        await stage.process()
    latest = await stage.get_latest()
    step = latest.find_step("forward")
    assert step
    assert (step.state, latest.state) == (StepState.FAILED, ContainmentState.DONE)
    assert step.result.startswith("a mistake of the app, KeyError at ")
    assert "a mistake of the app" in str(stage.channel.sent)


async def test_a_containment_of_which_no_card_can_be_made_is_told_plainly_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage, mail = Stage(), FakeMessageChannel(least_severity=Severity.LOW)
    await stage.contain()
    good = replace(await stage.get_latest(), untold="planned")
    odd = replace(good, id="odd", remarks=(None,))  # type: ignore[arg-type]
    # Of this one not even a plain card can be made.
    odder = replace(good, id="odder", steps=(None,))  # type: ignore[arg-type]
    stage.channel.sent.clear()
    async with stage.ledger.claim(CONTAINMENT_PARTITION, "r") as claim:
        assert claim
        world = replace(stage.world, channels=(mail,))
        news = {one.id: one for one in (odder, odd, good)}
        desk = Desk(world, claim, stage.options, judge, news, {}, serve_orders)
        await tell_containments(desk, {})
    assert len(stage.channel.sent) == 2
    assert len(mail.told_ids) == 2
    assert "no message can be made of a containment" in caplog.text


class PickyChannel(FakeNotificationChannel):
    """Takes no card with text from the tenant."""

    async def send(self, payload: Mapping[str, object]) -> None:
        if "mia@example.com" in str(payload):
            raise CardRejected("HTTP 413")
        await super().send(payload)


async def test_a_card_that_is_rejected_is_followed_by_a_plain_one() -> None:
    stage = Stage()
    stage.channel = PickyChannel()
    await stage.contain()
    await stage.process()
    (card,) = stage.channel.sent
    assert "An account was contained" in str(card)
    assert MIA in str(card)
    assert (await stage.get_latest()).untold == ""


# Standing still -----------------------------------------------------------------------------------


def count_cards(stage: Stage, text: str) -> int:
    return sum(text in str(card) for card in stage.channel.sent)


async def begin(stage: Stage) -> None:
    """Contain an account whose block gets no answer."""
    stage.tenant.fail_change("BlockAccount", Unavailable("HTTP 503"))
    await stage.contain()
    assert not stage.channel.sent


async def test_a_block_that_gets_no_answer_is_told_at_the_next_tick_and_once() -> None:
    stage = Stage(channels=(FakeMessageChannel(least_severity=Severity.LOW),))
    await begin(stage)
    for _ in range(3):
        await stage.process()
    assert count_cards(stage, "The containment of an account stands still") == 1
    card = str(stage.channel.sent)
    assert "It stands still: no definite answer came to block" in card
    assert "HTTP 503" in card
    assert "block the account's sign-in first" in card
    [told] = [row.notice for rows in stage.channels[0].sent for row in rows]
    assert (told.event, told.severity) == (NoticeEvent.CONTAINED, Severity.CRITICAL)
    assert told.facts[0].text.startswith("It stands still: no definite answer came to block-sign")
    stage.tenant.clear_faults()
    await stage.process()
    latest = await stage.get_latest()
    assert (latest.state, latest.stalled, latest.untold) == (ContainmentState.DONE, "", "")
    assert count_cards(stage, "An account was contained") == 1


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.ALERT])
async def test_a_mode_that_is_changed_meanwhile_is_named(mode: Mode) -> None:
    stage = Stage()
    await begin(stage)
    stage.options = replace(ENFORCE, mode=mode)
    await stage.process()
    assert count_cards(stage, f"CONTAINMENT_MODE is {mode}, and not enforce") == 1
    assert stage.is_enabled is True


@dataclass
class SleeplessStage(Stage):
    """Meets a mistake wherever the app would wait, from some time on."""

    is_sleepless: bool = False

    async def sleep(self, seconds: float) -> None:
        if self.is_sleepless:
            raise TypeError("nobody foresaw this")
        await super().sleep(seconds)


async def test_a_mistake_at_each_tick_is_told_once_and_the_latest_reason_is_kept() -> None:
    stage = SleeplessStage()
    await begin(stage)
    stage.is_sleepless = True
    for _ in range(2):
        await stage.process()
    assert count_cards(stage, "stands still: a mistake of the app, TypeError at test") == 1
    assert (await stage.get_latest()).stalled.startswith("a mistake of the app, TypeError at ")
    stage.options = replace(ENFORCE, mode=Mode.ALERT)
    await stage.process()
    assert (await stage.get_latest()).stalled == "CONTAINMENT_MODE is alert, and not enforce"
    assert len(stage.channel.sent) == 1


async def test_what_no_channel_took_is_told_again_until_one_does() -> None:
    stage = Stage()
    await begin(stage)
    stage.channel.is_down = True
    await stage.process()
    stage.channel.is_down = False
    await stage.process()
    assert count_cards(stage, "stands still") == 1


async def test_taking_back_that_gets_no_answer_is_told_with_who_wants_it() -> None:
    stage = Stage()
    await stage.contain()
    stage.channel.sent.clear()
    stage.tenant.fail_change("BlockAccount", Unavailable("HTTP 503"))
    await stage.ask(RequestKind.UNCONTAIN, requested_by="Bob")
    for _ in range(2):
        await stage.process()
    card = str(stage.channel.sent)
    assert "Taking back a containment stands still" in card
    assert "By Bob: " in card
    assert "It is being taken back, and stands still: no definite answer came to block" in card
    stage.tenant.clear_faults()
    await stage.process()
    latest = await stage.get_latest()
    assert (latest.state, latest.stalled) == (ContainmentState.UNDONE, "")
