"""Several cases answered at once: what will happen to each, and what became of each.

    boxes of a list ─► POST act/several/confirm ─► each case with what will happen ─► a form
    POST act/several ─► one request a case, each by itself ─► a page: recorded, or why not

Each case has a request of its own, which its guard processes under its own claim, so that one that
is refused or fails holds up no other. They share a batch, by which the page of requests shows what
became of all of them.
"""

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.api.forms import create_token, with_token, without_token
from core.api.page_actions import ACTIONS, DEFAULT_EXEMPTION, address_handler
from core.api.read_handlers import html_response
from core.api.request import BadRequest, HttpResponse, Parameter, RequestContext
from core.api.write_handlers import UNTIL_PARAMETER, WHO_PARAMETER, WHY_PARAMETER
from core.engine.run import create_run_id
from core.errors import LedgerError
from core.jobs.run_requests import RunMessage
from core.keys import KEY_PATTERN, PREFIX_LENGTH
from core.model.cases import Case
from core.model.guards import GuardConfig
from core.model.requests import RequestKind
from core.ports import Ledger
from core.web.act_target import MAX_ANSWERED, AnsweredCase

log = logging.getLogger("exoguard.api")

SEVERAL_KINDS = (RequestKind.ACKNOWLEDGE, RequestKind.EXEMPT)
MAX_NAMED = 200
"""The most that a form may name, so that who chose too many is told so."""
ONE_CASE = re.compile(rf"[a-z-]{{1,40}}/{KEY_PATTERN}")
SEVERAL_KIND_PARAMETER = Parameter(
    "kind", f"one of {', '.join(SEVERAL_KINDS)}", "|".join(SEVERAL_KINDS), 20
)
CASES_PARAMETER = Parameter(
    "cases",
    f"the cases, each as guard/key, separated by commas; at most {MAX_ANSWERED}",
    r"[a-z0-9,/-]+",
    MAX_NAMED * 74,
    is_list=True,
)
CONFIRM_PARAMETERS = (SEVERAL_KIND_PARAMETER, replace(CASES_PARAMETER, required=False))
SEVERAL_PARAMETERS = (
    SEVERAL_KIND_PARAMETER,
    CASES_PARAMETER,
    replace(UNTIL_PARAMETER, required=False),
    WHO_PARAMETER,
    WHY_PARAMETER,
)


def parse_cases(context: RequestContext) -> list[tuple[GuardConfig, str]]:
    """The chosen cases, each once, as a guard and a key. Raises BadRequest."""
    text = context.parameters.get("cases", "")
    if not text:
        raise BadRequest(400, "no case is chosen: go back and tick the boxes of those you mean")
    named = dict.fromkeys(text.split(","))
    if len(named) > MAX_ANSWERED:
        raise BadRequest(
            400, f"{len(named)} cases are chosen: answer at most {MAX_ANSWERED} at a time"
        )
    found = []
    for one in named:
        if not ONE_CASE.fullmatch(one):
            raise BadRequest(400, f'"cases" is not valid. It is {CASES_PARAMETER.help}')
        guard, _, key = one.partition("/")
        config = context.settings.find_guard_config(guard)
        if config is None:
            raise BadRequest(404, "a case names a guard that does not exist")
        found.append((config, key))
    return found


@dataclass(frozen=True, slots=True)
class NamedCases:
    """What is on record of chosen cases."""

    cases: Mapping[tuple[str, str], Case]
    """By guard and key; closed ones too."""
    unread: frozenset[str]
    """The guards whose state cannot be read now."""


async def load_cases(
    context: RequestContext, named: Sequence[tuple[GuardConfig, str]]
) -> NamedCases:
    """The cases on record. A guard whose state cannot be read holds up no other."""
    by_guard: dict[str, list[str]] = {}
    for config, key in named:
        by_guard.setdefault(config.guard.name, []).append(key)
    loaded = await asyncio.gather(
        *(load_cases_of_guard(context.ledger, guard, keys) for guard, keys in by_guard.items())
    )
    found = dict(zip(by_guard, loaded, strict=True))
    return NamedCases(
        {
            (guard, key): case
            for guard, cases in found.items()
            for key, case in (cases or {}).items()
        },
        frozenset(guard for guard, cases in found.items() if cases is None),
    )


async def load_cases_of_guard(
    ledger: Ledger, guard: str, keys: Sequence[str]
) -> Mapping[str, Case] | None:
    """The cases of one guard by key, closed ones too; None if its state cannot be read."""
    try:
        found = dict((await ledger.load(guard)).cases)
        for key in keys:
            if key not in found:
                prefix = key[:PREFIX_LENGTH]
                found |= (await ledger.load_object(guard, prefix)).cases
    except LedgerError as error:
        log.error("%s: its cases cannot be answered: %s", guard, error)
        return None
    return {key: found[key] for key in keys if key in found}


async def confirm_several(context: RequestContext) -> HttpResponse:
    """The page that says of each chosen case what will happen, and asks who wants it and why."""
    from core.web import action_pages

    kind = RequestKind(context.parameters["kind"])
    named = parse_cases(context)
    known = await load_cases(context, named)
    rows = [describe_case(kind, config, key, known) for config, key in named]
    token = create_token()
    page = action_pages.render_several_page(
        kind,
        rows,
        token=token,
        who=context.caller.name,
        until=(context.now + DEFAULT_EXEMPTION).date().isoformat(),
        now=context.now,
        tenant=context.settings.tenant_name,
    )
    return with_token(html_response(200, page), token)


def describe_case(
    kind: RequestKind, config: GuardConfig, key: str, known: NamedCases
) -> AnsweredCase:
    """One chosen case, and what will happen to it."""
    guard = config.guard.name
    row, case = AnsweredCase(guard, config.guard.title, key), known.cases.get((guard, key))
    if guard in known.unread:
        text = "The state of its guard cannot be read now: nothing is done."
        return replace(row, text=text, is_left_out=True)
    if case is None:
        return replace(row, text="It is no longer on record: nothing is done.", is_left_out=True)
    row = replace(row, summary=case.summary, severity=case.severity)
    if kind is RequestKind.EXEMPT:
        text = "It is closed, and neither reported nor changed until the date."
        if case.closed_at:
            text = "It is closed already, and will not be reported again until the date."
        return replace(row, text=text)
    if case.closed_at:
        return replace(row, text="It is closed: there is nothing to know of.", is_left_out=True)
    if case.acknowledged_at:
        return replace(row, text="It is acknowledged already.", is_left_out=True)
    return replace(row, text="It stays open, without reminders, until it changes.")


async def perform_several(context: RequestContext) -> HttpResponse:
    """Record one request for each case that a person confirmed, and say of each what became of it.

    A case that is refused, or whose request cannot be stored, holds up no other.
    """
    from core.web import action_pages

    kind = RequestKind(context.parameters["kind"])
    named = parse_cases(context)
    if kind is RequestKind.EXEMPT and "until" not in context.parameters:
        raise BadRequest(400, f'"until" is missing: {UNTIL_PARAMETER.help}')
    batch = create_run_id(context.now)
    rows, messages = [], dict[str, RunMessage]()
    known = await load_cases(context, named)
    for config, key in named:
        guard = config.guard.name
        case = known.cases.get((guard, key))
        row = AnsweredCase(guard, config.guard.title, key, text="Recorded.")
        if case:
            row = replace(row, summary=case.summary, severity=case.severity)
        try:
            accepted = await answer_case(context, kind, guard, key, batch)
        except (BadRequest, LedgerError) as error:
            rows.append(replace(row, text=f"Not recorded: {error}.", is_left_out=True))
            continue
        rows.append(row)
        # A guard takes all that waits for it at once.
        messages.update((message.guard, message) for message in accepted.run_messages)
    page = action_pages.render_several_result_page(
        kind, rows, batch, now=context.now, tenant=context.settings.tenant_name
    )
    answer = html_response(202, page)
    return without_token(replace(answer, run_messages=tuple(messages.values())))


async def answer_case(
    context: RequestContext, kind: RequestKind, guard: str, key: str, batch: str
) -> HttpResponse:
    """Record the request for one case. Raises BadRequest or LedgerError."""
    given = {name: text for name, text in context.parameters.items() if name != "cases"}
    inner = replace(
        context,
        request=replace(context.request, path_parameters={"guard": guard}),
        parameters={**given, "guard": guard, "subject": key},
        batch=batch,
    )
    action = ACTIONS[kind]
    return await action.handle(address_handler(inner, action))
