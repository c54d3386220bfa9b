"""What people do from a page: the confirmation, the form, and what another site cannot do."""

import re
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import pytest

from core.api.authentication import Caller
from core.api.forms import COOKIE_NAME
from core.api.page_actions import ACTIONS
from core.api.request import HttpRequest, HttpResponse
from core.keys import hash_parts
from core.model.cases import Exemption
from core.model.changes import ChangeRecord, ChangeState, compute_plan_hash
from core.model.requests import OperatorRequest, RequestKind
from tests.support.fakes.clock import START
from tests.support.fakes.ledger import DAY
from tests.unit.api.harness import ANN, GUARD, ApiHarness, build_audit_case, save_cases

CASE = build_audit_case(1)
CHANGE = ChangeRecord(
    CASE.key[:8] + "c" * 24,
    CASE.key,
    "m1@contoso.com",
    "ResetAuditSet",
    {"mailbox_guid": "g", "logon_types": ["Owner"]},
    ChangeState.APPLIED,
    START - DAY,
    "67451000000000-0a1b2c3d",
    before={"DefaultAuditSet": ["Admin"], "AuditOwner": ["Update"]},
)


@dataclass
class Page:
    """A browser that opened a confirmation: the fields of its form, and its cookie."""

    api: ApiHarness
    html: str
    cookie: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, str]:
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.html))

    async def submit(self, **changed: str) -> HttpResponse:
        """Send the form as the browser does, with some fields changed."""
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "sec-fetch-site": "same-origin",
            "cookie": f"other=1; {self.cookie}",
            **self.headers,
        }
        body = urlencode(self.fields | {"why": "known device"} | changed).encode()
        return await self.api.send("perform-act", HttpRequest(headers=headers, body=body))


async def build_api(caller: Caller = ANN) -> ApiHarness:
    """The API with a case and a change, used by a signed-in operator."""
    api = ApiHarness(caller=caller)
    await save_cases(api, CASE)
    async with api.ledger.claim(GUARD, "a run") as claim:
        assert claim
        await claim.save(CHANGE)
    return api


async def open_page(api: ApiHarness, kind: RequestKind, subject: str = CASE.key) -> Page:
    query = {"kind": str(kind), "guard": GUARD} | ({"subject": subject} if subject else {})
    answer = await api.get("act-page", query)
    assert answer.status == 200, answer.body
    cookie = answer.headers["Set-Cookie"]
    assert all(part in cookie for part in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"))
    return Page(api, str(answer.body), cookie.partition(";")[0])


async def list_requests(api: ApiHarness) -> tuple[OperatorRequest, ...]:
    return await api.list_requests()


async def test_a_case_is_acknowledged_after_a_confirmation_that_names_it() -> None:
    api = await build_api()
    page = await open_page(api, RequestKind.ACKNOWLEDGE)
    assert CASE.summary in page.html
    assert "What will happen" in page.html
    answer = await page.submit()
    assert answer.status == 202
    [asked] = await list_requests(api)
    assert (asked.kind, asked.subject, asked.requested_by, asked.reason) == (
        RequestKind.ACKNOWLEDGE,
        CASE.key,
        "Ann",
        "known device",
    )
    assert asked.authenticated_as == "Ann (1234)"
    assert answer.run_messages


async def test_an_exemption_has_an_end_and_an_undo_shows_what_comes_back() -> None:
    api = await build_api()
    page = await open_page(api, RequestKind.EXEMPT)
    assert (await page.submit()).status == 400
    assert (await page.submit(until=(START + 9 * DAY).date().isoformat())).status == 202
    undo = await open_page(api, RequestKind.UNDO, CHANGE.id)
    assert "AuditOwner" in undo.html
    assert (await undo.submit()).status == 202
    asked = {one.kind for one in await list_requests(api)}
    assert asked == {RequestKind.EXEMPT, RequestKind.UNDO}


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        (RequestKind.ACKNOWLEDGE, {"closed_at": START, "resolution": "gone"}, "closed"),
        (
            RequestKind.ACKNOWLEDGE,
            {"acknowledged_at": START, "acknowledged_by": "<b>Bob"},
            "acknowledged by &lt;b&gt;Bob already",
        ),
        (RequestKind.END_EXEMPTION, {}, "no exemption of it is in force"),
    ],
)
async def test_what_somebody_else_did_meanwhile_is_not_offered_again(
    kind: RequestKind, changes: dict[str, Any], said: str
) -> None:
    api = await build_api()
    await save_cases(api, replace(CASE, **changes))
    answer = await api.get("act-page", {"kind": kind, "guard": GUARD, "subject": CASE.key})
    assert answer.status == 409
    assert said in str(answer.body)
    assert "<form" not in str(answer.body)


@pytest.mark.parametrize("subject", [CASE.key, "an-object"])
async def test_an_exemption_is_offered_to_be_ended_while_it_is_in_force(subject: str) -> None:
    api = await build_api()
    async with api.ledger.claim(GUARD, "a run") as claim:
        assert claim
        await claim.save(Exemption(subject, "Bob", "known", START + DAY))
    query = {"kind": "end-exemption", "guard": GUARD, "subject": subject}
    assert (await api.get("act-page", query)).status == 200
    api.clock.advance(days=2)
    assert (await api.get("act-page", query)).status == 409


async def test_a_change_that_was_undone_is_not_offered_to_be_undone() -> None:
    api = await build_api()
    async with api.ledger.claim(GUARD, "a run") as claim:
        assert claim
        await claim.save(replace(CHANGE, undone_at=START))
    query = {"kind": "undo", "guard": GUARD, "subject": CHANGE.id}
    answer = await api.get("act-page", query)
    assert (answer.status, "was taken back" in str(answer.body)) == (409, True)


async def test_a_guard_that_is_off_is_not_offered_to_run() -> None:
    api = await build_api()
    api.environ["MAILBOX_AUDIT_MODE"] = "off"
    answer = await api.get("act-page", {"kind": "run", "guard": GUARD})
    assert (answer.status, "MAILBOX_AUDIT_MODE" in str(answer.body)) == (409, True)


@pytest.mark.parametrize("is_exact", [True, False])
async def test_the_confirmation_of_a_release_says_where_its_list_is_not_the_plan(
    is_exact: bool,
) -> None:
    plan = compute_plan_hash(GUARD, (), None) if is_exact else hash_parts("another plan")
    api = await build_api()
    await save_cases(api, build_audit_case(2, kind="brake", plan_hash=plan))
    page = await open_page(api, RequestKind.RELEASE, plan)
    assert ("Not the plan itself" in page.html) is not is_exact


async def test_a_run_needs_no_subject() -> None:
    api = await build_api()
    page = await open_page(api, RequestKind.RUN, "")
    assert (await page.submit()).status == 202
    assert [one.kind for one in await list_requests(api)] == [RequestKind.RUN]


@pytest.mark.parametrize(
    ("headers", "changed"),
    [
        ({"sec-fetch-site": "cross-site"}, {}),
        ({"sec-fetch-site": "same-site"}, {}),
        ({"sec-fetch-site": "none"}, {}),
        ({"cookie": ""}, {}),
        ({"cookie": f"{COOKIE_NAME}="}, {"token": ""}),
        ({}, {"token": "forged"}),
        ({"cookie": f"{COOKIE_NAME}=another"}, {}),
    ],
)
async def test_a_form_that_is_not_of_this_page_is_refused(
    headers: dict[str, str], changed: dict[str, str]
) -> None:
    api = await build_api()
    page = await open_page(api, RequestKind.ACKNOWLEDGE)
    page.headers = headers
    assert (await page.submit(**changed)).status == 403
    assert await list_requests(api) == ()


@pytest.mark.parametrize("other", ['odd={"a": 1}', "=", "; ;", "a b=c", "\u00e9=\u00e9"])
async def test_a_cookie_of_another_maker_keeps_nobody_from_acting(other: str) -> None:
    page = await open_page(await build_api(), RequestKind.ACKNOWLEDGE)
    page.headers = {"cookie": f"{other}; {page.cookie}"}
    assert (await page.submit()).status == 202


async def test_of_two_cookies_with_the_name_none_is_believed() -> None:
    page = await open_page(await build_api(), RequestKind.ACKNOWLEDGE)
    page.headers = {"cookie": f"{COOKIE_NAME}=forged; {page.cookie}"}
    assert (await page.submit(token="forged")).status == 403


async def test_a_reader_gets_no_confirmation_and_no_effect() -> None:
    api = await build_api()
    page = await open_page(api, RequestKind.ACKNOWLEDGE)
    api.caller = Caller("Rea (9)", "Rea", is_operator=False)
    assert (await page.submit()).status == 403
    query = {"kind": "acknowledge", "guard": GUARD, "subject": CASE.key}
    assert (await api.get("act-page", query)).status == 403
    assert await list_requests(api) == ()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"kind": "acknowledge", "guard": GUARD, "subject": hash_parts("none")}, 404),
        ({"kind": "undo", "guard": GUARD, "subject": CASE.key}, 404),
        ({"kind": "release", "guard": GUARD, "subject": hash_parts("plan")}, 404),
        ({"kind": "run", "guard": "nobody"}, 404),
        ({"kind": "delete", "guard": GUARD}, 400),
        ({"kind": "acknowledge"}, 400),
    ],
)
async def test_what_is_not_on_record_cannot_be_confirmed(
    query: dict[str, str], status: int
) -> None:
    assert (await (await build_api()).get("act-page", query)).status == status


async def test_a_form_is_read_strictly() -> None:
    api = await build_api()
    page = await open_page(api, RequestKind.ACKNOWLEDGE)
    for body in (b"\xff\xfe", b"kind=run&kind=undo", b"&".join([b"a=1"] * 400)):
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "sec-fetch-site": "same-origin",
            "cookie": page.cookie,
        }
        answer = await api.send("perform-act", HttpRequest(headers=headers, body=body))
        assert answer.status == 400
    other = HttpRequest(
        path_parameters={"guard": GUARD}, headers={**headers, "x": "y"}, body=b"who=a&why=b"
    )
    assert (await api.send("request-run", other)).status == 415


def test_every_kind_that_a_page_offers_can_be_done() -> None:
    assert set(ACTIONS) == {
        RequestKind.ACKNOWLEDGE,
        RequestKind.EXEMPT,
        RequestKind.END_EXEMPTION,
        RequestKind.UNDO,
        RequestKind.RUN,
        RequestKind.RELEASE,
        RequestKind.CONTAIN,
        RequestKind.UNCONTAIN,
    }
