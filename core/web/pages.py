"""The pages people look at, as HTML: the status, the list of cases, one case, and a notice.

Made by the server, without a script, from what `core.status.overview` derived; nothing here reads
or decides anything. What comes from the tenant is hostile: every value that a template prints is
made plain (`core.sanitize.plain`: no control, bidirectional or invisible character stays what it
is) and escaped, by the environment and not by the template, and the policy in HEADERS lets nothing
run, load or frame the page. No address carries a key; links are relative, so the page works behind
anything.

Templates cost jinja2 and some milliseconds to compile: who answers HTTP imports this module when a
page is asked for, and not at the start.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from core.microsoft365.cis_benchmark import Control
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.guards import Duty
from core.sanitize import plain
from core.status.case_query import Chosen, Whole
from core.status.daily_history import MADE
from core.status.guard_status import PLAN
from core.status.overview import Status, span
from core.tenant.reversibility import irreversible
from core.web import glossary, instructions
from core.web.case_timeline import timeline
from core.web.charts import changes_made, open_cases, opened_and_closed

PAGES = Path(__file__).parent / "templates"
STYLE = Markup((PAGES / "style.css").read_text("utf-8"))  # noqa: S704  # our own file
# How many rows of a section the status shows; the JSON has all of them.
ROWS = 25
# The longest a value may be, whatever a template forgot to cut.
LONGEST = 2_000
UP_FROM_CASE = "../../"
DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'none'",
                f"style-src 'sha256-{DIGEST}'",
                "img-src data:",
                "form-action 'self'",
                "frame-ancestors 'none'",
                "base-uri 'none'",
            )
        ),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
)


def plainly(value: object) -> object:
    """What a template prints: plain, unless it was made by a template. None is a mistake."""
    if isinstance(value, Markup):
        return value
    if value is None:
        raise TypeError("a template prints a value that is not there")
    return plain(str(value), LONGEST)


def lines(text: str) -> Markup:
    """A text of several lines, each of them plain."""
    return Markup("\n").join(escape(plain(line, LONGEST)) for line in text.split("\n"))


def stamp(moment: datetime) -> str:
    """A time as people read it."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def grouped(number: int) -> str:
    """A number in groups of three."""
    return f"{number:,}"


def as_written(value: object) -> str:
    """A value that was in the tenant, as JSON says it."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def environment() -> Environment:
    """The templates, escaping everything and forgiving nothing."""
    made = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=plainly,
        trim_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "clip": plain,
        "grouped": grouped,
        "lines": lines,
        "relative": glossary.relative,
        "span": span,
        "stamp": stamp,
        "written": as_written,
    }
    made.globals |= {
        "style": STYLE,
        "words": glossary,
        "ways": instructions,
        "ending": glossary.ending,
    }
    return made


TEMPLATES = environment()
SEVERITIES = tuple(one for one in reversed(Severity) if one is not Severity.INFO)


def status_page(status: Status) -> str:
    """The first page: is all well, what waits for a person, how each guard stands."""
    levels, decisions = status.levels, status.decisions
    return TEMPLATES.get_template("status.html").render(
        here="status",
        root="",
        json="status.json",
        now=status.at,
        status=status,
        titles={guard.name: guard.title for guard in status.guards},
        total=sum(levels.values()),
        shares=[(severity.label, number) for severity, number in levels.items()],
        decisions=decisions,
        oldest=min((one.since for one in decisions), default=status.at),
        lately=status.lately,
        pardons=status.pardons,
        lacking=status.lacking,
        actions=status.actions,
        charts={
            "open": open_cases(status.history),
            "flow": opened_and_closed(status.history),
            "made": changes_made(status.history),
        },
        severities=SEVERITIES,
        severity_key=[(one.label, one.label) for one in SEVERITIES],
        limit=ROWS,
    )


def cases_page(chosen: Chosen, duties: Sequence[Duty], now: datetime) -> str:
    """One page of the list of cases, with what can be chosen from it."""
    choice = chosen.choice
    query = f"guard={choice.guard}&severity={choice.severity}&state={choice.state}"
    return TEMPLATES.get_template("cases.html").render(
        here="cases",
        root="",
        json=f"cases.json?{query}&page={choice.page}",
        now=now,
        chosen=chosen,
        choice_of=choice,
        titles={duty.guard.name: duty.guard.title for duty in duties},
        severities=SEVERITIES,
    )


def case_page(whole: Whole, now: datetime, controls: Sequence[Control] = ()) -> str:
    """One case: what, since when, the evidence, what became of it, how to answer it."""
    case, exemption = whole.case, whole.exemption
    held = case.kind == "brake" and case.closed is None
    found = next((match for fact in case.facts if (match := PLAN.fullmatch(fact))), None)
    return TEMPLATES.get_template("case.html").render(
        here="case",
        root=UP_FROM_CASE,
        json=f"{case.key}.json",
        now=now,
        whole=whole,
        case=case,
        duty=whole.duty,
        controls=controls,
        events=timeline(whole),
        exempt_now=exemption is not None and exemption.until - now > timedelta(),
        undoable={record.id for record in whole.changes if undoable(record)},
        plan=found.group(1) if held and found else "",
    )


def undoable(record: ChangeRecord) -> bool:
    """Whether it makes sense to offer taking a change back."""
    made = record.state in MADE and not record.restores and record.undone is None
    return made and not irreversible(record.kind, record.before)


def notice_page(heading: str, said: Sequence[str], command: str = "") -> str:
    """A page that tells nothing of the tenant: sign in, not found, the state is out of reach."""
    return TEMPLATES.get_template("notice.html").render(
        heading=heading, lines=tuple(said), command=command
    )
