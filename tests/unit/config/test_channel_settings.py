"""A channel is on when its address is set, and then all that it needs has to be there."""

from collections.abc import Mapping

import pytest

from core.config.channel_settings import CHANNELS, ChannelSettings, read_channels
from core.config.settings import Settings
from core.errors import SettingsError
from core.model.findings import Severity
from core.model.options import SettingReader
from tests.support.builders import MINIMAL_SETTINGS

WORKFLOW = "https://x.environment.api.powerplatform.com/workflows/y"
MAIL = {"MAIL_SENDER": "soc@contoso.example", "MAIL_TO": "a@outside.example, b@outside.example"}


def read(texts: Mapping[str, str]) -> ChannelSettings:
    """The channels by settings in which Teams is as it should be, unless they say otherwise."""
    reader = SettingReader({"TEAMS_WEBHOOK_URL": WORKFLOW, **texts})
    found = read_channels(reader)
    assert not reader.errors
    return found


def test_no_channel_besides_teams_is_on_by_itself() -> None:
    assert read({}) == ChannelSettings((), ())


def test_a_channel_has_its_filters() -> None:
    found = read({**MAIL, "MAIL_SEVERITY": "low", "MAIL_GUARDS": "mailbox-audit"})
    (mail,) = found.channels
    assert (mail.name, mail.least_severity) == ("mail", Severity.LOW)
    assert mail.guards == {"mailbox-audit"}
    assert found.faults == ()


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda one: one.name)
def test_a_channel_that_is_half_set_is_named(channel: object) -> None:
    one = next(known for known in CHANNELS if known is channel)
    samples = {
        "MAIL_SENDER": "soc@contoso.example",
        "EVENT_WEBHOOK_URL": "https://hook.example/x",
        "PAGERDUTY_ROUTING_KEY": "0123456789abcdef",
        "SLACK_WEBHOOK_URL": "https://hooks.slack.com/x",
        "SERVICENOW_INSTANCE": "https://acme.service-now.com",
        "SENTINEL_ENDPOINT": "https://x.ingest.monitor.azure.com",
    }
    first = one.settings[0].name
    found = read({first: samples[first]})
    missing = [name for name in one.needed if name != "PAGERDUTY_ENDPOINT"]
    reasons = " ".join(fault.reason for fault in found.faults)
    assert [name for name in one.needed if f"{name} is missing" in reasons] == missing
    assert {fault.channel for fault in found.faults} == ({one.name} if missing else set())
    assert [on.name for on in found.channels] == ([] if missing else [one.name])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAIL_TO", "nobody"),
        ("MAIL_TO", ",".join(f"a{n}@b.example" for n in range(21))),
        ("MAIL_SENDER", "a b@c.example"),
        ("EVENT_WEBHOOK_SECRET", "hush-1"),
        ("EVENT_WEBHOOK_SECRET", "whsec_hush-hush-hush-hush"),
        ("EVENT_WEBHOOK_SECRET", "whsec_aHVzaGh1c2hodXNoaHV"),
        ("EVENT_WEBHOOK_URL", "ftp://hush.example"),
        ("MAIL_GUARDS", "no-such-guard"),
        ("MAIL_SEVERITY", "info"),
    ],
)
def test_a_wrong_value_is_named_and_a_secret_is_not_shown(name: str, value: str) -> None:
    hook = {"EVENT_WEBHOOK_URL": "https://hook.example/x", "EVENT_WEBHOOK_SECRET": "0" * 16}
    found = read({**MAIL, **hook, name: value})
    [fault] = found.faults
    assert fault.reason.startswith(f"{name}:")
    assert fault.channel == ("mail" if name.startswith("MAIL") else "webhook")
    assert len(found.channels) == 1
    assert "hush" not in str(found)


@pytest.mark.parametrize(
    ("name", "value", "channel", "remedy"),
    [
        ("TEAMS_WEBHOOK_URL", "https://evil.example/hush", "teams", "WEBHOOK_HOSTS"),
        ("TEAMS_WEBHOOK_URL", "http://x.api.powerplatform.com/hush", "teams", "https on port 443"),
        ("TEAMS_WEBHOOK_URL", "", "teams", "TEAMS_WEBHOOK_URL is missing"),
        ("TEAMS_WEBHOOK_URL", "@Microsoft.KeyVault(hush)", "teams", "Key Vault reference"),
        ("SLACK_WEBHOOK_URL", "https://evil.example/hush", "slack", "slack.com"),
        ("SLACK_WEBHOOK_URL", "@Microsoft.KeyVault(hush)", "slack", "Key Vault reference"),
        ("SLACK_WEBHOOK_URL", "https://u:hush@hooks.slack.com/x", "slack", "no user, password"),
        ("PAGERDUTY_ENDPOINT", "https://hush.example", "pagerduty", "pagerduty.com"),
        ("PAGERDUTY_ENDPOINT", "https://127.0.0.1/hush", "pagerduty", "name a host"),
    ],
)
def test_an_address_that_is_not_allowed_is_a_fault_of_its_channel_alone(
    name: str, value: str, channel: str, remedy: str
) -> None:
    texts = {
        **MAIL,
        "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/x",
        "PAGERDUTY_ROUTING_KEY": "0123456789abcdef",
    }
    found = read({**texts, name: value})
    [fault] = found.faults
    assert fault.channel == channel
    assert remedy in fault.reason
    assert "hush" not in fault.reason
    others = {"mail", "slack", "pagerduty"} - {channel}
    assert {one.name for one in found.channels} == others


def test_a_listed_host_is_allowed() -> None:
    texts = {"SLACK_WEBHOOK_URL": "https://chat.contoso.example/x"}
    assert read({**texts, "WEBHOOK_HOSTS": "Chat.Contoso.example"}).faults == ()


def test_no_guard_stands_still_for_a_channel() -> None:
    texts = {**MINIMAL_SETTINGS, "TEAMS_WEBHOOK_URL": "https://evil.example/x", "MAIL_TO": "?"}
    settings = Settings.read({**texts, "MAIL_SENDER": "soc@contoso.example"})
    assert [one.channel for one in settings.channel_faults] == ["teams", "mail"]
    assert settings.guard_configs
    with pytest.raises(SettingsError, match="TENANT_ID is missing"):
        Settings.read({})
