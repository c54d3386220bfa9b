"""Who is left out of Conditional Access by being in a group that a policy leaves out. Pure.

Microsoft Graph v1.0: conditionalAccessPolicy, group. That a policy leaves out a group is told where
policies are compared; this is about who is in it, and by which rule.
"""

from collections.abc import Iterator, Sequence

from core.keys import hash_parts
from core.microsoft365.configuration_sources import EXCLUDED_GROUP, ROLE_HOLDER
from core.microsoft365.remedies import build_graph_request, make_graph_step, stop_each
from core.model.findings import Fact, Severity, Step
from core.property_values import get_objects, get_text
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.derived import POLICY, is_in_force, list_group_exclusions
from core.watched.items import (
    ANY,
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    build_value_token,
    read_entry,
)

MAX_NAME_LENGTH = 120
MAX_POLICIES = 6


def describe_excluded_group(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each group that a policy in force leaves out, with everybody in it."""
    policies = name_policies(rows[POLICY] or ())
    administrators = {one.id for one in rows[ROLE_HOLDER] or ()}
    for one in rows[EXCLUDED_GROUP] or ():
        names = policies.get(one.id, [])
        shown = ", ".join(quote_text(each, MAX_NAME_LENGTH) for each in names[:MAX_POLICIES])
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=(*list_exempted(one, administrators), *list_owners(one), *list_rule(one)),
            facts=(Fact("left out by", shown or "no policy that is in force"),),
            advice="Ask whoever put them in, by telephone. Unless somebody answers for it, take "
            "them out.",
            is_object=False,
        )


def restore_group(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
    """What takes new members and owners out again, by their ids; who was there before stays, such
    as emergency accounts. How a rule was before, nobody knows.
    """
    return tuple(
        stop_each(
            (
                make_graph_step(
                    f"Unless somebody answers for it: take this {kind} out of the group.",
                    build_graph_request(
                        "DELETE", "", "groups", identity, f"{kind}s", person, "$ref"
                    ),
                )
                for kind in ("owner", "member")
                for token in tokens
                if token.startswith(f"{kind} ") and (person := read_entry(token))
            ),
            "people",
        )
    )


def list_people(group: Configuration, relation: str) -> Iterator[tuple[str, str]]:
    """The id of everybody in a relation of a group, and the name as it is shown."""
    for one in get_objects(group.values, relation):
        if person := get_text(one, "id"):
            yield person, quote_text(get_text(one, "name") or person, MAX_NAME_LENGTH)


def name_policies(policies: tuple[Configuration, ...]) -> dict[str, list[str]]:
    """The names of the policies in force that leave out each group."""
    found = dict[str, list[str]]()
    for one in policies:
        if is_in_force(one):
            for group in list_group_exclusions(one):
                found.setdefault(group.lower(), []).append(one.name or one.id)
    return found


def list_owners(group: Configuration) -> Iterator[Trait]:
    """Whoever may put anybody in."""
    for owner, name in list_people(group, "owners"):
        text = f"lets {name} exempt anybody, as its owner"
        yield Trait(build_token("owner", owner), text, Severity.HIGH)


def list_exempted(group: Configuration, administrators: set[str]) -> Iterator[Trait]:
    """Everybody in a group, however deep; an administrator is the gravest."""
    for member, name in list_people(group, "members"):
        if member in administrators:
            text, severity = f"exempts {name}, who administers", Severity.CRITICAL
        else:
            text, severity = f"exempts {name}", Severity.HIGH
        yield Trait(build_token("member", member), text, severity)


def list_rule(group: Configuration) -> Iterator[Trait]:
    """The rule that fills a group: who will be in it follows later."""
    if rule := get_text(group.values, "membershipRule"):
        yield Trait(
            build_value_token("rule", hash_parts(rule)[:16]),
            "is filled by another rule",
            Severity.HIGH,
        )


EXCLUDED_GROUPS = WatchedCollection(
    name="excluded-group",
    noun="excluded group",
    plural="groups that Conditional Access leaves out",
    needs=(POLICY, EXCLUDED_GROUP),
    uses=(ROLE_HOLDER,),
    items_of=(),
    # A policy may be the only one that leaves out a group.
    may_lack={POLICY: (ANY,), EXCLUDED_GROUP: (ANY,)},
    describe=describe_excluded_group,
    restore=restore_group,
    advice="Ask whoever changed it, by telephone.",
    techniques=("T1556.009",),
    reference="Microsoft Graph v1.0: /groups/{id}/transitiveMembers, /groups/{id}/owners",
    harmless="who was in it or owned it at the first look, such as emergency accounts, whoever "
    "leaves it, and groups that no policy in force leaves out",
    only_protects=True,
)
