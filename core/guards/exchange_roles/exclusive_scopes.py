"""Exclusive scopes: mailboxes that only some administrators of Exchange may touch. Pure.

Such a scope counts from its making on, also where nobody was given it: whom it names can then be
contained by nobody who was not (MITRE ATT&CK T1098, T1564). It is Exchange's counterpart to a
restricted administrative unit of Entra.
"""

from collections.abc import Iterator

from core.guards.exchange_roles.assignments import SCOPE
from core.guards.exchange_roles.groups import MAX_NAME_LENGTH
from core.microsoft365.remedies import build_command, make_exchange_step
from core.model.findings import Fact, Severity
from core.property_values import get_flag, get_text
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_value_token,
)

SHIELDS = "lets only administrators who are given it change the mailboxes that it names"


def describe_exclusive_scope(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each exclusive scope, by whom it names; other scopes only limit those who are given them."""
    for one in rows[SCOPE] or ():
        if not get_flag(one.values, "Exclusive", default=False):
            continue
        named = get_text(one.values, "RecipientFilter")
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=(Trait(build_value_token("names", named), SHIELDS, Severity.HIGH),),
            facts=(Fact("names", quote_text(named, MAX_NAME_LENGTH)),) if named else (),
            stop=(
                make_exchange_step(
                    "Unless somebody answers for it: remove it. Exchange says so where it was "
                    "given to somebody: take that away first.",
                    build_command("Remove-ManagementScope", "-Confirm:$false", Identity=one.id),
                ),
            ),
        )


EXCLUSIVE_SCOPES = WatchedCollection(
    name="exclusive-scope",
    noun="exclusive scope",
    plural="exclusive scopes",
    needs=(SCOPE,),
    describe=describe_exclusive_scope,
    advice="Ask who made it and for whom; remove it unless somebody answers for it.",
    techniques=("T1098", "T1564"),
    reference="Microsoft Learn: Understanding exclusive scopes; Get-ManagementScope",
    harmless="exclusive scopes of the first look, one that is removed, and every other scope: it "
    "only limits whoever is given it",
)
