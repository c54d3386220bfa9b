"""What people do from a page: a confirmation that says what will happen, and the request itself.

    GET act    ─► a page: what, about what, what will happen, who and why ─► a form
    POST act   ─► the same handlers as the JSON API: a row, a message on the queue ─► a page

`core.api.forms` has how a form is told from one that another site made up. What is about an account
is shown by `core.api.account_pages`, and several cases at once by `core.api.several_cases`.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.api.account_handlers import (
    CONTAINMENT_PLAN_PARAMETER,
    STEPS_PARAMETER,
    UNDO_STEPS_PARAMETER,
    request_containment,
    request_containment_end,
)
from core.api.account_pages import find_account_target, render_account_notice
from core.api.forms import create_token, with_token, without_token
from core.api.read_handlers import html_response, load_status
from core.api.request import (
    BadRequest,
    HttpResponse,
    Parameter,
    RequestContext,
    validate_parameters,
)
from core.api.write_handlers import (
    PLAN_PARAMETER,
    SUBJECT_PARAMETER,
    UNTIL_PARAMETER,
    WHO_PARAMETER,
    WHY_PARAMETER,
    check_guard_is_on,
    request_acknowledgement,
    request_exemption,
    request_exemption_end,
    request_run,
    request_undo,
)
from core.engine.request_decisions import find_undo_obstacle
from core.keys import KEY_PATTERN, PREFIX_LENGTH
from core.model.requests import ACCOUNT_REQUESTS, RequestKind
from core.model.state import GuardSnapshot
from core.tenant.quoting import quote_text
from core.time_format import format_time
from core.web.act_target import ActTarget

DEFAULT_EXEMPTION = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class PageAction:
    """One thing that can be done from a page."""

    handle: Callable[[RequestContext], Awaitable[HttpResponse]]
    """The handler of the JSON API."""
    parameters: tuple[Parameter, ...]
    """What the handler takes in its body."""
    path_name: str = ""
    """What the subject is called in its address; empty: it is in the body."""
    body_name: str = ""
    """What the subject is called in its body."""


ACTIONS: Mapping[RequestKind, PageAction] = {
    RequestKind.ACKNOWLEDGE: PageAction(
        request_acknowledgement, (WHO_PARAMETER, WHY_PARAMETER), path_name="case"
    ),
    RequestKind.EXEMPT: PageAction(
        request_exemption,
        (SUBJECT_PARAMETER, UNTIL_PARAMETER, WHO_PARAMETER, WHY_PARAMETER),
        body_name="subject",
    ),
    RequestKind.END_EXEMPTION: PageAction(
        request_exemption_end,
        (SUBJECT_PARAMETER, WHO_PARAMETER, WHY_PARAMETER),
        body_name="subject",
    ),
    RequestKind.UNDO: PageAction(request_undo, (WHO_PARAMETER, WHY_PARAMETER), path_name="change"),
    RequestKind.RUN: PageAction(request_run, (WHO_PARAMETER, WHY_PARAMETER)),
    RequestKind.RELEASE: PageAction(
        request_run, (WHO_PARAMETER, WHY_PARAMETER, PLAN_PARAMETER), body_name="plan"
    ),
    RequestKind.CONTAIN: PageAction(
        request_containment,
        (WHO_PARAMETER, WHY_PARAMETER, STEPS_PARAMETER, CONTAINMENT_PLAN_PARAMETER),
        path_name="account",
    ),
    RequestKind.UNCONTAIN: PageAction(
        request_containment_end,
        (WHO_PARAMETER, WHY_PARAMETER, UNDO_STEPS_PARAMETER),
        path_name="account",
    ),
}
KIND_PARAMETER = Parameter(
    "kind", f"one of {', '.join(ACTIONS)}", "|".join(ACTIONS), max(map(len, ACTIONS))
)
GUARD_PARAMETER = Parameter(
    "guard", "the guard's name; none for an account", r"[a-z-]+", 60, required=False
)
OPTIONAL_SUBJECT_PARAMETER = replace(SUBJECT_PARAMETER, required=False)
ACT_PARAMETERS = (KIND_PARAMETER, GUARD_PARAMETER, OPTIONAL_SUBJECT_PARAMETER)
PERFORM_PARAMETERS = (
    *ACT_PARAMETERS,
    replace(UNTIL_PARAMETER, required=False),
    replace(UNDO_STEPS_PARAMETER, help="of an account: which steps", is_list=True),
    CONTAINMENT_PLAN_PARAMETER,
    WHO_PARAMETER,
    WHY_PARAMETER,
)


def with_named_guard(context: RequestContext) -> RequestContext:
    """The context of a request whose body or query names the guard. Raises BadRequest."""
    if "guard" not in context.parameters:
        raise BadRequest(400, f'"guard" is missing: {GUARD_PARAMETER.help}')
    path = {"guard": context.parameters["guard"]}
    return replace(context, request=replace(context.request, path_parameters=path))


async def get_act_page(context: RequestContext) -> HttpResponse:
    """The page that says what an action will do, and asks who wants it and why."""
    from core.web import action_pages

    if not context.caller.is_operator:
        raise BadRequest(403, "this account has read access only; acting needs Exoguard.Operator")
    kind = RequestKind(context.parameters["kind"])
    subject = context.parameters.get("subject", "")
    if kind in ACCOUNT_REQUESTS:
        target = await find_account_target(context, kind, subject)
    else:
        target = await find_target(with_named_guard(context), kind, subject)
    token = create_token()
    page = action_pages.render_act_page(
        target,
        token=token,
        who=context.caller.name,
        until=(context.now + DEFAULT_EXEMPTION).date().isoformat(),
        now=context.now,
        tenant=context.settings.tenant_name,
    )
    return with_token(html_response(200, page), token)


async def find_target(context: RequestContext, kind: RequestKind, subject: str) -> ActTarget:
    """What an action is about, as the tenant and the state have it now. Raises BadRequest."""
    config = context.get_guard_config()
    guard = config.guard.name
    target = ActTarget(kind, guard, config.guard.title, subject)
    if kind is RequestKind.RUN:
        check_guard_is_on(config)
        return replace(target, summary=f"{config.guard.title}, in {config.mode} mode", subject="")
    if kind is RequestKind.RELEASE:
        status = await load_status(context)
        for decision in status.decisions:
            if decision.guard == guard and decision.plan == subject and subject:
                changes = tuple(decision.planned_changes)
                return replace(
                    target,
                    summary=decision.summary,
                    planned_changes=changes,
                    is_exact=decision.is_exact,
                )
        raise BadRequest(404, "no plan with this name waits for release")
    is_key = re.fullmatch(KEY_PATTERN, subject) is not None
    prefix = subject[:PREFIX_LENGTH] if is_key else ""
    snapshot = (
        await context.ledger.load_object(guard, prefix)
        if is_key
        else await context.ledger.load(guard)
    )
    if why := explain_obsolete(target, snapshot, context.now):
        raise BadRequest(409, why)
    return describe_target(target, snapshot)


def explain_obsolete(target: ActTarget, snapshot: GuardSnapshot, now: datetime) -> str:
    """Why nothing would come of an action, as when somebody else acted meanwhile; or empty."""
    case = snapshot.cases.get(target.subject)
    if target.kind is RequestKind.ACKNOWLEDGE and case:
        if case.closed_at:
            return "the case is closed: there is nothing to know of"
        if case.acknowledged_at:
            by = quote_text(case.acknowledged_by, 120)
            return f"it was acknowledged by {by} already, on {format_time(case.acknowledged_at)}"
    if target.kind is RequestKind.END_EXEMPTION:
        found = snapshot.exemptions.get(target.subject)
        if (case or found) and (found is None or found.until <= now):
            return "no exemption of it is in force"
    return ""


def describe_target(target: ActTarget, snapshot: GuardSnapshot) -> ActTarget:
    """The case, change or object of an action. Raises BadRequest if it is not on record, or cannot
    be undone.
    """
    if target.kind is RequestKind.UNDO:
        for record in snapshot.changes:
            if record.id == target.subject:
                if why := find_undo_obstacle(record):
                    raise BadRequest(409, why)
                return replace(
                    target, summary=record.subject, change_kind=record.kind, before=record.before
                )
        raise BadRequest(404, "there is no such change")
    case = snapshot.cases.get(target.subject)
    if case:
        return replace(target, summary=case.summary, case_key=case.key)
    if target.subject in snapshot.exemptions:
        return replace(target, summary=quote_text(target.subject, 200))
    raise BadRequest(404, "there is no such case")


async def perform_act(context: RequestContext) -> HttpResponse:
    """Record what a person confirmed, as the JSON API would, and say so on a page."""
    from core.web import pages

    kind = RequestKind(context.parameters["kind"])
    action = ACTIONS[kind]
    if kind not in ACCOUNT_REQUESTS:
        context = with_named_guard(context)
    elif kind is RequestKind.CONTAIN and not context.parameters.keys() & {"plan", "steps"}:
        raise BadRequest(400, "choose at least one step")
    accepted = await action.handle(address_handler(context, action))
    if kind in ACCOUNT_REQUESTS:
        page = render_account_notice(kind, context, accepted)
    else:
        page = pages.render_notice_page(
            "Recorded",
            [
                "Your request, your name and your reason are recorded, and the channel will be "
                "told.",
                "The guard does it as soon as no other run holds it, mostly within a minute. The "
                "page of requests shows the result.",
            ],
            link=("requests", "See the requests"),
        )
    answer = html_response(202, page)
    return without_token(replace(answer, run_messages=accepted.run_messages))


def address_handler(context: RequestContext, action: PageAction) -> RequestContext:
    """The context in which the JSON API handles what a form asks for. Raises BadRequest."""
    fields = {
        name: value
        for name, value in context.parameters.items()
        if name not in ("kind", "guard", "subject")
    }
    path = dict(context.request.path_parameters)
    subject = context.parameters.get("subject", "")
    if action.path_name:
        path[action.path_name] = subject
    elif action.body_name and subject:
        fields[action.body_name] = subject
    return replace(
        context,
        request=replace(context.request, path_parameters=path),
        parameters=validate_parameters(action.parameters, fields),
    )
