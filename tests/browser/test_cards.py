"""Every kind of card in Microsoft's own renderer: it takes them all, and no foreign text acts."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.notifications.digest_card import digest
from core.notifications.run_cards import cards
from tests.browser.served import browser
from tests.support.adaptive_cards import ADDRESS, content, texts, validate
from tests.unit.notifications.test_digest_card import WELL, busy, overfull
from tests.unit.notifications.test_run_cards import VARIANTS
from tools.docs_gen.card_renderer import PHONE, SHOWN, WIDTH, draw, easel, links

# What markdown and HTML in a name could turn into, and cards never hold.
FOREIGN = ", ".join(f"#card {tag}" for tag in ("h1", "img", "script", "at", "blockquote", "code"))


def every() -> dict[str, Mapping[str, Any]]:
    """Every card there is a test of, by name."""
    found = {
        f"{name} {number}": message.payload
        for name, run in VARIANTS.items()
        for number, message in enumerate(cards(run, ADDRESS))
    }
    weeks = {"well": WELL, "busy": busy(), "overfull": overfull()}
    found |= {f"the week, {name}": digest(one, ADDRESS) for name, one in weeks.items()}
    return found | {name: message() for name, (message, _) in SHOWN.items()}


EVERY = every()


@pytest.mark.parametrize("width", [WIDTH, PHONE])
async def test_the_renderer_takes_every_card_and_only_our_own_links_act(width: int) -> None:
    async with browser() as opened:
        page = await easel(opened, width)
        for name, message in EVERY.items():
            await draw(page, message)
            assert "Exoguard" in await page.inner_text("#card"), name
            # Nothing is wider than the card, whatever it is made of.
            assert await page.evaluate("document.body.scrollWidth") <= width + 32, name
            assert all(one.startswith(f"{ADDRESS}/api/") for one in await links(page)), name
            assert "x" not in await page.locator("#card strong").all_inner_texts(), name
            assert await page.locator(FOREIGN).count() == 0, name


@pytest.mark.parametrize("name", SHOWN)
def test_what_the_documents_show_is_a_valid_card(name: str) -> None:
    message = SHOWN[name][0]()
    validate(message)
    assert content(message)["actions"]
    assert texts(message)
