"""What people do from a page: a confirmation that says what will happen, and the request itself.

    GET act    ─► a page: what, about what, what will happen, who and why ─► a form
    POST act   ─► the same handlers as the JSON API: a row, a message on the queue ─► a page

A form carries a token that equals a cookie of this site, both made anew for each confirmation: a
page of another site can read neither (OWASP: CSRF Prevention, "Double-Submit Cookie"). Browsers
also say where a request comes from, and only this site's own are accepted.
"""

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl

from core.api.read_handlers import html_response, load_status
from core.api.request import BadRequest, HttpRequest, HttpResponse, Parameter, RequestContext
from core.api.write_handlers import (
    SUBJECT_PARAMETER,
    UNTIL_PARAMETER,
    WHO_PARAMETER,
    WHY_PARAMETER,
    request_acknowledgement,
    request_exemption,
    request_exemption_end,
    request_run,
    request_undo,
)
from core.keys import KEY_PATTERN, PREFIX_LENGTH
from core.model.requests import RequestKind
from core.model.state import GuardSnapshot
from core.tenant.quoting import quote_text
from core.web.act_target import ActTarget

FORM_TYPE = "application/x-www-form-urlencoded"
FORM_FIELD = "token"
COOKIE_NAME = "__Host-exoguard-act"
COOKIE_SECONDS = 3_600
MAX_FIELDS = 12
DEFAULT_EXEMPTION = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class PageAction:
    """One thing that can be done from a page."""

    handle: Callable[[RequestContext], Awaitable[HttpResponse]]
    """The handler of the JSON API."""
    path_name: str = ""
    """What the subject is called in its address; empty: it is in the body."""
    body_name: str = "subject"


ACTIONS: Mapping[RequestKind, PageAction] = {
    RequestKind.ACKNOWLEDGE: PageAction(request_acknowledgement, path_name="case"),
    RequestKind.EXEMPT: PageAction(request_exemption),
    RequestKind.END_EXEMPTION: PageAction(request_exemption_end),
    RequestKind.UNDO: PageAction(request_undo, path_name="change"),
    RequestKind.RUN: PageAction(request_run, body_name=""),
    RequestKind.RELEASE: PageAction(request_run, body_name="plan"),
}
KIND_PARAMETER = Parameter(
    "kind", f"one of {', '.join(ACTIONS)}", "|".join(ACTIONS), max(map(len, ACTIONS))
)
GUARD_PARAMETER = Parameter("guard", "the guard's name", r"[a-z-]+", 60)
OPTIONAL_SUBJECT_PARAMETER = replace(SUBJECT_PARAMETER, required=False)
ACT_PARAMETERS = (KIND_PARAMETER, GUARD_PARAMETER, OPTIONAL_SUBJECT_PARAMETER)
PERFORM_PARAMETERS = (
    *ACT_PARAMETERS,
    replace(UNTIL_PARAMETER, required=False),
    WHO_PARAMETER,
    WHY_PARAMETER,
)


def with_named_guard(context: RequestContext) -> RequestContext:
    """The context of a request whose body or query names the guard."""
    path = {"guard": context.parameters["guard"]}
    return replace(context, request=replace(context.request, path_parameters=path))


async def get_act_page(context: RequestContext) -> HttpResponse:
    """The page that says what an action will do, and asks who wants it and why."""
    from core.web import pages

    context = with_named_guard(context)
    if not context.caller.is_operator:
        raise BadRequest(403, "this account has read access only; acting needs Exoguard.Operator")
    kind = RequestKind(context.parameters["kind"])
    target = await find_target(context, kind, context.parameters.get("subject", ""))
    token = secrets.token_urlsafe(32)
    page = pages.render_act_page(
        target,
        token=token,
        who=context.caller.name,
        until=(context.now + DEFAULT_EXEMPTION).date().isoformat(),
        now=context.now,
        tenant=context.settings.tenant_name,
    )
    answer = html_response(200, page)
    cookie = f"{COOKIE_NAME}={token}; Path=/; Secure; HttpOnly; SameSite=Strict"
    return replace(
        answer,
        headers={**answer.headers, "Set-Cookie": f"{cookie}; Max-Age={COOKIE_SECONDS}"},
    )


async def find_target(context: RequestContext, kind: RequestKind, subject: str) -> ActTarget:
    """What an action is about, as the tenant and the state have it now. Raises BadRequest."""
    config = context.get_guard_config()
    guard = config.guard.name
    target = ActTarget(kind, guard, config.guard.title, subject)
    if kind is RequestKind.RUN:
        return replace(target, summary=f"{config.guard.title}, in {config.mode} mode", subject="")
    if kind is RequestKind.RELEASE:
        status = await load_status(context)
        for decision in status.decisions:
            if decision.guard == guard and decision.plan == subject and subject:
                changes = tuple(decision.planned_changes)
                return replace(target, summary=decision.summary, planned_changes=changes)
        raise BadRequest(404, "no plan with this name waits for release")
    is_key = re.fullmatch(KEY_PATTERN, subject) is not None
    prefix = subject[:PREFIX_LENGTH] if is_key else ""
    snapshot = (
        await context.ledger.load_history(guard, prefix, f"{prefix}~")
        if is_key
        else await context.ledger.load(guard)
    )
    return describe_target(target, snapshot)


def describe_target(target: ActTarget, snapshot: GuardSnapshot) -> ActTarget:
    """The case, change or object of an action. Raises BadRequest if it is not on record."""
    if target.kind is RequestKind.UNDO:
        for record in snapshot.changes:
            if record.id == target.subject:
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

    context = with_named_guard(context)
    kind = RequestKind(context.parameters["kind"])
    action, subject = ACTIONS[kind], context.parameters.get("subject", "")
    if kind is RequestKind.EXEMPT and "until" not in context.parameters:
        raise BadRequest(400, '"until" is missing: until when it is exempt')
    path = dict(context.request.path_parameters)
    given = context.parameters
    parameters = {name: given[name] for name in ("who", "why", "until") if name in given}
    if action.path_name:
        path[action.path_name] = subject
    elif action.body_name:
        parameters[action.body_name] = subject
    inner = replace(
        context,
        request=replace(context.request, path_parameters=path),
        parameters=parameters,
    )
    accepted = await action.handle(inner)
    page = pages.render_notice_page(
        "Recorded",
        [
            "Your request, your name and your reason are recorded, and the channel will be told.",
            "The guard does it as soon as no other run holds it, mostly within a minute. The page "
            "of requests shows the result.",
        ],
        link=("requests", "See the requests"),
    )
    return replace(html_response(202, page), run_message=accepted.run_message)


def parse_form(request: HttpRequest) -> dict[str, str]:
    """The fields of a form that a page of this site sent. Raises BadRequest."""
    if request.headers.get("sec-fetch-site") != "same-origin":
        raise BadRequest(403, "a form is accepted from a page of this app only")
    try:
        pairs = parse_qsl(
            request.body.decode(),
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise BadRequest(400, "the form cannot be read") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadRequest(400, "the form repeats a name")
    token, cookie = fields.pop(FORM_FIELD, ""), read_cookie(request.headers.get("cookie", ""))
    if not token or not hmac.compare_digest(token.encode(), cookie.encode()):
        raise BadRequest(403, "this confirmation is too old: go back, load the page and try again")
    return {name: value for name, value in fields.items() if value}


def read_cookie(header: str) -> str:
    """The token in a browser's cookies; empty if there is none."""
    try:
        found = SimpleCookie(header).get(COOKIE_NAME)
    except CookieError:
        return ""
    return found.value if found else ""
