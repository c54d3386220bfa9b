"""Inbox rules through Graph, hidden ones through Exchange, and the folders they move mail to."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import batched
from urllib.parse import quote

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each
from core.adapters.graph.client import GraphClient
from core.adapters.graph.objects import Failures
from core.adapters.m365.accounts import build_user_path
from core.adapters.m365.inbox_rules.both_views import BothViews
from core.adapters.m365.inbox_rules.parse import is_harmless_rule, parse_graph_rule
from core.adapters.m365.inbox_rules.plain import has_plain_rules_only
from core.adapters.m365.mailbox_surroundings import read_mailbox_surroundings
from core.adapters.m365.mailboxes import ALL_RESULTS
from core.adapters.parsing import (
    FOLDER_ID_LIMIT,
    ResponseRow,
    parse_each_row,
    parse_identifier,
    parse_optional_bool,
    parse_text,
)
from core.adapters.read_errors import build_object_failures, build_read_failure
from core.errors import NotFound, TenantError
from core.tenant.mail_flow import (
    MAX_PARENT_FOLDERS,
    WELL_KNOWN_FOLDERS,
    Folder,
    InboxRule,
)
from core.tenant.mail_readers import ReadingTest
from core.tenant.mailboxes import Mailbox, MailboxSurroundings
from core.tenant.readings import Reading
from core.tenant.sources import HIDDEN_RULES, INBOX_RULES, RULE_FOLDERS

RELIES_ON = (
    "exchange-hidden-rules",
    "exchange-inbox-rule-role",
    "graph-mail-folders",
    "graph-mailbox-refusal",
)

READ_RULES = "MailboxSettings.Read"
READ_FOLDERS = "Mail.ReadBasic.All"
FOLDER_CHUNK_SIZE = 200
"""Mailboxes whose folders are requested together."""
FOLDER_PROPERTIES = "id,displayName,parentFolderId,isHidden"
QUERIED_WELL_KNOWN = (
    "inbox",
    "msgfolderroot",
    "outbox",
    "drafts",
    "deleteditems",
    "junkemail",
    "sentitems",
    "archive",
    "conversationhistory",
    "syncissues",
    "conflicts",
    "localfailures",
    "serverfailures",
    "recoverableitemsdeletions",
    "clutter",
)


@dataclass(frozen=True, slots=True)
class M365InboxRuleReader:
    """Implements InboxRuleReader."""

    graph: GraphClient
    exchange: ExchangeClient

    async def read_inbox_rules(
        self,
        owners: Sequence[Mailbox],
        harmless_of: Collection[str] = (),
        is_plain_reading: ReadingTest | None = None,
    ) -> Reading[InboxRule]:
        """The rules of each mailbox, a request each. A mailbox Graph does not serve is unread.

        A rule is parsed as it arrives, and a harmless one only if its mailbox is in `harmless_of`.
        """
        requested = {owner.id: owner for owner in owners if owner.has_account}
        items: list[InboxRule] = []
        failures: Failures = {}

        def take(mailbox_id: str, rows: list[ResponseRow] | TenantError) -> None:
            if isinstance(rows, TenantError):
                failures[mailbox_id] = rows
                return
            matter = [
                row
                for row in rows
                if mailbox_id in harmless_of or not is_harmless_rule(row, is_plain_reading)
            ]
            if not matter:
                return
            rules, broken = parse_each_row(matter, partial(parse_graph_rule, mailbox_id))
            items.extend(rules)
            if broken:
                failures[mailbox_id] = broken[0][1]

        def is_empty(mailbox_id: str, text: bytes) -> bool:
            return mailbox_id not in harmless_of and has_plain_rules_only(text, is_plain_reading)

        await self.graph.get_collections(build_rule_paths(requested), READ_RULES, take, is_empty)
        return build_graph_reading(owners, items, failures)

    async def read_hidden_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        """The rules of each mailbox with the hidden ones: the cmdlet takes one mailbox."""
        views = BothViews((), None)
        await self.read_exchange_rules(owners, views)
        return build_exchange_reading(owners, views)

    async def read_both_views(
        self, owners: Sequence[Mailbox], is_plain_reading: ReadingTest | None = None
    ) -> tuple[Reading[InboxRule], Reading[InboxRule]]:
        """The rules as Graph and as Exchange shows them, both asked at the same time."""
        requested = [owner.id for owner in owners if owner.has_account]
        views = BothViews(frozenset(requested), is_plain_reading)
        paths = build_rule_paths(requested)
        await asyncio.gather(
            self.graph.get_collections(
                paths, READ_RULES, views.take_graph_rows, views.take_plain_text
            ),
            self.read_exchange_rules(owners, views),
        )
        return (
            build_graph_reading(owners, views.graph_rules, views.graph_failures),
            build_exchange_reading(owners, views),
        )

    async def read_exchange_rules(self, owners: Sequence[Mailbox], views: BothViews) -> None:
        """Read the rules of each mailbox from Exchange into `views`."""

        def take(number: int, rows: list[ResponseRow]) -> None:
            views.take_exchange_rows(owners[number].id, rows)

        commands = [build_hidden_rules_command(owner) for owner in owners]
        outcomes = await list_each(self.exchange, commands, take)
        for owner, outcome in zip(owners, outcomes, strict=True):
            if isinstance(outcome, TenantError):
                views.exchange_failures[owner.id] = outcome

    async def read_surroundings(self, owners: Sequence[Mailbox]) -> Reading[MailboxSurroundings]:
        """What stands in a few mailboxes beside their rules."""
        return await read_mailbox_surroundings(self.exchange, owners)

    async def read_rule_folders(self, rules: Sequence[InboxRule]) -> Reading[Folder]:
        """The folders Graph's rules move to, known by id, since folder names are localised, each
        with the folders that it lies in.

        A rule that names a well-known folder itself costs no request.
        """
        wanted: dict[str, set[str]] = {}
        items: list[Folder] = []
        for mailbox_id, target in {
            (rule.mailbox_id, rule.move_to)
            for rule in rules
            if rule.api == "graph" and rule.move_to
        }:
            if target.lower() in WELL_KNOWN_FOLDERS:
                items.append(Folder(mailbox_id, target, target, target.lower()))
            else:
                wanted.setdefault(mailbox_id, set()).add(target)
        failures: Failures = {}
        for mailboxes in batched(wanted, FOLDER_CHUNK_SIZE, strict=False):
            part = {mailbox_id: wanted[mailbox_id] for mailbox_id in mailboxes}
            answers: dict[str, ResponseRow | TenantError] = {}
            await self.graph.get_batch(build_folder_paths(part), READ_FOLDERS, answers.__setitem__)
            for _ in range(MAX_PARENT_FOLDERS):
                above = list_unread_parents(part, answers)
                if not above:
                    break
                await self.graph.get_batch(above, READ_FOLDERS, answers.__setitem__)
            for mailbox_id, targets in part.items():
                try:
                    items += [
                        resolve_folder(mailbox_id, target, answers) for target in sorted(targets)
                    ]
                except TenantError as error:
                    failures[mailbox_id] = error
        return Reading(
            items=tuple(sorted(items, key=lambda one: (one.mailbox_id, one.id))),
            failures=build_object_failures(RULE_FOLDERS, failures, len(wanted), {}),
            sources=frozenset({RULE_FOLDERS}),
            population=len({rule.mailbox_id for rule in rules}),
        )


def build_rule_paths(mailbox_ids: Iterable[str]) -> dict[str, str]:
    """The requests for the rules of mailboxes."""
    return {one: f"{build_user_path(one)}/mailFolders/inbox/messageRules" for one in mailbox_ids}


def build_graph_reading(
    owners: Sequence[Mailbox],
    rules: Iterable[InboxRule],
    failures: Mapping[str, TenantError | str],
) -> Reading[InboxRule]:
    """What Graph showed of mailboxes. Those without an account are unread."""
    subjects = {owner.id: owner.address for owner in owners}
    requested_count = sum(owner.has_account for owner in owners)
    rootless = tuple(
        build_read_failure(
            INBOX_RULES, "no Entra account, so Graph cannot open it", owner.id, owner.address
        )
        for owner in owners
        if not owner.has_account
    )
    return Reading(
        items=sort_by_mailbox(rules, owners),
        failures=(
            *build_object_failures(INBOX_RULES, failures, requested_count, subjects),
            *rootless,
        ),
        sources=frozenset({INBOX_RULES}),
        population=len(owners),
    )


def build_exchange_reading(owners: Sequence[Mailbox], views: BothViews) -> Reading[InboxRule]:
    """What Exchange showed of mailboxes."""
    subjects = {owner.id: owner.address for owner in owners}
    return Reading(
        items=sort_by_mailbox(views.exchange_rules, owners),
        failures=build_object_failures(
            HIDDEN_RULES, views.exchange_failures, len(owners), subjects
        ),
        sources=frozenset({HIDDEN_RULES}),
        population=len(owners),
    )


def sort_by_mailbox(rules: Iterable[InboxRule], owners: Sequence[Mailbox]) -> tuple[InboxRule, ...]:
    """Rules in the order of the mailboxes: the answers arrive in any."""
    order = {owner.id: number for number, owner in enumerate(owners)}
    return tuple(sorted(rules, key=lambda rule: order[rule.mailbox_id]))


def build_hidden_rules_command(owner: Mailbox) -> Command:
    """The command that lists all rules of a mailbox, sent to the server that holds it."""
    parameters = {"Mailbox": owner.guid, "IncludeHidden": True, **ALL_RESULTS}
    return Command("Get-InboxRule", parameters, (), owner.address)


def build_folder_key(mailbox_id: str, name: str) -> str:
    """The key of one folder's request in a batch; ids hold no spaces."""
    return f"{mailbox_id} {name}"


def build_folder_paths(targets_by_mailbox: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Requests for the well-known folders of mailboxes, and for the targets themselves."""
    return {
        build_folder_key(mailbox_id, name): build_folder_path(mailbox_id, name)
        for mailbox_id, targets in targets_by_mailbox.items()
        for name in (*QUERIED_WELL_KNOWN, *sorted(targets))
    }


def build_folder_path(mailbox_id: str, name: str) -> str:
    """The address of one folder, by its id or well-known name."""
    return (
        f"{build_user_path(mailbox_id)}/mailFolders/{quote(name, safe='')}"
        f"?$select={FOLDER_PROPERTIES}"
    )


def list_unread_parents(
    targets_by_mailbox: Mapping[str, Iterable[str]],
    answers: Mapping[str, ResponseRow | TenantError],
) -> dict[str, str]:
    """Requests for the next folder above each target, where it is not known yet."""
    found = {}
    for mailbox_id, targets in targets_by_mailbox.items():
        known = list_well_known_ids(mailbox_id, answers)
        for target in targets:
            parent = target
            while parent and parent not in known:
                key = build_folder_key(mailbox_id, parent)
                if key not in answers:
                    found[key] = build_folder_path(mailbox_id, parent)
                    break
                parent = get_parent_id(answers[key], parent)
    return found


def get_parent_id(row: ResponseRow | TenantError, folder_id: str) -> str:
    """The id of the folder that a folder lies in; "" where there is none or none was told."""
    parent = (
        ""
        if isinstance(row, TenantError)
        else parse_identifier(row.get("parentFolderId"), FOLDER_ID_LIMIT)
    )
    return "" if parent == folder_id else parent


def list_well_known_ids(
    mailbox_id: str, answers: Mapping[str, ResponseRow | TenantError]
) -> dict[str, str]:
    """The well-known folders of a mailbox by their ids."""
    found = {}
    for name in QUERIED_WELL_KNOWN:
        answer = answers[build_folder_key(mailbox_id, name)]
        if not isinstance(answer, TenantError):
            found[parse_identifier(answer.get("id"), FOLDER_ID_LIMIT)] = name
    return found


def resolve_folder(
    mailbox_id: str, target: str, answers: Mapping[str, ResponseRow | TenantError]
) -> Folder:
    """What a target is, and what it lies in. Raises TenantError where that could not be read.

    A folder that is not there is one that nobody can find; so its rule cannot be told about.
    """
    known = list_well_known_ids(mailbox_id, answers)
    if target not in known:
        ensure_read(answers[build_folder_key(mailbox_id, name)] for name in QUERIED_WELL_KNOWN)
    folder: Folder | None = None
    for folder_id in reversed(list_chain(mailbox_id, target, known, answers)):
        row = answers.get(build_folder_key(mailbox_id, known.get(folder_id, folder_id)), {})
        ensure_read([row])
        if isinstance(row, TenantError):
            # A parent that is gone leaves what lies below it at the top.
            folder = None
            continue
        folder = Folder(
            mailbox_id,
            folder_id,
            parse_text(row.get("displayName")),
            known.get(folder_id, ""),
            is_hidden=parse_optional_bool(row.get("isHidden")) is True,
            parent=folder,
        )
    return folder or Folder(mailbox_id, target, is_found=False)


def ensure_read(rows: Iterable[ResponseRow | TenantError]) -> None:
    """Raise what kept a folder from being read. One that is not there is read."""
    for row in rows:
        if isinstance(row, TenantError) and not isinstance(row, NotFound):
            raise row


def list_chain(
    mailbox_id: str,
    target: str,
    known: Mapping[str, str],
    answers: Mapping[str, ResponseRow | TenantError],
) -> list[str]:
    """A folder and those above it, up to the first well-known one."""
    chain: list[str] = []
    folder_id = target
    while folder_id and folder_id not in chain and len(chain) <= MAX_PARENT_FOLDERS:
        chain.append(folder_id)
        row = answers.get(build_folder_key(mailbox_id, folder_id), {})
        folder_id = "" if folder_id in known else get_parent_id(row, folder_id)
    return chain
