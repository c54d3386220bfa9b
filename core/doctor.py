"""Compares the app's permissions with those its enabled guards need: `python -m core.doctor`.

    python -m core.doctor --needs    lists the permissions that the enabled guards need
    python -m core.doctor            signs in with the settings and compares

`--needs` reads only the guards' modes, so it works before the deployment without other settings.
The exit code is 0 if no required permission is missing, 1 if one is, 2 if the permissions could not
be read.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Mapping

from core.bootstrap import connect_world
from core.config.settings import Settings, list_settings
from core.errors import ExoguardError, SettingsError
from core.microsoft365.permissions import (
    build_grant_command,
    collect_needed_permissions,
    compare_permissions,
    describe_risk,
    list_needed_permissions,
)
from core.model.guards import GuardConfig
from core.tenant.port import GrantedPermissions
from core.tenant.sources import CREDENTIAL

type PrintLine = Callable[[str], object]


def print_needed_permissions(configs: Iterable[GuardConfig], print_line: PrintLine) -> None:
    """Print what has to be granted, for which guards, and what an attacker could do with it."""
    if any(list_needed_permissions(config) for config in configs):
        print_line("exchange Exchange.ManageAsApp, the app role; limited to the cmdlets below")
    for name, (permission, guards) in collect_needed_permissions(configs).items():
        optional = " (optional)" if permission.optional else ""
        print_line(f"{permission.service:<9}{name}{optional}")
        print_line(
            f"         for {', '.join(guards)}; an attacker could {describe_risk(permission)}"
        )


def print_permission_report(
    configs: Iterable[GuardConfig], grants: GrantedPermissions, print_line: PrintLine
) -> bool:
    """Print the comparison. True if no required permission is missing."""
    comparison = compare_permissions(configs, grants)
    for permission, _ in comparison.granted:
        print_line(f"ok        {permission.name}")
    for permission, guards in comparison.missing:
        print_line(f"{'optional' if permission.optional else 'MISSING':<10}{permission.name}")
        print_line(f"          for {', '.join(guards)}: {permission.reason}")
        print_line(f"          grant it: {build_grant_command(permission)}")
    for name in (*comparison.excess.app_roles, *comparison.excess.cmdlets):
        print_line(f"excess    {name}: no enabled guard needs it; revoke it")
    return comparison.is_complete


async def check_tenant_permissions(settings: Settings, print_line: PrintLine) -> int:
    """Sign in, read the app's permissions and compare them. Returns the exit code."""
    async with connect_world(settings) as world:
        reading = await world.tenant.permissions.read_granted_permissions()
    sign_in_failure = reading.find_source_failure(CREDENTIAL)
    if sign_in_failure or not reading.items:
        reason = sign_in_failure.reason if sign_in_failure else "no response"
        print_line(f"The app cannot sign in: {reason}")
        return 2
    for failure in reading.failures:
        print_line(f"unknown   {failure.source}: {failure.reason}")
    grants = reading.items[0]
    known = grants.app_roles is not None and grants.cmdlets is not None
    complete = print_permission_report(settings.guard_configs, grants, print_line)
    if not known:
        return 2
    print_line(
        "No required permission is missing." if complete else "A required permission is missing."
    )
    return 0 if complete else 1


def read_sample_settings(environ: Mapping[str, str]) -> Settings:
    """The settings, with samples for those that are unknown before the deployment."""
    return Settings.read(
        {**{entry.name: entry.sample_text for entry in list_settings()}, **environ}
    )


def main(arguments: list[str], environ: Mapping[str, str], print_line: PrintLine) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m core.doctor", description=__doc__)
    parser.add_argument("--needs", action="store_true", help="only list what is needed")
    options = parser.parse_args(arguments)
    try:
        if options.needs:
            print_needed_permissions(read_sample_settings(environ).guard_configs, print_line)
            return 0
        return asyncio.run(check_tenant_permissions(Settings.read(environ), print_line))
    except SettingsError as error:
        for line in str(error).splitlines():
            print_line(f"setting   {line}")
        return 2
    except ExoguardError as error:
        print_line(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, lambda line: sys.stdout.write(line + "\n")))
