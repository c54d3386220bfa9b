"""The HTML pages: status, cases, one case, one object, requests, permissions, settings, a notice.

The server renders them from what `core.status.overview` derived; nothing here
reads or decides anything. Text from the tenant is hostile: the environment, not the template,
sanitizes every printed value (`core.sanitize.sanitize_text` makes control, bidirectional and
invisible characters visible) and escapes it. The policy in PAGE_HEADERS lets nothing run, load or
frame the page. No address carries a key, and links are relative, so that the pages work behind any
proxy. The one script adds buttons that copy commands; everything works without it.

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
from core.model.activity import build_actor_key, build_session_key
from core.model.changes import ChangeRecord
from core.model.findings import Severity, Step
from core.model.guards import GuardConfig
from core.sanitize import sanitize_text
from core.status.assumptions import describe_probe, list_assumption_views
from core.status.case_query import CaseDetail, CaseFilter, CasePage, ObjectDetail
from core.status.case_texts import describe_case_end
from core.status.cause_texts import list_cause_lines
from core.status.change_texts import describe_change
from core.status.counts import is_change_made
from core.status.coverage import CoverageRow, describe_delay, summarize
from core.status.guard_status import Health, PendingDecision
from core.status.tenant_status import TenantStatus
from core.tenant.reversibility import explain_irreversible
from core.time_format import format_date, format_duration, format_relative_time, format_time
from core.web import glossary, instructions
from core.web.act_target import MAX_ANSWERED
from core.web.case_timeline import build_case_timeline
from core.web.charts import chart_case_flow, chart_changes, chart_open_cases
from core.web.setting_rows import SettingRow

TEMPLATES_FOLDER = Path(__file__).parent / "templates"
STYLESHEET = Markup((TEMPLATES_FOLDER / "style.css").read_text("utf-8"))  # noqa: S704  # our own file
# Rows that a page shows of a section; the JSON has all of them.
MAX_ROWS = 25
# What the status page begins with: few enough to be read at once.
MAX_ACTS = 10
MAX_DECISIONS = 5
MAX_CHANGES = 10
# How long the exemption lasts that a page writes down as a command.
EXEMPTION_EXAMPLE = timedelta(days=30)
# The limit of any value that a template prints, in characters.
MAX_VALUE_LENGTH = 2_000
ROOT_FROM_CASE = "../../"
SCRIPT = Markup((TEMPLATES_FOLDER / "copy.js").read_text("utf-8"))  # noqa: S704  # our own file
SCRIPT_DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
STYLESHEET_DIGEST = base64.b64encode(hashlib.sha256(STYLESHEET.encode()).digest()).decode()
PAGE_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'none'",
                f"style-src 'sha256-{STYLESHEET_DIGEST}'",
                f"script-src 'sha256-{SCRIPT_DIGEST}'",
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


def begin_sentence(text: str) -> str:
    """A text with its first letter as a capital. The others stay: a name may be among them."""
    return text[:1].upper() + text[1:]


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
        "sentence": begin_sentence,
        "time": format_time,
    }
    made.globals |= {
        "style": STYLESHEET,
        "script": SCRIPT,
        "glossary": glossary,
        "instructions": instructions,
        "describe_case_end": describe_case_end,
    }
    return made


TEMPLATES = build_template_environment()
SEVERITIES = tuple(one for one in reversed(Severity) if one is not Severity.INFO)


def render_status_page(status: TenantStatus, tenant: str = "", address: str = "") -> str:
    """The status page: what to act on, what waits for a decision, and the state of each guard."""
    failures = [reason for reason in status.reasons if reason.health is Health.FAILING]
    decisions = list_other_decisions(status)
    return TEMPLATES.get_template("status.html").render(
        here="status",
        root="",
        json="status.json",
        tenant=tenant,
        address=address,
        now=status.at,
        status=status,
        failures=failures,
        notices=[reason for reason in status.reasons if reason.health is not Health.FAILING],
        titles={guard.name: guard.title for guard in status.guards},
        counts=status.counts,
        urgent=status.urgent,
        act_limit=MAX_ACTS,
        answer_limit=MAX_ANSWERED,
        decisions=decisions,
        decided_above=len(status.decisions) - len(decisions),
        decision_limit=MAX_DECISIONS,
        oldest_decision=find_oldest_decision(status),
        recent_changes=status.recent_changes,
        change_limit=MAX_CHANGES,
        charts={
            "open": chart_open_cases(status.history),
            "flow": chart_case_flow(status.history),
            "made": chart_changes(status.history),
        },
        severities=SEVERITIES,
        severity_key=[(one.label, one.label) for one in SEVERITIES],
    )


def list_other_decisions(status: TenantStatus) -> list[PendingDecision]:
    """The decisions that are not among what to act on first."""
    shown = {case.key for _, group in status.urgent[:MAX_ACTS] for case in group.cases}
    return [one for one in status.decisions if one.case_key not in shown]


def find_oldest_decision(status: TenantStatus) -> datetime:
    """Since when the oldest decision that nobody acknowledged has waited; now without any."""
    waiting = (one.since for one in status.decisions if not one.acknowledged)
    return min(waiting, default=status.at)


def render_requests_page(status: TenantStatus, tenant: str = "", batch: str = "") -> str:
    """What people decided and asked for, what waits for them, and what was changed.

    With a batch, what became of the requests that one form made.
    """
    requests = [one for one in status.operator_requests if not batch or one.request.batch == batch]
    return TEMPLATES.get_template("requests.html").render(
        here="requests",
        root="",
        json="status.json",
        tenant=tenant,
        now=status.at,
        titles={guard.name: guard.title for guard in status.guards},
        unreadable=status.unreadable,
        decisions=status.decisions,
        batch=batch,
        operator_requests=requests,
        request_limit=len(requests) if batch else MAX_ROWS,
        exemptions=status.exemptions,
        recent_changes=status.recent_changes,
        limit=MAX_ROWS,
    )


def render_permissions_page(status: TenantStatus, tenant: str = "") -> str:
    """What the app may do, what it lacks, and how the tenant and its logs answer."""
    return TEMPLATES.get_template("permissions.html").render(
        here="permissions",
        root="",
        json="status.json",
        tenant=tenant,
        now=status.at,
        status=status,
        titles={guard.name: guard.title for guard in status.guards},
        unreadable=status.unreadable,
        missing_permissions=status.missing_permissions,
        assumptions=list_assumption_views(status.probe) if status.probe else (),
        probe_summary=describe_probe(status.probe) if status.probe else "",
        limit=MAX_ROWS,
    )


def render_coverage_page(
    rows: Sequence[CoverageRow], now: datetime, technique: str = "", tenant: str = ""
) -> str:
    """What is told of the things intruders do, in this tenant."""
    return TEMPLATES.get_template("coverage.html").render(
        here="coverage",
        root="",
        json="",
        tenant=tenant,
        now=now,
        rows=rows,
        technique=technique,
        summary=summarize(rows),
        describe_delay=describe_delay,
    )


def render_settings_page(
    purposes: Sequence[tuple[str, Sequence[SettingRow]]], now: datetime, tenant: str = ""
) -> str:
    """The settings in force, by what they are for."""
    return TEMPLATES.get_template("settings.html").render(
        here="settings", root="", json="", tenant=tenant, now=now, purposes=purposes
    )


def render_cases_page(
    page: CasePage, configs: Sequence[GuardConfig], now: datetime, tenant: str = ""
) -> str:
    """One page of the list of cases, with its filter."""
    choice = page.case_filter
    return TEMPLATES.get_template("cases.html").render(
        here="cases",
        root="",
        json=f"cases.json?{choice.build_query()}",
        tenant=tenant,
        now=now,
        page=page,
        case_filter=choice,
        titles={config.guard.name: config.guard.title for config in configs},
        severities=SEVERITIES,
    )


def render_object_page(
    detail: ObjectDetail,
    about: str,
    now: datetime,
    tenant: str = "",
    address: str = "",
    accounts: Sequence[str] = (),
) -> str:
    """Everything that all guards know of one object.

    `accounts` are those that an intruder may hold, where accounts may be contained.
    """
    return TEMPLATES.get_template("object.html").render(
        here="object",
        root="../",
        json=f"../cases.json?{CaseFilter(state='all', about=about).build_query()}",
        tenant=tenant,
        now=now,
        detail=detail,
        limit=MAX_ROWS,
        address=address,
        accounts=accounts,
    )


def render_case_page(
    detail: CaseDetail,
    now: datetime,
    controls: Sequence[Control] = (),
    tenant: str = "",
    address: str = "",
    account: str = "",
    techniques: Sequence[str] = (),
    steps: Sequence[Step] = (),
) -> str:
    """One case: summary, evidence, changes, history, and how to respond.

    `account` is the one that an intruder may hold, where accounts may be contained.
    """
    case, exemption = detail.case, detail.exemption
    held = case.kind == "brake" and case.closed_at is None
    return TEMPLATES.get_template("case.html").render(
        here="case",
        root=ROOT_FROM_CASE,
        json=f"{case.key}.json",
        tenant=tenant,
        address=address,
        month=EXEMPTION_EXAMPLE,
        now=now,
        detail=detail,
        case=case,
        config=detail.config,
        controls=controls,
        techniques=techniques,
        steps=steps,
        cause_lines=tuple(list_cause_lines(case)),
        related=detail.related,
        story=case.cause and (build_session_key(case.cause) or build_actor_key(case.cause)),
        events=build_case_timeline(detail),
        exempt_now=exemption is not None and exemption.until - now > timedelta(),
        undoable_ids={record.id for record in detail.changes if can_offer_undo(record)},
        plan=case.plan_hash if held else "",
        account=account if case.closed_at is None else "",
    )


def can_offer_undo(record: ChangeRecord) -> bool:
    """Whether a change is in effect and can be undone."""
    return is_change_made(record) and not explain_irreversible(record.kind, record.before)


def render_notice_page(
    heading: str, paragraphs: Sequence[str], command: str = "", link: tuple[str, str] | None = None
) -> str:
    """A page without data of the tenant: sign in, not found, recorded, state unavailable.

    `link` is an address of this app and its text.
    """
    return TEMPLATES.get_template("notice.html").render(
        heading=heading, lines=tuple(paragraphs), command=command, link=link
    )
