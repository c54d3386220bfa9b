"""What infra/ repeats of the code is what the code says, in both directions."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise, product

import pytest

from core.api.openapi.run_schemas import REPORTED_STATUSES
from core.config.catalog import CATALOG
from core.config.channel_settings import CHANNEL_SETTINGS
from core.config.settings import get_setting_prefix, list_settings
from core.microsoft365.containment_permissions import list_containment_permissions
from core.microsoft365.permission_risks import FEED_PERMISSION, MANAGEMENT_ROLES
from core.microsoft365.permissions import (
    ACTIVITY_PERMISSIONS,
    AUDIT_QUERY_PERMISSIONS,
    MANAGEMENT_APP_ID,
)
from core.model.guards import GuardConfig, Mode, Service
from core.model.run_document import run_report_to_log_line
from core.model.runs import RunReport
from core.ncrontab import CronSchedule
from function_app import RUN_QUEUE, SHARD_QUEUE
from tests.infra.bicep_values import (
    INFRA,
    ROOT,
    evaluate_variables,
    find_chosen_settings,
    get_object_variable,
    read_bicep,
    read_literal,
    read_literal_object,
)
from tests.infra.powershell import find_syntax_errors
from tools.bicep_lint.documents import VARIABLE
from tools.bicep_lint.kusto import collect_queries
from tools.bicep_lint.tree import Declaration, Item, Member, Name, Node, Object, Text, walk_nodes

APP, MAIN, ENTRA = read_bicep("app"), read_bicep("main"), read_bicep("entra")
NAMES = {entry.name for entry in list_settings()}

# Settings of the Functions host (Microsoft Learn: App settings reference for Azure Functions).
HOST = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__queueServiceUri",
}
# What a deployment never sets: secrets in files and texts, and the addresses of a simulated tenant.
DEVELOPMENT = {
    "CA_BUNDLE",
    "CLIENT_CERTIFICATE_PATH",
    "CLIENT_SECRET",
    "EXCHANGE_ENDPOINT",
    "GRAPH_ENDPOINT",
    "LOGIN_ENDPOINT",
    "STATE_CONNECTION_STRING",
}
# Secrets of further channels: references to Key Vault where the deployer says that they are there.
CHANNEL_SECRETS = {entry.name for entry in CHANNEL_SETTINGS if entry.is_secret}
# What the deployment itself knows, so that nobody may choose it.
KNOWN = CHANNEL_SECRETS | {
    "CLIENT_ID",
    "CLOUD",
    "MANAGED_IDENTITY_CLIENT_ID",
    "SIGN_IN",
    "STATE_TABLE_ENDPOINT",
    "TEAMS_WEBHOOK_URL",
    "TENANT_ID",
    "TENANT_NAME",
}

REPORT = RunReport(
    guard="mailbox-audit",
    title="",
    noun="",
    run="",
    mode=Mode.ALERT,
    started_at=datetime(2028, 1, 1, tzinfo=UTC),
)


def app_settings() -> dict[str, Node]:
    """Every setting of the app as app.bicep has it."""
    return get_object_variable(APP, "appSettings").values


def longest_gap(duty: GuardConfig) -> timedelta:
    """The longest time between two runs, over a leap year."""
    schedule = CronSchedule.parse(duty.schedule)
    times = [datetime(2028, 1, 1, tzinfo=UTC)]
    while times[-1] < datetime(2028, 2, 1, tzinfo=UTC):
        times.append(schedule.find_next(times[-1]))
    return max(later - sooner for sooner, later in pairwise(times[1:]))


def test_the_app_has_every_setting_a_deployment_sets_and_no_other() -> None:
    assert app_settings().keys() == (NAMES - DEVELOPMENT) | HOST


def test_no_development_setting_is_forgotten_in_the_list_here() -> None:
    assert DEVELOPMENT | KNOWN <= NAMES


def test_defaults_of_settings_are_those_of_the_code() -> None:
    expected = {entry.name: entry.default for entry in list_settings()}
    found = dict(find_chosen_settings(get_object_variable(APP, "appSettings")))
    assert found == {name: expected[name] for name in found}
    assert dict(
        find_chosen_settings(MAIN.get_declarations("var")["stateTable"].value or Text((), 0))
    ) == {"STATE_TABLE": expected["STATE_TABLE"]}


def test_secrets_of_channels_come_from_the_vault_under_their_own_name() -> None:
    text = (INFRA / "app.bicep").read_text(encoding="utf-8")
    for name in CHANNEL_SECRETS:
        assert f"  {name}: kept(channelSecrets, secretsUri, '{name}')\n" in text


def test_a_setting_looks_up_its_own_name() -> None:
    for name, value in app_settings().items():
        assert [found for found, _ in find_chosen_settings(value)] in ([], [name])


def test_every_setting_that_may_be_chosen_is_looked_up_somewhere() -> None:
    looked_up = {
        name
        for node in (get_object_variable(APP, "appSettings"), get_object_variable(MAIN, "guards"))
        for name, _ in find_chosen_settings(node)
    }
    assert (looked_up | {"STATE_TABLE"}) & NAMES == NAMES - DEVELOPMENT - KNOWN


@pytest.mark.parametrize("duty", CATALOG, ids=lambda duty: duty.guard.name)
def test_a_guard_is_deployed_as_the_catalog_has_it(duty: GuardConfig) -> None:
    deployed = read_literal_object(get_object_variable(MAIN, "guards")[duty.guard.name])
    gap = longest_gap(duty)
    assert deployed == {
        "mode": str(duty.mode),
        "schedule": duty.schedule,
        "limit": str(duty.limit.count),
        "limitPercent": str(duty.limit.percent),
        "maxAgeMinutes": str(-(-3 * gap // timedelta(minutes=1))),
    }


@pytest.mark.parametrize("duty", CATALOG, ids=lambda duty: duty.guard.name)
def test_a_guards_settings_come_from_its_row(duty: GuardConfig) -> None:
    name = get_setting_prefix(duty.guard.name)
    row = get_object_variable(MAIN, "guards")[duty.guard.name]
    assert {found for found, _ in find_chosen_settings(row)} == {
        f"{name}_{suffix}"
        for suffix in ("MODE", "SCHEDULE", "LIMIT", "LIMIT_PERCENT", "MAX_AGE_MINUTES")
    }
    fields = {
        "SCHEDULE": "schedule",
        "MODE": "mode",
        "LIMIT": "limit",
        "LIMIT_PERCENT": "limitPercent",
    }
    for suffix, field in fields.items():
        node = app_settings()[f"{name}_{suffix}"]
        assert isinstance(node, Member)
        assert node.name == field
        assert isinstance(node.target, Item)
        assert read_literal(node.target.key) == duty.guard.name


def test_exactly_the_guards_of_the_catalog_are_deployed() -> None:
    known = {duty.guard.name for duty in CATALOG}
    assert get_object_variable(MAIN, "guards").values.keys() == known
    assert get_object_variable(ENTRA, "permissions").values.keys() == known


@pytest.mark.parametrize("duty", CATALOG, ids=lambda duty: duty.guard.name)
def test_a_guard_is_granted_what_it_needs_and_nothing_else(duty: GuardConfig) -> None:
    needs = duty.guard.permissions
    graph = [entry for entry in needs if entry.service is Service.GRAPH]
    expected = {
        "exchange": any(e.service is Service.EXCHANGE and not e.optional for e in needs),
        "optionalExchange": any(e.service is Service.EXCHANGE and e.optional for e in needs),
        "reads": {e.name for e in graph if not e.writes and not e.optional},
        "optionalReads": {e.name for e in graph if not e.writes and e.optional},
        "writes": {e.name for e in graph if e.writes and not e.optional},
        "optionalWrites": {e.name for e in graph if e.writes and e.optional},
    }
    granted = {
        key: set(map(str, value)) if isinstance(value, list) else value
        for key, value in read_literal_object(
            get_object_variable(ENTRA, "permissions")[duty.guard.name]
        ).items()
    }
    assert granted == expected


def asked_for(
    modes: Mapping[str, Mode], optional: bool, containment: Mode = Mode.OFF
) -> tuple[set[str], set[str]]:
    """The roles of Graph and Exchange that entra.bicep asks for, worked out from its text."""
    names = evaluate_variables(
        ENTRA,
        {
            "guards": {name: {"mode": str(mode)} for name, mode in modes.items()},
            "optionalPermissions": optional,
            "activityFeed": False,
            "auditQueries": False,
            "containment": str(containment),
        },
    )
    return set(names["graphRoles"]), set(names["exchangeRoles"])


def needed(
    modes: Mapping[str, Mode], optional: bool, containment: Mode = Mode.OFF
) -> tuple[set[str], set[str]]:
    """The same, worked out from the catalog."""
    entries = [
        entry
        for duty in CATALOG
        for entry in duty.guard.permissions
        if modes[duty.guard.name] is not Mode.OFF
        and (not entry.writes or modes[duty.guard.name] is Mode.ENFORCE)
        and (optional or not entry.optional)
    ]
    entries += [
        entry
        for entry in list_containment_permissions(containment)
        if optional or not entry.optional
    ]
    graph = {entry.name for entry in entries if entry.service is Service.GRAPH}
    exchange = any(entry.service is Service.EXCHANGE for entry in entries)
    return graph, {"Exchange.ManageAsApp"} if exchange else set()


@pytest.mark.parametrize(("feed", "mode"), [(True, "alert"), (True, "off"), (False, "alert")])
def test_the_activity_feed_is_asked_for_where_it_is_chosen(feed: bool, mode: str) -> None:
    names = evaluate_variables(
        ENTRA,
        {
            "guards": {duty.guard.name: {"mode": mode} for duty in CATALOG},
            "optionalPermissions": True,
            "activityFeed": feed,
            "auditQueries": False,
            "containment": "off",
        },
    )
    wanted = {FEED_PERMISSION} if feed and mode != "off" else set()
    assert set(names["managementRoles"]) == {MANAGEMENT_ROLES[name].id for name in wanted}
    assert names["managementAppId"] == MANAGEMENT_APP_ID
    assert {one.name for one in ACTIVITY_PERMISSIONS if one.service is Service.MANAGEMENT} == {
        FEED_PERMISSION
    }


@pytest.mark.parametrize("searches", [True, False])
def test_searches_of_the_audit_log_are_asked_for_where_they_are_on(searches: bool) -> None:
    names = evaluate_variables(
        ENTRA,
        {
            "guards": {duty.guard.name: {"mode": "off"} for duty in CATALOG},
            "optionalPermissions": False,
            "activityFeed": False,
            "auditQueries": searches,
            "containment": "off",
        },
    )
    wanted = {entry.name for entry in AUDIT_QUERY_PERMISSIONS if searches}
    assert set(names["graphRoles"]) == wanted


def chosen_together() -> list[tuple[Mode, ...]]:
    """All guards in one mode, and every two of them in any two modes while the others are off.

    What is asked for is what each guard needs, put together, so two show what all would.
    """
    found: dict[tuple[Mode, ...], None] = {(mode,) * len(CATALOG): None for mode in Mode}
    for first, second in combinations(range(len(CATALOG)), 2):
        for one, other in product(Mode, repeat=2):
            modes = [Mode.OFF] * len(CATALOG)
            modes[first], modes[second] = one, other
            found[tuple(modes)] = None
    return list(found)


@pytest.mark.parametrize("optional", [True, False])
def test_permissions_follow_the_modes(optional: bool) -> None:
    for chosen_modes in chosen_together():
        modes = {duty.guard.name: mode for duty, mode in zip(CATALOG, chosen_modes, strict=True)}
        assert asked_for(modes, optional) == needed(modes, optional), modes


@pytest.mark.parametrize("optional", [True, False])
@pytest.mark.parametrize("containment", list(Mode))
@pytest.mark.parametrize("guards", [Mode.OFF, Mode.ALERT])
def test_what_containment_needs_is_asked_for_where_it_is_on(
    guards: Mode, containment: Mode, optional: bool
) -> None:
    modes = {duty.guard.name: guards for duty in CATALOG}
    found = asked_for(modes, optional, containment)
    assert found == needed(modes, optional, containment)
    if containment is Mode.OFF:
        assert "UserAuthenticationMethod.Read.All" not in found[0]


def test_a_dead_guard_is_noticed_within_what_an_alert_may_look_back() -> None:
    rules = read_bicep("alerts").get_declarations("var")["rules"].value
    assert rules
    ranges = {
        str(read_literal(node["name"])): str(read_literal(node["range"]))
        for node in walk_nodes(rules)
        if isinstance(node, Object)
    }
    assert ranges["guard-late"] == "P2D"
    for row in read_literal_object(get_object_variable(MAIN, "guards")).values():
        assert isinstance(row, dict)
        assert int(str(row["maxAgeMinutes"])) < 2 * 24 * 60


def test_the_sample_values_of_a_query_are_what_the_deployment_replaces() -> None:
    query = (INFRA / "queries" / "guard-late.kql").read_text(encoding="utf-8")
    code = (INFRA / "alerts.bicep").read_text(encoding="utf-8")
    for sample in ('"sample", 45m', "datetime(2000-01-01)"):
        assert query.count(sample) == 1
        assert code.count(f"'{sample}'") == 1


def test_every_query_is_an_alert_and_every_alert_a_query() -> None:
    code = (INFRA / "alerts.bicep").read_text(encoding="utf-8")
    loaded = set(re.findall(r"loadTextContent\('queries/([\w-]+)\.kql'\)", code))
    assert loaded == {path.stem for path in (INFRA / "queries").glob("*.kql")}


@pytest.mark.parametrize("name", [name for name in collect_queries(INFRA) if name.endswith(".kql")])
def test_an_alert_names_its_subject(name: str) -> None:
    assert re.search(r"subject = |by subject", collect_queries(INFRA)[name])


def test_parameters_are_those_of_main_bicep() -> None:
    said = json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))
    assert said["parameters"].keys() == MAIN.get_declarations("param").keys() - {"deployedAt"}


def test_a_deployer_may_choose_every_setting_by_its_name() -> None:
    said = json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))
    settings = said["parameters"]["settings"]["value"]
    ages = {f"{get_setting_prefix(duty.guard.name)}_MAX_AGE_MINUTES" for duty in CATALOG}
    assert settings == {name: f"${{{name}}}" for name in settings}
    assert settings.keys() == (NAMES - DEVELOPMENT - KNOWN) | ages


def test_defaults_of_parameters_are_those_of_main_bicep() -> None:
    said = json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    params = MAIN.get_declarations("param")
    for name, given in said.items():
        match = VARIABLE.fullmatch(str(given["value"]))
        if match and match[2] is not None:
            default = params[name].value
            assert default is not None
            assert match[2] == str(read_literal(default)).replace("True", "true").replace(
                "False", "false"
            )


def test_the_clouds_are_those_the_app_knows() -> None:
    decorators = {mark.name: mark for mark in MAIN.get_declarations("param")["cloud"].decorators}
    (clouds,) = decorators["allowed"].arguments
    help_text = next(entry.help for entry in list_settings() if entry.name == "CLOUD")
    known = read_literal(clouds)
    assert isinstance(known, list)
    assert re.findall(r"[a-z-]{3,}", help_text.replace(" or ", " ")) == known


def test_the_queues_are_those_the_app_uses() -> None:
    names = [
        read_literal(entry.body["name"])
        for outer in read_bicep("storage").get_declarations("resource").values()
        for entry in walk_nodes(outer)
        if isinstance(entry, Declaration) and entry.type == "queues" and entry.body
    ]
    # The host moves what failed too often to a queue of the same name with -poison behind it.
    used = (RUN_QUEUE, SHARD_QUEUE)
    assert names == [*used, *(f"{name}-poison" for name in used)]


def test_queries_ask_for_what_a_run_writes() -> None:
    written = json.loads(run_report_to_log_line(REPORT))
    asked = {
        (name, field)
        for name, query in collect_queries(INFRA).items()
        for field in re.findall(r"\brun\.(\w+)", query)
    }
    assert {field for _, field in asked} <= written.keys()
    assert {"guard", "status", "coverage", "blind", "told", "oldest_untold_minutes"} <= {
        field for _, field in asked
    }


def test_queries_know_the_beginning_of_a_runs_line() -> None:
    marks = {
        mark
        for query in collect_queries(INFRA).values()
        for mark in re.findall(r'startswith "([^"]*)"', query)
    }
    lengths = {
        int(number)
        for query in collect_queries(INFRA).values()
        for number in re.findall(r"substring\(message, (\d+)\)", query)
    }
    assert marks == {"exoguard.run ", "exoguard.settings "}
    settings = (ROOT / "core" / "jobs" / "settings_changes.py").read_text(encoding="utf-8")
    assert '"exoguard.settings %s"' in settings
    assert lengths == {len("exoguard.run ")}
    assert '"exoguard.run %s"' in (ROOT / "core" / "engine" / "run_report.py").read_text(
        encoding="utf-8"
    )


def test_every_status_a_query_asks_for_exists() -> None:
    asked = {
        word
        for query in collect_queries(INFRA).values()
        for group in re.findall(r'status[^\n]*?(?:== |in \()((?:"[a-z]+"(?:, )?)+)', query)
        for word in re.findall(r"[a-z]+", group)
    }
    assert asked
    assert asked <= set(REPORTED_STATUSES)


def test_the_identity_has_these_roles_at_these_places_and_no_others() -> None:
    found = set()
    for entry in read_bicep("roles").get_declarations("resource").values():
        if entry.existing:
            continue
        assert entry.type.startswith("Microsoft.Authorization/roleAssignments@")
        assert entry.body
        roles = [
            node.name
            for node in walk_nodes(entry.body["properties"])
            if isinstance(node, Member) and node.target == Name("roles", node.line)
        ]
        scope = entry.body["scope"]
        place = (
            f"{spelled(scope.target)}::{scope.name}"
            if isinstance(scope, Member)
            else spelled(scope.target if isinstance(scope, Item) else scope)
        )
        found |= {(place, role) for role in roles}
    assert found == {
        ("host", "storageBlobDataOwner"),
        ("host", "storageQueueDataContributor"),
        ("state", "storageTableDataContributor"),
        ("vault::webhook", "keyVaultSecretsUser"),
        ("insights", "monitoringMetricsPublisher"),
    }


def test_a_channel_s_secret_is_read_one_by_one_by_the_role_of_the_webhook_s() -> None:
    found = read_bicep("secretrole")
    [entry] = [one for one in found.get_declarations("resource").values() if not one.existing]
    assert entry.body
    assert spelled(entry.body["scope"]) == "secret"
    role = found.get_declarations("var")["keyVaultSecretsUser"].value
    assert role
    known = get_object_variable(read_bicep("roles"), "roles")["keyVaultSecretsUser"]
    assert read_literal(role) == read_literal(known)


def test_roles_are_assigned_nowhere_else() -> None:
    here = {"roles", "secretrole"}
    others = [path.stem for path in INFRA.glob("*.bicep") if path.stem not in here]
    for name in others:
        for entry in read_bicep(name).get_declarations("resource").values():
            assert "roleAssignments" not in entry.type


def spelled(node: Node) -> str:
    """A symbol as it is written."""
    assert isinstance(node, Name)
    return node.name


def test_the_next_steps_name_what_the_deployment_says() -> None:
    script = (INFRA / "next-steps.ps1").read_text(encoding="utf-8")
    used = set(re.findall(r"\$env:(\w+)", script))
    # What it looks at to make azd forget it.
    used_up = {"TEAMS_WEBHOOK_URL", "RECOVER_KEY_VAULT"}
    assert used > used_up
    assert used - used_up <= MAIN.get_declarations("output").keys()
    assert list(find_syntax_errors(script)) == []


def test_the_next_steps_call_the_role_script_as_it_wants_to_be_called() -> None:
    script = (INFRA / "next-steps.ps1").read_text(encoding="utf-8")
    role = (INFRA / "exchange-role.ps1").read_text(encoding="utf-8")
    call = script[script.index("./infra/exchange-role.ps1") :].partition("Write-Host ''")[0]
    given = set(re.findall(r" -([A-Z]\w+) ", call))
    assert given == {"AppId", "ServicePrincipalObjectId", "Guards", "Enforce"}
    assert all(re.search(rf"^\.PARAMETER {name}$", role, re.MULTILINE) for name in given)


def test_what_is_not_the_app_is_not_deployed() -> None:
    ignored = (ROOT / ".funcignore").read_text(encoding="utf-8").split()
    for name in ("infra", "azure.yaml", "tests", "tools", "sandbox", "docs", ".azure", ".venv"):
        assert name in ignored
