"""Checks a deployment: the app's permissions, and how this tenant answers: `python -m core.doctor`.

    python -m core.doctor --needs    lists the permissions that the enabled guards need
    python -m core.doctor            signs in with the settings and compares
    python -m core.doctor --probe    asks the tenant about the assumptions of docs/assumptions.md
    python -m core.doctor --channels sends a test to each channel
    ... --probe --report FILE        and writes a report without names, addresses and ids

`--needs` reads only the guards' modes, so it works before the deployment without other settings.
The exit code is 0 if no required permission is missing and no channel is out of use, or every
assumption holds as far as that could be told; 1 otherwise; 2 if that could not be read.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from core import VERSION
from core.bootstrap import connect_world
from core.config.settings import Settings, list_settings
from core.engine.run import create_run_id
from core.errors import ExoguardError, LedgerError, SettingsError
from core.jobs.channel_tests import run_channel_tests
from core.jobs.tenant_probe import MAX_REQUESTS, MAX_SECONDS, build_probe_report, probe_tenant
from core.microsoft365.permission_risks import FEED_PERMISSION
from core.microsoft365.permissions import (
    build_grant_command,
    collect_needed_permissions,
    compare_permissions,
    describe_risk,
    list_needed_permissions,
)
from core.model.guards import GuardConfig, Mode
from core.model.state import ProbeReport
from core.ports import World
from core.status.assumptions import (
    build_bug_report,
    describe_probe,
    list_answer_lines,
    list_assumption_views,
)
from core.tenant.probing import AnswerStatus
from core.tenant.readers import GrantedPermissions
from core.tenant.sources import CREDENTIAL

MAIL_GRANT = (
    "New-ManagementScope -Name Exoguard-Mail -RecipientRestrictionFilter"
    " \"Guid -eq '<mailbox guid>'\"; New-ManagementRoleAssignment -App <service principal id>"
    ' -Role "Application Mail.Send" -CustomResourceScope Exoguard-Mail'
)
"""Gives the app the right to send as one mailbox (Microsoft Learn: RBAC for Applications)."""

type PrintLine = Callable[[str], object]


def print_needed_permissions(
    configs: Iterable[GuardConfig],
    print_line: PrintLine,
    containment: Mode = Mode.OFF,
    *,
    searches: bool = False,
) -> None:
    """Print what has to be granted, for which guards, and what an attacker could do with it."""
    if any(list_needed_permissions(config) for config in configs):
        print_line("exchange Exchange.ManageAsApp, the app role; limited to the cmdlets below")
    needed = collect_needed_permissions(configs, containment, searches=searches)
    for name, (permission, guards) in needed.items():
        optional = " (optional)" if permission.optional else ""
        print_line(f"{permission.service:<11}{name}{optional}")
        print_line(
            f"         for {', '.join(guards)}; an attacker could {describe_risk(permission)}"
        )


def print_permission_report(
    configs: Iterable[GuardConfig],
    grants: GrantedPermissions,
    print_line: PrintLine,
    containment: Mode = Mode.OFF,
    *,
    searches: bool = False,
) -> bool:
    """Print the comparison. True if no required permission is missing."""
    comparison = compare_permissions(configs, grants, containment, searches=searches)
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
        has_feed = await world.tenant.activity.is_feed_granted()
    sign_in_failure = reading.find_source_failure(CREDENTIAL)
    if sign_in_failure or not reading.items:
        reason = sign_in_failure.reason if sign_in_failure else "no response"
        print_line(f"The app cannot sign in: {reason}")
        return 2
    for failure in reading.failures:
        print_line(f"unknown   {failure.source}: {failure.reason}")
    grants = reading.items[0]
    if has_feed is not None:
        roles = frozenset({FEED_PERMISSION} if has_feed else ())
        grants = replace(grants, management_roles=roles)
    print_channels(settings, print_line)
    known = grants.app_roles is not None and grants.cmdlets is not None
    complete = print_permission_report(
        settings.guard_configs,
        grants,
        print_line,
        settings.containment.mode,
        searches=settings.activity.searches,
    )
    if not known:
        return 2
    print_line(
        "No required permission is missing." if complete else "A required permission is missing."
    )
    return 0 if complete and not settings.channel_faults else 1


def print_channels(settings: Settings, print_line: PrintLine) -> None:
    """Print the channels besides Teams that are on, what each needs, and which are out of use."""
    for fault in settings.channel_faults:
        print_line(f"UNUSABLE  {fault.channel}: {fault.reason}")
    for one in settings.channels:
        told = f"{one.least_severity.label} and above, every critical case"
        print_line(f"channel   {one.name}: {told}")
    if any(one.name == "mail" for one in settings.channels):
        print_line("          mail needs the Exchange role Application Mail.Send for its sender:")
        print_line(f"          {MAIL_GRANT}")


async def check_channels(settings: Settings, print_line: PrintLine) -> int:
    """Send a test to each channel. Returns the exit code."""
    async with connect_world(settings) as world:
        tests = await run_channel_tests(world)
    for test in tests:
        print_line(f"{'accepted' if test.accepted else 'REFUSED':<10}{test.channel}: {test.text}")
        if test.remedy:
            print_line(f"          {test.remedy}")
    return 0 if all(test.accepted for test in tests) else 1


async def fetch_probe_report(settings: Settings, print_line: PrintLine) -> ProbeReport | None:
    """Ask the tenant about the assumptions; None while another instance does."""
    async with connect_world(settings) as world:
        return await probe_with_or_without_state(world, settings, print_line)


def probe_assumptions(settings: Settings, report_path: str, print_line: PrintLine) -> int:
    """Ask the tenant about the assumptions, print its answers and write the report."""
    report = asyncio.run(fetch_probe_report(settings, print_line))
    if report is None:
        print_line("Another instance probes this tenant now; the status page shows its answers.")
        return 2
    for line in list_answer_lines(list_assumption_views(report)):
        print_line(line)
    print_line(describe_probe(report))
    if report_path:
        try:
            Path(report_path).write_text(build_bug_report(report, VERSION), encoding="utf-8")
        except OSError as error:
            print_line(f"The report was not written: {error.strerror}")
            return 2
        print_line("The report holds no names, addresses or ids of the tenant.")
    return get_probe_exit_code(report)


async def probe_with_or_without_state(
    world: World, settings: Settings, print_line: PrintLine
) -> ProbeReport | None:
    """The report of a probe; before the deployment there is no state to keep it in."""
    try:
        return await probe_tenant(world, settings.guard_configs, create_run_id(world.now()))
    except LedgerError as error:
        print_line(f"unsaved   the state cannot be reached, so only this report has it: {error}")
    outcome = await world.tenant.prober.probe_assumptions(MAX_REQUESTS, MAX_SECONDS)
    return build_probe_report(outcome, None, settings.guard_configs, world.now())


def get_probe_exit_code(report: ProbeReport) -> int:
    """0 if all that could be told holds, 1 if something does not, 2 if nothing could be told."""
    statuses = {answer.status for answer in report.answers}
    if AnswerStatus.DOES_NOT_HOLD in statuses:
        return 1
    return 0 if AnswerStatus.HOLDS in statuses else 2


def read_sample_settings(environ: Mapping[str, str]) -> Settings:
    """The settings, with samples for those that are unknown before the deployment."""
    return Settings.read(
        {**{entry.name: entry.sample_text for entry in list_settings()}, **environ}
    )


def main(arguments: list[str], environ: Mapping[str, str], print_line: PrintLine) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m core.doctor", description=__doc__)
    parser.add_argument("--needs", action="store_true", help="only list what is needed")
    parser.add_argument("--probe", action="store_true", help="ask how this tenant answers")
    parser.add_argument("--channels", action="store_true", help="send a test to each channel")
    parser.add_argument("--report", metavar="FILE", default="", help="with --probe: write a report")
    options = parser.parse_args(arguments)
    if options.report and not options.probe:
        parser.error("--report goes with --probe")
    try:
        if options.needs:
            sample = read_sample_settings(environ)
            print_needed_permissions(
                sample.guard_configs,
                print_line,
                sample.containment.mode,
                searches=sample.activity.searches,
            )
            return 0
        settings = Settings.read(environ)
        if options.channels:
            return asyncio.run(check_channels(settings, print_line))
        if options.probe:
            return probe_assumptions(settings, options.report, print_line)
        return asyncio.run(check_tenant_permissions(settings, print_line))
    except SettingsError as error:
        for line in str(error).splitlines():
            print_line(f"setting   {line}")
        return 2
    except ExoguardError as error:
        print_line(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, lambda line: sys.stdout.write(line + "\n")))
