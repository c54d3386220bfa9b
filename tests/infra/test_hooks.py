"""What azd runs before and after its steps, played in the emulator of PowerShell."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from core.adapters.channel_addresses import ADDRESS_RULES, check_channel_address
from core.adapters.teams import TeamsChannel
from core.errors import SettingsError
from tests.infra.bicep_values import INFRA, ROOT, read_bicep
from tests.infra.exchange_script_emulator import (
    Cmdlet,
    PsObject,
    ScriptEmulator,
    ScriptExit,
    TerminatingError,
    format_value,
)
from tests.support.fakes.clock import SleepClock
from tests.support.http_recorder import build_service

FLOW = "https://default12.3.environment.api.powerplatform.com:443/powerautomate/x?sig=y"
READY = {"TEAMS_WEBHOOK_URL": FLOW, "ALERT_EMAILS": "secops@contoso.example"}
APP = {
    "FUNCTION_APP_HOST": "func-exoguard-x.azurewebsites.net",
    "AZURE_RESOURCE_GROUP": "rg-exoguard",
    "HOST_STORAGE_ACCOUNT_NAME": "sthostx",
    "EXOGUARD_IDENTITY_PRINCIPAL_ID": "6c1e2d77-3e55-4a8e-8f3b-1b7a9c2d4e02",
}
SIGNED_IN = {"account show": "00000000-0000-0000-0000-000000000001"}
OUTPUTS = {
    "EXOGUARD_CLIENT_ID": "0b0a4f3e-5d0c-4a57-9d53-0d5f3f7a1a01",
    "EXOGUARD_MODES": "mailbox-audit=enforce,mailbox-forwarding=alert,mass-deletion=off",
    "APPLICATION_INSIGHTS_NAME": "appi-exoguard-x",
}


class Machine:
    """The machine of a deployer: which programs there are, and what az answers.

    `role_minutes` is how old the role of the identity is at each look; `endpoint` what the
    deployment endpoint answers at each, 0 for no answer.
    """

    def __init__(
        self,
        *,
        programs: tuple[str, ...] = ("az", "azd"),
        answers: Mapping[str, str] | None = None,
        role_minutes: tuple[float, ...] = (9,),
        endpoint: tuple[int, ...] = (401,),
    ) -> None:
        self.programs = programs
        self.answers = dict(answers or {})
        self.role_minutes = list(role_minutes)
        self.endpoint = list(endpoint)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.slept: list[int] = []

    def run(self, script: str, environment: Mapping[str, str]) -> int:
        """Run a script of infra/; what it ends with."""
        source = (INFRA / script).read_text(encoding="utf-8")
        try:
            ScriptEmulator(source, self.build_cmdlets(environment), environment).run_script()
        except ScriptExit as end:
            return end.code
        return 0

    def build_cmdlets(self, environment: Mapping[str, str]) -> dict[str, Cmdlet]:
        """What the scripts call."""
        return {
            "Write-Host": self.say,
            "Write-Warning": self.say,
            "Get-Command": lambda _, __, named: (
                [named["name"]] if named["name"] in self.programs else []
            ),
            "Get-Item": lambda _, __, named: (
                [1] if environment.get(named["path"].removeprefix("env:")) else []
            ),
            "Get-Date": lambda *_: ["now"],
            "New-TimeSpan": lambda *_: [PsObject(TotalMinutes=take(self.role_minutes))],
            "Invoke-WebRequest": self.request,
            "Start-Sleep": self.sleep,
            "az": self.ask_az,
            "azd": self.ask_azd,
        }

    def say(self, stream: list[Any], values: list[Any], named: dict[str, Any]) -> list[Any]:
        """Write-Host and Write-Warning."""
        self.said += map(format_value, values)
        return []

    def sleep(self, stream: list[Any], values: list[Any], named: dict[str, Any]) -> list[Any]:
        """Start-Sleep, which takes no time here."""
        self.slept.append(named["seconds"])
        return []

    def ask_az(self, stream: list[Any], values: list[Any], named: dict[str, Any]) -> list[Any]:
        """An answer of az, by the command."""
        command = " ".join(value for value in values if not value.startswith("2>"))
        self.asked.append(f"az {command}")
        found = self.answers.get(command)
        return [found] if found else []

    def ask_azd(self, stream: list[Any], values: list[Any], named: dict[str, Any]) -> list[Any]:
        """A command of azd, which works."""
        self.asked.append("azd " + " ".join(values))
        return []

    def request(self, stream: list[Any], values: list[Any], named: dict[str, Any]) -> list[Any]:
        """The deployment endpoint."""
        self.asked.append(named["uri"])
        status = take(self.endpoint)
        if not status:
            raise TerminatingError("No such host is known.")
        return [PsObject(StatusCode=status)]


def take(many: list[Any]) -> Any:
    """The next of several answers; the last one stays."""
    return many.pop(0) if len(many) > 1 else many[0]


# Before anything is provisioned ------------------------------------------------------------------


def test_a_deployment_that_can_go_through_begins_without_a_word() -> None:
    machine = Machine()
    assert machine.run("before-provision.ps1", READY) == 0
    assert machine.said == []


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TEAMS_WEBHOOK_URL": ""}, "TEAMS_WEBHOOK_URL is not set"),
        ({"ALERT_EMAILS": ""}, "ALERT_EMAILS is not set"),
        ({"TEAMS_WEBHOOK_URL": "http://x.api.powerplatform.com/y"}, "is no https address"),
        ({"TEAMS_WEBHOOK_URL": "https"}, "is no https address"),
        (
            {"TEAMS_WEBHOOK_URL": "https://Contoso.webhook.office.com/x"},
            "Connectors of Office 365 have ended",
        ),
        (
            {"TEAMS_WEBHOOK_URL": "https://prod-01.westeurope.logic.azure.com:443/x"},
            "Workflows left logic.azure.com",
        ),
        ({"TEAMS_WEBHOOK_URL": "https://evil.example/x"}, "sends no cards to evil.example"),
        ({"PAGERDUTY_ENDPOINT": "https://evil.example"}, "evil.example (PAGERDUTY_ENDPOINT)"),
        ({"SERVICENOW_INSTANCE": "http://x.service-now.com"}, "SERVICENOW_INSTANCE is no https"),
        ({"SENTINEL_ENDPOINT": "https://monitor.azure.com"}, "(SENTINEL_ENDPOINT)"),
    ],
)
def test_what_would_leave_an_app_that_cannot_speak_is_refused(
    environment: dict[str, str], words: str
) -> None:
    machine = Machine()
    assert machine.run("before-provision.ps1", READY | environment) == 1
    assert machine.said[0] == "Nothing was provisioned yet. First:"
    assert any(words in line for line in machine.said), machine.said


def test_everything_that_is_missing_is_said_at_once() -> None:
    machine = Machine(answers=SIGNED_IN | {"provider show": "NotRegistered"})
    assert machine.run("before-provision.ps1", {"PRIVATE_NETWORKING": "true"}) == 1
    assert len([line for line in machine.said if line.startswith("  - ")]) == 3


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"TEAMS_WEBHOOK_URL": "", "KEY_VAULT_NAME": "kv-exog-x"}, 0),
        ({"TEAMS_WEBHOOK_URL": "", "KEY_VAULT_NAME": "kv-gone", "RECOVER_KEY_VAULT": "true"}, 0),
        ({"TEAMS_WEBHOOK_URL": "", "KEY_VAULT_NAME": "kv-gone"}, 1),
        ({"TEAMS_WEBHOOK_URL": "akvs://subscription/vault/secret"}, 0),
        (
            {
                "TEAMS_WEBHOOK_URL": "https://a.westeurope.logic.azure.com/x",
                "WEBHOOK_HOSTS": "b.example, a.westeurope.logic.azure.com",
            },
            0,
        ),
        (
            {
                "PAGERDUTY_ENDPOINT": "https://events.eu.pagerduty.com",
                "SERVICENOW_INSTANCE": "https://itsm.contoso.example",
                "SENTINEL_ENDPOINT": "https://x-1.eastus-1.ingest.monitor.azure.com",
                "WEBHOOK_HOSTS": "itsm.contoso.example",
            },
            0,
        ),
    ],
)
def test_an_address_that_is_in_key_vault_or_of_ones_own_is_taken(
    environment: dict[str, str], code: int
) -> None:
    seen = {"keyvault show": "kv-exog-x"} if environment.get("KEY_VAULT_NAME") != "kv-gone" else {}
    machine = Machine(answers=SIGNED_IN | seen)
    assert machine.run("before-provision.ps1", READY | environment) == code
    assert code == 0 or "kv-gone that held it is gone" in machine.said[1]


@pytest.mark.parametrize(
    "address",
    [
        FLOW,
        "https://x.powerplatform.com/y",
        "https://contoso.webhook.office.com/x",
        "https://prod-01.westeurope.logic.azure.com/x",
        "https://own.example/x",
        "https://other.example/x",
    ],
)
def test_the_check_takes_what_the_app_takes(address: str) -> None:
    def is_taken() -> bool:
        try:
            return bool(TeamsChannel(address, build_service(SleepClock()), hosts=["own.example"]))
        except SettingsError:
            return False

    environment = READY | {"TEAMS_WEBHOOK_URL": address, "WEBHOOK_HOSTS": "own.example"}
    assert (Machine().run("before-provision.ps1", environment) == 0) is is_taken()


@pytest.mark.parametrize("name", ["pagerduty", "servicenow", "sentinel"])
def test_the_check_takes_what_the_app_takes_of_each_channel(name: str) -> None:
    setting, ends = ADDRESS_RULES[name]
    own = frozenset({"own.example"})
    for host in (
        *ends,
        *(f"x.{end}" for end in ends),
        f"x{ends[0]}",
        "own.example",
        "evil.example",
    ):
        address = f"https://{host}"
        try:
            check_channel_address(name, {setting: address}, own)
            code = 0
        except SettingsError:
            code = 1
        environment = READY | {setting: address, "WEBHOOK_HOSTS": "own.example"}
        assert Machine().run("before-provision.ps1", environment) == code, host


@pytest.mark.parametrize(
    ("state", "programs", "code", "words"),
    [
        ("Registered", ("az",), 0, ""),
        ("NotRegistered", ("az",), 1, "az provider register --namespace Microsoft.App --wait"),
        ("", ("az",), 0, "was not asked whether Microsoft.App is registered"),
        ("", (), 0, "was not asked whether Microsoft.App is registered"),
    ],
)
def test_private_networking_needs_its_resource_provider(
    state: str, programs: tuple[str, ...], code: int, words: str
) -> None:
    machine = Machine(programs=programs, answers=SIGNED_IN | {"provider show": state})
    assert machine.run("before-provision.ps1", READY | {"PRIVATE_NETWORKING": "true"}) == code
    assert words in "\n".join(machine.said)
    assert bool(words) is bool(machine.said)


def test_a_deleted_vault_of_the_environment_is_named_with_the_way_to_take_it_back() -> None:
    answers = SIGNED_IN | {"keyvault list-deleted": "kv-exog-old"}
    machine = Machine(answers=answers)
    assert machine.run("before-provision.ps1", READY) == 0
    assert "kv-exog-old" in machine.said[0]
    assert "azd env set RECOVER_KEY_VAULT true" in machine.said[0]
    machine = Machine(answers=answers)
    machine.run("before-provision.ps1", READY | {"RECOVER_KEY_VAULT": "true"})
    assert machine.said == []


# Before the code is deployed ---------------------------------------------------------------------

ROLE_SEEN = {"storage account show": "/subscriptions/x", "role assignment list": "2026-11-29"}


def test_an_app_that_was_there_before_waits_for_nothing() -> None:
    machine = Machine(answers=ROLE_SEEN)
    assert machine.run("before-deploy.ps1", APP) == 0
    assert (machine.said, machine.slept) == ([], [])
    assert machine.asked[-1] == "https://func-exoguard-x.scm.azurewebsites.net/"


def test_a_new_app_waits_for_its_role_and_its_endpoint_and_says_so() -> None:
    machine = Machine(answers=ROLE_SEEN, role_minutes=(0.5, 4.9, 5.1), endpoint=(0, 503, 503, 200))
    assert machine.run("before-deploy.ps1", APP) == 0
    assert machine.slept == [60, 60, 15, 15, 15]
    assert "at most 5 minutes more" in machine.said[0]
    assert "Waiting for the deployment endpoint of the app (1 of 20)." in machine.said


def test_no_wait_is_longer_than_ten_minutes_and_its_end_names_what_to_do() -> None:
    machine = Machine(answers=ROLE_SEEN, role_minutes=(0,), endpoint=(503,))
    assert machine.run("before-deploy.ps1", APP) == 0
    assert sum(machine.slept) == 600
    assert machine.said[-1].endswith("wait some minutes, then azd deploy.")


@pytest.mark.parametrize(
    ("programs", "answers"),
    [((), {}), (("az",), {}), (("az",), {"storage account show": "/subscriptions/x"})],
)
def test_what_azure_cannot_be_asked_is_said_and_not_waited_for(
    programs: tuple[str, ...], answers: dict[str, str]
) -> None:
    machine = Machine(programs=programs, answers=answers)
    assert machine.run("before-deploy.ps1", APP) == 0
    assert machine.slept == []
    assert "azd deploy" in machine.said[0]


def test_without_an_app_nothing_is_deployed() -> None:
    assert Machine().run("before-deploy.ps1", {}) == 1


# After it was provisioned ------------------------------------------------------------------------


@pytest.mark.parametrize("name", OUTPUTS)
def test_next_steps_without_the_outputs_say_what_is_missing_and_fail(name: str) -> None:
    machine = Machine()
    assert machine.run("next-steps.ps1", OUTPUTS | {name: ""}) == 1
    assert name in machine.said[0]
    assert not any("az ad app" in line for line in machine.said)


def test_next_steps_name_the_guards_that_run_and_those_that_write() -> None:
    machine = Machine()
    assert machine.run("next-steps.ps1", OUTPUTS) == 0
    words = "-Guards mailbox-audit,mailbox-forwarding -Enforce mailbox-audit"
    assert any(words in line for line in machine.said)
    assert machine.asked == []


def test_what_served_one_provision_is_forgotten() -> None:
    machine = Machine()
    used = {"TEAMS_WEBHOOK_URL": FLOW, "RECOVER_KEY_VAULT": "true"}
    assert machine.run("next-steps.ps1", OUTPUTS | used) == 0
    assert machine.asked == [
        "azd env set TEAMS_WEBHOOK_URL=",
        "azd env set RECOVER_KEY_VAULT=false",
    ]
    assert FLOW not in "\n".join(machine.said)


def test_a_reference_to_a_secret_stays_and_without_azd_a_person_is_asked() -> None:
    machine = Machine()
    machine.run("next-steps.ps1", OUTPUTS | {"TEAMS_WEBHOOK_URL": "akvs://a/b/c"})
    assert machine.asked == []
    machine = Machine(programs=())
    machine.run("next-steps.ps1", OUTPUTS | {"TEAMS_WEBHOOK_URL": FLOW})
    assert "Run: azd env set TEAMS_WEBHOOK_URL=" in machine.said[0]


# In azure.yaml -----------------------------------------------------------------------------------


def test_azd_runs_each_script_at_its_step() -> None:
    plan = (ROOT / "azure.yaml").read_text(encoding="utf-8")
    steps = {
        match[1]: match[2]
        for match in re.finditer(r"^ +(\w+):\n +shell: pwsh\n +run: (infra/\S+)$", plan, re.M)
    }
    assert steps == {
        "predeploy": "infra/before-deploy.ps1",
        "preprovision": "infra/before-provision.ps1",
        "postprovision": "infra/next-steps.ps1",
    }
    assert all((ROOT / path).is_file() for path in steps.values())


def test_the_scripts_read_outputs_and_parameters_that_exist() -> None:
    outputs = read_bicep("main").get_declarations("output").keys()
    parameters = set(
        re.findall(r"\$\{([A-Z0-9_]+)", (INFRA / "main.parameters.json").read_text("utf-8"))
    )
    for name in ("before-provision.ps1", "before-deploy.ps1", "next-steps.ps1"):
        used = set(re.findall(r"\$env:(\w+)", (INFRA / name).read_text(encoding="utf-8")))
        assert used
        assert used <= outputs | parameters, name
