"""The HTTP API: every route, what it takes, who may use it, what it answers.

    request ─► sign-in ─► body and query as typed values ─► handler ─► answer (and a ticket)

Reading is GET and has no effect. Acting is POST with a JSON body that says who and why: it becomes
a row and a message, and the answer is 202 with the address that tells what became of it. The same
table registers the functions, writes the OpenAPI document, and serves the command line without
HTTP.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.api.authentication import Caller, Denied, caller
from core.api.openapi.document import document
from core.api.read_handlers import (
    CHOOSING,
    EXPORTING,
    action_report,
    case_json,
    case_page,
    cases_json,
    cases_page,
    evidence,
    notice,
    run_report,
    status_json,
    status_page,
)
from core.api.request import Answer, BadRequest, Call, Desk, Field, Route, named, said
from core.bootstrap import open_ledger
from core.config.catalog import CATALOG
from core.config.settings import Settings, prefix, way_in
from core.engine.run import new_run
from core.errors import ExoguardError, SettingsError
from core.evidence.file_format import Form
from core.jobs.run_requests import Ticket
from core.keys import KEY
from core.model.cases import Exemption
from core.model.guards import Duty, Mode
from core.model.requests import Action, ActionState, Deed
from core.ports import Ledger
from core.sanitize import plain
from core.strict_json import read_json

log = logging.getLogger("exoguard.api")

# All fields at their longest, every sign of them written as two \uXXXX, fit in.
BODY_LIMIT = 16 * 1024
HTML = ("text/html",)
# So many things may wait for one guard: more than people ask for, fewer than a script could.
PENDING = 50
# ----------------------------------------------------------------------------------------------
# Asking for something
# ----------------------------------------------------------------------------------------------


def words(but: str = "") -> str:
    """Something to read, on one line: no control character, none of these, and not only space."""
    sign = rf"[^\x00-\x1f\x7f-\x9f{but}]"
    return rf"{sign}*[^\s\ufeff\x00-\x1f\x7f-\x9f{but}]{sign}*"


WORDS = words()
WHO = Field("who", "who asks: a name or an address", WORDS, 200)
WHY = Field("why", "why, for whoever reads it later", WORDS, 500)
MODE = Field("mode", "restrains this one run: alert", "alert|enforce", 8, required=False)
PLAN = Field(
    "plan", "releases the changes the brake holds: 32 hex digits an alert names", KEY, 32, False
)
SUBJECT = Field(
    "subject",
    "the key of a case, or the id of an object; never a pattern",
    words(but="*?%"),
    256,
)
UNTIL = Field(
    "until",
    "when it ends: a date, or a time with its zone; within a year",
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]{5,15}(Z|[+-][0-9]{2}:[0-9]{2}))?",
    40,
    format="date-time",
)


async def request_run(desk: Desk) -> Answer:
    """Ask for a run now, or release exactly the plan that the brake holds."""
    duty = desk.duty()
    if duty.mode is Mode.OFF:
        name = prefix(duty.guard.name)
        raise BadRequest(409, f"{duty.guard.name} is off: set {name}_MODE")
    mode = Mode(desk.wish["mode"]) if "mode" in desk.wish else None
    if mode and duty.mode.lowered(mode) is not mode:
        raise BadRequest(409, f'"mode" may only go down: {duty.guard.name} is in {duty.mode} mode')
    plan = desk.wish.get("plan", "")
    if plan and duty.mode.lowered(mode) is not Mode.ENFORCE:
        raise BadRequest(409, '"plan" releases changes, and in alert mode none are made')
    deed = Deed.RELEASE if plan else Deed.RUN
    return await asked(desk, duty, deed, plan or str(mode or ""), mode=mode)


async def request_exemption(desk: Desk) -> Answer:
    """Say that one thing is right as it is, for a time."""
    until = moment(desk.wish["until"])
    subject = desk.wish["subject"].strip()
    try:
        Exemption.granted(subject, desk.wish["who"], desk.wish["why"], until, desk.now)
    except SettingsError as error:
        raise BadRequest(400, str(error)) from None
    return await asked(desk, desk.duty(), Deed.EXEMPT, subject, until=until)


async def request_end(desk: Desk) -> Answer:
    """End an exemption before its time."""
    return await asked(desk, desk.duty(), Deed.END_EXEMPTION, desk.wish["subject"].strip())


async def request_undo(desk: Desk) -> Answer:
    """Take a change back: what was there before is restored, and left alone for 30 days."""
    return await asked(desk, desk.duty(), Deed.UNDO, named(desk, "change"))


async def request_acknowledgement(desk: Desk) -> Answer:
    """Say that a case is known: it is not brought up again until it changes."""
    return await asked(desk, desk.duty(), Deed.ACKNOWLEDGE, named(desk, "case"))


def moment(text: str) -> datetime:
    """A date, which begins at midnight UTC, or a time. Raises BadRequest."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(400, f"{plain(text, 40)} is no date") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


async def asked(
    desk: Desk,
    duty: Duty,
    deed: Deed,
    subject: str,
    until: datetime | None = None,
    mode: Mode | None = None,
) -> Answer:
    """Write down what is asked for, and put a ticket for it on the queue.

    Who asks again before it is done is told of what waits already.
    """
    guard = duty.guard.name
    action = Action(
        id=new_run(desk.now),
        deed=deed,
        subject=subject,
        who=desk.wish["who"].strip(),
        why=desk.wish["why"].strip(),
        at=desk.now,
        signed_in=desk.caller.signed_in,
        until=until,
    )
    waiting = [
        one
        for one in await desk.ledger.actions(guard, desk.now - timedelta(days=1))
        if one.state is ActionState.ASKED
    ]
    same = [one for one in waiting if (one.deed, one.subject, one.until) == (deed, subject, until)]
    if same:
        return accepted(guard, same[0])
    if len(waiting) >= PENDING:
        raise BadRequest(429, f"{len(waiting)} things wait for {guard} already: see its status")
    await desk.ledger.ask(guard, action)
    runs = deed in (Deed.RUN, Deed.RELEASE)
    if runs:
        began = {"guard": guard, "run": action.id, "at": desk.now.isoformat(), "status": "queued"}
        await desk.ledger.note(guard, action.id, began)
    return replace(
        accepted(guard, action),
        ticket=Ticket(guard, action.id, desk.now, looks=runs, mode=mode),
    )


def accepted(guard: str, action: Action) -> Answer:
    """202: it is written down, and here is where one can see what became of it."""
    if action.deed in (Deed.RUN, Deed.RELEASE):
        address = f"/api/runs/{guard}/{action.id}"
        body = {"run": action.id, "action": action.id, "status": "queued", "address": address}
    else:
        address = f"/api/actions/{guard}/{action.id}"
        body = {"action": action.id, "status": str(action.state), "address": address}
    return said(202, body, Location=address)


async def openapi(desk: Desk) -> Answer:
    """This API, described for programs."""
    return said(200, described())


def described() -> dict[str, object]:
    """The OpenAPI document of all routes."""
    return document(ROUTES, (duty.guard.name for duty in CATALOG))


# ----------------------------------------------------------------------------------------------
# Every route
# ----------------------------------------------------------------------------------------------

ROUTES = (
    Route(
        "request-run",
        "POST",
        "guards/{guard}/run",
        "Run a guard now; with a plan, release exactly the changes the brake holds",
        request_run,
        (WHO, WHY, MODE, PLAN),
    ),
    Route(
        "request-exemption",
        "POST",
        "guards/{guard}/exemptions",
        "Exempt one case, or one object, until a day",
        request_exemption,
        (SUBJECT, UNTIL, WHO, WHY),
    ),
    Route(
        "request-exemption-end",
        "POST",
        "guards/{guard}/exemptions/end",
        "End an exemption before its time",
        request_end,
        (SUBJECT, WHO, WHY),
    ),
    Route(
        "request-undo",
        "POST",
        "changes/{guard}/{change}/undo",
        "Take a change back, and leave it alone for 30 days",
        request_undo,
        (WHO, WHY),
    ),
    Route(
        "request-acknowledgement",
        "POST",
        "cases/{guard}/{case}/acknowledge",
        "Say that a case is known; it is not brought up again until it changes",
        request_acknowledgement,
        (WHO, WHY),
    ),
    Route(
        "status-page", "GET", "status", "How everything stands, as a page", status_page, (), HTML
    ),
    Route("cases-page", "GET", "cases", "A page of cases, as a page", cases_page, CHOOSING, HTML),
    Route("status-json", "GET", "status.json", "How everything stands", status_json),
    Route("cases-json", "GET", "cases.json", "A page of cases", cases_json, CHOOSING),
    Route(
        "case-json",
        "GET",
        "cases/{guard}/{case}.json",
        "A case with everything that is known of it",
        case_json,
    ),
    Route(
        "case-page",
        "GET",
        "cases/{guard}/{case}",
        "A case with everything that is known of it, as a page",
        case_page,
        (),
        HTML,
    ),
    Route(
        "export",
        "GET",
        "export",
        "Findings, changes, exemptions, actions and coverage of a period, as evidence",
        evidence,
        EXPORTING,
        (Form.JSONL.media_type, Form.CSV.media_type),
    ),
    Route("run-report", "GET", "runs/{guard}/{run}", "What became of a run", run_report),
    Route(
        "action-report",
        "GET",
        "actions/{guard}/{action}",
        "What became of something that was asked for",
        action_report,
    ),
    Route("openapi", "GET", "openapi.json", "This API as an OpenAPI document", openapi),
)


# ----------------------------------------------------------------------------------------------
# One request
# ----------------------------------------------------------------------------------------------


async def serve(
    route: Route,
    call: Call,
    environ: Mapping[str, str],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Answer:
    """One request, from who it comes to what is answered."""
    try:
        settings = Settings.read(environ)
        enabled = environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"
        who = caller(way_in(settings.values), enabled, call.headers, call.query)
        async with open_ledger(settings) as ledger:
            return await answered(route, call, settings, ledger, who, now())
    except Denied as error:
        return wrong(route, error.status, str(error))
    except ExoguardError as error:
        log.error("%s: %s", route.name, error)
        return wrong(route, 503, str(error))


def wrong(route: Route, status: int, message: str) -> Answer:
    """What is wrong with a request, as the route answers: for people, or for programs."""
    if route.answers == HTML:
        return notice(status, message)
    return said(status, {"error": message})


async def answered(
    route: Route, call: Call, settings: Settings, ledger: Ledger, who: Caller, now: datetime
) -> Answer:
    """One request of somebody who was let in. What is wrong with it is an answer as well."""
    try:
        if route.acts and not who.operator:
            raise Denied(403, "this account may look, but not act: it needs Exoguard.Operator")
        wish = body_of(route, call, who) if route.acts else query_of(route, call)
        return await route.handle(Desk(settings, ledger, now, who, call, wish))
    except (BadRequest, Denied) as error:
        return wrong(route, error.status, str(error))
    except ExoguardError as error:
        log.error("%s: %s", route.name, error)
        return wrong(route, 503, str(error))


def body_of(route: Route, call: Call, caller: Caller) -> dict[str, str]:
    """What the body of a POST asks for. Raises BadRequest.

    Only JSON is taken: a form of another site cannot send it in somebody's name.
    """
    if len(call.body) > BODY_LIMIT:
        raise BadRequest(413, f"the body is larger than {BODY_LIMIT} bytes")
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequest(415, "the body is JSON, with Content-Type: application/json")
    if call.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise BadRequest(403, "a page of another site cannot act here")
    try:
        wish = read_json(call.body)
        # Half of a surrogate pair can be escaped in JSON, and is no text that could be kept.
        json.dumps(wish, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadRequest(400, "the body is not JSON, or says something twice") from None
    if not isinstance(wish, dict):
        raise BadRequest(400, "the body is a JSON object")
    if caller.name and "who" not in wish:
        wish["who"] = caller.name
    return typed(route.fields, wish)


def query_of(route: Route, call: Call) -> dict[str, str]:
    """What the query of a GET asks for. Raises BadRequest."""
    return typed(route.fields, dict(call.query))


def typed(fields: tuple[Field, ...], wish: Mapping[str, Any]) -> dict[str, str]:
    """The values asked for, each as its field wants it. Raises BadRequest naming what is wrong."""
    known = {entry.name for entry in fields}
    names = ", ".join(f'"{entry.name}"' for entry in fields)
    if strange := [name for name in wish if name not in known]:
        raise BadRequest(400, f"{plain(strange[0], 40)} is not known here; there are: {names}")
    values: dict[str, str] = {}
    for entry in fields:
        if entry.name not in wish:
            if entry.required:
                raise BadRequest(400, f'"{entry.name}" is missing: {entry.help}')
            continue
        value = wish[entry.name]
        fits = isinstance(value, str) and len(value) <= entry.longest
        if not fits or not re.fullmatch(entry.pattern, value):
            raise BadRequest(
                400, f'"{entry.name}" is {entry.help}; at most {entry.longest} characters'
            )
        values[entry.name] = value
    return values
