"""Processes requests about accounts: the queue's message, or the next tick of the audit logs.

    POST ─► request row ─► run message ─► process_account_message ─► core/containment/story.py

A forward or rule counts as dangerous if the guard of forwarding says so, of the mailbox as it is at
that moment: its reading and judgement are used, and none of its state.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from core.config.settings import Settings
from core.containment.account_picture import HiddenRule, JudgedChange
from core.containment.options import ContainmentOptions
from core.containment.picture import JudgedMailbox, MailboxJudge, describe_failure
from core.containment.rules import RISK_GUARDS, RuleEvidence
from core.containment.story import process_containments
from core.engine.run import create_run_id
from core.errors import MISTAKES, LedgerError, explain_error
from core.guards.mailbox_forwarding.containing import DangerousSetting, list_dangerous_settings
from core.jobs.containment_news import tell_containments
from core.model.cases import Case, list_open_ids
from core.model.findings import Severity
from core.model.guards import Guard, GuardConfig, GuardPolicy, Mode, ObserveContext
from core.model.requests import RequestState
from core.ports import CONTAINMENT_PARTITION, KEEP_ACTS, World
from core.tenant.changes import Change, ClearMailboxForward, DisableInboxRule
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure
from core.tenant.reversibility import (
    FORWARD_PROPERTIES,
    KEEPS_COPY,
    RULE_ACTIONS_HASH,
    hash_rule_actions,
)

log = logging.getLogger("exoguard.containment")

OPEN_REQUESTS_PERIOD = timedelta(days=30)
FORWARDING = "mailbox-forwarding"


def build_judge(world: World, config: GuardConfig | None) -> MailboxJudge:
    """What reads and judges one mailbox's forwards and rules, by the guard of forwarding."""

    async def judge(mailbox: Mailbox) -> JudgedMailbox:
        if config is None or config.guard.look_at is None:
            return JudgedMailbox(unread=("no guard judges forwards and inbox rules",))
        try:
            return await judge_mailbox(world, config.guard, mailbox)
        except MISTAKES as error:
            # Sessions and sign-ins are ended all the same.
            reason = f"forwards and inbox rules: {explain_error(error)}"
            log.exception("%s: %s", config.guard.name, reason)
            return JudgedMailbox(unread=(reason,))

    return judge


async def judge_mailbox(world: World, guard: Guard[Any], mailbox: Mailbox) -> JudgedMailbox:
    """What of a mailbox is switched off, which rules stay for a person, and what was not read.

    It is judged by what the guard remembers: mail to a domain that is new and in question leaves.
    """
    policy: GuardPolicy[Any] = GuardPolicy(world.now(), guard.options)
    snapshot = await world.ledger.load(guard.name)
    context: ObserveContext[Any] = ObserveContext(
        policy,
        due_checks=frozenset(check.name for check in guard.periodic_checks),
        open_case_ids=list_open_ids(snapshot.cases.values()),
        weighty_case_ids=list_open_ids(snapshot.cases.values(), Severity.MEDIUM),
        is_enforcing=True,
        known_traits=snapshot.known_traits,
    )
    found: list[DangerousSetting] = []
    failures: list[ReadFailure] = []
    if guard.look_at is None:
        return JudgedMailbox()
    async for reading in guard.look_at(world.tenant, context, (mailbox,)):
        failures += reading.failures
        for item in reading.items:
            found += list_dangerous_settings(item, policy)
    return assemble_judged(mailbox, found, failures)


def assemble_judged(
    mailbox: Mailbox, found: Iterable[DangerousSetting], failures: Iterable[ReadFailure]
) -> JudgedMailbox:
    """The mailbox's own dangerous settings, as a plan takes them."""
    settings = list(found)
    return JudgedMailbox(
        tuple(
            JudgedChange(one.title, one.change, describe_prior(one, mailbox))
            for one in settings
            if one.change and is_about(one.change, mailbox)
        ),
        tuple(
            HiddenRule(one.title, one.rule.id)
            for one in settings
            if one.change is None and one.rule and one.rule.mailbox_id == mailbox.id
        ),
        tuple(dict.fromkeys(map(describe_failure, failures))),
    )


def is_about(change: Change, mailbox: Mailbox) -> bool:
    """Whether a change switches off a forward or a rule of the mailbox."""
    match change:
        case ClearMailboxForward():
            return change.mailbox_guid == mailbox.guid
        case DisableInboxRule():
            return change.mailbox_id == mailbox.id
        case _:
            return False


def describe_prior(setting: DangerousSetting, mailbox: Mailbox) -> dict[str, object]:
    """What is there before a change, as its record has it."""
    if setting.rule:
        return {"isEnabled": True, RULE_ACTIONS_HASH: hash_rule_actions(setting.rule)}
    forwards = (mailbox.forwarding_address, mailbox.forwarding_smtp_address)
    told = dict(zip(FORWARD_PROPERTIES, forwards, strict=True))
    return {name: value or None for name, value in told.items()} | {KEEPS_COPY: mailbox.keeps_copy}


async def process_account_requests(
    world: World, options: ContainmentOptions, configs: Sequence[GuardConfig], run: str
) -> str:
    """Process everything about accounts, if containment is on or anything waits."""
    if not options.is_on and not await has_work(world):
        return "off"
    forwarding = next((one for one in configs if one.guard.name == FORWARDING), None)
    evidence = await load_rule_evidence(world, configs) if options.rules else None
    judge = build_judge(world, forwarding)
    return await process_containments(world, options, judge, run, tell_containments, evidence)


async def load_rule_evidence(world: World, configs: Sequence[GuardConfig]) -> RuleEvidence:
    """The open cases of the guards that rules go by, and the acts on record.

    A guard whose state cannot be read gives no case: a rule acts on what is known.
    """
    cases: dict[str, tuple[Case, ...]] = {}
    for config in configs:
        name = config.guard.name
        if name not in {FORWARDING, *RISK_GUARDS} or config.mode is Mode.OFF:
            continue
        try:
            found = (await world.ledger.load(name)).cases.values()
        except LedgerError as error:
            log.error("%s: rules do not know its cases: %s", name, error)
            continue
        cases[name] = tuple(case for case in found if case.closed_at is None)
    now = world.now()
    return RuleEvidence(cases, await world.ledger.load_acts(now - KEEP_ACTS, now))


async def has_work(world: World) -> bool:
    """Whether a request about an account waits for its answer, a containment for its end, or what
    became of one, or that nobody can decode it, to be told.
    """
    since = world.now() - OPEN_REQUESTS_PERIOD
    requests = await world.ledger.list_requests(CONTAINMENT_PARTITION, since)
    if any(one.state is RequestState.REQUESTED for one in requests):
        return True
    stored = await world.ledger.load_containments()
    return bool(stored.unreadable_ids) or any(
        one.is_under_way or one.untold for one in stored.containments
    )


async def process_waiting_account_requests(world: World, settings: Settings) -> str:
    """Go on with what waits about accounts, at a tick."""
    return await process_account_requests(
        world, settings.containment, settings.guard_configs, create_run_id(world.now())
    )
