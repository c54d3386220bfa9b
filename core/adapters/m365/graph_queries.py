"""What is read through Microsoft Graph: accounts, sign-ins, inbox rules, folders, domains."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import batched
from urllib.parse import quote

from core.adapters.graph.client import Graph
from core.adapters.m365.inbox_rules_parse import graph_rule, plainly_harmless
from core.adapters.m365.mail_flow_parse import verified_domain
from core.adapters.m365.parsing import Row, account, each, identifier, sign_in, text
from core.adapters.read_errors import blind, by_object, unread
from core.errors import Gone, TenantError
from core.tenant.directory import Account, SignIn
from core.tenant.mail_flow import WELL_KNOWN, AcceptedDomain, Folder, InboxRule
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import ACCOUNTS, DOMAINS, INBOX_RULES, RULE_FOLDERS, SIGN_INS

READ_USERS = "User.Read.All"
READ_SIGN_INS = "AuditLog.Read.All"
READ_RULES = "MailboxSettings.Read"
READ_FOLDERS = "Mail.ReadBasic.All"
READ_DOMAINS = "Domain.Read.All"

ACCOUNT_PROPERTIES = (
    "id,userPrincipalName,accountEnabled,onPremisesSyncEnabled,assignedPlans,assignedLicenses"
)

TOGETHER = 200
"""Mailboxes whose folders are asked for before any of them is judged."""

WELL_KNOWN_LOOKED_UP = (
    "deleteditems",
    "junkemail",
    "archive",
    "conversationhistory",
    "syncissues",
    "conflicts",
    "localfailures",
    "serverfailures",
    "recoverableitemsdeletions",
    "clutter",
)


def user(object_id: str) -> str:
    """The path of a user."""
    return f"/users/{quote(object_id, safe='')}"


async def accounts(graph: Graph, owners: Sequence[Mailbox]) -> Reading[Account]:
    """The accounts of mailboxes by id. That Entra knows none is an answer, not a failure."""
    asked = {owner.id: owner for owner in owners if owner.has_account}
    paths = {one: f"{user(one)}?$select={ACCOUNT_PROPERTIES}" for one in asked}
    items, failures = await objects(graph, paths, READ_USERS, account)
    subjects = {owner.id: owner.address for owner in owners}
    return Reading(
        items=tuple(items),
        unread=by_object(ACCOUNTS, failures, len(asked), subjects),
        surfaces=frozenset({ACCOUNTS}),
        population=len(owners),
    )


async def last_sign_ins(graph: Graph, ids: Sequence[str]) -> Reading[SignIn]:
    """Last successful sign-ins by id. Needs a licence of Entra ID P1 besides the role."""
    paths = {one: f"{user(one)}?$select=id,signInActivity" for one in ids}
    items, failures = await objects(graph, paths, READ_SIGN_INS, sign_in)
    return Reading(
        items=tuple(items),
        unread=by_object(SIGN_INS, failures, len(paths), {}, optional=True),
        surfaces=frozenset({SIGN_INS}),
        population=len(paths),
    )


type Failures = dict[str, TenantError | str]


async def objects[T](
    graph: Graph, paths: Mapping[str, str], permission: str, parse: Callable[[Row], T]
) -> tuple[list[T], Failures]:
    """Many objects, each parsed as it arrives; those that do not exist are in neither list."""
    items: list[T] = []
    failures: Failures = {}

    def take(key: str, answer: Row | TenantError) -> None:
        if isinstance(answer, Gone):
            return
        if isinstance(answer, TenantError):
            failures[key] = answer
            return
        try:
            items.append(parse(answer))
        except ValueError as error:
            failures[key] = str(error)

    await graph.batch(paths, permission, take)
    return items, failures


async def inbox_rules(
    graph: Graph, owners: Sequence[Mailbox], everything: bool = False
) -> Reading[InboxRule]:
    """The rules of each mailbox, a request each. A mailbox Graph does not serve is unread.

    What a rule is made of is parsed as it arrives, and only if it may matter, or `everything` is
    wanted.
    """
    asked = {owner.id: owner for owner in owners if owner.has_account}
    items: list[InboxRule] = []
    failures: Failures = {}

    def take(mailbox_id: str, rows: list[Row] | TenantError) -> None:
        if isinstance(rows, TenantError):
            failures[mailbox_id] = rows
            return
        matter = [row for row in rows if everything or not plainly_harmless(row)]
        rules, broken = each(matter, partial(graph_rule, mailbox_id))
        items.extend(rules)
        if broken:
            failures[mailbox_id] = broken[0][1]

    paths = {one: f"{user(one)}/mailFolders/inbox/messageRules" for one in asked}
    await graph.lists(paths, READ_RULES, take)
    subjects = {owner.id: owner.address for owner in owners}
    rootless = tuple(
        unread(INBOX_RULES, "no Entra account, so Graph cannot open it", owner.id, owner.address)
        for owner in owners
        if not owner.has_account
    )
    # Answers come in any order; what is told of them comes in one.
    order = {mailbox_id: number for number, mailbox_id in enumerate(asked)}
    return Reading(
        items=tuple(sorted(items, key=lambda rule: order[rule.mailbox_id])),
        unread=(*by_object(INBOX_RULES, failures, len(asked), subjects), *rootless),
        surfaces=frozenset({INBOX_RULES}),
        population=len(owners),
    )


# ----------------------------------------------------------------------------------------------
# Folders
# ----------------------------------------------------------------------------------------------


async def rule_folders(graph: Graph, rules: Sequence[InboxRule]) -> Reading[Folder]:
    """The folders Graph's rules move to, known by id, since folder names are localised.

    A rule that names a well-known folder itself costs no request.
    """
    wanted: dict[str, set[str]] = {}
    items: list[Folder] = []
    for mailbox_id, target in {
        (rule.mailbox_id, rule.move_to) for rule in rules if rule.source == "graph" and rule.move_to
    }:
        if target.lower() in WELL_KNOWN:
            items.append(Folder(mailbox_id, target, target, target.lower()))
        else:
            wanted.setdefault(mailbox_id, set()).add(target)
    failures: Failures = {}
    for mailboxes in batched(wanted, TOGETHER, strict=False):
        part = {mailbox_id: wanted[mailbox_id] for mailbox_id in mailboxes}
        answers: dict[str, Row | TenantError] = {}
        await graph.batch(folder_paths(part), READ_FOLDERS, answers.__setitem__)
        for mailbox_id, targets in part.items():
            try:
                items += [folder(mailbox_id, target, answers) for target in sorted(targets)]
            except TenantError as error:
                failures[mailbox_id] = error
    return Reading(
        items=tuple(sorted(items, key=lambda one: (one.mailbox_id, one.id))),
        unread=by_object(RULE_FOLDERS, failures, len(wanted), {}),
        surfaces=frozenset({RULE_FOLDERS}),
        population=len({rule.mailbox_id for rule in rules}),
    )


def folder_key(mailbox_id: str, name: str) -> str:
    """The key of one folder's request in a batch; ids hold no spaces."""
    return f"{mailbox_id} {name}"


def folder_paths(wanted: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Requests for the well-known folders of mailboxes, and for the targets themselves."""
    return {
        folder_key(mailbox_id, name): (
            f"{user(mailbox_id)}/mailFolders/{quote(name, safe='')}?$select=id,displayName"
        )
        for mailbox_id, targets in wanted.items()
        for name in (*WELL_KNOWN_LOOKED_UP, *sorted(targets))
    }


def folder(mailbox_id: str, target: str, answers: Mapping[str, Row | TenantError]) -> Folder:
    """What a target is. Raises TenantError when it is none of the folders that could be read.

    RSS Feeds cannot be asked for by a name; but its display name keeps the letters RSS in every
    language Outlook speaks.
    """
    trouble: TenantError | None = None
    own = answers[folder_key(mailbox_id, target)]
    name = "" if isinstance(own, TenantError) else text(own.get("displayName"))
    for known in WELL_KNOWN_LOOKED_UP:
        answer = answers[folder_key(mailbox_id, known)]
        if isinstance(answer, TenantError):
            trouble = trouble if isinstance(answer, Gone) else answer
        elif identifier(answer.get("id"), 512) == target:
            return Folder(mailbox_id, target, name or text(answer.get("displayName")), known)
    if isinstance(own, TenantError) and not isinstance(own, Gone):
        trouble = own
    if trouble:
        raise trouble
    return Folder(mailbox_id, target, name, "rssfeeds" if "rss" in name.lower() else "")


# ----------------------------------------------------------------------------------------------
# Domains
# ----------------------------------------------------------------------------------------------


async def verified_domains(graph: Graph) -> Reading[AcceptedDomain]:
    """The domains Entra has verified."""
    rows: list[Row] = []
    try:
        async for page in graph.pages("/domains", READ_DOMAINS):
            rows += page
    except TenantError as error:
        return blind(DOMAINS, error)
    found, broken = each(rows, verified_domain)
    misses: tuple[Unread, ...] = ()
    if broken:
        misses = (unread(DOMAINS, broken[0][1], optional=True),)
    return Reading(
        items=tuple(domain for domain in found if domain),
        unread=misses,
        surfaces=frozenset({DOMAINS}),
        population=len(rows),
    )
