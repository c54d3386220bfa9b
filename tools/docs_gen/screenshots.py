"""`python -m tools.docs_gen.screenshots`: the screenshots of docs/images, of pages and cards, made
up.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.browser.served import browser, served
from tests.support.status_samples import FORWARDING, Pages, mornings
from tools.docs_gen.card_renderer import take_cards

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


@dataclass(frozen=True)
class Picture:
    """One screenshot: of which page, how wide and high, in which colours, from where on."""

    name: str
    path: str
    width: int
    height: int
    scheme: Literal["light", "dark"] = "light"
    at: str = ""


def pictures(pages: Pages) -> list[Picture]:
    """All of them."""
    keys = {row.duty.guard.name: row.memory.cases for row in pages.standings}
    rule = next(one.key for one in keys[FORWARDING].values() if one.kind == "inbox-rule")
    return [
        Picture("status-light", "status", 1100, 940),
        Picture("status-dark", "status", 1100, 940, "dark"),
        Picture("status-guards", "status", 1100, 820, at="#guards"),
        Picture("status-history", "status", 1100, 780, at="#history"),
        Picture("status-phone", "status", 390, 844),
        Picture("cases", "cases", 1100, 780),
        Picture("case", f"cases/{FORWARDING}/{rule}", 1100, 900),
    ]


async def take() -> None:
    """Take all of them."""
    pages = Pages(mornings())
    IMAGES.mkdir(exist_ok=True)
    async with served(pages) as address, browser() as opened:
        for picture in pictures(pages):
            context = await opened.new_context(
                viewport={"width": picture.width, "height": picture.height},
                color_scheme=picture.scheme,
                reduced_motion="reduce",
            )
            page = await context.new_page()
            await page.goto(address + picture.path + picture.at)
            await page.screenshot(path=IMAGES / f"{picture.name}.png")
            await context.close()
        await take_cards(opened, IMAGES)


if __name__ == "__main__":
    asyncio.run(take())
