"""What can be looked at over the HTTP API: nothing here has an effect.

standings of all guards ─► status, cases      one guard's memory ─► a case
one row ─► a run, an action                   a period ─► the evidence
"""

from collections.abc import Iterable

from core import VERSION
from core.api.request import HEADERS, Answer, BadRequest, Desk, Field, named, said
from core.evidence.export import export
from core.evidence.file_format import BadPeriod, Form, period
from core.evidence.records import Heading
from core.keys import NUMBER
from core.microsoft365.cis_benchmark import controls_of
from core.model.findings import Severity
from core.model.requests import Action
from core.status.case_query import STATES, BadChoice, Choice, Chosen, Whole, chosen, whole
from core.status.document import case_document, cases_document, document
from core.status.load import standings
from core.status.overview import Status, status

LEVELS = tuple(level.label for level in Severity if level is not Severity.INFO)


def optional(words: Iterable[str]) -> str:
    """A pattern: one of some words, or nothing."""
    return f"({'|'.join(words)})?"


DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
GUARD = Field("guard", "only of this guard", r"[a-z-]*", 60, required=False)
SEVERITY = Field("severity", "only of this severity", optional(LEVELS), 10, required=False)
STATE = Field("state", "open ones, closed ones, or all", optional(STATES), 10, required=False)
PAGE = Field("page", "which page, from 1", r"([1-9][0-9]{0,5})?", 6, required=False)
FROM = Field("from", "the first day, in UTC", DATE, 10)
TO = Field("to", "the day after the last one, in UTC", DATE, 10)
FORMAT = Field("format", "jsonl (JSON Lines) or csv", "|".join(Form), 5, required=False)
CHOOSING = (GUARD, SEVERITY, STATE, PAGE)
EXPORTING = (FROM, TO, FORMAT)


async def status_now(desk: Desk) -> Status:
    """How everything stands."""
    known = await standings(desk.ledger, desk.settings.duties)
    return status(known, desk.now, desk.settings.run_seconds / 60)


async def status_json(desk: Desk) -> Answer:
    """How everything stands, for programs."""
    return said(200, document(await status_now(desk)))


async def status_page(desk: Desk) -> Answer:
    """How everything stands, as a page."""
    from core.web import pages

    return paged(200, pages.status_page(await status_now(desk)))


async def cases_of(desk: Desk) -> Chosen:
    """A page of cases, as it was chosen."""
    names = [duty.guard.name for duty in desk.settings.duties]
    try:
        choice = Choice.read(desk.wish, names)
    except BadChoice as error:
        raise BadRequest(400, str(error)) from None
    duties = [duty for duty in desk.settings.duties if choice.guard in ("", duty.guard.name)]
    return chosen(await standings(desk.ledger, duties), choice)


async def cases_json(desk: Desk) -> Answer:
    """A page of cases, for programs."""
    found = await cases_of(desk)
    rows = [(duty.guard.name, case) for duty, case in found.rows]
    return said(200, cases_document(rows, found.total, found.choice.page, found.pages))


async def cases_page(desk: Desk) -> Answer:
    """A page of cases, as a page."""
    from core.web import pages

    return paged(200, pages.cases_page(await cases_of(desk), desk.settings.duties, desk.now))


async def case_of(desk: Desk) -> Whole:
    """A case with everything that is known of it. Raises BadRequest."""
    duty, key = desk.duty(), named(desk, "case")
    found = whole(duty, await desk.ledger.recall(duty.guard.name), key)
    if found is None:
        raise BadRequest(404, "there is no such case")
    return found


async def case_json(desk: Desk) -> Answer:
    """A case with everything that is known of it, for programs."""
    found = await case_of(desk)
    shown = case_document(found.duty, found.case, found.changes, found.exemption, found.actions)
    return said(200, shown)


async def case_page(desk: Desk) -> Answer:
    """A case with everything that is known of it, as a page."""
    from core.web import pages

    found = await case_of(desk)
    case, guard = found.case, found.duty.guard.name
    controls = tuple(controls_of(guard, case.kind, case.judged, case.object_id))
    return paged(200, pages.case_page(found, desk.now, controls))


def paged(status: int, html: str) -> Answer:
    """A page. Templates are only loaded when somebody wants to see one."""
    from core.web.pages import HEADERS as PAGE_HEADERS

    return Answer(status, html, PAGE_HEADERS, "text/html")


def notice(status: int, message: str) -> Answer:
    """What is wrong with a request for a page, as a page that tells nothing of the tenant."""
    from core.web.pages import notice_page

    headings = {401: "Sign in", 403: "Not for this account", 404: "Not found", 503: "Out of reach"}
    return paged(status, notice_page(headings.get(status, "That is not possible"), [message]))


async def evidence(desk: Desk) -> Answer:
    """What auditors want to see of a period, as a file with a digest."""
    try:
        since, until = period(desk.wish["from"], desk.wish["to"], desk.now)
    except BadPeriod as error:
        raise BadRequest(400, str(error)) from None
    heading = Heading(desk.settings["TENANT_ID"], since, until, desk.now, VERSION)
    form = Form(desk.wish.get("format", Form.JSONL))
    made = await export(
        desk.ledger, desk.settings.duties, heading, form, desk.settings.terms.baseline
    )
    return Answer(200, b"".join(made.lines()), {**HEADERS, **made.headers}, form.media_type)


async def run_report(desk: Desk) -> Answer:
    """What became of a run."""
    guard = desk.duty().guard.name
    found = await desk.ledger.report(guard, named(desk, "run", NUMBER))
    if found is None:
        raise BadRequest(404, "there is no such run")
    return said(200, found)


async def action_report(desk: Desk) -> Answer:
    """What became of something a person asked for."""
    guard = desk.duty().guard.name
    found = await desk.ledger.action(guard, named(desk, "action", NUMBER))
    if found is None:
        raise BadRequest(404, "there is no such action")
    return said(200, shown(guard, found))


def shown(guard: str, action: Action) -> dict[str, object]:
    """An action as the API shows it."""
    return {
        "guard": guard,
        "action": action.id,
        "deed": str(action.deed),
        "subject": action.subject,
        "who": action.who,
        "signed_in": action.signed_in,
        "why": action.why,
        "asked": action.at.isoformat(),
        "until": action.until.isoformat() if action.until else None,
        "status": str(action.state),
        "ended": action.ended.isoformat() if action.ended else None,
        "note": action.note,
    }
