"""Every kind of card in Microsoft's own renderer: it takes them all, and no foreign text acts."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.jobs.settings_changes import (
    SettingChange,
    build_loss_card,
    build_plain_card,
    build_settings_card,
)
from core.jobs.settings_notices import SettingNews
from core.notifications.channel_test_card import build_test_card
from core.notifications.containment_card import (
    build_containment_card,
    build_plain_containment_card,
    build_unreadable_card,
)
from core.notifications.digest_card import build_digest_card
from core.notifications.run_cards import PORTAL, build_cards
from tests.browser.served import launch_browser
from tests.support.adaptive_cards import (
    HOSTILE_TEXT,
    PUBLIC_URL,
    REPORT_VARIANTS,
    collect_texts,
    get_card_content,
    validate_card,
)
from tests.support.containment_samples import TOLD_CONTAINMENTS
from tests.support.fakes.clock import START
from tests.support.weekly_status import HEALTHY_STATUS, build_busy_week, build_overfull_week
from tools.docs_gen.card_renderer import (
    CARD_IMAGES,
    CHANNEL_WIDTH,
    PHONE_WIDTH,
    open_card_page,
    read_links,
    render_card,
)

# What markdown and HTML in a name could turn into, and cards never hold.
FOREIGN = ", ".join(f"#card {tag}" for tag in ("h1", "img", "script", "at", "blockquote", "code"))


def build_guard_cards() -> dict[str, Mapping[str, Any]]:
    """The cards of runs, and what a channel gets that rejected them."""
    made = {
        f"{name} {number}": (run, message)
        for name, run in REPORT_VARIANTS.items()
        for number, message in enumerate(build_cards(run, PUBLIC_URL))
    }
    return {name: message.payload for name, (_, message) in made.items()} | {
        f"{name}, plain": message.build_plain_payload(run) for name, (run, message) in made.items()
    }


def build_other_cards() -> dict[str, Mapping[str, Any]]:
    """The cards about containments, settings, the week and the channel itself."""
    weeks = {"well": HEALTHY_STATUS, "busy": build_busy_week(), "overfull": build_overfull_week()}
    changes = (SettingChange("SIGN_IN_MODE", HOSTILE_TEXT, HOSTILE_TEXT),) * 2
    news = SettingNews([("SIGN_IN_MODE", HOSTILE_TEXT, HOSTILE_TEXT)])
    return {
        **{f"the week, {name}": build_digest_card(one, PUBLIC_URL) for name, one in weeks.items()},
        **{
            f"a containment, {name}": build_containment_card(one, HOSTILE_TEXT, PUBLIC_URL)
            for name, one in TOLD_CONTAINMENTS.items()
        },
        **{
            f"a containment, {name}, plain": build_plain_containment_card(one, PUBLIC_URL)
            for name, one in TOLD_CONTAINMENTS.items()
        },
        "containments nobody can decode": build_unreadable_card({HOSTILE_TEXT: HOSTILE_TEXT}),
        "settings": build_settings_card(changes, is_repeated=True),
        "settings, plain": build_plain_card(news),
        "settings nobody knows": build_loss_card({"SIGN_IN_MODE": HOSTILE_TEXT}),
        "a test of the channel": build_test_card(START),
    }


def build_every_card() -> dict[str, Mapping[str, Any]]:
    """Every card there is, by name."""
    shown = {name: message() for name, (message, _) in CARD_IMAGES.items()}
    return build_guard_cards() | build_other_cards() | shown


@pytest.mark.parametrize("width", [CHANNEL_WIDTH, PHONE_WIDTH])
async def test_the_renderer_takes_every_card_and_only_our_own_links_act(width: int) -> None:
    async with launch_browser() as opened:
        page = await open_card_page(opened, width)
        for name, message in build_every_card().items():
            await render_card(page, message)
            assert "Exoguard" in await page.inner_text("#card"), name
            # Nothing is wider than the card, whatever it is made of.
            assert await page.evaluate("document.body.scrollWidth") <= width + 32, name
            links = await read_links(page)
            assert all(one.startswith((f"{PUBLIC_URL}/api/", PORTAL)) for one in links), name
            assert "x" not in await page.locator("#card strong").all_inner_texts(), name
            assert await page.locator(FOREIGN).count() == 0, name


@pytest.mark.parametrize("name", CARD_IMAGES)
def test_what_the_documents_show_is_a_valid_card(name: str) -> None:
    message = CARD_IMAGES[name][0]()
    validate_card(message)
    assert get_card_content(message)["actions"]
    assert collect_texts(message)
