"""`python -m tools.docs_gen.screenshots`: the screenshots of docs/images, of pages and cards, made
up.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.browser.served import launch_browser, serve_pages
from tests.support.status_samples import FORWARDING, SamplePages, build_busy_tenant
from tools.docs_gen.card_renderer import save_card_images

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


@dataclass(frozen=True)
class Screenshot:
    """One screenshot: of which page, how wide and high, in which colours, from where on."""

    name: str
    path: str
    width: int
    height: int
    scheme: Literal["light", "dark"] = "light"
    fragment: str = ""


def list_screenshots(pages: SamplePages) -> list[Screenshot]:
    """All of them."""
    keys = {row.config.guard.name: row.snapshot.cases for row in pages.statuses}
    rule = next(one.key for one in keys[FORWARDING].values() if one.kind == "inbox-rule")
    return [
        Screenshot("status-light", "status", 1100, 940),
        Screenshot("status-dark", "status", 1100, 940, "dark"),
        Screenshot("status-guards", "status", 1100, 820, fragment="#guards"),
        Screenshot("status-history", "status", 1100, 780, fragment="#history"),
        Screenshot("status-phone", "status", 390, 844),
        Screenshot("cases", "cases", 1100, 780),
        Screenshot("case", f"cases/{FORWARDING}/{rule}", 1100, 900),
    ]


async def take_screenshots() -> None:
    """Take all of them."""
    pages = SamplePages(build_busy_tenant())
    IMAGES.mkdir(exist_ok=True)
    async with serve_pages(pages) as address, launch_browser() as opened:
        for picture in list_screenshots(pages):
            context = await opened.new_context(
                viewport={"width": picture.width, "height": picture.height},
                color_scheme=picture.scheme,
                reduced_motion="reduce",
            )
            page = await context.new_page()
            await page.goto(address + picture.path + picture.fragment)
            await page.screenshot(path=IMAGES / f"{picture.name}.png")
            await context.close()
        await save_card_images(opened, IMAGES)


if __name__ == "__main__":
    asyncio.run(take_screenshots())
