"""What stands beside the rules of a mailbox: add-ins, sweep rules, junk lists, automatic replies
and calendars that are published.

A scene lists each by mailbox, and add-ins of the organization under an empty name. What it leaves
out is that of a mailbox nobody touched.
"""

from collections.abc import Callable, Mapping
from functools import partial

from sandbox.exchange.folders import iter_owned_rows
from sandbox.exchange.read_cmdlets import (
    Cmdlet,
    CmdletResult,
    Command,
    build_binding_error,
    build_missing_object_error,
    find_mailbox_owner,
    limit_rows,
)
from sandbox.http_types import Row, is_true, split_words
from sandbox.state.tenant import SimulatedTenant, fold_key, to_rows

ADD_INS = "Get-App"
UNTOUCHED: Mapping[str, list[Row]] = {
    "Get-SweepRule": [],
    "Get-MailboxJunkEmailConfiguration": [
        {
            "Enabled": True,
            "TrustedListsOnly": False,
            "ContactsTrusted": True,
            "TrustedSendersAndDomains": [],
            "BlockedSendersAndDomains": [],
        }
    ],
    "Get-MailboxAutoReplyConfiguration": [
        {"AutoReplyState": "Disabled", "ExternalAudience": "All", "ExternalMessage": ""}
    ],
    "Get-MailboxCalendarFolder": [
        {"PublishEnabled": False, "DetailLevel": "AvailabilityOnly", "SearchableUrlEnabled": False}
    ],
}


def list_add_ins(tenant: SimulatedTenant) -> list[Row]:
    """The add-ins of the organization."""
    found = tenant.exchange.get(ADD_INS)
    return to_rows(found.get("") if isinstance(found, Mapping) else found)


def get_add_ins(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-App: those of the organization, or those that one mailbox has, its own ones besides."""
    if is_true(command.get_parameter("OrganizationApp")):
        rows, identity = list_add_ins(tenant), command.get_parameter("Identity")
        if identity is not None:
            rows = [row for row in rows if fold_key(row.get("AppId")) == fold_key(identity)]
            if not rows:
                raise build_missing_object_error(identity)
        return CmdletResult([tenant.read_row(row) for row in rows])
    mailbox = command.get_parameter("Mailbox")
    if mailbox is None:
        raise build_binding_error("an app has no mailbox of its own; name one with Mailbox.")
    owner = find_mailbox_owner(tenant, mailbox)
    own = iter_owned_rows(tenant, ADD_INS, owner) or []
    return CmdletResult([*list_add_ins(tenant), *own])


def get_extra(tenant: SimulatedTenant, command: Command, parameter: str) -> CmdletResult:
    """What one mailbox has of something, by the parameter that names the mailbox."""
    identity = command.get_parameter(parameter)
    if identity is None:
        raise build_binding_error(f"{parameter} is mandatory.")
    owner = find_mailbox_owner(tenant, str(identity).partition(":")[0])
    rows = iter_owned_rows(tenant, command.name, owner)
    if rows is None:
        name = str((owner.mailbox or {}).get("Name"))
        rows = [{"Identity": name, **row} for row in UNTOUCHED[command.name]]
    return CmdletResult(limit_rows(rows, command))


def make_extra(parameter: str, more: str = "") -> Cmdlet:
    """The cmdlet of one thing that a mailbox has."""
    run: Callable[[SimulatedTenant, Command], CmdletResult] = partial(
        get_extra, parameter=parameter
    )
    return Cmdlet(run, frozenset({parameter, *split_words(more)}))


EXTRA_CMDLETS: Mapping[str, Cmdlet] = {
    ADD_INS: Cmdlet(
        get_add_ins, frozenset(split_words("Identity Mailbox OrganizationApp PrivateCatalog"))
    ),
    "Get-SweepRule": make_extra(
        "Mailbox", "Identity BypassScopeCheck Provider ResultSize SkipCount"
    ),
    "Get-MailboxJunkEmailConfiguration": make_extra("Identity", "ResultSize UseCustomRouting"),
    "Get-MailboxAutoReplyConfiguration": make_extra("Identity", "ResultSize UseCustomRouting"),
    "Get-MailboxCalendarFolder": make_extra("Identity", "UseCustomRouting"),
}
