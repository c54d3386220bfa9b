"""`python -m core.doctor`: what the app needs, what it has, what is missing and what is too much.

    python -m core.doctor --needs    what the enabled guards need; reads settings, asks nobody
    python -m core.doctor            signs in with the settings and compares

Before the deployment only modes matter, so `--needs` works without any other setting. The exit code
is 0 when nothing required is missing, 1 when something is, 2 when it could not be found out.
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
from core.tenant.surfaces import CREDENTIAL

type PrintLine = Callable[[str], object]


def print_needed_permissions(configs: Iterable[GuardConfig], print_line: PrintLine) -> None:
    """What has to be granted, for whom, and what it is worth to a thief."""
    if any(list_needed_permissions(duty) for duty in configs):
        print_line("exchange Exchange.ManageAsApp, the app role; what it may do is what follows")
    for name, (permission, guards) in collect_needed_permissions(configs).items():
        optional = " (optional)" if permission.optional else ""
        print_line(f"{permission.service:<9}{name}{optional}")
        print_line(f"         for {', '.join(guards)}; a thief could {describe_risk(permission)}")


def print_permission_report(
    configs: Iterable[GuardConfig], grants: GrantedPermissions, print_line: PrintLine
) -> bool:
    """Compare; True when everything required is there."""
    found = compare_permissions(configs, grants)
    for permission, _ in found.granted:
        print_line(f"ok        {permission.name}")
    for permission, guards in found.missing:
        print_line(f"{'optional' if permission.optional else 'MISSING':<10}{permission.name}")
        print_line(f"          for {', '.join(guards)}: {permission.reason}")
        print_line(f"          grant it: {build_grant_command(permission)}")
    for name in (*found.excess.app_roles, *found.excess.cmdlets):
        print_line(f"too much  {name}: no enabled guard needs it, take it away")
    return found.is_complete


async def check_tenant_permissions(settings: Settings, print_line: PrintLine) -> int:
    """Sign in, ask, compare."""
    async with connect_world(settings) as world:
        reading = await world.tenant.permissions.read_granted_permissions()
    shut_out = reading.find_source_failure(CREDENTIAL)
    if shut_out or not reading.items:
        print_line(f"The app cannot sign in: {shut_out.reason if shut_out else 'no answer'}")
        return 2
    for miss in reading.failures:
        print_line(f"not known {miss.source}: {miss.reason}")
    grants = reading.items[0]
    known = grants.app_roles is not None and grants.cmdlets is not None
    complete = print_permission_report(settings.guard_configs, grants, print_line)
    if not known:
        return 2
    print_line("Everything required is there." if complete else "Something required is missing.")
    return 0 if complete else 1


def read_sample_settings(environ: Mapping[str, str]) -> Settings:
    """The settings with harmless values for what is not known before the deployment."""
    return Settings.read(
        {**{entry.name: entry.sample_text for entry in list_settings()}, **environ}
    )


def main(arguments: list[str], environ: Mapping[str, str], print_line: PrintLine) -> int:
    """The command; `say` takes a line."""
    parser = argparse.ArgumentParser(prog="python -m core.doctor", description=__doc__)
    parser.add_argument("--needs", action="store_true", help="only say what is needed")
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
