"""Several cases answered at once from a page: chosen, confirmed, recorded each by itself."""

import re

import pytest

from core.api.authentication import Caller
from core.api.forms import COOKIE_NAME
from core.api.request import HttpResponse
from core.keys import build_object_key, hash_parts
from core.model.findings import Severity
from core.model.requests import OperatorRequest, RequestKind
from tests.support.fakes.clock import START
from tests.support.fakes.ledger import DAY
from tests.unit.api.harness import (
    ANN,
    GUARD,
    ApiHarness,
    build_audit_case,
    encode_form,
    save_cases,
)

OTHER_GUARD = "mailbox-forwarding"
HOSTILE = "<script>alert(1)</script> \u202egpj.exe"
FIRST = build_audit_case(1)
SECOND = build_audit_case(2, severity=Severity.CRITICAL, summary=HOSTILE)
KNOWN = build_audit_case(3, acknowledged_at=START - DAY, acknowledged_by="Bob")
ENDED = build_audit_case(4, closed_at=START - DAY)
GONE = build_object_key("m9", "audit")


async def build_api(caller: Caller = ANN) -> ApiHarness:
    api = ApiHarness(caller=caller)
    await save_cases(api, FIRST, SECOND, KNOWN, ENDED)
    return api


async def confirm(
    api: ApiHarness, kind: str, *keys: str, guard: str = GUARD, **headers: str
) -> HttpResponse:
    """Tick boxes of a list and press a button below it."""
    boxes = [("cases", f"{guard}/{key}") for key in keys]
    return await api.send("confirm-several", encode_form([*boxes, ("kind", kind)], **headers))


def read_form(answer: HttpResponse) -> list[tuple[str, str]]:
    return re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', str(answer.body))


async def submit(
    api: ApiHarness, answer: HttpResponse, cookie: str = "", **more: str
) -> HttpResponse:
    """Press the button of a confirmation."""
    own = answer.headers["Set-Cookie"].partition(";")[0]
    fields = [*read_form(answer), ("why", "one campaign"), *more.items()]
    return await api.send("perform-several", encode_form(fields, cookie=cookie or own))


async def list_requests(api: ApiHarness) -> dict[str, OperatorRequest]:
    return {one.subject: one for one in await api.list_requests()}


async def test_the_confirmation_says_of_each_case_what_will_happen() -> None:
    api = await build_api()
    chosen = (FIRST.key, SECOND.key, KNOWN.key, ENDED.key, GONE)
    answer = await confirm(api, "acknowledge", *chosen)
    page = str(answer.body)
    assert answer.status == 200
    assert "Acknowledge 2 cases?" in page
    assert page.count("without reminders, until it changes") == 2
    assert "It is acknowledged already." in page
    assert "It is closed: there is nothing to know of." in page
    assert "It is no longer on record" in page
    assert [value for name, value in read_form(answer) if name == "cases"] == [
        f"{GUARD}/{FIRST.key}",
        f"{GUARD}/{SECOND.key}",
    ]
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert await list_requests(api) == {}


async def test_each_case_gets_a_request_of_its_own_and_a_guard_one_message() -> None:
    api = await build_api()
    answer = await submit(api, await confirm(api, "acknowledge", FIRST.key, SECOND.key))
    assert answer.status == 202
    assert "2 of 2 requests recorded" in str(answer.body)
    asked = await list_requests(api)
    assert set(asked) == {FIRST.key, SECOND.key}
    assert {one.kind for one in asked.values()} == {RequestKind.ACKNOWLEDGE}
    assert {one.requested_by for one in asked.values()} == {"Ann"}
    assert {one.reason for one in asked.values()} == {"one campaign"}
    [batch] = {one.batch for one in asked.values()}
    assert f"requests?batch={batch}" in str(answer.body)
    [message] = answer.run_messages
    assert message.guard == GUARD
    assert message.run in {one.id for one in asked.values()}


async def test_the_page_of_requests_shows_what_became_of_each_of_one_form() -> None:
    api = await build_api()
    before = await submit(api, await confirm(api, "acknowledge", FIRST.key))
    assert before.status == 202
    await submit(api, await confirm(api, "exempt", SECOND.key), until=f"{START + 9 * DAY:%Y-%m-%d}")
    batch = (await list_requests(api))[SECOND.key].batch
    assert batch
    page = str((await api.get("requests-page", {"batch": batch})).body)
    assert f"case {SECOND.short_key}" in page
    assert f"case {FIRST.short_key}" not in page
    assert "waits for the next run" in page
    assert f"case {FIRST.short_key}" in str((await api.get("requests-page")).body)


async def test_an_exemption_has_an_end_and_takes_closed_cases_too() -> None:
    api = await build_api()
    page = await confirm(api, "exempt", FIRST.key, ENDED.key)
    assert "It is closed already, and will not be reported again" in str(page.body)
    until = (START + 9 * DAY).date().isoformat()
    assert (await submit(api, page, until=until)).status == 202
    asked = await list_requests(api)
    assert {one.until for one in asked.values()} == {START.replace(hour=0, minute=0) + 9 * DAY}
    late = await submit(api, await confirm(api, "exempt", SECOND.key))
    assert late.status == 400
    assert "&#34;until&#34; is missing" in str(late.body)


async def test_one_request_that_is_refused_holds_up_no_other() -> None:
    api = await build_api()
    for number in range(10, 59):
        case = build_audit_case(number)
        await save_cases(api, case)
        await api.post("request-acknowledgement", case=case.key)
    answer = await submit(api, await confirm(api, "acknowledge", FIRST.key, SECOND.key))
    assert "1 of 2 requests recorded" in str(answer.body)
    assert "Not recorded: 50 requests are already pending" in str(answer.body)
    assert {FIRST.key, SECOND.key} & set(await list_requests(api)) == {FIRST.key}


async def test_a_guard_whose_state_cannot_be_read_holds_up_no_other() -> None:
    api = await build_api()
    boxes = [("cases", f"{GUARD}/{FIRST.key},{OTHER_GUARD}/{GONE}"), ("kind", "acknowledge")]
    api.ledger.unreadable_guards.add(OTHER_GUARD)
    page = await api.send("confirm-several", encode_form(boxes))
    assert "The state of its guard cannot be read now: nothing is done." in str(page.body)
    assert "Acknowledge 1 case?" in str(page.body)
    fields = [boxes[0], *read_form(page), ("why", "x")]
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    answer = await api.send("perform-several", encode_form(fields, cookie=cookie))
    assert answer.status == 202
    assert FIRST.key in await list_requests(api)


async def test_who_chooses_nothing_or_too_much_is_told_so() -> None:
    api = await build_api()
    nothing = await confirm(api, "acknowledge")
    assert nothing.status == 400
    assert "no case is chosen" in str(nothing.body)
    many = [build_object_key(f"m{number}", "audit") for number in range(51)]
    too_many = await confirm(api, "acknowledge", *many)
    assert too_many.status == 400
    assert "51 cases are chosen: answer at most 50 at a time" in str(too_many.body)
    assert (await confirm(api, "acknowledge", *many[:50])).status == 200
    assert (await confirm(api, "acknowledge", FIRST.key, guard="nobody")).status == 404
    assert (await confirm(api, "contain", FIRST.key)).status == 400
    assert (await confirm(api, "acknowledge", "not-a-key")).status == 400


async def test_a_case_that_is_ticked_twice_is_answered_once() -> None:
    api = await build_api()
    answer = await submit(api, await confirm(api, "acknowledge", FIRST.key, FIRST.key))
    assert "1 of 1 request recorded" in str(answer.body)


@pytest.mark.parametrize("cookie", ["other=1", f"{COOKIE_NAME}=forged", f"{COOKIE_NAME}="])
async def test_a_form_that_is_not_of_this_confirmation_is_refused(cookie: str) -> None:
    api = await build_api()
    page = await confirm(api, "acknowledge", FIRST.key)
    assert (await submit(api, page, cookie)).status == 403
    assert await list_requests(api) == {}


async def test_a_confirmation_is_used_once() -> None:
    api = await build_api()
    answer = await submit(api, await confirm(api, "acknowledge", FIRST.key))
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert answer.headers["Set-Cookie"].startswith(f"{COOKIE_NAME}=;")


async def test_another_site_is_shown_no_confirmation() -> None:
    api = await build_api()
    for site in ("cross-site", "same-site", "none"):
        answer = await confirm(api, "acknowledge", FIRST.key, sec_fetch_site=site)
        assert answer.status == 403


async def test_a_reader_is_shown_no_confirmation_and_records_nothing() -> None:
    api = await build_api()
    page = await confirm(api, "acknowledge", FIRST.key)
    api.caller = Caller("Rea (9)", "Rea", is_operator=False)
    assert (await confirm(api, "acknowledge", FIRST.key)).status == 403
    assert (await submit(api, page)).status == 403
    assert await list_requests(api) == {}


async def test_cases_of_several_guards_are_answered_by_one_form() -> None:
    api = await build_api()
    other = build_audit_case(5, key=build_object_key("m5", "redirect"))
    async with api.ledger.claim(OTHER_GUARD, "a run") as claim:
        assert claim
        await claim.save(other)
    boxes = [("cases", f"{GUARD}/{FIRST.key},{OTHER_GUARD}/{other.key}"), ("kind", "acknowledge")]
    page = await api.send("confirm-several", encode_form(boxes))
    answer = await submit(api, page)
    assert {message.guard for message in answer.run_messages} == {GUARD, OTHER_GUARD}


async def test_a_list_has_a_box_for_each_case_and_both_buttons() -> None:
    api = await build_api()
    page = str((await api.get("cases-page")).body)
    assert f'value="{GUARD}/{FIRST.key}"' in page
    assert 'name="kind" value="acknowledge"' in page
    assert 'name="kind" value="exempt"' in page
    status = str((await api.get("status-page")).body)
    assert f'value="{GUARD}/{SECOND.key}"' in status
    assert hash_parts("nobody") not in page
