"""What a guard says, word for word, as a person reads it: kept in text files beside the tests.

A file of `tests/unit/guards/sentences/` shows, for each tenant that a heading describes, the whole
of every finding; or what one look after another covered, and what a fault changed about it. Whoever
changes a sentence reads the difference of the file, which is written anew with

    EXOGUARD_WRITE_SENTENCES=1 .venv/bin/python -m pytest -n0 tests/unit/guards -k sentences
"""

import copy
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, timedelta
from difflib import unified_diff
from functools import cache
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from core.model.findings import Finding, Step
from core.model.guards import Guard, GuardPolicy, ObserveContext
from core.tenant.mailbox_index import MailboxIndex, MailboxPage
from core.tenant.readings import Reading
from sandbox.scenes.attack_steps import build_aftermath, build_rule_step
from sandbox.scenes.build import SCENES_FOLDER, resolve_dates
from sandbox.state.json_patch import apply_edits
from tests.support.fakes.tenant import FakeTenant
from tests.support.in_memory_services import build_fake_tenant
from tests.support.remedy_checks import check_remedies

FOLDER = Path(__file__).resolve().parents[1] / "unit" / "guards" / "sentences"
WRITE_VARIABLE = "EXOGUARD_WRITE_SENTENCES"
NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
PAGE_SIZE = 6
SHOWN_DIFFERENCE = 30
GONE = "00000000-0000-4000-8000-00000000dead"
"""An object with an open case that the tenant does not have any more."""
SHOWN_FIELDS = frozenset(
    {"kind", "object_id", "subject", "severity", "verdict", "summary", "facts", "advice", "steps"}
)
"""The steps are shown where a test asks for them, or in a file of their own (`check_steps`); what
holds of all is in `remedy_checks`.
"""


type Contexts = Mapping[str, ObserveContext]
type Fault = tuple[str, str, str] | None
"""The object, the reason and the permission of a read that fails; None: the listing breaks off."""


def render_finding(finding: Finding) -> Iterator[str]:
    """A finding, and every property of it that is not as usual."""
    yield f"{finding.kind}: {finding.severity.label}, {finding.verdict}"
    yield f"  about {finding.subject!r} ({finding.object_id})"
    yield f"  {finding.summary}"
    yield from (f"  - {fact}" for fact in finding.facts)
    if finding.advice:
        yield f"  > {finding.advice}"
    for field in fields(finding):
        value = getattr(finding, field.name)
        if field.name not in SHOWN_FIELDS and (field.default is MISSING or value != field.default):
            yield f"  {field.name} = {value!r}"


def render_steps(steps: Iterable[Step]) -> Iterator[str]:
    """Steps with what is to be typed."""
    for one in steps:
        yield f"  * {one.text}"
        if one.command:
            yield f"    {one.command} ({one.shell})"


def list_clauses(part: Reading[Any]) -> Iterator[str]:
    """What a part of a look covered, and what it could not read."""
    yield f"{len(part.items)} of {part.population}"
    yield from sorted(part.sources)
    if not part.complete:
        yield "broke off"
    if part.scope is not None:
        there = "with" if GONE in part.scope else "without"
        yield f"some objects, {there} the one that is gone"
    if part.continuation:
        yield f"goes on at {part.continuation}"
    yield from (f"of {name} only some" for name in sorted(part.partial_scopes))
    for name, one in sorted(part.listed_counts.items()):
        yield f"lists {one.count} of {name} for {', '.join(sorted(one.sources))}, {one.min_missing}"
    if part.known_traits:
        yield f"remembers {len(part.known_traits)}"
    for gap in part.failures:
        how = "can do without" if gap.optional else "lacks"
        whose = f"{gap.object_id or 'all'} {gap.subject}".strip()
        yield f"{how} {gap.source} of {whose}: {gap.reason} {gap.permission}".strip()


def list_differences(usual: Sequence[str], shown: Sequence[str], where: str) -> Iterator[str]:
    """What is not said any more, and what is said instead."""
    yield from (f"{where}not: {one}" for one in usual if one not in shown)
    yield from (f"{where}but: {one}" for one in shown if one not in usual)


def check_text(name: str, rows: Iterable[str]) -> None:
    """Compare rows with the file of that name, or write it."""
    text = "\n".join(rows).strip("\n") + "\n"
    path = FOLDER / f"{name}.txt"
    if os.environ.get(WRITE_VARIABLE):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    kept = path.read_text(encoding="utf-8")
    if text != kept:
        lines = unified_diff(kept.splitlines(), text.splitlines(), "kept", "said", lineterm="", n=1)
        shown = "\n".join(islice(lines, SHOWN_DIFFERENCE))
        raise AssertionError(f"{shown}\n(meant so? set {WRITE_VARIABLE}=1 to write {path.name})")


def check_sentences(
    name: str, cases: Mapping[str, Iterable[Finding]], *, shows_steps: bool = False
) -> None:
    """Compare what is said in each case with the file of that name, with the steps if wanted."""
    rows: list[str] = []
    for title, findings in cases.items():
        said = tuple(findings)
        check_remedies(said)
        told: list[str] = []
        for finding in said:
            told += render_finding(finding)
            told += render_steps(finding.steps) if shows_steps else ()
        rows += ["", f"# {title}", "", *(told or ["nothing"])]
    check_text(name, rows)


def check_steps(name: str, cases: Mapping[str, Iterable[Step]]) -> None:
    """Compare what an operator does in each case, word for word, with the file of that name."""
    rows: list[str] = []
    for title, steps in cases.items():
        rows += ["", f"# {title}", "", *render_steps(steps)]
    check_text(name, rows)


@cache
def load_intruded_scene() -> dict[str, Any]:
    """The neglected tenant after everything that an attacker does in it."""
    scene: dict[str, Any] = json.loads((SCENES_FOLDER / "neglected.json").read_text("utf-8"))
    steps = (build_rule_step(scene), *build_aftermath(scene))
    edits = [edit for step in steps for edit in step.edits]
    for edit in edits:
        _, side, collection, *rest = edit["path"].split("/")
        if rest == ["-"]:
            scene[side].setdefault(collection, [])
    scene = apply_edits(scene, edits)
    for row in scene["exchange"]["Get-Mailbox"]:
        # The fake tenant has one default of auditing, for mailboxes of one licence.
        row.pop("PersistedCapabilities", None)
    return dict(resolve_dates(scene, NOW))


def build_intruded_tenant() -> FakeTenant:
    """A tenant of some sixty mailboxes with something for every guard, in several pages."""
    return replace(build_fake_tenant(copy.deepcopy(load_intruded_scene())), page_size=PAGE_SIZE)


async def look(
    guard: Guard[Any], tenant: FakeTenant, context: ObserveContext
) -> AsyncIterator[Reading[Any]]:
    """The parts of a look, with those of mailboxes that are inspected one by one."""
    index: MailboxIndex | None = None
    async for part in guard.observe(tenant, context):
        if isinstance(part, MailboxPage):
            index = index or MailboxIndex(context.open_case_ids, part.sources)
            index.add_page(part)
            yield replace(part.mailboxes, items=())
        else:
            yield part
    if index and guard.inspect:
        yield index.build_listing_reading()
        for piece in index.iter_ranges():
            yield await guard.inspect(tenant, context, piece.mailboxes)


def outline(finding: Finding) -> str:
    """A finding on one line."""
    return f"{finding.kind} {finding.severity.label} {finding.verdict} {finding.subject}"


def judge_part(guard: Guard[Any], part: Reading[Any], policy: GuardPolicy) -> list[Finding]:
    """What is found in a part of a look."""
    return [one for item in part.items for one in guard.judge(item, policy)]


def list_contexts(usual: ObserveContext, parts: Sequence[Reading[Any]]) -> Contexts:
    """What else may be asked of a look."""
    known = {row.key: row for part in parts for row in part.known_traits}
    day = timedelta(days=1)
    bare = {
        key: replace(row, traits={}, first_looked_at=NOW - day, last_seen_at=NOW - day)
        for key, row in known.items()
    }
    later = replace(usual.policy, now=NOW + timedelta(hours=6))
    return {
        "Enforcing": replace(usual, is_enforcing=True),
        "No slow check is due": replace(usual, due_checks=frozenset()),
        "Continued after the first page": replace(usual, continuation=str(PAGE_SIZE)),
        "Hours later": replace(usual, policy=later, known_traits=known),
        "A day after nothing of it was there": replace(usual, known_traits=bare),
        "After a full look a day ago": replace(
            usual, last_full_scan=NOW - day, last_scan=NOW - day
        ),
    }


def list_faults(source: str, object_id: str) -> Mapping[str, Fault]:
    """How a source may fail: for a moment or for good, at its end, or for one object."""
    return {
        f"{source} cannot be read": ("", "HTTP 503", ""),
        f"{source} may not be read": ("", "HTTP 403", "Some.Permission"),
        f"{source} breaks off": None,
        f"{source} of {object_id} cannot be read": (object_id, "HTTP 503", ""),
    }


def list_questions(tenant: FakeTenant) -> list[str]:
    """What a look asked the tenant, in order, with how many objects by name and the first ones."""
    return [
        f"asks for {source}"
        + (f" of {len(names)}: {', '.join(sorted(names)[:4])}" if names else "")
        for source, names in tenant.read_log
    ]


def list_read_sources(
    tenant: FakeTenant, parts: Iterable[Reading[Any]]
) -> Mapping[str, frozenset[str]]:
    """The sources that a look read, each with the objects it asked for by name."""
    found = dict.fromkeys((source for part in parts for source in part.sources), frozenset[str]())
    for source, names in tenant.read_log:
        found[source] = found.get(source, frozenset()) | set(names)
    return found


async def check_looks(
    name: str,
    guard: Guard[Any],
    build: Callable[[], FakeTenant] = build_intruded_tenant,
    options: Any = None,
    **more: Any,
) -> None:
    """Compare looks at a tenant, in which one thing after another fails, with the file."""
    policy = GuardPolicy(NOW, options or guard.options)
    checks = frozenset(check.name for check in guard.periodic_checks)
    due = replace(ObserveContext(policy, checks), **more)
    tenant = build()
    parts = [part async for part in look(guard, tenant, due)]
    judged = [judge_part(guard, part, policy) for part in parts]
    found = [one for findings in judged for one in findings]
    check_remedies(found)
    usual = [outline(one) for one in found]
    covered = [list(list_clauses(part)) for part in parts]
    questions, sources = list_questions(tenant), list_read_sources(tenant, parts)
    rows = ["# As it is", "", *questions, "", *map("; ".join, covered), ""]
    rows += [line for one in found for line in render_finding(one)]

    def judge_again(number: int, part: Reading[Any], policy_then: GuardPolicy) -> list[Finding]:
        """What is found in a part of another look. Most hold what was judged before."""
        is_known = number < len(parts) and part.items == parts[number].items
        if is_known and policy_then == policy:
            return judged[number]
        return judge_part(guard, part, policy_then)

    async def show(title: str, context: ObserveContext) -> list[str]:
        tenant.read_log.clear()
        seen = [part async for part in look(guard, tenant, context)]
        shown = [list(list_clauses(part)) for part in seen]
        said = [
            outline(one)
            for number, part in enumerate(seen)
            for one in judge_again(number, part, context.policy)
        ]
        nothing: list[str] = []
        pairs = enumerate(zip_longest(covered, shown, fillvalue=nothing), 1)
        told = [
            *chain(
                *(list_differences(old, new, f"part {number}, ") for number, (old, new) in pairs)
            ),
            *list_differences(questions, list_questions(tenant), ""),
            *list_differences(usual, said, ""),
        ]
        return ["", f"# {title}", "", *told] if told else []

    for title, context in list_contexts(due, parts).items():
        rows += await show(title, context)
    object_id = min((one.object_id for one in found if one.object_id), default="")
    open_cases = replace(due, open_case_ids=frozenset({GONE, object_id}))
    unreadable = dict(tenant.failures)
    for source, asked in sorted(sources.items()):
        for title, fault in list_faults(source, min(asked, default=object_id)).items():
            if fault:
                tenant.fail_read(source, *fault)
            else:
                tenant.interrupted_sources.add(source)
            rows += await show(title, open_cases)
            tenant.clear_faults()
            tenant.failures |= unreadable
    check_text(name, rows)
