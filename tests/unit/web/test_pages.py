"""The pages as text: nothing foreign acts, nothing deceives, everything is in its place."""

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from core.api.routes import ROUTES
from core.cli.program import get_root_command
from core.model.activity import Cause, build_session_key
from core.model.changes import ChangeState
from core.model.findings import Correlation, Severity, Verdict
from core.model.guards import Mode
from core.model.requests import RequestKind, RequestState
from core.model.state import GuardSnapshot
from core.status.case_query import CaseDetail
from core.status.daily_history import build_daily_history
from core.status.guard_status import GuardData, Health
from core.status.overview import build_status
from core.tenant.activity import ActivityActor, ActivityLog, ActorKind
from core.web import instructions
from core.web.case_timeline import build_case_timeline
from core.web.charts import chart_case_flow, chart_changes, chart_open_cases, round_up_to_axis
from core.web.glossary import (
    CHANGE_STATE_TEXTS,
    HEALTH_HEADLINES,
    HEALTH_LABELS,
    HEALTH_LEADS,
    MODE_TEXTS,
    REQUEST_KIND_TEXTS,
    REQUEST_STATE_TEXTS,
    SEVERITY_TEXTS,
    VERDICT_TEXTS,
)
from core.web.pages import (
    MAX_CHANGES,
    MAX_ROWS,
    PAGE_HEADERS,
    render_case_page,
    render_notice_page,
    render_status_page,
)
from tests.support.status_samples import (
    AUDIT,
    CONFIGS_BY_NAME,
    FORWARDING,
    NOW,
    SIGN_IN,
    SamplePages,
    build_busy_tenant,
    build_healthy_tenant,
    build_hostile_tenant,
    build_large_tenant,
    build_sample_case,
    build_sample_change,
)

VOID = {"meta", "link", "br", "rect", "path", "line", "input"}
# What a browser may be made to fetch or to run by an attribute.
LOADING = {"src", "srcset", "action", "formaction", "data", "xlink:href", "background", "ping"}
HIDDEN = "\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f"
INVISIBLE = re.compile(f"[{HIDDEN}]")


class Read(HTMLParser):
    """Reads a page as strictly as it was written: every tag closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.stack.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert tag in VOID

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] not in ("style", "script"):
            self.words.append(data)

    def values(self, name: str) -> list[str]:
        """All values an attribute has on the page."""
        return [
            value or "" for _, attrs in self.tags for key, value in attrs.items() if key == name
        ]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def every_page(pages: SamplePages) -> Iterator[tuple[str, str]]:
    """All the pages of a tenant, with the page of every case of the hostile one."""
    for path in ("status", "cases", "requests", "permissions", "coverage", "settings", "notice"):
        yield path, pages.render_page(path, {}) or ""
    for kind in ("acknowledge", "exempt", "undo", "release", "run"):
        asked = {"kind": kind, "guard": SIGN_IN, "subject": "a" * 32}
        yield "act", pages.render_page("act", asked) or ""
    for standing in pages.statuses:
        for key in list(standing.snapshot.cases)[:20]:
            yield "object", pages.render_page(f"objects/{key[:8]}", {}) or ""
            yield "case", pages.render_page(f"cases/{standing.config.guard.name}/{key}", {}) or ""


TENANTS: Mapping[str, Callable[[], list[GuardData]]] = {
    "quiet": build_healthy_tenant,
    "morning": build_busy_tenant,
    "large": lambda: build_large_tenant(300),
    "hostile": build_hostile_tenant,
}


@pytest.fixture(scope="module", params=TENANTS)
def shown(request: pytest.FixtureRequest) -> list[tuple[str, Read]]:
    """Every page of a tenant, with what is read of it."""
    pages = SamplePages(TENANTS[request.param]())
    return [(text, Read(text)) for _, text in every_page(pages)]


def test_every_page_is_well_formed_and_its_references_resolve(
    shown: list[tuple[str, Read]],
) -> None:
    for _, page in shown:
        ids = page.values("id")
        assert len(ids) == len(set(ids))
        for pointed in (*page.values("aria-labelledby"), *page.values("for")):
            assert set(pointed.split()) <= set(ids)
        assert {one[1:] for one in page.values("href") if one.startswith("#")} <= set(ids)
        assert [tag for tag, _ in page.tags].count("h1") == 1
        assert [tag for tag, _ in page.tags].count("main") == 1


def test_no_page_has_a_foreign_script_a_handler_an_inline_style_or_an_external_address(
    shown: list[tuple[str, Read]],
) -> None:
    for text, page in shown:
        names = {key for _, attrs in page.tags for key in attrs}
        assert not {one for one in names if one.startswith("on")}
        assert "style" not in names
        assert not {tag for tag, _ in page.tags} & {"iframe", "object", "embed", "img"}
        assert text.count("<script") == 1
        for address in page.values("href"):
            assert re.fullmatch(
                r"#[a-z-]+|data:image/svg\+xml,%3Csvg.*|[0-9a-f]{32}\.json"
                r"|(\.\./){0,2}(status|cases|objects|requests|permissions|coverage|settings|act)"
                r"[a-z0-9/?=&.#-]*",
                address,
            )
        loaded = {value for key in LOADING for value in page.values(key)}
        forms = {"cases", "act", "act/several", "act/several/confirm"}
        assert {address.replace("../", "") for address in loaded} <= forms


def test_hostile_text_neither_acts_nor_hides_on_any_page() -> None:
    for kind, text in every_page(SamplePages(TENANTS["hostile"]())):
        assert not INVISIBLE.search(text), kind
        assert "<script>alert" not in text
        assert "alert(1)>" not in text
        assert "<h1>owned" not in text
        assert str(71234 * 70001) not in text
        assert len(text) < 200_000


def test_hostile_text_is_shown_escaped() -> None:
    text = Read(SamplePages(TENANTS["hostile"]()).render_page("requests", {}) or "").text
    assert "<script>alert(1)</script>" in text
    assert "\\u202egnp.exe\\u202c" in text
    assert "(10,000 characters)" in text
    assert "&lt;already&amp;escaped&gt;" in text


def test_the_environment_bounds_every_value() -> None:
    page = render_notice_page("x" * 5_000, ["\u202e<b>"])
    assert "x" * 2_001 not in page
    assert "\\u202e&lt;b&gt;" in page


def test_the_content_security_policy_allows_only_the_stylesheet_and_the_script() -> None:
    text = render_notice_page("Sign in", [])
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = PAGE_HEADERS["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert text.count("<style") == 1
    for rule in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert PAGE_HEADERS["Cache-Control"] == "no-store"
    assert PAGE_HEADERS["X-Content-Type-Options"] == "nosniff"
    assert PAGE_HEADERS["Referrer-Policy"] == "no-referrer"


def test_a_notice_has_no_data_of_the_tenant_and_no_links() -> None:
    page = Read(render_notice_page("Sign in", ["A key is needed."], "exo page"))
    assert not [tag for tag, _ in page.tags if tag in ("nav", "form", "a")][1:]
    assert "A key is needed." in page.text
    assert "exo page" in page.text


def test_a_healthy_tenant_shows_its_coverage() -> None:
    text = Read(SamplePages(TENANTS["quiet"]()).render_page("status", {}) or "").text
    assert "All is well" in text
    assert "815 of 815" in text
    assert "Nothing waits" in text


def test_a_busy_tenant_shows_late_guards_held_plans_missing_permissions_and_exemptions() -> None:
    pages = SamplePages(TENANTS["morning"]())
    text = " ".join(
        Read(pages.render_page(path, {}) or "").text
        for path in ("status", "requests", "permissions")
    )
    for words in (
        "Exoguard is degraded",
        "late by 69 minutes",
        "a permission is missing",
        "A plan waits for release",
        "What it would do: 6 changes",
        "812 of 815",
        "3 of 5 shards done",
        "ends soon",
        "Get-MailboxPermission",
        "Reverted by somebody else",
        "restored and exempt until 2026-12-13",
    ):
        assert words in text
    assert "may differ from the plan" not in text


def test_a_case_page_shows_requests_for_http_and_the_command_line() -> None:
    pages = SamplePages(TENANTS["morning"]())
    memory = pages.statuses[0].snapshot
    blocked = next(one for one in memory.cases.values() if one.resolution == "done")
    text = Read(pages.render_page(f"cases/{SIGN_IN}/{blocked.key}", {}) or "").text
    made = next(one for one in memory.changes if one.case_key == blocked.key)
    assert f'.net/api/changes/{SIGN_IN}/{made.id}/undo"' in text
    assert f"exo undo {SIGN_IN} {made.id} --why" in text
    assert "x-functions-key: $EXOGUARD_KEY" in text
    assert "Acknowledge this case" not in text
    assert "Exoguard remediated it and verified the result." in text
    first = pages.gravest_case
    assert first is not None
    text = Read(pages.render_page("cases/" + "/".join(first), {}) or "").text
    assert f'.net/api/cases/{first[0]}/{first[1]}/acknowledge"' in text
    assert f"--until {(NOW + timedelta(days=30)).date().isoformat()}" in text
    assert f'"subject": "{first[1]}"' in text


def list_values(value: object) -> list[object]:
    """The values of an argument that takes several."""
    return list(value) if isinstance(value, list | tuple) else [value]


def test_the_commands_of_the_pages_are_those_of_the_command_line() -> None:
    commands = get_root_command().commands
    key = "a" * 32
    asked = (
        instructions.explain_acknowledgement(SIGN_IN, key),
        instructions.explain_exemption(SIGN_IN, key),
        instructions.explain_exemption_end(SIGN_IN, key),
        instructions.explain_undo(SIGN_IN, key),
        instructions.explain_release(SIGN_IN, key),
    )
    for instruction in asked:
        name, *arguments = shlex.split(instruction.command)[1:]
        context = commands[name].make_context(name, arguments, resilient_parsing=False)
        assert context.params["guard"] in (SIGN_IN, "")
        assert any(key in list_values(value) for value in context.params.values())
        assert context.params["why"] == instructions.EXAMPLE_WHY


def test_the_requests_of_the_pages_are_those_of_the_api() -> None:
    key = "a" * 32
    posts = {route.path: route for route in ROUTES if route.is_write}
    for instruction in (
        instructions.explain_exemption(SIGN_IN, key),
        instructions.explain_undo(SIGN_IN, key),
        instructions.explain_release(SIGN_IN, key),
    ):
        words = shlex.split(instruction.http_request.replace("\\\n", " "))
        assert words[:4] == ["curl", "--fail-with-body", "--request", "POST"]
        body = words[words.index("--data") + 1]
        path = words[4].partition("/api/")[2].replace(SIGN_IN, "{guard}")
        route = posts[path.replace(key, "{change}")]
        names = {one.name for one in route.parameters}
        assert json.loads(body).keys() <= names
        assert {one.name for one in route.parameters if one.required} <= json.loads(body).keys()


def test_commands_name_the_address_of_the_app_where_it_is_known() -> None:
    text = instructions.explain_undo(SIGN_IN, "a" * 32).http_request
    known = instructions.with_address(text, "https://exo.example/")
    assert '"https://exo.example/api/changes/' in known
    assert instructions.EXAMPLE_ADDRESS in instructions.with_address(text, "")


def test_a_change_that_is_undone_or_irreversible_offers_no_undo() -> None:
    pages = SamplePages(TENANTS["morning"]())
    memory = pages.statuses[0].snapshot
    asked = next(one for one in memory.cases.values() if one.acknowledged_at)
    text = Read(pages.render_page(f"cases/{SIGN_IN}/{asked.key}", {}) or "").text
    assert "Undo the change" not in text
    assert "End the exemption" not in text
    assert "The whole object is exempt, by its id: object-3" in text


def test_the_case_of_a_held_plan_shows_how_to_release_it() -> None:
    pages = SamplePages(TENANTS["morning"]())
    audit = next(one for one in pages.statuses if one.config.guard.name == AUDIT)
    held = next(one for one in audit.snapshot.cases.values() if one.kind == "brake")
    name = held.plan_hash
    text = Read(pages.render_page(f"cases/{AUDIT}/{held.key}", {}) or "").text
    assert f"exo release {AUDIT} {name}" in text
    assert f'.net/api/guards/{AUDIT}/run"' in text


def test_the_list_of_cases_is_paged_and_keeps_its_filter() -> None:
    pages = SamplePages(TENANTS["large"]())
    asked = {"guard": FORWARDING, "severity": "", "state": "all", "page": "2"}
    page = Read(pages.render_page("cases", asked) or "")
    assert "101 to 200 of 600 cases" in page.text
    assert f"cases?guard={FORWARDING}&state=all&page=3" in page.values("href")
    chosen = [attrs["value"] for tag, attrs in page.tags if tag == "option" and "selected" in attrs]
    assert chosen == [FORWARDING, "", "all", "", "severity"]
    beyond = Read(pages.render_page("cases", {"page": "9"}) or "").text
    assert "none on this page" in beyond
    assert "No matching cases" in Read(pages.render_page("cases", {"guard": AUDIT}) or "").text


def test_the_status_page_bounds_its_rows_and_counts_the_others() -> None:
    pages = SamplePages(build_large_tenant(300))
    text = Read(pages.render_page("status", {}) or "").text
    assert re.search(r"See all \d+ changes of the last 7 days", text)
    assert text.count("Clear the mailbox's forward") == MAX_CHANGES
    text = Read(pages.render_page("requests", {}) or "").text
    assert re.search(r"\d+ more changes not shown here", text)
    assert text.count("Clear the mailbox's forward") == MAX_ROWS


def test_a_case_page_says_what_it_leaves_out() -> None:
    guard = CONFIGS_BY_NAME[FORWARDING]
    actor = ActivityActor(ActorKind.PERSON, "u1", "mia@contoso.com")
    cause = Cause("Set-Mailbox", NOW, actor, ActivityLog.EXCHANGE, session="s1")
    shared = tuple(Correlation(f"{number:016x}", f"target {number}") for number in range(12))
    case = replace(build_sample_case(FORWARDING, 1, "A rule."), cause=cause, correlations=shared)
    change = build_sample_change(case, 1, "DisableInboxRule", NOW)
    changes = tuple(replace(change, id=f"{number:032x}") for number in range(70))
    related = tuple((FORWARDING, build_sample_case(FORWARDING, n, "B")) for n in range(30))
    detail = CaseDetail(guard, case, changes, related=related)
    page = Read(render_case_page(detail, NOW))
    assert "50 more changes not shown here" in page.text
    assert "12 earlier events are not shown here" in page.text
    assert "target 9 and 2 more" in page.text
    assert f"../../cases?about={build_session_key(cause)}" in page.values("href")


def test_a_grave_event_stays_on_the_status_page_for_a_day_after_it_is_over() -> None:
    event = replace(
        build_sample_case(FORWARDING, 1, "Somebody deleted very much."),
        severity=Severity.CRITICAL,
        is_one_off=True,
        closed_at=NOW - timedelta(hours=1),
        resolution="gone",
    )
    others = (
        replace(event, key="1" * 32, summary="Long ago.", closed_at=NOW - timedelta(days=2)),
        replace(event, key="2" * 32, summary="No event.", is_one_off=False),
        replace(event, key="3" * 32, summary="Not grave.", severity=Severity.MEDIUM),
    )
    cases = {case.key: case for case in (event, *others)}
    data = GuardData(CONFIGS_BY_NAME[FORWARDING], GuardSnapshot(cases=cases))
    page = Read(render_status_page(build_status([data], NOW)))
    assert f"cases/{FORWARDING}/{event.key}" in page.values("href")
    assert not any(case.summary in page.text for case in others)


def test_a_story_of_more_cases_than_one_form_answers_says_so() -> None:
    shared = Correlation("0123456789abcdef", "one target")
    cases = [
        replace(
            build_sample_case(FORWARDING, number, "A rule."),
            severity=Severity.CRITICAL,
            correlations=(shared,),
        )
        for number in range(60)
    ]
    data = GuardData(
        CONFIGS_BY_NAME[FORWARDING], GuardSnapshot(cases={case.key: case for case in cases})
    )
    page = Read(render_status_page(build_status([data], NOW)))
    assert "of which the box chooses the gravest 50" in page.text


def test_the_history_is_drawn_to_scale_and_shown_as_a_table() -> None:
    page = Read(SamplePages(TENANTS["morning"]()).render_page("status", {}) or "")
    tags = [tag for tag, _ in page.tags]
    assert (tags.count("figure"), tags.count("desc")) == (3, 3)
    assert page.text.count("2026-11-20") > 1
    cases = [one for row in TENANTS["large"]() for one in row.snapshot.cases.values()]
    days = build_daily_history(cases, [], [], NOW)
    for chart in (chart_open_cases(days), chart_case_flow(days), chart_changes(days)):
        assert len(chart.columns) == len(days)
        for column in chart.columns:
            assert all(0 <= block.y <= block.y + block.height <= 100.1 for block in column.blocks)


@pytest.mark.parametrize(
    ("number", "axis"), [(0, 1), (1, 1), (3, 5), (10, 10), (11, 20), (64, 100), (4_999, 5_000)]
)
def test_an_axis_ends_at_a_round_number(number: int, axis: int) -> None:
    assert round_up_to_axis(number) == axis


def test_the_timeline_of_a_case_is_in_order() -> None:
    pages = SamplePages(TENANTS["morning"]())
    memory = pages.statuses[0].snapshot
    asked = next(one for one in memory.cases.values() if one.acknowledged_at)
    events = build_case_timeline(pages.find_case(SIGN_IN, asked.key))
    assert [event.at for event in events] == sorted(event.at for event in events)
    said = " | ".join(event.text for event in events)
    assert "Change: block sign-in: made" in said
    assert "undid a change: done" in said
    assert "Undone: block sign-in" in said


def test_every_term_has_a_text() -> None:
    assert VERDICT_TEXTS.keys() == set(Verdict)
    assert CHANGE_STATE_TEXTS.keys() == set(ChangeState)
    assert (set(REQUEST_KIND_TEXTS), set(REQUEST_STATE_TEXTS)) == (
        set(RequestKind),
        set(RequestState),
    )
    assert HEALTH_LABELS.keys() == HEALTH_HEADLINES.keys() == HEALTH_LEADS.keys() == set(Health)
    assert (set(MODE_TEXTS), set(SEVERITY_TEXTS)) == (set(Mode), set(Severity))


def test_controls_are_named_where_a_finding_is_about_one() -> None:
    pages = SamplePages(TENANTS["morning"]())
    memory = pages.statuses[0].snapshot
    asked = next(one for one in memory.cases.values() if one.acknowledged_at)
    text = Read(pages.render_page(f"cases/{SIGN_IN}/{asked.key}", {}) or "").text
    assert "1.2.2: Ensure sign-in to shared mailboxes is blocked" in text
    without = Read(render_case_page(pages.find_case(SIGN_IN, asked.key), NOW)).text
    assert "CIS" not in without
