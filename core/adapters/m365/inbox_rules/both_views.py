"""The rules of mailboxes as Graph and as Exchange show them, compared as they arrive.

Who looks for hidden rules has every rule of a tenant twice, and nearly all of them leave mail where
it is. Where both views show the same plain rules, nothing is hidden there, and no objects are made
of them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

from core.adapters.m365.inbox_rules.parse import (
    is_plain_exchange_rule,
    parse_exchange_rule,
    parse_graph_rule,
)
from core.adapters.m365.inbox_rules.plain import list_plain_rule_names
from core.adapters.parsing import (
    NAME_LIMIT,
    ResponseRow,
    parse_each_row,
    parse_json_object,
    parse_response_rows,
    parse_text,
)
from core.errors import TenantError
from core.tenant.mail_flow import InboxRule, fold_rule_name
from core.tenant.mail_readers import ReadingTest

RELIES_ON = ("exchange-rule-fields", "exchange-rule-identity", "graph-message-rules")


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What Graph answered about a mailbox all of whose rules are plain."""

    names: tuple[str, ...]
    text: bytes


@dataclass(slots=True)
class BothViews:
    """Takes the answers of both services about mailboxes, in any order.

    `graph_ids` are the mailboxes Graph is asked about. What one service shows of a mailbox waits
    for the other, and is let go then.
    """

    graph_ids: Collection[str]
    is_plain_reading: ReadingTest | None
    graph_rules: list[InboxRule] = field(default_factory=list)
    exchange_rules: list[InboxRule] = field(default_factory=list)
    graph_failures: dict[str, TenantError | str] = field(default_factory=dict)
    exchange_failures: dict[str, TenantError | str] = field(default_factory=dict)
    graph_answers: dict[str, KeptAnswer | None] = field(default_factory=dict)
    """Of each mailbox that Graph has spoken of: its plain answer, until that is compared."""
    waiting_rows: dict[str, list[ResponseRow]] = field(default_factory=dict)

    def take_plain_text(self, mailbox_id: str, text: bytes) -> bool:
        """Take an answer of Graph that has nothing but plain rules; False for any other."""
        if mailbox_id in self.graph_answers:
            return False  # A further page.
        names = list_plain_rule_names(text, self.is_plain_reading)
        if names is None:
            self.graph_answers[mailbox_id] = None
            return False
        self.graph_answers[mailbox_id] = KeptAnswer(tuple(names), text)
        return True

    def take_graph_rows(self, mailbox_id: str, rows: list[ResponseRow] | TenantError) -> None:
        """Take all rules of a mailbox from Graph; none where its answer was taken as a text."""
        self.graph_answers.setdefault(mailbox_id, None)
        if isinstance(rows, TenantError):
            self.graph_failures[mailbox_id] = rows
        else:
            self.parse_graph_rows(mailbox_id, rows)
        if (held := self.waiting_rows.pop(mailbox_id, None)) is not None:
            self.compare(mailbox_id, held)

    def take_exchange_rows(self, mailbox_id: str, rows: list[ResponseRow]) -> None:
        """Take all rules of a mailbox from Exchange."""
        if mailbox_id in self.graph_answers or mailbox_id not in self.graph_ids:
            self.compare(mailbox_id, rows)
        else:
            self.waiting_rows[mailbox_id] = rows

    def compare(self, mailbox_id: str, rows: list[ResponseRow]) -> None:
        """Keep of both views what has to be looked at."""
        plain = self.graph_answers.get(mailbox_id)
        self.graph_answers[mailbox_id] = None
        if plain:
            rest = leave_out_twins(plain.names, rows)
            if rest is None:
                found = parse_response_rows(parse_json_object(plain.text))
                self.parse_graph_rows(mailbox_id, found)
            else:
                rows = rest
        rules, broken = parse_each_row(rows, partial(parse_exchange_rule, mailbox_id))
        self.exchange_rules += rules
        if broken:
            self.exchange_failures[mailbox_id] = broken[0][1]

    def parse_graph_rows(self, mailbox_id: str, rows: Sequence[ResponseRow]) -> None:
        """Make rules of what Graph shows."""
        rules, broken = parse_each_row(rows, partial(parse_graph_rule, mailbox_id))
        self.graph_rules += rules
        if broken:
            self.graph_failures[mailbox_id] = broken[0][1]


def leave_out_twins(names: Sequence[str], rows: Sequence[ResponseRow]) -> list[ResponseRow] | None:
    """What is left of a mailbox's rules in Exchange without those that are rules of Graph.

    `names` are those of Graph's, all of which are plain. None where the twin of one cannot be told
    by its name alone, because it is missing, does more, or has the name of another.
    """
    missing = {name: fold_rule_name(name) for name in names}
    known = set(missing.values())
    if not all(name and len(name) <= NAME_LIMIT for name in missing):
        return None
    rest: list[ResponseRow] = []
    for row in rows:
        name = row.get("Name")
        if isinstance(name, str) and name in missing and is_plain_exchange_rule(row):
            del missing[name]
        elif fold_rule_name(parse_text(name)) in known:
            return None
        else:
            rest.append(row)
    return None if missing else rest
