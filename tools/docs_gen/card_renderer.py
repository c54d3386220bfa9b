"""Renders sample cards as Teams does: with Microsoft's renderer, in the style and width of Teams.

`python -m tools.docs_gen.screenshots` writes them to docs/images. tools/setup.sh installs the
renderer (npm: adaptivecards) and the markdown library it needs (npm: markdown-it) into .tools.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from core.model.cases import Case, Notification
from core.model.findings import Correlation, Fact, Severity, Verdict
from core.model.guards import Mode
from core.model.requests import RequestKind
from core.model.runs import RunReport
from core.notifications.digest_card import build_digest_card
from core.notifications.run_cards import build_cards
from core.status.overview import build_status
from tests.support.adaptive_cards import (
    BLOCK_CHANGE_JSON,
    DISABLE_RULE_CHANGE_JSON,
    PUBLIC_URL,
    build_planned_outcome,
    build_request,
)
from tests.support.sample_steps import ACCOUNT, build_rule_steps
from tests.support.status_samples import (
    CONFIGS_BY_NAME,
    FORWARDING,
    NOW,
    SIGN_IN,
    build_busy_tenant,
    build_sample_case,
)

STAFF_NAMES = ("ann", "bob", "cem", "dan", "eva", "finn", "gus", "hana", "ida", "jon")
HIDDEN_WORDS = ("invoices", "payments", "banks", "passwords", "alarms", "refunds")

type Payload = Mapping[str, Any]

ROOT = Path(__file__).resolve().parent.parent.parent
NODE_MODULES = ROOT / ".tools" / "cards" / "node_modules"
RENDERER_SCRIPT = NODE_MODULES / "adaptivecards" / "dist" / "adaptivecards.min.js"
MARKDOWN_SCRIPT = NODE_MODULES / "markdown-it" / "dist" / "browser" / "markdown-it.umd.min.js"
# The width of a message in a channel, on a laptop and on a phone, in CSS pixels.
CHANNEL_WIDTH = 760
PHONE_WIDTH = 360

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
# The light theme of Teams (Microsoft Learn: Designing Adaptive Cards for your Teams app).
HOST_CONFIG = {
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
PAGE_HTML = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; padding: 16px; background: #f5f5f5 }
#card { background: #fff; border-radius: 4px; overflow: hidden;
  box-shadow: 0 1px 2px #0002, 0 0 2px #0003 }
#card p { margin: 0 } #card ul { margin: 0; padding-left: 20px } #card a { color: #4f52b2 }
#card table.ac-factset td { padding-bottom: 4px }
#card .ac-pushButton { font: 600 14px "Segoe UI", "Liberation Sans", sans-serif; color: #242424;
  background: #fff; border: 1px solid #d1d1d1; border-radius: 4px; padding: 6px 12px }
</style><div id="card"></div>"""
RENDER_SCRIPT = """([card, host]) => {
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


async def open_card_page(browser: Browser, width: int = CHANNEL_WIDTH) -> Page:
    """Open a page that can render cards, one after the other."""
    page = await browser.new_page(
        viewport={"width": width + 32, "height": 400}, device_scale_factor=1.5
    )
    await page.set_content(PAGE_HTML)
    await page.add_script_tag(path=str(RENDERER_SCRIPT))
    await page.add_script_tag(path=str(MARKDOWN_SCRIPT))
    return page


async def render_card(page: Page, message: Mapping[str, Any]) -> None:
    """Render a card in place of the last. Raises ValueError if the renderer rejects it."""
    complaints = await page.evaluate(
        RENDER_SCRIPT, [message["attachments"][0]["content"], HOST_CONFIG]
    )
    if complaints:
        raise ValueError(f"the renderer says: {json.dumps(complaints)}")


async def read_links(page: Page) -> list[str]:
    """The targets of the links in the rendered card."""
    found: list[str] = await page.eval_on_selector_all(
        "#card a", "all => all.map(one => one.getAttribute('href'))"
    )
    return found


async def save_card_image(
    browser: Browser, message: Mapping[str, Any], target: Path, width: int = CHANNEL_WIDTH
) -> None:
    """Save a card as an image."""
    page = await open_card_page(browser, width)
    await render_card(page, message)
    await page.locator("#card").screenshot(path=target, animations="disabled")
    await page.close()


# ----------------------------------------------------------------------------------------------
# Sample cards of the documents
# ----------------------------------------------------------------------------------------------


def build_guard_report(guard: str, *cases: Case, **other: Any) -> RunReport:
    """The report of a guard of the catalog, with notifications."""
    config = CONFIGS_BY_NAME[guard]
    report = RunReport(
        guard=guard,
        title=config.guard.title,
        noun=config.guard.noun,
        run="30000000000000-0000abcd",
        mode=config.mode,
        started_at=NOW,
        read_count=812,
        population=815,
        unread_count=3,
        notifications=cases,
        rationale=config.guard.rationale,
    )
    return replace(report, **other)


def build_redirect_case(number: int, name: str, target: str, **other: Any) -> Case:
    """An inbox rule that redirects mail to an outside address."""
    case = build_sample_case(
        FORWARDING,
        number,
        f"An inbox rule of {name} forwards mail to the outside.",
        subject=name,
        kind="inbox-rule-forward",
        severity=Severity.HIGH,
        opened_at=NOW,
        notification=Notification.OPENED,
        facts=(
            Fact("", "rule without a readable name"),
            Fact("", f"redirects to {target}"),
            Fact("", "nothing stops this mail: it leaves the organization"),
            Fact("", "moves the mail to RSS Feeds"),
        ),
        advice="Ask the owner; disable the rule unless they made it. If not, reset access.",
        steps=build_rule_steps(name, target or "drop@evil.example"),
        held_account=ACCOUNT,
        planned_changes=(DISABLE_RULE_CHANGE_JSON,),
    )
    return replace(case, notified_at=None, **other)


def build_sign_in_case(number: int, name: str, kind: str = "shared", **other: Any) -> Case:
    """A shared mailbox whose account can sign in."""
    case = build_sample_case(
        SIGN_IN,
        number,
        f"The account of {kind} mailbox {name} can sign in.",
        subject=name,
        kind="sign-in-enabled",
        severity=Severity.HIGH,
        verdict="block",
        opened_at=NOW - timedelta(minutes=15),
        notification=Notification.OPENED,
        facts=(
            Fact("sign-in name", name),
            Fact("licences", "none that is a mailbox"),
            Fact("last successful sign-in", "none on record"),
        ),
        planned_changes=(BLOCK_CHANGE_JSON,),
    )
    return replace(case, notified_at=None, **other)


def build_alert_card() -> Payload:
    """Two inbox rules that an attacker made."""
    return build_cards(
        build_guard_report(
            FORWARDING,
            build_redirect_case(1, "director@contoso.example", "drop@evil.example"),
            build_redirect_case(2, "accounts@contoso.example", "drop@evil.example"),
        ),
        PUBLIC_URL,
    )[0].payload


def build_story_card() -> Payload:
    """One address that many mailboxes send to, and many rules in one mailbox."""
    thief = Correlation.of("drop@evil.example", "mail to drop@evil.example")
    names = [f"{name}{number}" for number in (1, 2, 3, 4) for name in STAFF_NAMES]
    sending = [
        build_redirect_case(
            20 + number,
            f"{name}@contoso.example",
            "drop@evil.example",
            severity=Severity.CRITICAL if number == 0 else Severity.HIGH,
            correlations=(thief,),
            planned_changes=(
                json.dumps(["DisableInboxRule", {"mailbox_id": f"u{number}", "rule_id": "AQ="}]),
            ),
        )
        for number, name in enumerate(names)
    ]
    hiding = [
        build_redirect_case(
            80,
            "accounts@contoso.example",
            "",
            key=f"{number:032x}",
            severity=Severity.CRITICAL,
            summary=f"An inbox rule of accounts@contoso.example hides mail about {word}.",
            facts=(Fact("rule", "."), Fact("", "moves the mail to RSS Feeds")),
        )
        for number, word in enumerate(HIDDEN_WORDS)
    ]
    return build_cards(build_guard_report(FORWARDING, *sending, *hiding), PUBLIC_URL)[0].payload


def build_initial_scan_card() -> Payload:
    """The initial scan of an enforcing guard."""
    names = ("info", "orders", "press", "bookings", "events", "warehouse")
    preexisting = [
        build_sign_in_case(number, f"{name}@contoso.example", baselined=True)
        for number, name in enumerate(names)
    ]
    licensed = build_sign_in_case(
        9,
        "boardroom@contoso.example",
        "room",
        baselined=True,
        verdict=Verdict.ASK,
        severity=Severity.MEDIUM,
        advice="Somebody signed in on 2026-11-18: find out who uses it before it is blocked.",
        planned_changes=(),
    )
    preview = tuple(build_planned_outcome(one) for one in preexisting)
    report = build_guard_report(
        SIGN_IN, *preexisting, licensed, baselined=True, preview=preview, noun="shared mailboxes"
    )
    return build_cards(report, PUBLIC_URL)[0].payload


def build_resolved_card() -> Payload:
    """Cases that Exoguard remediated, and one that somebody else resolved."""
    done = [
        build_sign_in_case(
            number,
            f"{name}@contoso.example",
            notification=Notification.DONE,
            closed_at=NOW,
            resolution="done",
        )
        for number, name in enumerate(("info", "orders", "press"))
    ]
    gone = build_sign_in_case(
        7,
        "events@contoso.example",
        notification=Notification.CLOSED,
        closed_at=NOW,
        resolution="gone",
    )
    return build_cards(build_guard_report(SIGN_IN, *done, gone), PUBLIC_URL)[0].payload


def build_requests_card() -> Payload:
    """Requests of two operators."""
    rule = build_redirect_case(1, "accounts@contoso.example", "archive@partner.example")
    exempted = build_request(
        1,
        RequestKind.EXEMPT,
        subject=rule.key,
        requested_by="Ada Okafor",
        reason="Our bookkeepers get a copy until the end of the year, ticket 4711.",
        authenticated_as="ada@contoso.example",
        until=NOW + timedelta(days=40),
        at=NOW,
        ended_at=NOW,
        note="exempt until 2026-12-30 09:42 UTC; 1 open cases ended",
    )
    undone = build_request(
        2,
        RequestKind.UNDO,
        requested_by="Ben Silva",
        reason="The scanner on the second floor signs in with this account.",
        authenticated_as="ben@contoso.example",
        at=NOW,
        ended_at=NOW,
        note="restored as it was, and exempt until 2026-12-20",
    )
    names = {rule.key: rule.summary, undone.subject: "BlockSignIn of scanner@contoso.example"}
    report = build_guard_report(
        FORWARDING, operator_requests=(exempted, undone), subject_names=names, mode=Mode.ALERT
    )
    return build_cards(report, PUBLIC_URL)[0].payload


def build_weekly_card() -> Payload:
    """The weekly digest of a busy tenant."""
    return build_digest_card(build_status(build_busy_tenant(), NOW), PUBLIC_URL)


CARD_IMAGES = {
    "card-alert": (build_alert_card, CHANNEL_WIDTH),
    "card-alert-phone": (build_alert_card, PHONE_WIDTH),
    "card-story": (build_story_card, CHANNEL_WIDTH),
    "card-initial-scan": (build_initial_scan_card, CHANNEL_WIDTH),
    "card-resolved": (build_resolved_card, CHANNEL_WIDTH),
    "card-requests": (build_requests_card, CHANNEL_WIDTH),
    "card-week": (build_weekly_card, CHANNEL_WIDTH),
}


async def save_card_images(browser: Browser, folder: Path) -> None:
    """Save the card images of the documents."""
    for name, (message, width) in CARD_IMAGES.items():
        await save_card_image(browser, message(), folder / f"{name}.png", width)
