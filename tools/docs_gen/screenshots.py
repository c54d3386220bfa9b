"""`python -m tools.docs_gen.screenshots` writes docs/images: pages and cards of a sample tenant."""

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
    """One screenshot of a page; sizes in CSS pixels."""

    name: str
    path: str
    width: int
    height: int
    scheme: Literal["light", "dark"] = "light"
    fragment: str = ""


def list_screenshots(pages: SamplePages) -> list[Screenshot]:
    """The screenshots that the documents use."""
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
    """Take all screenshots and save them in IMAGES."""
    pages = SamplePages(build_busy_tenant())
    IMAGES.mkdir(exist_ok=True)
    async with serve_pages(pages) as address, launch_browser() as opened:
        for screenshot in list_screenshots(pages):
            context = await opened.new_context(
                viewport={"width": screenshot.width, "height": screenshot.height},
                color_scheme=screenshot.scheme,
                reduced_motion="reduce",
            )
            page = await context.new_page()
            await page.goto(address + screenshot.path + screenshot.fragment)
            await page.screenshot(path=IMAGES / f"{screenshot.name}.png")
            await context.close()
        await save_card_images(opened, IMAGES)


if __name__ == "__main__":
    asyncio.run(take_screenshots())
