"""How the app calls its state table."""

import os

import pytest

from core.bootstrap import build_table_options


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_table_is_called_through_a_proxy_only_where_the_environment_names_one(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for present in [one for one in os.environ if one.lower().endswith("_proxy")]:
        monkeypatch.delenv(present)
    assert build_table_options()["use_env_settings"] is False
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert build_table_options()["use_env_settings"] is True
