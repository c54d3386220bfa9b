"""Inbox rules of a fake tenant."""

from collections import Counter
from collections.abc import Collection, Sequence
from copy import replace
from dataclasses import dataclass

from core.guards.mailbox_forwarding.hidden_rules import normalize_rule_name
from core.tenant.mail_flow import WELL_KNOWN_FOLDERS, Folder, InboxRule, RuleCondition
from core.tenant.mail_readers import ReadingTest
from core.tenant.mailboxes import Mailbox, MailboxSurroundings
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import (
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOX_SURROUNDINGS,
    RULE_FOLDERS,
)
from tests.support.fakes.state import FakeTenantState


@dataclass(frozen=True, slots=True)
class FakeInboxRuleReader:
    """InboxRuleReader of a fake tenant."""

    tenant: FakeTenantState

    async def read_inbox_rules(
        self,
        owners: Sequence[Mailbox],
        harmless_of: Collection[str] = (),
        is_plain_reading: ReadingTest | None = None,
    ) -> Reading[InboxRule]:
        ids = dict.fromkeys(box.id for box in owners)
        found = [
            rule
            for rule in self.tenant.rules
            if rule.mailbox_id in ids
            and (rule.mailbox_id in harmless_of or not is_harmless_rule(rule, is_plain_reading))
        ]
        rootless = [
            ReadFailure(INBOX_RULES, "it has no Entra account", box.id, box.address)
            for box in owners
            if not box.has_account
        ]
        unopened = self.tenant.find_unknown_mailboxes(
            INBOX_RULES, (box for box in owners if box.has_account)
        )
        return self.tenant.build_reading(
            INBOX_RULES, found, lambda rule: rule.mailbox_id, ids, (*rootless, *unopened)
        )

    async def read_hidden_rules(self, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
        ids = dict.fromkeys(box.id for box in owners)
        names = {(folder.mailbox_id, folder.id): folder.name for folder in self.tenant.folders}

        def printed(rule: InboxRule) -> str:
            return names.get((rule.mailbox_id, rule.move_to), rule.move_to)

        in_full = {
            (rule.mailbox_id, normalize_rule_name(rule)) for rule in self.tenant.exchange_rules
        }
        both = [
            replace(rule, id=f"1{rule.id}", api="exchange", read_only=False, move_to=printed(rule))
            for rule in self.tenant.rules
            if rule.readable or (rule.mailbox_id, normalize_rule_name(rule)) not in in_full
        ]
        found = [rule for rule in (*both, *self.tenant.exchange_rules) if rule.mailbox_id in ids]
        unopened = self.tenant.find_unknown_mailboxes(HIDDEN_RULES, owners)
        return self.tenant.build_reading(
            HIDDEN_RULES, found, lambda rule: rule.mailbox_id, ids, unopened
        )

    async def read_both_views(
        self, owners: Sequence[Mailbox], is_plain_reading: ReadingTest | None = None
    ) -> tuple[Reading[InboxRule], Reading[InboxRule]]:
        graph = await self.read_inbox_rules(owners, {box.id for box in owners})
        exchange = await self.read_hidden_rules(owners)
        plain = {
            (rule.mailbox_id, rule.name)
            for rule in graph.items
            if is_harmless_rule(rule, is_plain_reading)
        }
        twins = {
            (rule.mailbox_id, rule.name)
            for rule in exchange.items
            if is_harmless_rule(rule, accept)
        }
        counts = Counter((one.mailbox_id, normalize_rule_name(one)) for one in exchange.items)
        whole = {
            rule.mailbox_id
            for rule in graph.items
            if (rule.mailbox_id, rule.name) not in plain & twins
            or counts[rule.mailbox_id, normalize_rule_name(rule)] > 1
        }

        def matters(rule: InboxRule) -> bool:
            return rule.mailbox_id in whole or (rule.mailbox_id, rule.name) not in plain

        return (
            replace(graph, items=tuple(filter(matters, graph.items))),
            replace(exchange, items=tuple(filter(matters, exchange.items))),
        )

    async def read_surroundings(self, owners: Sequence[Mailbox]) -> Reading[MailboxSurroundings]:
        known = {one.mailbox_id: one for one in self.tenant.surroundings}
        found = [known.get(box.id, MailboxSurroundings(box.id)) for box in owners]
        ids = [box.id for box in owners]
        return self.tenant.build_reading(
            MAILBOX_SURROUNDINGS, found, lambda one: one.mailbox_id, ids
        )

    async def read_rule_folders(self, rules: Sequence[InboxRule]) -> Reading[Folder]:
        """A rule that names a well-known folder itself costs no request."""
        wanted = {
            (rule.mailbox_id, rule.move_to)
            for rule in rules
            if rule.api == "graph" and rule.move_to
        }
        named = [
            Folder(box, target, target, target.lower())
            for box, target in sorted(wanted)
            if target.lower() in WELL_KNOWN_FOLDERS
        ]
        looked_up = sorted(wanted - {(one.mailbox_id, one.id) for one in named})
        known = {(one.mailbox_id, one.id): one for one in self.tenant.folders}
        found = [known.get(pair, Folder(*pair)) for pair in looked_up]
        asked = sorted({box for box, _ in looked_up})
        if not asked:
            return Reading(tuple(named), sources=frozenset({RULE_FOLDERS}), population=len(named))
        seen = self.tenant.build_reading(
            RULE_FOLDERS, found, lambda folder: folder.mailbox_id, asked
        )
        items = sorted((*named, *seen.items), key=lambda one: (one.mailbox_id, one.id))
        return replace(
            seen, items=tuple(items), population=len({rule.mailbox_id for rule in rules})
        )


def is_harmless_rule(rule: InboxRule, is_plain_reading: ReadingTest | None = None) -> bool:
    """True for a rule that plainly leaves mail where it is, unread and in sight."""
    sends = rule.forward_to or rule.redirect_to or rule.forward_as_attachment_to
    plain = rule.readable and not rule.read_only and not rule.in_error
    if not plain or sends or rule.delete or rule.move_to:
        return False
    if not rule.mark_as_read:
        return True
    return (
        is_plain_reading is not None
        and not rule.exceptions
        and is_plain_reading(rule.name, rule.conditions)
    )


def accept(name: str, conditions: Sequence[RuleCondition]) -> bool:
    """Takes any rule that marks mail as read."""
    return True
