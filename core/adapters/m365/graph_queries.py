"""What is read through Microsoft Graph: accounts, sign-ins, inbox rules, folders, domains."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import batched
from urllib.parse import quote

from core.adapters.graph.client import GraphClient
from core.adapters.m365.inbox_rules_parse import is_harmless_rule, parse_graph_rule
from core.adapters.m365.mail_flow_parse import parse_verified_domain
from core.adapters.m365.parsing import (
    ResponseRow,
    parse_account,
    parse_each_row,
    parse_identifier,
    parse_sign_in,
    parse_text,
)
from core.adapters.read_errors import (
    build_object_failures,
    build_read_failure,
    build_unavailable_reading,
)
from core.errors import NotFound, TenantError
from core.tenant.directory import Account, SignIn
from core.tenant.mail_flow import WELL_KNOWN_FOLDERS, AcceptedDomain, Folder, InboxRule
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure, Reading
from core.tenant.surfaces import ACCOUNTS, DOMAINS, INBOX_RULES, RULE_FOLDERS, SIGN_INS

READ_USERS = "User.Read.All"
READ_SIGN_INS = "AuditLog.Read.All"
READ_RULES = "MailboxSettings.Read"
READ_FOLDERS = "Mail.ReadBasic.All"
READ_DOMAINS = "Domain.Read.All"

ACCOUNT_PROPERTIES = (
    "id,userPrincipalName,accountEnabled,onPremisesSyncEnabled,assignedPlans,assignedLicenses"
)

FOLDER_CHUNK_SIZE = 200
"""Mailboxes whose folders are asked for before any of them is judged."""

QUERIED_WELL_KNOWN = (
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


def build_user_path(object_id: str) -> str:
    """The path of a user."""
    return f"/users/{quote(object_id, safe='')}"


async def fetch_accounts(graph: GraphClient, owners: Sequence[Mailbox]) -> Reading[Account]:
    """The accounts of mailboxes by id. That Entra knows none is an answer, not a failure."""
    asked = {owner.id: owner for owner in owners if owner.has_account}
    paths = {one: f"{build_user_path(one)}?$select={ACCOUNT_PROPERTIES}" for one in asked}
    items, failures = await fetch_objects(graph, paths, READ_USERS, parse_account)
    subjects = {owner.id: owner.address for owner in owners}
    return Reading(
        items=tuple(items),
        failures=build_object_failures(ACCOUNTS, failures, len(asked), subjects),
        sources=frozenset({ACCOUNTS}),
        population=len(owners),
    )


async def fetch_last_sign_ins(graph: GraphClient, ids: Sequence[str]) -> Reading[SignIn]:
    """Last successful sign-ins by id. Needs a licence of Entra ID P1 besides the role."""
    paths = {one: f"{build_user_path(one)}?$select=id,signInActivity" for one in ids}
    items, failures = await fetch_objects(graph, paths, READ_SIGN_INS, parse_sign_in)
    return Reading(
        items=tuple(items),
        failures=build_object_failures(SIGN_INS, failures, len(paths), {}, optional=True),
        sources=frozenset({SIGN_INS}),
        population=len(paths),
    )


type Failures = dict[str, TenantError | str]


async def fetch_objects[T](
    graph: GraphClient, paths: Mapping[str, str], permission: str, parse: Callable[[ResponseRow], T]
) -> tuple[list[T], Failures]:
    """Many objects, each parsed as it arrives; those that do not exist are in neither list."""
    items: list[T] = []
    failures: Failures = {}

    def take(key: str, answer: ResponseRow | TenantError) -> None:
        if isinstance(answer, NotFound):
            return
        if isinstance(answer, TenantError):
            failures[key] = answer
            return
        try:
            items.append(parse(answer))
        except ValueError as error:
            failures[key] = str(error)

    await graph.get_batch(paths, permission, take)
    return items, failures


async def fetch_inbox_rules(
    graph: GraphClient, owners: Sequence[Mailbox], include_harmless: bool = False
) -> Reading[InboxRule]:
    """The rules of each mailbox, a request each. A mailbox Graph does not serve is unread.

    What a rule is made of is parsed as it arrives, and only if it may matter, or `everything` is
    wanted.
    """
    asked = {owner.id: owner for owner in owners if owner.has_account}
    items: list[InboxRule] = []
    failures: Failures = {}

    def take(mailbox_id: str, rows: list[ResponseRow] | TenantError) -> None:
        if isinstance(rows, TenantError):
            failures[mailbox_id] = rows
            return
        matter = [row for row in rows if include_harmless or not is_harmless_rule(row)]
        rules, broken = parse_each_row(matter, partial(parse_graph_rule, mailbox_id))
        items.extend(rules)
        if broken:
            failures[mailbox_id] = broken[0][1]

    paths = {one: f"{build_user_path(one)}/mailFolders/inbox/messageRules" for one in asked}
    await graph.get_collections(paths, READ_RULES, take)
    subjects = {owner.id: owner.address for owner in owners}
    rootless = tuple(
        build_read_failure(
            INBOX_RULES, "no Entra account, so Graph cannot open it", owner.id, owner.address
        )
        for owner in owners
        if not owner.has_account
    )
    # Answers come in any order; what is told of them comes in one.
    order = {mailbox_id: number for number, mailbox_id in enumerate(asked)}
    return Reading(
        items=tuple(sorted(items, key=lambda rule: order[rule.mailbox_id])),
        failures=(*build_object_failures(INBOX_RULES, failures, len(asked), subjects), *rootless),
        sources=frozenset({INBOX_RULES}),
        population=len(owners),
    )


# ----------------------------------------------------------------------------------------------
# Folders
# ----------------------------------------------------------------------------------------------


async def fetch_rule_folders(graph: GraphClient, rules: Sequence[InboxRule]) -> Reading[Folder]:
    """The folders Graph's rules move to, known by id, since folder names are localised.

    A rule that names a well-known folder itself costs no request.
    """
    wanted: dict[str, set[str]] = {}
    items: list[Folder] = []
    for mailbox_id, target in {
        (rule.mailbox_id, rule.move_to) for rule in rules if rule.api == "graph" and rule.move_to
    }:
        if target.lower() in WELL_KNOWN_FOLDERS:
            items.append(Folder(mailbox_id, target, target, target.lower()))
        else:
            wanted.setdefault(mailbox_id, set()).add(target)
    failures: Failures = {}
    for mailboxes in batched(wanted, FOLDER_CHUNK_SIZE, strict=False):
        part = {mailbox_id: wanted[mailbox_id] for mailbox_id in mailboxes}
        answers: dict[str, ResponseRow | TenantError] = {}
        await graph.get_batch(build_folder_paths(part), READ_FOLDERS, answers.__setitem__)
        for mailbox_id, targets in part.items():
            try:
                items += [resolve_folder(mailbox_id, target, answers) for target in sorted(targets)]
            except TenantError as error:
                failures[mailbox_id] = error
    return Reading(
        items=tuple(sorted(items, key=lambda one: (one.mailbox_id, one.id))),
        failures=build_object_failures(RULE_FOLDERS, failures, len(wanted), {}),
        sources=frozenset({RULE_FOLDERS}),
        population=len({rule.mailbox_id for rule in rules}),
    )


def build_folder_key(mailbox_id: str, name: str) -> str:
    """The key of one folder's request in a batch; ids hold no spaces."""
    return f"{mailbox_id} {name}"


def build_folder_paths(targets_by_mailbox: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Requests for the well-known folders of mailboxes, and for the targets themselves."""
    return {
        build_folder_key(mailbox_id, name): (
            f"{build_user_path(mailbox_id)}/mailFolders/{quote(name, safe='')}?$select=id,displayName"
        )
        for mailbox_id, targets in targets_by_mailbox.items()
        for name in (*QUERIED_WELL_KNOWN, *sorted(targets))
    }


def resolve_folder(
    mailbox_id: str, target: str, answers: Mapping[str, ResponseRow | TenantError]
) -> Folder:
    """What a target is. Raises TenantError when it is none of the folders that could be read.

    RSS Feeds cannot be asked for by a name; but its display name keeps the letters RSS in every
    language Outlook speaks.
    """
    trouble: TenantError | None = None
    own = answers[build_folder_key(mailbox_id, target)]
    name = "" if isinstance(own, TenantError) else parse_text(own.get("displayName"))
    for known in QUERIED_WELL_KNOWN:
        answer = answers[build_folder_key(mailbox_id, known)]
        if isinstance(answer, TenantError):
            trouble = trouble if isinstance(answer, NotFound) else answer
        elif parse_identifier(answer.get("id"), 512) == target:
            return Folder(mailbox_id, target, name or parse_text(answer.get("displayName")), known)
    if isinstance(own, TenantError) and not isinstance(own, NotFound):
        trouble = own
    if trouble:
        raise trouble
    return Folder(mailbox_id, target, name, "rssfeeds" if "rss" in name.lower() else "")


# ----------------------------------------------------------------------------------------------
# Domains
# ----------------------------------------------------------------------------------------------


async def fetch_verified_domains(graph: GraphClient) -> Reading[AcceptedDomain]:
    """The domains Entra has verified."""
    rows: list[ResponseRow] = []
    try:
        async for page in graph.read_pages("/domains", READ_DOMAINS):
            rows += page
    except TenantError as error:
        return build_unavailable_reading(DOMAINS, error)
    found, broken = parse_each_row(rows, parse_verified_domain)
    misses: tuple[ReadFailure, ...] = ()
    if broken:
        misses = (build_read_failure(DOMAINS, broken[0][1], optional=True),)
    return Reading(
        items=tuple(domain for domain in found if domain),
        failures=misses,
        sources=frozenset({DOMAINS}),
        population=len(rows),
    )
