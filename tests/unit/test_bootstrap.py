"""How the app calls its state table."""

import os

import pytest

from core.bootstrap import build_table_options, connect_world
from core.config.settings import Settings


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_table_is_called_through_a_proxy_only_where_the_environment_names_one(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for present in [one for one in os.environ if one.lower().endswith("_proxy")]:
        monkeypatch.delenv(present)
    assert build_table_options()["use_env_settings"] is False
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert build_table_options()["use_env_settings"] is True


async def test_services_begin_with_as_many_calls_at_once_as_they_accepted_before() -> None:
    account = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;TableEndpoint="
    settings = Settings.read(
        {
            "TENANT_ID": "11111111-1111-1111-1111-111111111111",
            "CLIENT_ID": "22222222-2222-2222-2222-222222222222",
            "CLIENT_SECRET": "secret",
            "STATE_CONNECTION_STRING": f"{account}http://127.0.0.1:1/a;",
            "TEAMS_WEBHOOK_URL": "https://example.webhook.office.com/x",
        }
    )
    async with connect_world(settings) as world:
        before = world.get_accepted_calls()
        world.resume_calls({"graph": before["graph"] + 3, "teams": 9})
        assert world.get_accepted_calls() == {**before, "graph": before["graph"] + 3}
