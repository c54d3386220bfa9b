"""Tests each channel with a message that says it is a test: `exo channels test`."""

from dataclasses import dataclass
from datetime import datetime

from core.errors import ChannelForbidden, NotificationError
from core.keys import PREFIX_LENGTH, hash_parts
from core.model.findings import Severity
from core.model.outbox import Notice, NoticeEvent, OutboxRow
from core.ports import MessageChannel, World


@dataclass(frozen=True, slots=True)
class ChannelTest:
    """What became of the test of one channel."""

    channel: str
    is_accepted: bool
    text: str


def build_test_row(channel: str, now: datetime) -> OutboxRow:
    """The message of a test; each test has an id of its own."""
    notice = Notice(
        guard="exoguard",
        guard_title="Exoguard",
        case_key="0" * PREFIX_LENGTH + "-test",
        event=NoticeEvent.TEST,
        severity=Severity.LOW,
        summary="This is a test of this channel. Nothing happened in the tenant.",
        at=now,
        advice="Nothing is to be done. Whoever did not expect it asks who may run the test.",
    )
    return OutboxRow(channel, hash_parts(now.isoformat()), notice, now)


async def send_channel_test(channel: MessageChannel, now: datetime) -> ChannelTest:
    """Send the test to one channel."""
    try:
        await channel.send([build_test_row(channel.name, now)])
    except ChannelForbidden as error:
        return ChannelTest(channel.name, False, f"forbidden, or not known yet: {error}")
    except NotificationError as error:
        return ChannelTest(channel.name, False, f"not accepted: {error}")
    return ChannelTest(channel.name, True, "accepted; look whether it arrived")


async def run_channel_tests(world: World) -> tuple[ChannelTest, ...]:
    """Send the test to each channel, one after another."""
    return tuple([await send_channel_test(one, world.now()) for one in world.channels])
