"""Accounts that somebody else can sign in to, and outsiders that count as members. Pure.

Microsoft Graph v1.0: user, authorizationInfo, objectIdentity. Of the users only those are read that
tell something (`directory_sources`).
"""

from collections.abc import Iterator, Mapping
from itertools import chain

from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.microsoft365.directory_sources import (
    has_certificate_name,
    has_own_immutable_id,
    is_external,
    is_member,
    is_synchronised,
    lists_foreign_identity,
)
from core.microsoft365.remedies import (
    build_command,
    build_graph_request,
    lock_out,
    make_graph_step,
)
from core.model.findings import Fact, Severity, Step
from core.property_values import find_property, get_flag, get_objects, get_text, get_texts, get_time
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    build_value_token,
)

RELIES_ON = ("graph-user-properties",)

USER, DOMAIN, PARTNER = "directory-user", "domain", "cross-tenant-partner"
MAX_NAME_LENGTH = 120
UNLESS = "Unless somebody answers for it"


def name_account(user: Configuration) -> str:
    """An account as people know it."""
    return quote_text(get_text(user.values, "userPrincipalName") or user.id, MAX_NAME_LENGTH)


def describe_account(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each account that certificates, a federation or another provider can stand for.

    Administrators come first, then what was never synchronised: only so many are remembered.
    """
    administrators = {one.id for one in rows[ROLE_HOLDER] or ()}
    domains = rows[DOMAIN]
    is_federated = domains is None or any(
        get_text(one.values, "authenticationType").casefold() == "federated" for one in domains
    )

    def order(user: Configuration) -> tuple[bool, bool]:
        was_synchronised = not get_flag(user.values, "onPremisesSyncEnabled", default=True)
        return user.id not in administrators, was_synchronised

    for one in sorted(rows[USER] or (), key=order):
        traits = tuple(
            chain(
                list_certificate_traits(one) if one.id in administrators else (),
                list_immutable_traits(one, is_federated=is_federated),
                list_identity_traits(one),
            )
        )
        if traits:
            yield WatchedItem(
                id=one.id,
                name=name_account(one),
                opens=traits,
                made_at=get_time(one.values, "createdDateTime"),
                facts=(Fact("account", one.id),),
                advice="Ask whoever set it, by telephone: with it, somebody else signs in as this "
                "account without its password. Unless somebody answers for it, take it away.",
                stop=tuple(list_stop_steps(one)),
                held_account=one.id,
            )


def list_stop_steps(user: Configuration) -> Iterator[Step]:
    """Take away by what else than its password an account can be signed in to."""
    if has_own_immutable_id(user.values):
        yield make_graph_step(
            f"{UNLESS}: take its ImmutableId away.",
            build_graph_request("PATCH", "{ onPremisesImmutableId = $null }", "users", user.id),
        )
    if has_certificate_name(user.values):
        yield make_graph_step(
            f"{UNLESS}: take all its certificate names away; those that are meant are given again.",
            build_graph_request(
                "PATCH",
                "{ authorizationInfo = @{ certificateUserIds = @() } }",
                *("users", user.id),
            ),
        )
    if lists_foreign_identity(user.values):
        yield Step(
            f"{UNLESS}: take the other provider away, in Entra admin center > Users > the account "
            "> Properties > Identities."
        )
    yield from lock_out(user.id, UNLESS.removeprefix("Unless "))


def list_certificate_traits(user: Configuration) -> Iterator[Trait]:
    """The certificates that an administrator can be signed in by."""
    info = find_property(user.values, "authorizationInfo")[1]
    for entry in get_texts(info, "certificateUserIds") if isinstance(info, Mapping) else ():
        text = f"can be signed in to by a certificate for {quote_text(entry, MAX_NAME_LENGTH)}"
        yield Trait(build_token("certificate", entry), text, Severity.HIGH)


def list_immutable_traits(user: Configuration, *, is_federated: bool) -> Iterator[Trait]:
    """The id by which any federated domain can vouch for an account that is not synchronised."""
    if not has_own_immutable_id(user.values):
        return
    text = "has an ImmutableId without being synchronised, so a federation can sign in as it"
    severity = Severity.CRITICAL if is_federated else Severity.HIGH
    value = get_text(user.values, "onPremisesImmutableId")
    yield Trait(build_value_token("immutable", value), text, severity)


def list_identity_traits(user: Configuration) -> Iterator[Trait]:
    """Other providers that an account of the organization's own is tied to."""
    if is_external(user.values) or not is_member(user.values):
        return
    for one in get_objects(user.values, "identities"):
        if get_text(one, "signInType").casefold() == "federated":
            issuer = get_text(one, "issuer")
            text = f"can be signed in to through {quote_text(issuer, MAX_NAME_LENGTH)}"
            token = f"{issuer} {get_text(one, 'issuerAssignedId')}"
            yield Trait(build_token("identity", token), text, Severity.HIGH)


def describe_outsider(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each outsider that counts as a member: no longer held to what guests may do.

    Cross-tenant synchronisation makes its people members from the start, where it is switched on.
    """
    synchronises = any(
        get_flag(one.values, "identitySynchronization.userSyncInbound.isSyncAllowed", default=False)
        for one in rows[PARTNER] or ()
    )
    for one in rows[USER] or ():
        if is_external(one.values) and is_member(one.values) and not is_synchronised(one.values):
            text = "counts as a member, so what limits guests does not limit it"
            made = get_time(one.values, "createdDateTime")
            yield WatchedItem(
                id=one.id,
                name=name_account(one),
                opens=(Trait("member", text, Severity.MEDIUM),),
                made_at=made if synchronises else None,
                facts=(Fact("made", f"{made:%Y-%m-%d}" if made else "not told when"),),
                advice="Ask whoever invited them. Unless somebody answers for it, make it a guest.",
                stop=(
                    make_graph_step(
                        f"{UNLESS}: make it a guest.",
                        build_command("Update-MgUser", "-UserType Guest", UserId=one.id),
                    ),
                ),
            )


SIGN_IN_NAMES = WatchedCollection(
    name="sign-in-name",
    may_be_old=True,
    noun="account",
    plural="accounts that certificates or other directories can stand for",
    needs=(USER, ROLE_HOLDER),
    uses=(DOMAIN,),
    describe=describe_account,
    advice="Ask whoever set it, by telephone.",
    techniques=("T1098", "T1556", "T1649"),
    reference="Microsoft Graph v1.0: user (onPremisesImmutableId, identities, authorizationInfo)",
    harmless="synchronised accounts, what a synchronisation left behind before the first look, "
    "what an account had when it was made, and certificate names of colleagues who administer "
    "nothing",
)
OUTSIDE_MEMBERS = WatchedCollection(
    name="outside-member",
    may_be_old=True,
    noun="account of an outsider",
    plural="outsiders that count as members",
    needs=(USER,),
    uses=(PARTNER,),
    describe=describe_outsider,
    advice="Ask whoever invited them.",
    techniques=("T1098",),
    reference="Microsoft Graph v1.0: user (userType)",
    harmless="guests, members of the first look, and people that cross-tenant synchronisation "
    "brings as members",
)
