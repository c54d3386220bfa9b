"""An account is contained and brought back from pages alone: plan, confirmation, result."""

import json
import re
from dataclasses import dataclass, replace
from html import unescape

import pytest

from core.api.authentication import Caller
from core.api.forms import COOKIE_NAME
from core.api.request import HttpResponse
from core.containment.planning import DEFAULT_CHOICES, STEP_CHOICES, STEP_TEXTS
from core.keys import hash_parts
from core.model.containment import ContainmentState
from core.ports import CONTAINMENT_PARTITION
from core.status.containment_document import build_containment_document
from core.tenant.directory import RoleHolder
from tests.support.containment_stage import MIA, build_tenant
from tests.support.fakes.clock import START
from tests.support.fakes.tenant import FakeTenant
from tests.unit.api.contain_harness import ContainApi
from tests.unit.api.harness import ANN, build_audit_case, encode_form, save_cases

OTHER = "33333333-0000-4000-8000-000000000001"
HOSTILE = "<img src=x onerror=alert(1)>\u202e@example.com"
CONTAIN, UNCONTAIN = {"kind": "contain", "subject": MIA}, {"kind": "uncontain", "subject": MIA}


@dataclass
class Person:
    """Somebody at a browser, who goes from page to page."""

    api: ContainApi
    page: str = ""
    cookie: str = ""
    status: int = 0

    def keep(self, answer: HttpResponse) -> str:
        """Look at an answer, and keep its cookie as a browser does."""
        self.page, self.status = str(answer.body), answer.status
        self.cookie = answer.headers.get("Set-Cookie", self.cookie).partition(";")[0]
        return self.page

    async def open(self, query: dict[str, str]) -> str:
        return self.keep(await self.api.get("act-page", query))

    async def look(self, containment: str) -> str:
        return self.keep(await self.api.get("containment-page", containment=containment))

    @property
    def fields(self) -> list[tuple[str, str]]:
        """What the form of the page sends as it stands: hidden fields and ticked boxes."""
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.page)
        ticked = re.findall(r'type="checkbox" name="(\w+)" value="([^"]*)" checked', self.page)
        return [(name, unescape(value)) for name, value in (*hidden, *ticked)]

    async def submit(self, *more: tuple[str, str], **changed: str) -> str:
        """Send the form, with some fields changed and some added; then the worker does its work.

        Returns the id of the request that the answer leads to.
        """
        fields = [(name, changed.pop(name, value)) for name, value in self.fields]
        fields += [*more, *changed.items()]
        if "why" not in dict(fields):
            fields.append(("why", "she called"))
        self.keep(await self.api.send("perform-act", encode_form(fields, cookie=self.cookie)))
        found = re.search(r'href="containments/([0-9a-f-]+)"', self.page)
        return found[1] if found else ""

    async def ask_plan(self) -> str:
        """Ask for a plan as the form proposes it, and look at it."""
        await self.open(CONTAIN)
        containment = await self.submit()
        await self.work()
        await self.look(containment)
        return containment

    async def work(self) -> None:
        """The worker takes what waits."""
        self.api.clock.advance(seconds=1)
        await self.api.process()


def meet(tenant: FakeTenant | None = None, **environ: str) -> Person:
    api = ContainApi(
        environ={"CONTAINMENT_MODE": "enforce", **environ}, tenant=tenant or build_tenant()
    )
    api.caller = ANN
    return Person(api)


def build_admin() -> FakeTenant:
    tenant = build_tenant()
    tenant.holders.append(RoleHolder(MIA, "entra"))
    return tenant


async def test_an_account_is_contained_and_brought_back_from_pages_alone() -> None:
    ann = meet()
    before = ann.api.picture()
    form = await ann.open(CONTAIN)
    assert all(STEP_TEXTS[name] in form for name in STEP_CHOICES)
    assert [value for name, value in ann.fields if name == "steps"] == list(DEFAULT_CHOICES)
    containment = await ann.submit()
    assert ann.status == 202
    assert "It is being processed" in await ann.look(containment)
    await ann.work()
    plan = await ann.look(containment)
    assert ann.api.picture() == before
    for said in (
        "mia@example.com",
        "What Exoguard will do",
        "Block the account&#39;s sign-in",
        "Needs User.EnableDisableAccount.All. Can be taken back.",
        "Cannot be taken back.",
        "What stays for you",
        "Carry this plan out?",
    ):
        assert said in plan, said
    order = await ann.submit()
    assert ann.api.picture() == before
    await ann.work()
    done = await ann.look(order)
    assert ann.api.tenant.users[0].enabled is False
    assert "It is contained." in done
    assert "Carried out by" in done
    assert "What Exoguard did" in done
    assert f'href="../account-bundles/{containment}"' in done
    assert "Take it back" in done
    release = await ann.open(UNCONTAIN)
    assert "Back comes in any case:" in release
    assert "Block the account&#39;s sign-in" in release
    back = await ann.submit(("steps", "forward"), ("steps", "rule-1"), ("steps", "device-1"))
    await ann.work()
    assert "Its containment was taken back." in await ann.look(back)
    assert ann.api.picture() == before


async def test_the_steps_of_a_plan_are_those_whose_boxes_are_ticked() -> None:
    ann = meet()
    await ann.open(CONTAIN)
    ann.page = ann.page.replace(" checked", "")
    await ann.submit()
    assert ann.status == 400
    assert "choose at least one step" in ann.page
    await ann.open(CONTAIN)
    ann.page = ann.page.replace(" checked", "")
    containment = await ann.submit(("steps", "block-sign-in"), ("steps", "hidden-rules"))
    await ann.work()
    plan = await ann.look(containment)
    assert "Switch off the hidden rule .." in plan
    assert "Tell the account&#39;s sessions" not in plan.partition("What stays for you")[0]


@pytest.mark.parametrize("steps", ["everything", "block-sign-in,nothing", "rule-1"])
async def test_a_step_that_there_is_not_is_no_plan(steps: str) -> None:
    ann = meet()
    await ann.open(CONTAIN)
    ann.page = ann.page.replace(" checked", "")
    await ann.submit(("steps", steps))
    assert ann.status == 400
    assert await ann.api.list_requests(CONTAINMENT_PARTITION) == ()


@pytest.mark.parametrize(
    ("tenant", "environ", "reason"),
    [
        (build_admin(), {}, "It is a protected administrator"),
        (build_tenant(is_this_app=True), {}, "Exoguard itself"),
        (build_tenant(is_deleted=True), {}, "The account is deleted"),
        (build_tenant(), {"BREAK_GLASS_ACCOUNTS": MIA}, "It is a break-glass account"),
    ],
)
async def test_an_account_that_no_app_contains_is_refused_on_the_page(
    tenant: FakeTenant, environ: dict[str, str], reason: str
) -> None:
    ann = meet(tenant, **environ)
    await ann.ask_plan()
    assert "It is not contained." in ann.page
    assert reason.lower() in unescape(ann.page).lower()
    assert 'name="plan"' not in ann.page
    assert ann.api.tenant.write_count == 0


async def test_a_plan_that_is_too_old_is_not_offered_and_not_carried_out() -> None:
    ann = meet()
    containment = await ann.ask_plan()
    ann.api.clock.advance(minutes=61)
    order = await ann.submit()
    await ann.work()
    assert "one is valid for an hour: ask for a new one" in await ann.look(order)
    assert f'href="{containment}"' in ann.page
    await ann.look(containment)
    assert "Why it is not carried out from here" in ann.page
    assert "Ask for a new plan" in ann.page
    assert 'name="plan"' not in ann.page
    assert ann.api.tenant.users[0].enabled is True


async def test_a_brake_that_is_used_up_is_told_before_and_after_the_form() -> None:
    ann = meet(CONTAINMENT_LIMIT="0")
    await ann.ask_plan()
    assert "The brake holds: 0 accounts" in ann.page
    assert "wait, or raise it" in ann.page
    assert 'name="plan"' not in ann.page
    ann.api.environ["CONTAINMENT_LIMIT"] = "1"
    await ann.ask_plan()
    ann.api.environ["CONTAINMENT_LIMIT"] = "0"
    order = await ann.submit()
    await ann.work()
    assert "The brake holds" in await ann.look(order)
    assert "Nothing was done" in ann.page
    assert ann.api.tenant.users[0].enabled is True


async def test_where_plans_are_only_shown_the_page_says_what_to_set() -> None:
    ann = meet(CONTAINMENT_MODE="alert")
    await ann.ask_plan()
    assert "CONTAINMENT_MODE is alert" in ann.page
    assert 'name="plan"' not in ann.page
    assert "Set it to enforce" in ann.page
    await ann.open(UNCONTAIN)
    assert ann.status == 409


async def test_where_containment_is_off_no_page_offers_it() -> None:
    ann = meet(CONTAINMENT_MODE="off")
    await ann.open(CONTAIN)
    assert ann.status == 409
    assert "set CONTAINMENT_MODE" in ann.page
    case = build_audit_case(1, held_account=MIA)
    await save_cases(ann.api, case)
    for name in ("case-page", "object-page"):
        path = {"case": case.key, "object": case.key[:8]}
        assert "act?kind=contain" not in str((await ann.api.get(name, None, **path)).body)
        ann.api.environ["CONTAINMENT_MODE"] = "enforce"
        offered = str((await ann.api.get(name, None, **path)).body)
        assert f"act?kind=contain&amp;subject={MIA}" in offered
        ann.api.environ["CONTAINMENT_MODE"] = "off"


@pytest.mark.parametrize("cookie", ["", f"{COOKIE_NAME}=forged", f"{COOKIE_NAME}="])
async def test_a_form_that_is_not_of_this_page_carries_nothing_out(cookie: str) -> None:
    ann = meet()
    await ann.ask_plan()
    ann.cookie = cookie
    await ann.submit()
    await ann.work()
    assert ann.status == 403
    assert ann.api.tenant.write_count == 0


async def test_a_form_is_used_once_and_a_plan_too() -> None:
    ann = meet()
    containment = await ann.ask_plan()
    page, cookie = ann.page, ann.cookie
    await ann.submit()
    assert ann.cookie == f"{COOKIE_NAME}="
    ann.page = page
    await ann.submit()
    assert ann.status == 403
    await ann.work()
    count = ann.api.tenant.write_count
    ann.page, ann.cookie = page, cookie
    again = await ann.submit()
    await ann.work()
    assert "The plan was carried out already" in await ann.look(again)
    assert ann.api.tenant.write_count == count
    assert "It is contained." in await ann.look(containment)


async def test_a_plan_of_one_account_does_not_contain_another() -> None:
    ann = meet()
    ann.api.tenant.targets.append(replace(ann.api.tenant.targets[0], id=OTHER))
    ann.api.tenant.users.append(replace(ann.api.tenant.users[0], id=OTHER))
    await ann.ask_plan()
    crossed = await ann.submit(subject=OTHER)
    await ann.work()
    assert "No plan of this account has that hash" in await ann.look(crossed)
    await ann.ask_plan()
    guessed = await ann.submit(plan=hash_parts("a guess"))
    await ann.work()
    assert "No plan of this account has that hash" in await ann.look(guessed)
    assert ann.api.tenant.write_count == 0


async def test_a_reader_sees_the_plan_and_can_do_nothing() -> None:
    ann = meet()
    containment = await ann.ask_plan()
    page, cookie = ann.page, ann.cookie
    ann.api.caller = Caller("Rea (9)", "Rea", is_operator=False)
    await ann.look(containment)
    assert "read access only" in ann.page
    assert 'name="token"' not in ann.page
    await ann.open(CONTAIN)
    assert ann.status == 403
    ann.page, ann.cookie = page, cookie
    await ann.submit()
    assert ann.status == 403
    await ann.work()
    assert ann.api.tenant.write_count == 0


async def test_names_from_the_tenant_are_text_on_each_page() -> None:
    ann = meet(build_tenant(upn=HOSTILE))
    containment = await ann.ask_plan()
    pages = [ann.page]
    await ann.submit(why="<script>alert(2)</script>")
    await ann.work()
    pages += [await ann.look(containment), await ann.open(CONTAIN), await ann.open(UNCONTAIN)]
    for page in pages:
        assert "<img src=x" not in page
        assert "<script>alert" not in page
        assert "\u202e" not in page
        assert "&lt;img src=x" in page


@pytest.mark.parametrize("account", ["x", MIA[:-1], "mia@example.com", "..", MIA + "\n"])
async def test_what_is_no_account_is_not_one(account: str) -> None:
    ann = meet()
    await ann.open({"kind": "contain", "subject": account})
    assert ann.status in (400, 404)


async def test_nothing_is_taken_back_of_an_account_that_was_not_contained() -> None:
    ann = meet()
    await ann.open(UNCONTAIN)
    assert ann.status == 409
    assert "nothing of this account is contained" in ann.page
    await ann.look("0" * 14 + "-" + "0" * 8)
    assert ann.status == 404


async def test_a_containment_that_stands_still_says_what_to_set() -> None:
    person = Person(ContainApi(caller=ANN))
    containment = await person.ask_plan()
    (plan,) = (await person.api.ledger.load_containments()).containments
    async with person.api.ledger.claim(CONTAINMENT_PARTITION, "a run") as claim:
        assert claim
        await claim.save(replace(plan, state=ContainmentState.RUNNING, started_at=START))
    assert "stands still" not in await person.look(containment)
    person.api.environ["CONTAINMENT_MODE"] = "alert"
    assert "it stands still where it was: set it to enforce" in await person.look(containment)


async def test_a_containment_whose_row_cannot_be_decoded_says_so_and_the_list_names_it() -> None:
    person = Person(ContainApi(caller=ANN))
    containment = await person.ask_plan()
    (plan,) = (await person.api.ledger.load_containments()).containments
    rows = person.api.ledger.get_partition(CONTAINMENT_PARTITION).containment_rows
    rows[f"contain|{plan.id}"] = (type(plan), "{")
    assert "cannot be decoded, and stays as it is" in await person.look(containment)
    assert person.status == 409
    listed = await person.api.get("containments-json")
    assert json.loads(listed.body)["unreadable"] == [plan.id]
    one = await person.api.get("containment-json", containment=plan.id)
    assert one.status == 409
    await person.open(UNCONTAIN)
    assert person.status == 409
    assert "cannot be decoded, and may be about any account" in person.page


async def test_a_containment_under_way_says_why_it_does_not_go_on() -> None:
    person = Person(ContainApi(caller=ANN))
    containment = await person.ask_plan()
    (plan,) = (await person.api.ledger.load_containments()).containments
    running = replace(
        plan, state=ContainmentState.RUNNING, stalled="<b>no answer", started_at=START
    )
    async with person.api.ledger.claim(CONTAINMENT_PARTITION, "a run") as claim:
        assert claim
        await claim.save(running)
    page = await person.look(containment)
    assert "It stands still, and is tried again: &lt;b&gt;no answer" in page
    assert build_containment_document(running).stands_still == "<b>no answer"
    assert build_containment_document(plan).stands_still is None
