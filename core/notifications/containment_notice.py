"""What channels besides Teams are told of a contained account. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from core.keys import PREFIX_LENGTH, hash_parts
from core.model.containment import STALLED, Containment, ContainmentStep
from core.model.findings import Fact, Severity, Step
from core.model.outbox import Notice, NoticeEvent
from core.status.containment_texts import (
    MAX_UNREADABLE,
    STEP_STATE_TEXTS,
    UNREADABLE_ADVICE,
    UNREADABLE_HEADLINE,
    describe_news,
    explain_stall,
    get_actor,
    has_succeeded,
    is_block_missing,
)
from core.status.remedy import list_short_steps
from core.tenant.quoting import quote_text

MAX_STEPS, MAX_FACT, MAX_SUMMARY = 10, 400, 1_000
ADVICE = (
    "Look at the page of the containment: what Exoguard did, what failed, and what stays for you, "
    "with its commands."
)


def build_containment_notice(containment: Containment, summary: str, now: datetime) -> Notice:
    """What there is to tell of one containment; `summary` is what came of its steps."""
    name = containment.account_name or containment.account_id
    is_over = containment.untold == "undone"
    return Notice(
        guard="containment",
        guard_title="Containment",
        case_key=f"{'0' * PREFIX_LENGTH}-contained-{containment.id}",
        event=NoticeEvent.RELEASED if is_over else NoticeEvent.CONTAINED,
        severity=rate_news(containment),
        summary=f"{describe_news(containment)}: {name[:200]}. {summary}"[:MAX_SUMMARY],
        at=now,
        kind="containment",
        verdict=containment.untold,
        subject=name[:MAX_FACT],
        object_id=containment.account_id,
        advice=explain_stall(containment)[1] if containment.untold == STALLED else ADVICE,
        steps=list_short_steps(
            tuple(Step(one.title, one.command) for one in containment.steps if not one.change)
        ),
        facts=tuple(list_facts(containment)),
        opened_at=containment.started_at,
        closed_at=containment.undone_at if is_over else None,
        containment=containment.id,
    )


def build_unreadable_notice(told: Mapping[str, str], now: datetime) -> Notice:
    """What there is to tell of containments whose rows cannot be decoded: each by its id, with what
    is known of it otherwise.
    """
    return Notice(
        guard="containment",
        guard_title="Containment",
        case_key=f"{'0' * PREFIX_LENGTH}-contained-unreadable",
        event=NoticeEvent.CONTAINED,
        severity=Severity.HIGH,
        summary=f"{UNREADABLE_HEADLINE}.",
        at=now,
        kind="containment",
        advice=UNREADABLE_ADVICE,
        facts=tuple(
            Fact("row", quote_text(f"{name}: {known}", MAX_FACT))
            for name, known in list(told.items())[:MAX_UNREADABLE]
        ),
        count=max(len(told), 1),
    )


def rate_news(containment: Containment) -> Severity:
    """How grave the news are: most where nobody asked for them, or a block is not there."""
    if containment.untold == "undone":
        return Severity.MEDIUM
    is_unexpected = bool(containment.rule) or containment.untold == "enabled"
    if is_unexpected or is_block_missing(containment):
        return Severity.CRITICAL
    return Severity.HIGH


def list_facts(containment: Containment) -> Iterator[Fact]:
    """Who wanted it and why, what stays for a person, and what came of each step, what failed
    first.
    """
    if containment.untold == STALLED:
        yield Fact("", quote_text(explain_stall(containment)[0], MAX_FACT))
    yield Fact("by", quote_text(f"{get_actor(containment)}: {containment.reason}", MAX_FACT))
    persons = [step.title for step in containment.steps if not step.change]
    if persons:
        count = f"{len(persons)} steps: " if len(persons) > 1 else ""
        yield Fact("for you", quote_text(f"{count}{'; '.join(persons)}", MAX_FACT))
    made = [step for step in containment.steps if step.change]
    made.sort(key=lambda step: has_succeeded(containment, step))
    for step in made[:MAX_STEPS]:
        yield Fact(STEP_STATE_TEXTS[step.state], quote_text(describe_step(step), MAX_FACT))
    if len(made) > MAX_STEPS:
        yield Fact("", f"and {len(made) - MAX_STEPS} more steps")


def describe_step(step: ContainmentStep) -> str:
    """A step, and what came of it."""
    return f"{step.title} ({step.result})" if step.result else step.title


def compute_news_revision(containment: Containment) -> str:
    """What there is to tell, as a hash: the same while it is only tried again."""
    times = (containment.started_at, containment.ended_at, containment.undone_at)
    return hash_parts(
        containment.id, containment.untold, *(at.isoformat() if at else "" for at in times)
    )
