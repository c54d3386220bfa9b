"""Application access policies: what keeps apps with mail permissions to some mailboxes. Pure."""

from collections.abc import Iterator

from core.guards.exchange_roles.groups import MAX_NAME_LENGTH
from core.model.findings import Fact, Severity
from core.property_values import get_text
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_value_token,
)

ACCESS_POLICY, LIMITS = "application-access-policy", "limits"
# The rights of such policies (Microsoft Learn: New-ApplicationAccessPolicy): both keep an app out.
LIMITING_RIGHTS = frozenset({"restrictaccess", "denyaccess"})


def describe_access_policy(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each policy, by the app and the group that it is about."""
    for one in rows[ACCESS_POLICY] or ():
        values = one.values
        app, right = get_text(values, "AppId"), get_text(values, "AccessRight")
        about = get_text(values, "Description") or get_text(values, "ScopeName")
        restricts = right.casefold() == "restrictaccess"
        yield WatchedItem(
            id=one.id,
            name=f"{quote_text(about, MAX_NAME_LENGTH)} (app {quote_text(app, 60)})",
            opens=()
            if restricts
            else (
                Trait(
                    build_value_token("right", right),
                    "keeps the app out of some mailboxes only, and in all others lets it in",
                    Severity.MEDIUM,
                ),
            ),
            keeps=frozenset({LIMITS} if right.casefold() in LIMITING_RIGHTS else ()),
            facts=(Fact("right", quote_text(right, 60)),),
        )


def explain_limit_loss(token: str) -> Trait:
    """What it means that a policy that is there limits nothing any more."""
    return Trait(token, "no longer keeps the app out of any mailbox", Severity.MEDIUM)


ACCESS_POLICIES = WatchedCollection(
    name="application-access-policy",
    noun="application access policy",
    plural="application access policies",
    needs=(ACCESS_POLICY,),
    describe=describe_access_policy,
    explain_loss=explain_limit_loss,
    advice="Look at the app's permissions: while it still has one for mail, it reaches every "
    "mailbox. Take the permission away, or limit the app to a group of mailboxes again.",
    techniques=("T1098.002",),
    reference="Microsoft Learn: Get-ApplicationAccessPolicy",
    harmless="a new policy that limits an app, and a policy that was there at the first look",
    departure=Severity.MEDIUM,
    departure_text="it no longer keeps the app out of any mailbox",
    departs_with=LIMITS,
)
