"""A channel is on when its address is set, and then all that it needs has to be there."""

import pytest

from core.config.channel_settings import CHANNELS, read_channels
from core.model.findings import Severity
from core.model.options import SettingReader

MAIL = {"MAIL_SENDER": "soc@contoso.example", "MAIL_TO": "a@outside.example, b@outside.example"}


def test_no_channel_is_on_by_itself() -> None:
    assert read_channels(SettingReader()) == ()


def test_a_channel_has_its_filters() -> None:
    reader = SettingReader({**MAIL, "MAIL_SEVERITY": "low", "MAIL_GUARDS": "mailbox-audit"})
    (mail,) = read_channels(reader)
    assert (mail.name, mail.least_severity) == ("mail", Severity.LOW)
    assert mail.guards == {"mailbox-audit"}
    assert not reader.errors


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
    reader = SettingReader({first: samples[first]})
    read_channels(reader)
    missing = [name for name in one.needed if name != "PAGERDUTY_ENDPOINT"]
    assert [error.split()[0] for error in reader.errors] == missing


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
    reader = SettingReader({**MAIL, name: value})
    read_channels(reader)
    assert any(error.startswith(f"{name}:") for error in reader.errors)
    assert "hush" not in str(reader.errors)
