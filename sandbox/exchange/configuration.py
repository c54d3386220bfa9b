"""Exchange's organization policies: the cmdlets that read and set them."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.exchange.auditing import HASHTABLE
from sandbox.exchange.read_cmdlets import (
    Cmdlet,
    CmdletResult,
    Command,
    build_parameter_error,
    find_named_row,
    get_rows,
)
from sandbox.exchange.write_cmdlets import commit_change, read_boolean, require_identity
from sandbox.graph.odata import to_list
from sandbox.state.tenant import SimulatedTenant

OFFLINE_VALUES = ("AllComputers", "PrivateComputersOnly", "NoComputers")
POLICY_READ_CMDLETS: Mapping[str, Cmdlet] = {
    name: Cmdlet(get_rows, frozenset({"Identity"}))
    for name in ("Get-OwaMailboxPolicy", "Get-MobileDeviceMailboxPolicy", "Get-SharingPolicy")
}


def make_enum_parser(names: tuple[str, ...]) -> Callable[[Command, str], str]:
    """Makes a parser of an enumeration's names, in any case."""

    def parse(command: Command, name: str) -> str:
        given = str(command.parameters[name])
        for known in names:
            if known.casefold() == given.casefold():
                return known
        raise build_parameter_error(f"Cannot convert value '{given[:64]}' to type of '{name}'.")

    return parse


def make_number_parser(low: int, high: int) -> Callable[[Command, str], object]:
    """Makes a parser of a number within limits, null or Unlimited; Exchange prints it as text."""

    def parse(command: Command, name: str) -> object:
        given = command.parameters[name]
        if given is None or str(given).casefold() == "unlimited":
            return given
        if isinstance(given, bool) or not str(given).isdigit() or not low <= int(given) <= high:
            raise build_parameter_error(
                f"The value '{str(given)[:64]}' of '{name}' is out of range."
            )
        return str(given) if name == "MaxPasswordFailedAttempts" else int(given)

    return parse


FIELD_DELTA = "#Exchange.StringFieldDeltaUpdateData"


def update_list(
    tenant: SimulatedTenant, present: list[str], given: Any, parse: Callable[[Any], list[str]]
) -> list[str]:
    """A list property after a write: a list replaces it, a tagged delta adds and removes entries.

    An empty list leaves it as it is (terraprovider, delta.go), or clears it.
    """
    if not isinstance(given, Mapping):
        keeps = tenant.reality.plays("exchange-empty-list", "kept")
        return parse(given) or (present if keeps else [])
    if given.get("@odata.type") not in (FIELD_DELTA, HASHTABLE):
        raise build_parameter_error("Cannot convert the value to the multi-valued property.")
    removed = {each.casefold() for each in parse(to_list(given.get("Remove")))}
    kept = [each for each in present if each.casefold() not in removed]
    return kept + [each for each in parse(to_list(given.get("Add"))) if each not in kept]


def parse_sharing_domains(given: Any) -> list[str]:
    """Parses sharing domains with their actions: `domain:Action, Action`."""
    entries = given if isinstance(given, list) else [given]
    for entry in entries:
        if not isinstance(entry, str) or not all(entry.partition(":")):
            raise build_parameter_error(f"'{str(entry)[:64]}' is no sharing policy domain.")
    return [":".join(part.strip() for part in entry.split(":", 1)) for entry in entries]


def make_policy_setter(
    read_cmdlet: str,
    lists: Mapping[str, Callable[[Any], list[str]]] | None = None,
    **parameters: Callable[[Command, str], Any],
) -> Cmdlet:
    """Makes the Set-* cmdlet of a named policy, with a parser per parameter.

    `lists` are the parameters that hold several values.
    """

    def run(tenant: SimulatedTenant, command: Command) -> CmdletResult:
        row = find_named_row(tenant.list_rows(read_cmdlet), require_identity(command))
        values = {
            name: parse(command, name)
            for name, parse in parameters.items()
            if name in command.parameters
        }
        if lists:
            values |= {
                name: update_list(tenant, to_list(row.get(name)), command.parameters[name], parse)
                for name, parse in lists.items()
                if name in command.parameters
            }
        return commit_change(tenant, command, row, values, command.get_parameter("Identity"))

    return Cmdlet(run, frozenset({*parameters, *(lists or ()), "Identity"}))


POLICY_WRITE_CMDLETS: Mapping[str, Cmdlet] = {
    "Set-OwaMailboxPolicy": make_policy_setter(
        "Get-OwaMailboxPolicy",
        AdditionalStorageProvidersAvailable=read_boolean,
        AllowOfflineOn=make_enum_parser(OFFLINE_VALUES),
        RulesEnabled=read_boolean,
    ),
    "Set-MobileDeviceMailboxPolicy": make_policy_setter(
        "Get-MobileDeviceMailboxPolicy",
        AllowNonProvisionableDevices=read_boolean,
        AllowSimplePassword=read_boolean,
        MaxPasswordFailedAttempts=make_number_parser(4, 16),
        MinPasswordLength=make_number_parser(1, 16),
        PasswordEnabled=read_boolean,
        RequireDeviceEncryption=read_boolean,
    ),
    "Set-SharingPolicy": make_policy_setter(
        "Get-SharingPolicy", {"Domains": parse_sharing_domains}, Enabled=read_boolean
    ),
}
