"""Cards as Teams shows them: Microsoft's own renderer in a browser, with Teams' look and width.

`python -m tools.docs_gen.screenshots` writes them to docs/images. The renderer (npm: adaptivecards)
and the markdown it leaves to its host (npm: markdown-it) are put into .tools by tools/setup.sh.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from core.model.cases import Case, News
from core.model.findings import Severity, Verdict
from core.model.guards import Mode
from core.model.requests import Deed
from core.model.runs import RunReport
from core.notifications.digest_card import digest
from core.notifications.run_cards import cards
from core.status.overview import status
from tests.support.adaptive_cards import ADDRESS, BLOCK, DISABLE, action, planned
from tests.support.status_samples import DUTIES, FORWARDING, NOW, SIGN_IN, mornings
from tests.support.status_samples import case as open_case

type Payload = Mapping[str, Any]

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = ROOT / ".tools" / "cards" / "node_modules"
RENDERER = MODULES / "adaptivecards" / "dist" / "adaptivecards.min.js"
MARKDOWN = MODULES / "markdown-it" / "dist" / "browser" / "markdown-it.umd.min.js"
# What a message is wide in a channel on a laptop, in CSS pixels; and on a phone.
WIDTH = 760
PHONE = 360

FOREGROUND = {
    "default": {"default": "#242424", "subtle": "#616161"},
    "accent": {"default": "#4f52b2", "subtle": "#616161"},
    "attention": {"default": "#b10e1c", "subtle": "#b10e1c"},
    "warning": {"default": "#8f4e00", "subtle": "#8f4e00"},
    "good": {"default": "#0e700e", "subtle": "#0e700e"},
    "light": {"default": "#ffffff", "subtle": "#e0e0e0"},
    "dark": {"default": "#242424", "subtle": "#616161"},
}
BACKGROUND = {
    "default": "#ffffff",
    "emphasis": "#f5f5f5",
    "good": "#f1faf1",
    "attention": "#fdf3f4",
    "warning": "#fdf6f3",
    "accent": "#f5f5ff",
}
# The look of Teams' light theme (Microsoft Learn: Designing Adaptive Cards for your Teams app).
HOST = {
    "supportsInteractivity": True,
    "fontFamily": "Segoe UI, Selawik, Open Sans, Liberation Sans, sans-serif",
    "fontSizes": {"small": 12, "default": 14, "medium": 14, "large": 18, "extraLarge": 24},
    "fontWeights": {"lighter": 400, "default": 400, "bolder": 600},
    "lineHeights": {"small": 16, "default": 20, "medium": 20, "large": 24, "extraLarge": 32},
    "spacing": {
        "none": 0,
        "small": 8,
        "default": 12,
        "medium": 16,
        "large": 20,
        "extraLarge": 24,
        "padding": 16,
    },
    "separator": {"lineThickness": 1, "lineColor": "#e0e0e0"},
    "containerStyles": {
        name: {"backgroundColor": colour, "foregroundColors": FOREGROUND}
        for name, colour in BACKGROUND.items()
    },
    "factSet": {
        "title": {"color": "default", "weight": "bolder", "wrap": True, "maxWidth": 150},
        "value": {"color": "default", "wrap": True},
        "spacing": 12,
    },
    "actions": {"buttonSpacing": 8, "actionAlignment": "left", "maxActions": 6, "spacing": "large"},
}
PAGE = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; padding: 16px; background: #f5f5f5 }
#card { background: #fff; border-radius: 4px; overflow: hidden;
  box-shadow: 0 1px 2px #0002, 0 0 2px #0003 }
#card p { margin: 0 } #card ul { margin: 0; padding-left: 20px } #card a { color: #4f52b2 }
#card table.ac-factset td { padding-bottom: 4px }
#card .ac-pushButton { font: 600 14px "Segoe UI", "Liberation Sans", sans-serif; color: #242424;
  background: #fff; border: 1px solid #d1d1d1; border-radius: 4px; padding: 6px 12px }
</style><div id="card"></div>"""
DRAW = """([card, host]) => {
  AdaptiveCards.AdaptiveCard.onProcessMarkdown = (text, result) => {
    result.outputHtml = window.markdownit().render(text);
    result.didProcess = true;
  };
  const drawn = new AdaptiveCards.AdaptiveCard();
  drawn.hostConfig = new AdaptiveCards.HostConfig(host);
  const context = new AdaptiveCards.SerializationContext();
  drawn.parse(card, context);
  document.getElementById("card").replaceChildren(drawn.render());
  return Array.from({length: context.eventCount}, (_, at) => context.getEventAt(at).message);
}"""


async def easel(browser: Browser, width: int = WIDTH) -> Page:
    """A page on which cards can be drawn, one after the other."""
    page = await browser.new_page(
        viewport={"width": width + 32, "height": 400}, device_scale_factor=1.5
    )
    await page.set_content(PAGE)
    await page.add_script_tag(path=str(RENDERER))
    await page.add_script_tag(path=str(MARKDOWN))
    return page


async def draw(page: Page, message: Mapping[str, Any]) -> None:
    """Draw a card in place of the last. Raises ValueError for one the renderer complains of."""
    complaints = await page.evaluate(DRAW, [message["attachments"][0]["content"], HOST])
    if complaints:
        raise ValueError(f"the renderer says: {json.dumps(complaints)}")


async def links(page: Page) -> list[str]:
    """Where the links in a drawn card lead."""
    found: list[str] = await page.eval_on_selector_all(
        "#card a", "all => all.map(one => one.getAttribute('href'))"
    )
    return found


async def picture(
    browser: Browser, message: Mapping[str, Any], target: Path, width: int = WIDTH
) -> None:
    """A card as a picture."""
    page = await easel(browser, width)
    await draw(page, message)
    await page.locator("#card").screenshot(path=target, animations="disabled")
    await page.close()


# ----------------------------------------------------------------------------------------------
# What the documents show
# ----------------------------------------------------------------------------------------------


def run_of(guard: str, *news: Case, **other: Any) -> RunReport:
    """A run of a guard of the catalog with something to tell."""
    duty = DUTIES[guard]
    made = RunReport(
        guard=guard,
        title=duty.guard.title,
        noun=duty.guard.noun,
        run="30000000000000-0000abcd",
        mode=duty.mode,
        started=NOW,
        seen=812,
        population=815,
        unread=3,
        news=news,
        why=duty.guard.why,
    )
    return replace(made, **other)


def redirecting(number: int, name: str, target: str, **other: Any) -> Case:
    """An inbox rule that sends mail out."""
    found = open_case(
        FORWARDING,
        number,
        f"An inbox rule of {name} forwards mail to the outside.",
        subject=name,
        kind="inbox-rule-forward",
        severity=Severity.HIGH,
        opened=NOW,
        news=News.OPENED,
        facts=(
            "rule without a readable name",
            f"redirects to {target}",
            "nothing stops this mail: it leaves the organization",
            "moves the mail to RSS Feeds",
        ),
        advice="Ask the owner; disable the rule unless they made it. If not, reset access.",
        wanted=(DISABLE,),
    )
    return replace(found, told=None, **other)


def signing_in(number: int, name: str, kind: str = "shared", **other: Any) -> Case:
    """A mailbox of nobody whose account can sign in."""
    found = open_case(
        SIGN_IN,
        number,
        f"The account of {kind} mailbox {name} can sign in.",
        subject=name,
        kind="sign-in-enabled",
        severity=Severity.HIGH,
        verdict=Verdict.BLOCK,
        opened=NOW - timedelta(minutes=15),
        news=News.OPENED,
        facts=(
            f"sign-in name: {name}",
            "licences: none that is a mailbox",
            "last successful sign-in: none on record",
        ),
        wanted=(BLOCK,),
    )
    return replace(found, told=None, **other)


def alerting() -> Payload:
    """Two rules an intruder made."""
    return cards(
        run_of(
            FORWARDING,
            redirecting(1, "director@contoso.example", "drop@evil.example"),
            redirecting(2, "accounts@contoso.example", "drop@evil.example"),
        ),
        ADDRESS,
    )[0].payload


def first_look() -> Payload:
    """What an enforcing guard finds when it looks for the first time."""
    names = ("info", "orders", "press", "bookings", "events", "warehouse")
    there = [
        signing_in(number, f"{name}@contoso.example", adopted=True)
        for number, name in enumerate(names)
    ]
    asked = signing_in(
        9,
        "boardroom@contoso.example",
        "room",
        adopted=True,
        verdict=Verdict.ASK,
        severity=Severity.MEDIUM,
        advice="Somebody signed in on 2026-11-18: find out who uses it before it is blocked.",
        wanted=(),
    )
    preview = tuple(planned(one) for one in there)
    report = run_of(SIGN_IN, *there, asked, adopted=True, preview=preview, noun="shared mailboxes")
    return cards(report, ADDRESS)[0].payload


def ended() -> Payload:
    """What was put right, and what somebody else saw to."""
    done = [
        signing_in(number, f"{name}@contoso.example", news=News.DONE, closed=NOW, closing="done")
        for number, name in enumerate(("info", "orders", "press"))
    ]
    gone = signing_in(7, "events@contoso.example", news=News.CLOSED, closed=NOW, closing="gone")
    return cards(run_of(SIGN_IN, *done, gone), ADDRESS)[0].payload


def asked_for() -> Payload:
    """What people did."""
    rule = redirecting(1, "accounts@contoso.example", "archive@partner.example")
    exempted = action(
        1,
        Deed.EXEMPT,
        subject=rule.key,
        who="Ada Okafor",
        why="Our bookkeepers get a copy until the end of the year, ticket 4711.",
        signed_in="ada@contoso.example",
        until=NOW + timedelta(days=40),
        at=NOW,
        ended=NOW,
        note="exempt until 2026-12-30 09:42 UTC; 1 open cases ended",
    )
    undone = action(
        2,
        Deed.UNDO,
        who="Ben Silva",
        why="The scanner on the second floor signs in with this account.",
        signed_in="ben@contoso.example",
        at=NOW,
        ended=NOW,
        note="restored as it was, and exempt until 2026-12-20",
    )
    names = {rule.key: rule.summary, undone.subject: "BlockSignIn of scanner@contoso.example"}
    report = run_of(FORWARDING, actions=(exempted, undone), names=names, mode=Mode.ALERT)
    return cards(report, ADDRESS)[0].payload


def week() -> Payload:
    """The week's card of a tenant in which a good deal happens."""
    return digest(status(mornings(), NOW), ADDRESS)


SHOWN = {
    "card-alert": (alerting, WIDTH),
    "card-alert-phone": (alerting, PHONE),
    "card-first-look": (first_look, WIDTH),
    "card-over": (ended, WIDTH),
    "card-asked-for": (asked_for, WIDTH),
    "card-week": (week, WIDTH),
}


async def take_cards(browser: Browser, folder: Path) -> None:
    """The pictures of cards that the documents show."""
    for name, (message, width) in SHOWN.items():
        await picture(browser, message(), folder / f"{name}.png", width)
