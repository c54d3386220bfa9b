"""What is told of acts in the directory, with what to do about them, step by step. Pure."""

from collections.abc import Iterator

from core.guards.privileged_change.acts import PLAIN_ID
from core.guards.privileged_change.directory_acts import (
    DIRECTORY_LOG,
    MAX_NAME_LENGTH,
    MAX_NAMED,
    DirectoryAct,
    show_actor,
)
from core.keys import hash_parts
from core.microsoft365.remedies import (
    lock_out,
    look_around,
    read_directory_log,
    read_sign_ins,
)
from core.model.findings import Fact, Finding, Step
from core.tenant.quoting import quote_text


def build_directory_remedy(act: DirectoryAct) -> tuple[Step, ...]:
    """What an operator does: what the account did is saved before it is locked out."""
    held = act.held
    name = act.subject if act.kind == "activation-denied" else show_actor(act.record)
    return (
        read_directory_log(name, held),
        read_sign_ins(name, held),
        Step(act.advice),
        *(lock_out(held, "somebody answers for it") if PLAIN_ID.fullmatch(held) else ()),
        look_around(name, held, act.object_id),
    )


def build_directory_finding(act: DirectoryAct) -> Finding:
    """What is told of an act."""
    record = act.record
    return Finding(
        kind=act.kind,
        object_id=act.object_id,
        subject=act.subject,
        severity=act.severity,
        verdict=act.verdict,
        summary=act.summary,
        facts=(*list_record_facts(act), Fact("technique", act.technique)),
        sources=(DIRECTORY_LOG,),
        # What one account does in a day is one event.
        fingerprint=hash_parts(act.kind, f"{record.at:%Y-%m-%d}")[:16],
        advice=act.advice,
        steps=build_directory_remedy(act),
        held_account=act.held if PLAIN_ID.fullmatch(act.held) else "",
        is_one_off=True,
        needs_own_exemption=True,
    )


def list_record_facts(act: DirectoryAct) -> Iterator[Fact]:
    """Who did it, when, from where, and to what."""
    record = act.record
    yield Fact("by", show_actor(record))
    yield Fact("at", f"{record.at:%Y-%m-%d %H:%M} UTC")
    if record.address:
        yield Fact("from", record.address)
    if act.names:
        shown = ", ".join(quote_text(one, MAX_NAME_LENGTH) for one in act.names[:MAX_NAMED])
        more = len(act.names) - MAX_NAMED
        yield Fact("what", f"{shown} and {more:,} more" if more > 0 else shown)
