"""What is switched off beside a contained account: its late devices, and hidden inbox rules."""

from collections.abc import Mapping

from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.m365.inbox_rules.parse import parse_exchange_rule
from core.adapters.m365.verified_write import (
    Sleep,
    UndoProcedure,
    build_switch_undo,
    parse_row_for_change,
    run_undo,
    write_verified,
)
from core.adapters.parsing import ResponseRow, parse_identifier, parse_optional_bool, parse_text
from core.errors import NotFound, Rejected, Unavailable
from core.tenant.changes import AppliedChange, DisableDevice, DisableHiddenRule
from core.tenant.mail_flow import InboxRule
from core.tenant.reversibility import (
    RULE_ACTIONS_HASH,
    SWITCH_CHANGES,
    hash_rule_actions,
)

RELIES_ON = ("write-device-off", "write-hidden-rule")

READ_DIRECTORY = "Directory.Read.All"
SWITCH_DEVICES = "Device.EnableDisableAccount.All"
WINDOWS = "windows"
ENABLED = "Enabled"


def check_object_id(object_id: str) -> str:
    """The id, if it may stand in a path. Raises Rejected."""
    if parse_identifier(object_id) != object_id or not object_id.replace("-", "").isalnum():
        raise Rejected("that is no id of an account")
    return object_id


# Devices ------------------------------------------------------------------------------------------


async def read_device(graph: GraphClient, device_id: str) -> tuple[bool, str]:
    """Whether a device is enabled, and its operating system. Raises Unavailable if that is not
    told, or for another device's row.
    """
    path = f"/devices/{device_id}?$select=id,accountEnabled,operatingSystem"
    row = await graph.get(path, READ_DIRECTORY)
    enabled = parse_optional_bool(row.get("accountEnabled"))
    if parse_identifier(row.get("id")).lower() != device_id.lower() or enabled is None:
        raise Unavailable("Graph did not say whether the device is enabled")
    return enabled, parse_text(row.get("operatingSystem"), 64)


async def set_device_enabled(graph: GraphClient, device_id: str, *, enabled: bool) -> None:
    """Set accountEnabled of a device."""
    await graph.patch(f"/devices/{device_id}", {"accountEnabled": enabled}, SWITCH_DEVICES)


async def disable_device(graph: GraphClient, change: DisableDevice, sleep: Sleep) -> AppliedChange:
    """Switch a device off, if it has Windows."""
    device_id = check_object_id(change.device_id)
    name, _ = SWITCH_CHANGES["DisableDevice"]
    is_enabled, system = await read_device(graph, device_id)
    if not is_enabled:
        return AppliedChange({name: False}, unchanged=True)
    if not system.lower().startswith(WINDOWS):
        raise Rejected("Entra lets an app switch off devices with Windows only")
    before = {name: True}

    async def read_enabled() -> bool:
        return (await read_device(graph, device_id))[0]

    await write_verified(
        lambda: set_device_enabled(graph, device_id, enabled=False),
        read_enabled,
        lambda enabled: not enabled,
        before,
        sleep,
    )
    return AppliedChange(before)


async def undo_disable_device(
    graph: GraphClient, change: DisableDevice, before: Mapping[str, object], sleep: Sleep
) -> AppliedChange:
    """Switch a device on again, if it was."""
    device_id = check_object_id(change.device_id)
    name, left = SWITCH_CHANGES["DisableDevice"]

    async def read_enabled() -> bool:
        return (await read_device(graph, device_id))[0]

    undo = build_switch_undo(
        read_enabled,
        lambda value: set_device_enabled(graph, device_id, enabled=value),
        name,
        before[name] is True,
        left,
    )
    return await run_undo(undo, sleep)


# Hidden rules -------------------------------------------------------------------------------------


async def read_rule(exchange: ExchangeClient, change: DisableHiddenRule) -> InboxRule:
    """The rule as it is. Raises NotFound, or Unavailable for one that cannot be parsed."""
    rows = await exchange.invoke(
        "Get-InboxRule", {"Mailbox": change.mailbox_guid, "IncludeHidden": True}
    )
    found = [
        parse_row_for_change(lambda row: parse_exchange_rule(change.mailbox_guid, row), row)
        for row in rows
        if names_rule(row, change.rule_id)
    ]
    if not found:
        raise NotFound("the rule is gone")
    if len(found) > 1:
        raise Unavailable("Exchange has several rules of that id")
    return found[0]


def names_rule(row: ResponseRow, rule_id: str) -> bool:
    """Whether a row of Get-InboxRule is that of a rule."""
    identity = parse_text(row.get("Identity"), 512).rpartition("\\")[2]
    return rule_id in (parse_identifier(row.get("RuleIdentity")), parse_identifier(identity))


async def switch_rule(
    exchange: ExchangeClient, change: DisableHiddenRule, *, enabled: bool
) -> None:
    """Disable-InboxRule or Enable-InboxRule, which ask nobody."""
    await exchange.invoke(
        "Enable-InboxRule" if enabled else "Disable-InboxRule",
        {
            "Mailbox": change.mailbox_guid,
            "Identity": change.rule_id,
            "AlwaysDeleteOutlookRulesBlob": True,
        },
    )


async def disable_hidden_rule(
    exchange: ExchangeClient, change: DisableHiddenRule, sleep: Sleep
) -> AppliedChange:
    """Switch a hidden rule off."""
    rule = await read_rule(exchange, change)
    before: dict[str, object] = {ENABLED: rule.enabled, RULE_ACTIONS_HASH: hash_rule_actions(rule)}
    if not rule.enabled:
        return AppliedChange(before, unchanged=True)
    await write_verified(
        lambda: switch_rule(exchange, change, enabled=False),
        lambda: read_rule(exchange, change),
        lambda now: not now.enabled,
        before,
        sleep,
    )
    return AppliedChange(before)


async def undo_disable_hidden_rule(
    exchange: ExchangeClient, change: DisableHiddenRule, before: Mapping[str, object], sleep: Sleep
) -> AppliedChange:
    """Switch a hidden rule on again, if it still does what it did."""
    was = before[ENABLED] is True
    digest = before.get(RULE_ACTIONS_HASH)

    def is_same(rule: InboxRule) -> bool:
        return digest in (None, hash_rule_actions(rule))

    undo = UndoProcedure[InboxRule](
        lambda: read_rule(exchange, change),
        to_record=lambda rule: {ENABLED: rule.enabled, RULE_ACTIONS_HASH: hash_rule_actions(rule)},
        is_as_before=lambda rule: rule.enabled is was and is_same(rule),
        is_as_applied=lambda rule: not rule.enabled and is_same(rule),
        write=lambda rule: switch_rule(exchange, change, enabled=was),
    )
    return await run_undo(undo, sleep)
