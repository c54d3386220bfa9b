"""The HTML pages: the status, the list of cases, one case, and a notice.

The server renders them without a script from what `core.status.overview` derived; nothing here
reads or decides anything. Text from the tenant is hostile: the environment, not the template,
sanitizes every printed value (`core.sanitize.sanitize_text` makes control, bidirectional and
invisible characters visible) and escapes it. The policy in PAGE_HEADERS lets nothing run, load or
frame the page. No address carries a key, and links are relative, so that the pages work behind any
proxy.

jinja2 and its templates take some milliseconds to load, so the API imports this module only when a
page is requested.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from core.microsoft365.cis_benchmark import Control
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.guards import GuardConfig
from core.sanitize import sanitize_text
from core.status.assumptions import describe_probe, list_assumption_views
from core.status.case_query import CaseDetail, CasePage
from core.status.case_texts import describe_case_end
from core.status.cause_texts import list_cause_lines
from core.status.change_texts import describe_change
from core.status.counts import is_change_made
from core.status.overview import TenantStatus
from core.tenant.reversibility import explain_irreversible
from core.time_format import format_date, format_duration, format_relative_time, format_time
from core.web import glossary, instructions
from core.web.case_timeline import build_case_timeline
from core.web.charts import chart_case_flow, chart_changes, chart_open_cases

TEMPLATES_FOLDER = Path(__file__).parent / "templates"
STYLESHEET = Markup((TEMPLATES_FOLDER / "style.css").read_text("utf-8"))  # noqa: S704  # our own file
# Rows that the status page shows of a section; the JSON has all of them.
MAX_ROWS = 25
# The limit of any value that a template prints, in characters.
MAX_VALUE_LENGTH = 2_000
ROOT_FROM_CASE = "../../"
STYLESHEET_DIGEST = base64.b64encode(hashlib.sha256(STYLESHEET.encode()).digest()).decode()
PAGE_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'none'",
                f"style-src 'sha256-{STYLESHEET_DIGEST}'",
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


def sanitize_output(value: object) -> object:
    """What a template prints: plain, unless it was made by a template. None is a mistake."""
    if isinstance(value, Markup):
        return value
    if value is None:
        raise TypeError("a template prints a value that is not there")
    return sanitize_text(str(value), MAX_VALUE_LENGTH)


def sanitize_lines(text: str) -> Markup:
    """A text of several lines, each sanitized and escaped."""
    return Markup("\n").join(
        escape(sanitize_text(line, MAX_VALUE_LENGTH)) for line in text.split("\n")
    )


def group_digits(number: int) -> str:
    """A number with its digits in groups of three."""
    return f"{number:,}"


def format_before_value(value: object) -> str:
    """A value the tenant had before a change, as text or JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def build_template_environment() -> Environment:
    """The Jinja environment: it escapes every value and fails on undefined names."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=sanitize_output,
        trim_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "clip": sanitize_text,
        "grouped": group_digits,
        "lines": sanitize_lines,
        "before_value": format_before_value,
        "change_text": describe_change,
        "date": format_date,
        "duration": format_duration,
        "relative": format_relative_time,
        "time": format_time,
    }
    made.globals |= {
        "style": STYLESHEET,
        "glossary": glossary,
        "instructions": instructions,
        "describe_case_end": describe_case_end,
    }
    return made


TEMPLATES = build_template_environment()
SEVERITIES = tuple(one for one in reversed(Severity) if one is not Severity.INFO)


def render_status_page(status: TenantStatus) -> str:
    """The status page: overall health, pending decisions, and the status of each guard."""
    counts = status.counts
    return TEMPLATES.get_template("status.html").render(
        here="status",
        root="",
        json="status.json",
        now=status.at,
        status=status,
        titles={guard.name: guard.title for guard in status.guards},
        counts=counts,
        shares=[(level.label, number) for level, number in counts.open_by_severity.items()],
        decisions=status.decisions,
        oldest_decision=min(
            (one.since for one in status.decisions if not one.acknowledged), default=status.at
        ),
        recent_changes=status.recent_changes,
        exemptions=status.exemptions,
        missing_permissions=status.missing_permissions,
        operator_requests=status.operator_requests,
        assumptions=list_assumption_views(status.probe) if status.probe else (),
        probe_summary=describe_probe(status.probe) if status.probe else "",
        charts={
            "open": chart_open_cases(status.history),
            "flow": chart_case_flow(status.history),
            "made": chart_changes(status.history),
        },
        severities=SEVERITIES,
        severity_key=[(one.label, one.label) for one in SEVERITIES],
        limit=MAX_ROWS,
    )


def render_cases_page(page: CasePage, configs: Sequence[GuardConfig], now: datetime) -> str:
    """One page of the list of cases, with its filter."""
    choice = page.case_filter
    query = f"guard={choice.guard}&severity={choice.severity}&state={choice.state}"
    if choice.about:
        query += f"&about={choice.about}"
    return TEMPLATES.get_template("cases.html").render(
        here="cases",
        root="",
        json=f"cases.json?{query}&page={choice.page}",
        now=now,
        page=page,
        case_filter=choice,
        titles={config.guard.name: config.guard.title for config in configs},
        severities=SEVERITIES,
    )


def render_case_page(detail: CaseDetail, now: datetime, controls: Sequence[Control] = ()) -> str:
    """One case: summary, evidence, changes, history, and how to respond."""
    case, exemption = detail.case, detail.exemption
    held = case.kind == "brake" and case.closed_at is None
    return TEMPLATES.get_template("case.html").render(
        here="case",
        root=ROOT_FROM_CASE,
        json=f"{case.key}.json",
        now=now,
        detail=detail,
        case=case,
        config=detail.config,
        controls=controls,
        cause_lines=tuple(list_cause_lines(case)),
        related=detail.related,
        events=build_case_timeline(detail),
        exempt_now=exemption is not None and exemption.until - now > timedelta(),
        undoable_ids={record.id for record in detail.changes if can_offer_undo(record)},
        plan=case.plan_hash if held else "",
    )


def can_offer_undo(record: ChangeRecord) -> bool:
    """Whether a change is in effect and can be undone."""
    return is_change_made(record) and not explain_irreversible(record.kind, record.before)


def render_notice_page(heading: str, paragraphs: Sequence[str], command: str = "") -> str:
    """A page without data of the tenant: sign in, not found, state unavailable."""
    return TEMPLATES.get_template("notice.html").render(
        heading=heading, lines=tuple(paragraphs), command=command
    )
