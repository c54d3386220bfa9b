"""The pages in a real browser: what it loads and complains of, small screens, keys, axe, print."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.served import launch_browser, serve_pages
from tests.support.action_samples import DONE_ID, PLAN_ID, WAITING_ID
from tests.support.sample_steps import ACCOUNT
from tests.support.status_samples import (
    FORWARDING,
    SamplePages,
    build_busy_tenant,
    build_healthy_tenant,
    build_hostile_tenant,
    build_large_tenant,
)

type Scheme = Literal["light", "dark"]

AXE = Path(__file__).resolve().parents[2] / ".tools/browser/node_modules/axe-core/axe.min.js"
TENANTS = {
    "none": build_healthy_tenant,
    "sixty": lambda: build_large_tenant(60),
    "five thousand": lambda: build_large_tenant(5_000),
    "morning": build_busy_tenant,
    "hostile": build_hostile_tenant,
}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
# What sixty cases look like is among what five thousand do.
ASKED_OF_AXE = [name for name in TENANTS if name != "sixty"]
AXE_PAGES = 18
# The tenant whose pages are gone through by the keyboard.
WALKED = "morning"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@cache
def build_pages(name: str) -> SamplePages:
    """The pages of a tenant, the same for every test that looks at it."""
    return SamplePages(TENANTS[name]())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at() -> AsyncIterator[Browser]:
    """One browser for all; a test that leaves anything behind has a context of its own in it."""
    async with launch_browser() as opened:
        yield opened


@dataclass
class Seen:
    """What the browser was made to fetch, and what it complained of."""

    fetched: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def addresses(pages: SamplePages) -> Iterator[str]:
    """The pages to look at: all kinds, the list with a choice, a few cases."""
    yield from (
        "status",
        "cases",
        f"cases?guard={FORWARDING}&state=all&page=2",
        "requests",
        "permissions",
        "settings",
        f"act?kind=exempt&guard={FORWARDING}&subject={'a' * 32}",
        f"act?kind=undo&guard={FORWARDING}&subject={'a' * 32}",
        f"act?kind=contain&subject={ACCOUNT}",
        f"act?kind=uncontain&subject={ACCOUNT}",
        f"containments/{PLAN_ID}",
        f"containments/{DONE_ID}",
        f"containments/{WAITING_ID}",
        "act/several/confirm",
        "act/several",
        "notice",
        "nowhere",
    )
    for data in pages.statuses:
        for number, key in enumerate(list(data.snapshot.cases)[:3]):
            yield f"cases/{data.config.guard.name}/{key}"
            if not number:
                yield f"objects/{key[:8]}"


@asynccontextmanager
async def opened(at: Browser, **options: Any) -> AsyncIterator[tuple[Page, Seen]]:
    """A page in a browser that writes down what it does."""
    context = await at.new_context(**options)
    page, seen = await context.new_page(), Seen()
    page.on("request", lambda request: seen.fetched.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))
    try:
        yield page, seen
    finally:
        await context.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_page(at: Browser) -> AsyncIterator[Page]:
    async with opened(at) as (page, _):
        yield page


@pytest_asyncio.fixture(loop_scope="module")
async def reader(one_page: Page) -> Page:
    """A page that all tests share which only open addresses and look, as new as a first one."""
    await one_page.goto("about:blank")
    await one_page.set_viewport_size({"width": 1280, "height": 720})
    await one_page.emulate_media(media="null", color_scheme="null")
    return one_page


@dataclass(frozen=True)
class Walk:
    """What the Tab key reaches on a page, one after the other."""

    elements: int
    """How many it should reach."""
    places: list[int]
    """Where in the page they are that it does."""
    outlines: set[str]


@dataclass(frozen=True)
class Look:
    """What a page that was opened once does, in every width and in light and dark."""

    path: str
    address: str
    fetched: list[str]
    """But for what its own text holds."""
    parts: list[int]
    """How many style sheets and scripts it has."""
    links: list[str]
    overflowing: list[int]
    """The widths of screens that it is wider than."""
    violations: dict[Scheme, list[tuple[Any, ...]]]
    """What axe finds, by scheme, if it was asked."""
    walk: Walk | None


@dataclass
class Viewer:
    """Opens every page of a tenant once, for all tests that look at it; of several tenants' pages
    that are the same to the last letter, one.
    """

    browser: Browser
    looks: dict[str, list[Look]] = field(default_factory=dict)
    complaints: dict[str, list[str]] = field(default_factory=dict)
    """What the browser complained of, by the tenant whose page it was first."""
    known: dict[tuple[str, str | None, Scheme], Look] = field(default_factory=dict)
    """The looks, by the path, the text of the page, and the scheme in which axe sees it on a narrow
    screen.
    """

    async def look_at(self, name: str) -> list[Look]:
        """The pages of a tenant."""
        if name not in self.looks:
            pages = build_pages(name)
            paths = list(addresses(pages))
            for_axe = paths[:AXE_PAGES] if name in ASKED_OF_AXE else []
            looks = []
            walks = name == WALKED
            narrow: Scheme = "light" if walks else "dark"
            async with serve_pages(pages) as address, opened(self.browser) as (page, seen):
                if for_axe:
                    # Each page has it from the beginning: the browser compiles it once for all, and
                    # does not ask the page's policy, which forbids scripts from elsewhere.
                    await page.add_init_script(path=find_axe())
                for path in paths:
                    same = (path, recall_address(pages, path), narrow)
                    asks_axe = path in for_axe
                    if same not in self.known or (asks_axe and not self.known[same].violations):
                        self.known[same] = await look_at_page(
                            page, seen, address, path, narrow if asks_axe else None, walks
                        )
                    looks.append(self.known[same])
            self.looks[name], self.complaints[name] = looks, seen.complaints
        return self.looks[name]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(at: Browser) -> Viewer:
    return Viewer(at)


def recall_address(pages: SamplePages, path: str) -> str | None:
    """The page at an address as it is served."""
    parts = urlsplit(path)
    return pages.recall_page(parts.path, dict(parse_qsl(parts.query)))


async def look_at_page(
    page: Page, seen: Seen, address: str, path: str, narrow: Scheme | None, walks: bool
) -> Look:
    """Open a page and look at it; also with axe, whose own doing is no complaint, on a narrow
    screen in the scheme `narrow` and on a wide one in the other; and by the keyboard, if it walks.
    """
    seen.fetched.clear()
    known = len(seen.complaints)
    answer = await page.goto(address + path)
    assert answer
    fetched = [one for one in seen.fetched if not one.startswith("data:")]
    parts = await page.evaluate("[document.styleSheets.length, document.scripts.length]")
    links = await page.evaluate("[...document.links].map(link => link.href)")
    if path == "nowhere":
        # The browser says of a page that is not there that it is not there.
        del seen.complaints[known:]
    walk = await walk_through(page) if walks else None
    await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    overflowing = []
    violations: dict[Scheme, list[tuple[Any, ...]]] = {}
    for width in (320, 768, 1280):
        await page.set_viewport_size({"width": width, "height": 800})
        if await page.evaluate("document.documentElement.scrollWidth") > width:
            overflowing.append(width)
        known = len(seen.complaints)
        for scheme in SCHEMES if narrow else ():
            # What is on a narrow screen and in the dark is not on a wide one in the light.
            if width == (320 if scheme == narrow else 1280):
                violations[scheme] = await ask_axe(page, scheme)
        del seen.complaints[known:]
    return Look(path, address, fetched, parts, links, overflowing, violations, walk)


def find_axe() -> Path:
    assert AXE.exists(), "axe is missing: tools/setup.sh"
    return AXE


# Notes of each element that gets the focus where in the page it is, and how it is outlined.
NOTE_WHAT_IS_REACHED = """
(() => {
  const places = new Map([...document.querySelectorAll('*')].map((one, place) => [one, place]))
  window.reached = []
  document.addEventListener('focusin', event => window.reached.push(
    [places.get(event.target), getComputedStyle(event.target).outlineStyle]))
})()
"""


async def walk_through(page: Page) -> Walk:
    """Go through an open page with the Tab key held down; leaves the page as it was."""
    elements = await page.evaluate(
        "[...document.querySelectorAll('a[href],button,select,summary,input:not([type=hidden]),[tabindex=\"0\"]')]"
        ".filter(e => e.checkVisibility({contentVisibilityAuto: true})).length"
    )
    await page.evaluate(NOTE_WHAT_IS_REACHED)
    for _ in range(elements):
        await page.keyboard.down("Tab")
    await page.keyboard.up("Tab")
    reached = await page.evaluate("window.reached")
    await page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    return Walk(elements, [place for place, _ in reached], {outline for _, outline in reached})


async def ask_axe(page: Page, scheme: Scheme) -> list[tuple[Any, ...]]:
    """What axe finds on an open page, as wide as it is."""
    await page.emulate_media(color_scheme=scheme)
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    await page.emulate_media(color_scheme="light")
    return [
        (one["id"], node["target"], node.get("failureSummary", "")[:200])
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]


@pytest.mark.parametrize("name", TENANTS)
async def test_a_page_fetches_nothing_but_itself_and_the_browser_has_no_complaint(
    viewer: Viewer, name: str
) -> None:
    for look in await viewer.look_at(name):
        if look.path != "nowhere":
            assert look.fetched == [look.address + look.path]
            assert look.parts == [1, 1]
    assert viewer.complaints[name] == []


async def test_a_style_or_a_script_that_got_into_a_page_would_not_act(at: Browser) -> None:
    async with (
        serve_pages(build_pages("none")) as address,
        opened(at) as (page, seen),
    ):
        await page.goto(address + "status")
        await page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', "
            '\'<p id=in style="color:red">x</p><img src="https://foreign.example/">\')'
        )
        await page.wait_for_timeout(200)
        colour = await page.evaluate("getComputedStyle(document.getElementById('in')).color")
        assert colour != "rgb(255, 0, 0)"
        assert any("Content Security Policy" in one for one in seen.complaints)
        assert not [one for one in seen.fetched if "foreign" in one and "blocked" not in one][1:]


@pytest.mark.parametrize("name", TENANTS)
async def test_no_page_is_wider_than_its_screen(viewer: Viewer, name: str) -> None:
    for look in await viewer.look_at(name):
        assert look.overflowing == [], look.path


WORDS_THAT_BREAK = """
[...document.querySelectorAll('.guards th, .guards td')].flatMap(cell => {
  const found = [], walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.parentElement.checkVisibility()) continue
    for (const word of node.data.matchAll(/[A-Za-z0-9,]+/g)) {
      const range = document.createRange()
      range.setStart(node, word.index)
      range.setEnd(node, word.index + word[0].length)
      if (new Set([...range.getClientRects()].map(one => one.top)).size > 1) found.push(word[0])
    }
  }
  return found
})
"""


async def test_no_word_of_the_table_of_guards_breaks_in_its_middle(reader: Page) -> None:
    async with serve_pages(build_pages("morning")) as address:
        await reader.goto(address + "status")
        for width in (320, 400, 600, 768, 800, 900, 1024, 1280):
            await reader.set_viewport_size({"width": width, "height": 800})
            assert await reader.evaluate(WORDS_THAT_BREAK) == [], width


async def test_the_status_of_a_hundred_cases_is_seen_in_three_screens(reader: Page) -> None:
    await reader.set_viewport_size({"width": 1280, "height": 900})
    async with serve_pages(SamplePages(build_large_tenant(100))) as address:
        await reader.goto(address + "status")
        assert await reader.evaluate("document.documentElement.scrollHeight") < 2_500


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ASKED_OF_AXE)
async def test_axe_finds_nothing(viewer: Viewer, name: str, scheme: Scheme) -> None:
    for look in (await viewer.look_at(name))[:AXE_PAGES]:
        assert look.violations[scheme] == [], look.path


async def test_the_keyboard_alone_reaches_everything_in_the_order_of_the_page(
    viewer: Viewer,
) -> None:
    for look in await viewer.look_at(WALKED):
        assert look.walk
        assert look.walk.outlines <= {"solid"}, look.path
        assert look.walk.places == sorted(set(look.walk.places)), look.path
        assert len(look.walk.places) == look.walk.elements, look.path


async def test_a_command_is_copied_by_a_button(at: Browser) -> None:
    pages = build_pages("morning")
    first = pages.gravest_case
    assert first is not None
    options = {"permissions": ["clipboard-read", "clipboard-write"]}
    async with serve_pages(pages) as address, opened(at, **options) as (page, seen):
        await page.goto(address + "cases/" + "/".join(first))
        await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        button = page.locator("button.copy").first
        await button.click()
        await button.filter(has_text="Copied").wait_for(timeout=10_000)
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied == await page.locator("pre").first.text_content()
        assert seen.complaints == []


async def test_the_skip_link_shows_when_it_is_reached_and_leads_to_the_content(
    reader: Page,
) -> None:
    async with serve_pages(build_pages("morning")) as address:
        await reader.goto(address + "status")
        await reader.keyboard.press("Tab")
        box = await reader.locator(".skip").bounding_box()
        assert box is not None
        assert box["y"] >= 0
        await reader.keyboard.press("Enter")
        assert await reader.evaluate("document.activeElement.id") == "main"


async def test_the_filter_works_without_a_script_and_by_the_keyboard(at: Browser) -> None:
    options = {"java_script_enabled": False}
    async with (
        serve_pages(build_pages("morning")) as address,
        opened(at, **options) as (page, _),
    ):
        await page.goto(address + "cases")
        await page.get_by_label("Severity").select_option("critical")
        await page.get_by_role("button", name="Show").press("Enter")
        assert "severity=critical" in page.url
        assert await page.locator("tbody tr").count() == 3


async def test_boxes_and_buttons_of_a_list_ask_about_the_chosen_cases_without_a_script(
    at: Browser,
) -> None:
    options = {"java_script_enabled": False}
    async with (
        serve_pages(build_pages("morning")) as address,
        opened(at, **options) as (page, _),
    ):
        for path in ("cases", "status"):
            await page.goto(address + path)
            boxes = page.locator("input[name=cases]")
            chosen = [await boxes.nth(number).get_attribute("value") for number in (0, 2)]
            for number in (0, 2):
                await boxes.nth(number).press("Space")
            async with page.expect_request("**/act/several/confirm") as sent:
                await page.get_by_role("button", name="Acknowledge").first.press("Enter")
            request = await sent.value
            assert request.method == "POST"
            fields = parse_qsl(request.post_data or "")
            assert fields == [*(("cases", one) for one in chosen), ("kind", "acknowledge")]


async def test_every_link_of_a_page_leads_somewhere(reader: Page, viewer: Viewer) -> None:
    looks = await viewer.look_at("morning")
    # They were opened at an address that is served no more.
    ways = {way.removeprefix(look.address) for look in looks for way in look.links}
    assert not any(way.startswith(("http:", "https:")) for way in ways)
    async with serve_pages(build_pages("morning")) as address:
        for way in ways:
            if not any(form in way for form in (".json", ".csv", "#")):
                answer = await reader.request.get(address + way)
                assert answer.status == 200, way


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_colours_follow_the_person_and_paper_is_white(
    reader: Page,
    scheme: Scheme,
) -> None:
    await reader.emulate_media(color_scheme=scheme)
    async with serve_pages(build_pages("morning")) as address:
        await reader.goto(address + "status")
        ground = "getComputedStyle(document.body).backgroundColor"
        shade = await reader.evaluate(f"parseInt({ground}.match(/\\d+/)[0])")
        assert (shade < 60) is (scheme == "dark")
        await reader.emulate_media(media="print")
        assert await reader.evaluate(ground) == "rgb(255, 255, 255)"
        ink = await reader.evaluate("getComputedStyle(document.querySelector('h2')).color")
        assert ink == "rgb(23, 32, 46)"
        assert not await reader.locator(".top nav").is_visible()
        assert await reader.locator("details pre").first.is_visible()


async def test_a_page_prints(reader: Page) -> None:
    async with serve_pages(build_pages("morning")) as address:
        await reader.goto(address + "status")
        paper = await reader.pdf(format="A4")
        assert paper.startswith(b"%PDF")
