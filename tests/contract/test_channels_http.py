"""The channels besides Teams, over HTTP: what is taken, refused, throttled, slow, lost, forged."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.adapters.channel_addresses import check_address
from core.adapters.channels.connect import ChannelSetup, connect_channel
from core.errors import CardRejected, ChannelForbidden, NotificationError, SettingsError
from core.model.findings import Severity
from core.model.outbox import NoticeEvent
from core.ports import MessageChannel
from tests.support.http_recorder import PERSON, Connection, build_scene, connect_sandbox
from tests.support.notices import HOSTILE, build_row

HTTP_CHANNELS = ("webhook", "pagerduty", "slack", "servicenow")
EVERY_CHANNEL = ("mail", *HTTP_CHANNELS)


@dataclass
class Stage:
    """A sandbox with every channel connected to it."""

    to: Connection
    values: dict[str, str]
    setup: ChannelSetup

    def connect(self, name: str, **values: str) -> MessageChannel:
        """A channel, with these settings in place of those that work."""
        self.values.update(values)
        return connect_channel(name, self.setup, Severity.LOW, frozenset())

    def count(self, name: str) -> int:
        """How many messages a receiver took."""
        if name == "mail":
            return len(self.to.sandbox.tenant.sent_mail)
        if name == "servicenow":
            return len(self.to.sandbox.channels.incidents)
        return len(self.to.sandbox.channels.list_taken(name))

    def fail(self, **fault: Any) -> None:
        """From now on this fault."""
        self.to.sandbox.tenant.faults.load([fault])


@asynccontextmanager
async def open_stage(now: datetime | None = None) -> AsyncIterator[Stage]:
    async with connect_sandbox(build_scene()) as to, AsyncExitStack() as stack:
        receivers, base = to.sandbox.channels, to.sandbox.base
        to.sandbox.tenant.mail_senders.add(PERSON)
        values = {
            "TENANT_ID": to.sandbox.tenant.tenant_id,
            "CA_BUNDLE": to.sandbox.ca_path,
            "PUBLIC_ADDRESS": "https://exoguard.example",
            "MAIL_SENDER": PERSON,
            "MAIL_TO": "soc@outside.example, night@outside.example",
            "EVENT_WEBHOOK_URL": f"{base}/channels/webhook",
            "EVENT_WEBHOOK_SECRET": receivers.secret,
            "PAGERDUTY_ENDPOINT": f"{base}/channels/pagerduty",
            "PAGERDUTY_ROUTING_KEY": receivers.routing_key,
            "SLACK_WEBHOOK_URL": f"{base}/channels/slack",
            "SERVICENOW_INSTANCE": f"{base}/channels/servicenow",
            "SERVICENOW_USER": "exoguard",
            "SERVICENOW_PASSWORD": receivers.password,
        }
        setup = ChannelSetup(
            values,
            to.graph,
            to.credential,
            frozenset({"127.0.0.1"}),
            float("inf"),
            lambda: now or datetime.now(UTC),
            stack,
            {"clock": to.clock, "sleep": to.clock.sleep, "jitter": lambda: 0.0},
        )
        yield Stage(to, values, setup)


async def test_each_channel_takes_a_case_and_shows_what_matters_of_it() -> None:
    async with open_stage() as stage:
        for name in EVERY_CHANNEL:
            await stage.connect(name).send([build_row()])
            assert stage.count(name) == 1, name
        (mail,) = stage.to.sandbox.tenant.sent_mail
        assert mail["subject"].startswith("[Exoguard] Critical · New: Mail of ann@contoso.example")
        assert mail["importance"] == "high"
        assert [one["emailAddress"]["address"] for one in mail["toRecipients"]] == [
            "soc@outside.example",
            "night@outside.example",
        ]
        receivers = stage.to.sandbox.channels
        (event,) = receivers.list_taken("webhook")
        assert (event["specversion"], event["type"]) == ("1.0", "io.exoguard.case.opened")
        assert event["id"] == build_row().message_id
        assert event["data"]["advice"].startswith("Disable the rule")
        for text in (str(mail), str(event), str(receivers.taken), str(receivers.incidents)):
            assert "Disable-InboxRule" in text
            assert build_row().notice.case_key in text


async def test_a_hostile_name_acts_nowhere() -> None:
    async with open_stage() as stage:
        row = build_row(subject=HOSTILE, summary=HOSTILE, advice=HOSTILE)
        for name in EVERY_CHANNEL:
            await stage.connect(name).send([row])
        receivers = stage.to.sandbox.channels
        everything = f"{stage.to.sandbox.tenant.sent_mail}{receivers.taken}{receivers.incidents}"
        assert "\u202e" not in everything
        (mail,) = stage.to.sandbox.tenant.sent_mail
        assert "<a href=https://evil" not in mail["body"]["content"]
        (message,) = receivers.list_taken("slack")
        assert "<!channel>" not in message["text"]
        assert {block["text"]["type"] for block in message["blocks"]} == {"plain_text"}


async def test_a_message_that_is_too_long_keeps_the_sentence_the_case_and_its_address() -> None:
    long = "word " * 2_000
    async with open_stage() as stage:
        row = build_row(summary=f"Mail leaves. {long}", advice=f"Do this first. {long}", note=long)
        for name in EVERY_CHANNEL:
            await stage.connect(name).send([row])
        receivers = stage.to.sandbox.channels
        (message,) = receivers.list_taken("slack")
        (incident,) = receivers.incidents.values()
        for text in (message["blocks"][1]["text"]["text"], incident["description"]):
            assert "Mail leaves." in text
            assert "Do this first." in text
            assert row.notice.case_key in text
            assert "https://exoguard.example/api/cases/" in text


def get_fault_target(name: str) -> dict[str, str]:
    """Where a fault strikes the messages of a channel."""
    service = "graph" if name == "mail" else "channels"
    return {"service": service, "match": "(?i)sendmail|channels"}


async def test_throttling_is_waited_for_and_an_outage_is_said() -> None:
    async with open_stage() as stage:
        for name in EVERY_CHANNEL:
            channel, target = stage.connect(name), get_fault_target(name)
            stage.fail(**target, status=429, headers={"Retry-After": "1"}, times=1)
            await channel.send([build_row()])
            assert stage.count(name) == 1
            stage.fail(**target, status=503, headers={"Retry-After": "1"})
            with pytest.raises(NotificationError) as caught:
                await channel.send([build_row(2)])
            assert not isinstance(caught.value, CardRejected)
            assert stage.count(name) == 1
            stage.to.sandbox.tenant.faults.load([])


async def test_a_page_in_place_of_a_channel_has_taken_nothing() -> None:
    async with open_stage() as stage:
        for name in EVERY_CHANNEL:
            stage.fail(**get_fault_target(name), kind="html", status=200)
            with pytest.raises(NotificationError):
                await stage.connect(name).send([build_row()])
            assert stage.count(name) == 0


async def test_what_a_channel_refuses_is_told_apart_from_what_it_never_takes() -> None:
    async with open_stage() as stage:
        for name in EVERY_CHANNEL:
            channel, target = stage.connect(name), get_fault_target(name)
            for status, kind in ((400, CardRejected), (403, ChannelForbidden)):
                stage.fail(**target, status=status)
                with pytest.raises(kind):
                    await channel.send([build_row()])
            stage.fail(**target, status=302)
            with pytest.raises(NotificationError) as caught:
                await channel.send([build_row()])
            assert not isinstance(caught.value, CardRejected | ChannelForbidden)
            assert stage.count(name) == 0


async def test_a_message_whose_answer_is_lost_is_there_twice_at_most() -> None:
    async with open_stage() as stage:
        for name in EVERY_CHANNEL:
            channel, target = stage.connect(name), get_fault_target(name)
            target["match"] = "(?i)POST .*(sendmail|channels)"
            stage.fail(**target, kind="drop", late=True)
            with pytest.raises(NotificationError):
                await channel.send([build_row()])
            # The webhook's receiver knows a message by its id, PagerDuty by its key.
            assert stage.count(name) == {"webhook": 1, "servicenow": 1, "pagerduty": 3}.get(name, 2)
            stage.to.sandbox.tenant.faults.load([])
        await channel.send([build_row()])
        (incident,) = stage.to.sandbox.channels.incidents.values()
        assert len(incident["notes"]) == 1


async def test_a_wrong_key_is_a_matter_of_rights() -> None:
    wrong = {
        "webhook": {"EVENT_WEBHOOK_SECRET": "another secret of the operator"},
        "servicenow": {"SERVICENOW_PASSWORD": "wrong"},
        "mail": {"MAIL_SENDER": "nobody@contoso.example"},
    }
    async with open_stage() as stage:
        for name, values in wrong.items():
            with pytest.raises(NotificationError) as caught:
                await stage.connect(name, **values).send([build_row()])
            assert not any(value in str(caught.value) for value in values.values())
            assert isinstance(caught.value, ChannelForbidden) or name == "mail"
            assert stage.count(name) == 0


async def test_an_old_message_is_refused_by_who_checks_its_time() -> None:
    async with open_stage(datetime.now(UTC) - timedelta(hours=1)) as stage:
        with pytest.raises(ChannelForbidden):
            await stage.connect("webhook").send([build_row()])


async def test_mail_that_may_not_be_sent_yet_says_so() -> None:
    async with open_stage() as stage:
        stage.to.sandbox.tenant.mail_senders.clear()
        with pytest.raises(ChannelForbidden, match="up to two hours"):
            await stage.connect("mail").send([build_row()])


async def test_one_mail_tells_of_many_cases_and_counts_them() -> None:
    async with open_stage() as stage:
        rows = [build_row(1), build_row(2, severity=Severity.HIGH), build_row(3)]
        await stage.connect("mail").send(rows)
        (mail,) = stage.to.sandbox.tenant.sent_mail
        assert "3 notifications (2 critical, 1 high)" in mail["subject"]
        assert all(row.notice.case_key in mail["body"]["content"] for row in rows)


async def test_the_end_of_a_case_resolves_its_incident_and_opens_none() -> None:
    async with open_stage() as stage:
        ended = build_row(event=NoticeEvent.CLOSED)
        await stage.connect("pagerduty").send([build_row()])
        await stage.connect("pagerduty").send([ended])
        first, last = stage.to.sandbox.channels.list_taken("pagerduty")
        assert (first["event_action"], last["event_action"]) == ("trigger", "resolve")
        assert first["dedup_key"] == last["dedup_key"]
        await stage.connect("servicenow").send([ended])
        assert stage.count("servicenow") == 0
        await stage.connect("servicenow").send([build_row()])
        await stage.connect("servicenow").send([ended])
        (incident,) = stage.to.sandbox.channels.incidents.values()
        assert incident["notes"][0].startswith("Ended")


async def test_an_incident_of_somebody_else_is_never_written_to() -> None:
    async with open_stage() as stage:
        receivers = stage.to.sandbox.channels
        receivers.incidents["0" * 32] = {"correlation_id": "", "short_description": "Printer"}
        receivers.ignores_queries = True
        with pytest.raises(NotificationError, match="another incident"):
            await stage.connect("servicenow").send([build_row()])
        assert receivers.incidents["0" * 32].keys() == {"correlation_id", "short_description"}


async def test_a_plain_message_holds_no_text_of_the_tenant() -> None:
    async with open_stage() as stage:
        for name in EVERY_CHANNEL:
            await stage.connect(name).send([build_row()], is_plain=True)
        receivers = stage.to.sandbox.channels
        taken = f"{stage.to.sandbox.tenant.sent_mail}{receivers.taken}{receivers.incidents}"
        assert taken.count(build_row().notice.case_key) >= len(EVERY_CHANNEL)
        assert "ann@contoso" not in taken
        assert "Parcel" not in taken


async def test_a_channel_sends_to_no_address_that_is_not_its_own() -> None:
    wrong = (
        ("webhook", "EVENT_WEBHOOK_URL", "http://hook.evil.example/x"),
        ("webhook", "EVENT_WEBHOOK_URL", "https://user:pass@hook.evil.example/x"),
        ("slack", "SLACK_WEBHOOK_URL", "https://hooks.slack.com.evil.example/x"),
        ("pagerduty", "PAGERDUTY_ENDPOINT", "https://evilpagerduty.com"),
        ("servicenow", "SERVICENOW_INSTANCE", "https://evil.example"),
        ("sentinel", "SENTINEL_ENDPOINT", "https://evil.example"),
    )
    async with open_stage() as stage:
        for name, setting, url in wrong:
            with pytest.raises(SettingsError, match=setting) as caught:
                stage.connect(name, **{setting: url, "SENTINEL_RULE": "dcr-1"})
            assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "10.0.0.4", "2130706433", "127.1", "[::1]", "[::ffff:10.0.0.4]"]
)
def test_no_number_leads_past_the_resolver_unless_it_is_listed(host: str) -> None:
    with pytest.raises(SettingsError, match="must name a host"):
        check_address("X", f"https://{host}/a", ())
    check_address("X", f"https://{host}/a", (host.strip("[]"),))


def test_the_true_addresses_are_allowed() -> None:
    check_address("X", "https://hooks.slack.com/services/T/B/x", (), ("slack.com",))
    check_address("X", "https://acme.service-now.com", (), ("service-now.com",))
    check_address("X", "https://hook.example/a", ())
