"""`python -m tests.pictures`: the screenshots of docs/images, taken of a made-up tenant."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.browser.served import browser, served
from tests.pictured import APPS, FORWARDING, Pages, mornings

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


@dataclass(frozen=True)
class Picture:
    """One screenshot: of which page, how wide and high, in which colours."""

    name: str
    path: str
    width: int
    height: int
    scheme: Literal["light", "dark"] = "light"


def pictures(pages: Pages) -> list[Picture]:
    """All of them."""
    keys = {row.duty.guard.name: row.memory.cases for row in pages.standings}
    rule = next(one.key for one in keys[FORWARDING].values() if one.kind == "inbox-rule")
    assert APPS in keys
    return [
        Picture("status-light", "status", 1200, 1500),
        Picture("status-dark", "status", 1200, 1500, "dark"),
        Picture("status-phone", "status", 390, 1100),
        Picture("cases-light", "cases", 1200, 900),
        Picture("case-light", f"cases/{FORWARDING}/{rule}", 1200, 1150),
        Picture("case-dark", f"cases/{FORWARDING}/{rule}", 1200, 1150, "dark"),
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
            )
            page = await context.new_page()
            await page.goto(address + picture.path)
            await page.screenshot(path=IMAGES / f"{picture.name}.png")
            await context.close()


if __name__ == "__main__":
    asyncio.run(take())
