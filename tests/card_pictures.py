"""Cards as Teams shows them: Microsoft's own renderer in a browser, with Teams' look and width.

`python -m tests.pictures` writes them to docs/images. The renderer (npm: adaptivecards) and the
markdown it leaves to its host (npm: markdown-it) are put into .tools by tools/setup.sh.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
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
  document.getElementById("card").appendChild(drawn.render());
  return Array.from({length: context.eventCount}, (_, at) => context.getEventAt(at).message);
}"""


async def drawn(browser: Browser, message: Mapping[str, Any], width: int = WIDTH) -> Page:
    """A page that shows a card. Raises ValueError for one the renderer has something against."""
    page = await browser.new_page(
        viewport={"width": width + 32, "height": 400}, device_scale_factor=1.5
    )
    await page.set_content(PAGE)
    await page.add_script_tag(path=str(RENDERER))
    await page.add_script_tag(path=str(MARKDOWN))
    complaints = await page.evaluate(DRAW, [message["attachments"][0]["content"], HOST])
    if complaints:
        raise ValueError(f"the renderer says: {json.dumps(complaints)}")
    return page


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
    page = await drawn(browser, message, width)
    await page.locator("#card").screenshot(path=target, animations="disabled")
    await page.close()
