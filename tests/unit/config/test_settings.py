"""Settings: defaults, every mistake named at once, and the sample file that lists them all."""

import json
from pathlib import Path

import pytest

from core.config.catalog import CATALOG
from core.config.settings import Settings, get_setting_prefix, list_settings
from core.errors import SettingsError
from core.model.guards import Mode
from core.model.options import SettingReader
from core.model.shared_settings import RESOURCE_MAILBOX_KINDS
from tests.support.builders import MINIMAL_SETTINGS

ROOT = Path(__file__).resolve().parent.parent.parent.parent


def test_what_must_be_given_is_enough() -> None:
    settings = Settings.read(MINIMAL_SETTINGS)
    assert [duty.schedule for duty in settings.guard_configs] == [duty.schedule for duty in CATALOG]
    assert [duty.mode for duty in settings.guard_configs] == [duty.mode for duty in CATALOG]
    assert [duty.limit for duty in settings.guard_configs] == [duty.limit for duty in CATALOG]


def test_every_missing_setting_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.read({})
    for name in ("TENANT_ID", "CLIENT_ID", "TEAMS_WEBHOOK_URL", "STATE_TABLE_ENDPOINT"):
        assert name in str(caught.value)
    assert "MANAGED_IDENTITY_CLIENT_ID" in str(caught.value)


def test_kinds_of_mailboxes_are_read_in_any_case_and_compared_in_that_of_exchange() -> None:
    reader = SettingReader({"RESOURCE_MAILBOX_KINDS": "sharedmailbox, ROOMMAILBOX,sharedMailbox"})
    assert reader.read(RESOURCE_MAILBOX_KINDS) == ("SharedMailbox", "RoomMailbox")
    assert not reader.errors


def test_a_key_vault_reference_that_was_not_resolved_is_named_with_its_remedy() -> None:
    reference = "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/webhook)"
    with pytest.raises(SettingsError) as caught:
        Settings.read({**MINIMAL_SETTINGS, "CLIENT_SECRET": reference})
    assert "CLIENT_SECRET: its Key Vault reference is not resolved" in str(caught.value)
    assert "Key Vault Secrets User" in str(caught.value)
    assert "vault.azure.net" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TENANT_ID", "contoso.com/evil"),
        ("LICENSED_MAILBOXES", "maybe"),
        ("RECENT_SIGN_IN_DAYS", "0"),
        ("RECENT_SIGN_IN_DAYS", "soon"),
        ("AUDIT_LOG_AGE_DAYS", "-1"),
        ("RUN_MINUTES", "1e9"),
        ("RUN_MINUTES", "nan"),
        ("MAIL_ITEMS_ACCESSED", "e5"),
        ("MASS_DELETION_COUNT", "0"),
        ("MASS_DELETION_PERCENT", "101"),
        ("MASS_DELETION_HOURS", "73"),
        ("ALLOWED_FORWARD_DOMAINS", "*.example.com"),
        ("RESOURCE_MAILBOX_KINDS", "SharedMailbox,no such kind"),
        ("RESOURCE_MAILBOX_KINDS", "SharedMailbox,RoomMailboxes"),
        ("STATE_TABLE", "a-b"),
        ("STATE_TABLE_ENDPOINT", "http://example.table.core.windows.net"),
        ("PUBLIC_ADDRESS", "http://exoguard.contoso.example"),
        ("PUBLIC_ADDRESS", "https://exoguard.contoso.example/path"),
        ("PUBLIC_ADDRESS", "https://user@exoguard.contoso.example"),
        ("PUBLIC_ADDRESS", "https://exoguard.contoso.example?code=key"),
        ("PUBLIC_ADDRESS", "https://exoguard.contoso.example)[x](https://evil.example"),
        ("WEBHOOK_ANSWERS", ","),
        ("WEBHOOK_ANSWERS", "202,404"),
        ("WEBHOOK_ANSWERS", "ok"),
        ("MAILBOX_AUDIT_MODE", "on"),
        ("MAILBOX_AUDIT_SCHEDULE", "*/5 * * * *"),
        ("MAILBOX_AUDIT_LIMIT", "10000"),
        ("MAILBOX_AUDIT_LIMIT_PERCENT", "101"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.read({**MINIMAL_SETTINGS, name: value})


def test_a_guard_is_set_by_its_own_names() -> None:
    settings = Settings.read(
        {
            **MINIMAL_SETTINGS,
            "MAILBOX_FORWARDING_MODE": "Enforce",
            "MAILBOX_FORWARDING_SCHEDULE": "0 0 * * * *",
            "MAILBOX_FORWARDING_LIMIT": "3",
            "MAILBOX_FORWARDING_LIMIT_PERCENT": "0.5",
        }
    )
    duty = settings.find_guard_config("mailbox-forwarding")
    assert duty
    assert (duty.mode, duty.schedule) == (Mode.ENFORCE, "0 0 * * * *")
    assert (duty.limit.count, duty.limit.percent) == (3, 0.5)
    assert settings.find_guard_config("no-such-guard") is None


def test_domains_are_compared_in_lower_case() -> None:
    settings = Settings.read(
        {**MINIMAL_SETTINGS, "ALLOWED_FORWARD_DOMAINS": "Partner.Example, b.example"}
    )
    config = settings.find_guard_config("mailbox-forwarding")
    assert config
    assert config.guard.options.allowed_domains == {"partner.example", "b.example"}


def test_the_sample_lists_every_setting_and_nothing_else_and_works() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))
    hosts = {"AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME"}
    values: dict[str, str] = sample["Values"]
    assert values.keys() - hosts == {entry.name for entry in list_settings()}
    assert {entry.name: entry.sample_text for entry in list_settings()} == {
        name: value for name, value in values.items() if name not in hosts
    }
    Settings.read(values)


def test_names_of_settings_follow_the_names_of_guards() -> None:
    assert get_setting_prefix("mailbox-audit") == "MAILBOX_AUDIT"
