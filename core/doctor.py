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

from core.bootstrap import connect
from core.config.settings import Settings, all_settings
from core.errors import ExoguardError, SettingsError
from core.microsoft365.permissions import compared, every_need, grant_command, needed, risk
from core.model.guards import Duty
from core.tenant.port import Grants
from core.tenant.surfaces import CREDENTIAL

type Say = Callable[[str], object]


def show_needs(duties: Iterable[Duty], say: Say) -> None:
    """What has to be granted, for whom, and what it is worth to a thief."""
    if any(needed(duty) for duty in duties):
        say("exchange Exchange.ManageAsApp, the app role; what it may do is what follows")
    for name, (permission, guards) in every_need(duties).items():
        optional = " (optional)" if permission.optional else ""
        say(f"{permission.service:<9}{name}{optional}")
        say(f"         for {', '.join(guards)}; a thief could {risk(permission)}")


def examine(duties: Iterable[Duty], grants: Grants, say: Say) -> bool:
    """Compare; True when everything required is there."""
    found = compared(duties, grants)
    for permission, _ in found.there:
        say(f"ok        {permission.name}")
    for permission, guards in found.lacking:
        say(f"{'optional' if permission.optional else 'MISSING':<10}{permission.name}")
        say(f"          for {', '.join(guards)}: {permission.why}")
        say(f"          grant it: {grant_command(permission)}")
    for name in (*found.excess.app_roles, *found.excess.cmdlets):
        say(f"too much  {name}: no enabled guard needs it, take it away")
    return found.complete


async def compare(settings: Settings, say: Say) -> int:
    """Sign in, ask, compare."""
    async with connect(settings) as world:
        reading = await world.tenant.grants()
    shut_out = reading.blind_to(CREDENTIAL)
    if shut_out or not reading.items:
        say(f"The app cannot sign in: {shut_out.reason if shut_out else 'no answer'}")
        return 2
    for miss in reading.unread:
        say(f"not known {miss.surface}: {miss.reason}")
    grants = reading.items[0]
    known = grants.app_roles is not None and grants.cmdlets is not None
    complete = examine(settings.duties, grants, say)
    if not known:
        return 2
    say("Everything required is there." if complete else "Something required is missing.")
    return 0 if complete else 1


def for_needs(environ: Mapping[str, str]) -> Settings:
    """The settings with harmless values for what is not known before the deployment."""
    return Settings.read({**{entry.name: entry.sample for entry in all_settings()}, **environ})


def main(arguments: list[str], environ: Mapping[str, str], say: Say) -> int:
    """The command; `say` takes a line."""
    parser = argparse.ArgumentParser(prog="python -m core.doctor", description=__doc__)
    parser.add_argument("--needs", action="store_true", help="only say what is needed")
    options = parser.parse_args(arguments)
    try:
        if options.needs:
            show_needs(for_needs(environ).duties, say)
            return 0
        return asyncio.run(compare(Settings.read(environ), say))
    except SettingsError as error:
        for line in str(error).splitlines():
            say(f"setting   {line}")
        return 2
    except ExoguardError as error:
        say(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, lambda line: sys.stdout.write(line + "\n")))
