"""Exchange's policies for the organization: the cmdlets that show and set them."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.exchange.read_cmdlets import (
    Cmdlet,
    Command,
    Result,
    bad_parameter,
    get_rows,
    named_row,
)
from sandbox.exchange.write_cmdlets import boolean, committed, identity_of
from sandbox.state.tenant import Tenant

OFFLINE = ("AllComputers", "PrivateComputersOnly", "NoComputers")
READS: Mapping[str, Cmdlet] = {
    name: Cmdlet(get_rows, frozenset({"Identity"}))
    for name in ("Get-OwaMailboxPolicy", "Get-MobileDeviceMailboxPolicy", "Get-SharingPolicy")
}


def one_of(names: tuple[str, ...]) -> Callable[[Command, str], str]:
    """A parameter that is a name of an enumeration, in whatever case."""

    def parse(command: Command, name: str) -> str:
        given = str(command.parameters[name])
        for known in names:
            if known.casefold() == given.casefold():
                return known
        raise bad_parameter(f"Cannot convert value '{given[:64]}' to type of '{name}'.")

    return parse


def count(low: int, high: int) -> Callable[[Command, str], object]:
    """A number within limits, null or Unlimited; Exchange prints it as a text."""

    def parse(command: Command, name: str) -> object:
        given = command.parameters[name]
        if given is None or str(given).casefold() == "unlimited":
            return given
        if isinstance(given, bool) or not str(given).isdigit() or not low <= int(given) <= high:
            raise bad_parameter(f"The value '{str(given)[:64]}' of '{name}' is out of range.")
        return str(given) if name == "MaxPasswordFailedAttempts" else int(given)

    return parse


def sharing(command: Command, name: str) -> list[str]:
    """Domains with what they see: `domain:Action, Action`."""
    given = command.parameters[name]
    entries = given if isinstance(given, list) else [given]
    for entry in entries:
        if not isinstance(entry, str) or not all(entry.partition(":")):
            raise bad_parameter(f"'{str(entry)[:64]}' is no sharing policy domain.")
    return [":".join(part.strip() for part in entry.split(":", 1)) for entry in entries]


def setting(reader: str, **parameters: Callable[[Command, str], Any]) -> Cmdlet:
    """A Set-* of one named policy, each parameter checked in its own way."""

    def run(tenant: Tenant, command: Command) -> Result:
        row = named_row(tenant.configuration(reader), identity_of(command))
        values = {
            name: parse(command, name)
            for name, parse in parameters.items()
            if name in command.parameters
        }
        return committed(tenant, command, row, values, command.given("Identity"))

    return Cmdlet(run, frozenset({*parameters, "Identity"}))


WRITES: Mapping[str, Cmdlet] = {
    "Set-OwaMailboxPolicy": setting(
        "Get-OwaMailboxPolicy",
        AdditionalStorageProvidersAvailable=boolean,
        AllowOfflineOn=one_of(OFFLINE),
        RulesEnabled=boolean,
    ),
    "Set-MobileDeviceMailboxPolicy": setting(
        "Get-MobileDeviceMailboxPolicy",
        AllowNonProvisionableDevices=boolean,
        AllowSimplePassword=boolean,
        MaxPasswordFailedAttempts=count(4, 16),
        MinPasswordLength=count(1, 16),
        PasswordEnabled=boolean,
        RequireDeviceEncryption=boolean,
    ),
    "Set-SharingPolicy": setting("Get-SharingPolicy", Domains=sharing, Enabled=boolean),
}
