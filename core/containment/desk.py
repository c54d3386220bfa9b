"""What the processing of containments works with, and the reading of evidence beside the steps."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from core.containment.bundles import build_account_search, describe_asked, seal_bundle
from core.containment.decisions import describe_unreadable
from core.containment.evidence import build_evidence, build_impact
from core.containment.options import ContainmentOptions
from core.containment.picture import (
    MailboxJudge,
    describe_failures,
    find_mailbox,
    get_role_holders,
    read_all_details,
    read_folder_rights,
)
from core.errors import MISTAKES, LedgerError, explain_error
from core.microsoft365.addresses import OwnDomains
from core.model.activity import Act
from core.model.audit_queries import AuditSearch
from core.model.containment import AccountBundle, Containment
from core.model.outbox import OutboxRow
from core.model.requests import OperatorRequest, RequestState
from core.model.state import GuardState
from core.ports import KEEP_ACTS, Claim, World
from core.tenant.containing import DetailKind, TargetAccount

log = logging.getLogger("exoguard.containment")

EVIDENCE_PERIOD = timedelta(days=30)
IMPACT_PERIOD = timedelta(days=10)


@dataclass(slots=True)
class Desk:
    """One processing of requests about accounts, under the claim on them."""

    world: World
    claim: Claim
    options: ContainmentOptions
    judge: MailboxJudge
    containments: dict[str, Containment]
    requests: dict[str, OperatorRequest]
    serve_orders: Callable[["Desk"], Awaitable[None]]
    """Processes the orders that came meanwhile, where something slow is waited for."""
    state: GuardState = field(default_factory=GuardState)
    """What is remembered of the processing itself."""
    unreadable_ids: tuple[str, ...] = ()
    """The containments whose rows cannot be decoded. They stay as they are."""
    log_lines: list[str] = field(default_factory=list)

    @property
    def unreadable_text(self) -> str:
        """That some containments cannot be decoded, as a clause; empty if all can."""
        return describe_unreadable(self.unreadable_ids)

    async def save_checks(self, checks: Mapping[str, datetime]) -> None:
        """Save when something was done last, by its name, if that is news."""
        if checks != self.state.checks_finished_at:
            self.state = replace(self.state, checks_finished_at=checks)
            await self.claim.save(state=self.state)

    async def save(
        self, *rows: Containment | OperatorRequest | AccountBundle | AuditSearch
    ) -> None:
        """Save rows, and know them as saved."""
        await self.claim.save(*rows)
        for row in rows:
            match row:
                case Containment():
                    self.containments[row.id] = row
                case OperatorRequest():
                    self.requests[row.id] = row
                case AccountBundle():
                    self.log_lines.append(f"kept {row.kind} {row.id}, edition {row.edition}")
                case AuditSearch():
                    pass


type TellContainments = Callable[[Desk, Mapping[str, OutboxRow]], Awaitable[None]]
"""Tells the channels what is new of containments, given what they were told, by key."""


async def finish(desk: Desk, request: OperatorRequest, note: str, *rows: Containment) -> None:
    """Save that a request is done, with what it led to."""
    now = desk.world.now()
    done = replace(request, state=RequestState.DONE, ended_at=now, note=note)
    desk.log_lines.append(f"{request.kind}: {note}")
    await desk.save(*rows, done)


async def refuse(desk: Desk, request: OperatorRequest, why: str) -> None:
    """Save that a request is refused, and why."""
    now = desk.world.now()
    desk.log_lines.append(f"{request.kind}: refused")
    await desk.save(replace(request, state=RequestState.REFUSED, ended_at=now, note=why))


async def do_alone(desk: Desk, what: str, part: Awaitable[None]) -> str:
    """Do what is about one account, or one part of all. A mistake keeps back nothing else: it is
    logged and returned in words.
    """
    try:
        await part
    except MISTAKES as error:
        reason = explain_error(error)
        log.exception("%s: not done", what)
        desk.log_lines.append(f"{what}: {reason}")
        return reason
    return ""


async def load_own_acts(world: World, since: datetime) -> tuple[tuple[Act, ...], tuple[str, ...]]:
    """The acts on record since a time, and why there are none, if so."""
    now = world.now()
    try:
        return await world.ledger.load_acts(max(since, now - KEEP_ACTS), now), ()
    except LedgerError as error:
        return (), (f"acts of the audit logs: {error}",)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an account, and the search of the audit log that completes it."""

    bundle: AccountBundle
    search: AuditSearch | None = None

    @property
    def rows(self) -> tuple[AccountBundle | AuditSearch, ...]:
        """What is saved together: who kept it has to complete it."""
        return (self.bundle, self.search) if self.search else (self.bundle,)


def build_kept(
    world: World,
    account: TargetAccount,
    bundle_id: str,
    document: dict[str, Any],
    since: datetime,
) -> Kept:
    """The first edition of a document, with the search for its records where that is on."""
    now = world.now()
    search = None
    if world.searches_audit_log and account.upn:
        search = build_account_search(bundle_id, account, document["kind"], since, now)
    bundle = seal_bundle(
        bundle_id, account.id, describe_asked(document, search), now, search=search
    )
    return Kept(bundle, search)


async def make_evidence(
    world: World, account_id: str, bundle_id: str, since: datetime
) -> Kept | None:
    """Read the evidence of an account; None if there is no such account."""
    target = await world.tenant.containment.read_target(account_id)
    if not target.items:
        return None
    account = target.items[0]
    mailbox, unread = await find_mailbox(world.tenant, account)
    holders, details, folders, (acts, no_acts) = await asyncio.gather(
        world.tenant.roles.read_role_holders(),
        read_all_details(world.tenant, account, mailbox, since, tuple(DetailKind)),
        read_folder_rights(world.tenant, mailbox),
        load_own_acts(world, since),
    )
    now = world.now()
    document = build_evidence(
        account,
        mailbox,
        get_role_holders(holders),
        {kind: reading.items for kind, reading in details.items()},
        folders.items,
        acts,
        (*unread, *describe_failures((holders, *details.values(), folders)), *no_acts),
        since,
        now,
    )
    return build_kept(world, account, bundle_id, document, since)


async def make_impact(
    world: World, account_id: str, bundle_id: str, since: datetime
) -> Kept | None:
    """Read whom an account wrote to; None if there is no such account."""
    target = await world.tenant.containment.read_target(account_id)
    if not target.items:
        return None
    account = target.items[0]
    mailbox, unread = await find_mailbox(world.tenant, account)
    sent, domains, (acts, no_acts) = await asyncio.gather(
        read_all_details(world.tenant, account, mailbox, since, (DetailKind.SENT_MAIL,)),
        world.tenant.mail_flow.read_accepted_domains(),
        load_own_acts(world, since),
    )
    own = OwnDomains.from_accepted_domains(domains.items) if domains.items else None
    now = world.now()
    rows = sent[DetailKind.SENT_MAIL].items if sent else ()
    failures = describe_failures((domains, *sent.values()))
    document = build_impact(account, own, rows, acts, (*unread, *failures, *no_acts), since, now)
    return build_kept(world, account, bundle_id, document, since)


async def read_beside_orders(desk: Desk, reading: Coroutine[Any, Any, Kept | None]) -> Kept | None:
    """What a slow reading gives; orders that come meanwhile do not wait for it."""
    task = asyncio.create_task(reading)
    try:
        while not (await asyncio.wait((task,), timeout=desk.options.orders_pause))[0]:
            await desk.serve_orders(desk)
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait((task,))


@dataclass(slots=True)
class EvidenceTask:
    """Evidence that is read while steps are made."""

    task: asyncio.Task[Kept | None]

    @classmethod
    def begin(cls, world: World, containment: Containment) -> "EvidenceTask":
        """Start reading the evidence of an account that is about to be contained."""
        since = world.now() - EVIDENCE_PERIOD
        reading = make_evidence(world, containment.account_id, containment.id, since)
        return cls(asyncio.create_task(reading))

    async def wait(self, seconds: float) -> Kept | None:
        """The evidence, if it is there in time. Evidence that fails keeps nobody from being
        contained.
        """
        done, _ = await asyncio.wait((self.task,), timeout=seconds)
        if not done:
            return None
        if error := self.task.exception():
            log.error("the evidence of an account was not read: %r", error)
            return None
        return self.task.result()

    async def cancel(self) -> None:
        """Stop reading."""
        self.task.cancel()
        await asyncio.wait((self.task,))


def sort_newest_first(containments: Iterable[Containment]) -> list[Containment]:
    """Containments, the latest plan first."""
    return sorted(containments, key=lambda one: (one.planned_at, one.id), reverse=True)
