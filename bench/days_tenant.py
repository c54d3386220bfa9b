"""A tenant in which people come and go, and what an ordinary hour changes in it.

Everything is drawn from one seed, so two simulations of the same length are alike.
"""

import random
from collections import Counter
from copy import replace
from dataclasses import dataclass, field
from typing import Any

from core.tenant.directory import Account, SignIn
from core.tenant.mail_flow import AcceptedDomain, InboxRule, Recipient, RuleCondition
from core.tenant.mailboxes import Delegation, Mailbox
from core.tenant.sources import INBOX_RULES, MAILBOXES
from tests.support.fakes.tenant import FakeTenant

DOMAIN = "contoso.example"
HOURS_A_DAY = 24
FULL_SIZE = 2_000
# How often each happens in a day of a tenant of FULL_SIZE mailboxes.
DAILY_RATES = {
    "joiner": 3.0,
    "leaver": 3.0,
    "ordinary rule": 12.0,
    "rule removed": 6.0,
    "converted": 0.5,
    "right given": 1.5,
    "right taken": 1.0,
    "own forward": 0.3,
    "forward ended": 0.2,
}
# The rarest of these is seen in a tenant of any size within a few days.
MIN_DAILY_RATE = 0.3
UNREADABLE_SHARE = 0.02
UNREADABLE_HOUR = 13
BLIND_EVERY_DAYS, BLIND_HOUR = 10, 3


@dataclass
class LivingTenant:
    """A tenant of so many mailboxes, and everything ordinary that happens in it.

    `reserved` mailboxes are left alone: they are the attacker's and the victims'.
    """

    size: int
    seed: int = 1
    tenant: FakeTenant = field(default_factory=FakeTenant)
    events: Counter[str] = field(default_factory=Counter)
    """How often each kind of thing has happened."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311  # a simulation, alike each time
        self.next_number = 0
        self.next_rule = 0
        self.tenant.domains = [AcceptedDomain(DOMAIN)]
        for _ in range(self.size):
            self.add_mailbox("SharedMailbox" if self.next_number % 10 == 9 else "UserMailbox")
        self.reserved = {box.id for box in self.tenant.boxes[: max(self.size // 20, 3)]}
        for box in self.tenant.boxes[::4]:
            self.add_ordinary_rule(box)

    def add_mailbox(self, kind: str = "UserMailbox") -> Mailbox:
        """Somebody joins."""
        number = self.next_number
        self.next_number += 1
        box = Mailbox(
            f"00000000-0000-4000-8000-{number:012d}",
            f"10000000-0000-4000-8000-{number:012d}",
            f"person{number}@{DOMAIN}",
            f"Person {number}",
            kind,
        )
        self.tenant.boxes.append(box)
        self.tenant.users.append(Account(box.id, box.address, enabled=kind == "UserMailbox"))
        self.tenant.sign_ins.append(SignIn(box.id, None))
        self.tenant.known_recipients.append(
            Recipient(box.address, True, kind, box.address, id=box.id)
        )
        return box

    def remove_mailbox(self, box: Mailbox) -> None:
        """Somebody leaves, with everything that is theirs."""
        tenant = self.tenant
        tenant.boxes.remove(box)
        tenant.users = [user for user in tenant.users if user.id != box.id]
        tenant.sign_ins = [one for one in tenant.sign_ins if one.id != box.id]
        tenant.rules = [rule for rule in tenant.rules if rule.mailbox_id != box.id]
        tenant.known_recipients = [one for one in tenant.known_recipients if one.id != box.id]
        tenant.delegations = [
            one
            for one in tenant.delegations
            if one.trustee != box.address and (one.mailbox is None or one.mailbox.id != box.id)
        ]

    def replace_mailbox(self, old: Mailbox, **changes: Any) -> Mailbox:
        """A mailbox with other properties, in the place of the old one."""
        new = replace(old, **changes)
        self.tenant.boxes[self.tenant.boxes.index(old)] = new
        return new

    def find_mailbox(self, mailbox_id: str) -> Mailbox:
        """A mailbox as it is now. Raises StopIteration if it is gone."""
        return next(box for box in self.tenant.boxes if box.id == mailbox_id)

    def add_rule(self, box: Mailbox, name: str, **actions: Any) -> InboxRule:
        """An inbox rule of a mailbox, behind all others."""
        self.next_rule += 1
        rule = InboxRule(
            f"AQ{self.next_rule:06d}=",
            box.id,
            name,
            "graph",
            sequence=self.next_rule,
            **actions,
        )
        self.tenant.rules.append(rule)
        return rule

    def add_ordinary_rule(self, box: Mailbox) -> None:
        """A rule that stops at nobody's mail: it only sorts newsletters by category."""
        news = (RuleCondition("subjectContains", ("newsletter",)),)
        self.add_rule(box, "newsletters", conditions=news)

    def pick_mailbox(self) -> Mailbox:
        """A person's mailbox that nobody reserved."""
        while True:
            box = self.chance.choice(self.tenant.boxes)
            if box.id not in self.reserved and box.kind == "UserMailbox":
                return box

    def live_hour(self, hour: int) -> None:
        """Everything ordinary that happens within an hour, by its number since the beginning."""
        for kind, rate in DAILY_RATES.items():
            expected = max(rate * self.size / FULL_SIZE, MIN_DAILY_RATE) / HOURS_A_DAY
            while self.chance.random() < expected:
                self.events[kind] += 1
                self.happen(kind)
                expected -= 1
        self.read_as_far_as_possible(hour)

    def happen(self, kind: str) -> None:
        """One ordinary event."""
        tenant = self.tenant
        match kind:
            case "joiner":
                self.add_mailbox()
            case "leaver":
                self.remove_mailbox(self.pick_mailbox())
            case "ordinary rule":
                self.add_ordinary_rule(self.pick_mailbox())
            case "own forward":
                home = f"me{self.next_rule}@home.example"
                self.add_rule(self.pick_mailbox(), "to my home", forward_to=(home,))
            case "converted":
                self.convert(self.pick_mailbox())
            case "right given":
                owner, holder = self.pick_mailbox(), self.pick_mailbox()
                tenant.delegations.append(
                    Delegation("SendAs", holder.address, mailbox_name=owner.address)
                )
            case _:
                self.take_away(kind)

    def take_away(self, kind: str) -> None:
        """A rule or a right of somebody ends."""
        tenant = self.tenant
        if kind == "right taken":
            if tenant.delegations:
                tenant.delegations.remove(self.chance.choice(tenant.delegations))
            return
        found = [
            rule
            for rule in tenant.rules
            if rule.mailbox_id not in self.reserved
            and bool(rule.forward_to) is (kind == "forward ended")
        ]
        if found:
            tenant.rules.remove(self.chance.choice(found))

    def convert(self, box: Mailbox) -> None:
        """A person's mailbox becomes a shared one; its account is left as it is."""
        self.replace_mailbox(box, kind="SharedMailbox")

    def read_as_far_as_possible(self, hour: int) -> None:
        """What cannot be read in this hour: some mailboxes once a day, rarely all rules."""
        self.tenant.clear_faults()
        day, hour_of_day = divmod(hour, HOURS_A_DAY)
        if hour_of_day == UNREADABLE_HOUR:
            number = max(int(self.size * UNREADABLE_SHARE), 1)
            for box in self.chance.sample(self.tenant.boxes, number):
                self.tenant.fail_read(INBOX_RULES, box.id)
        if day % BLIND_EVERY_DAYS == BLIND_EVERY_DAYS - 1 and hour_of_day == BLIND_HOUR:
            self.tenant.fail_read(INBOX_RULES)
        if day % BLIND_EVERY_DAYS == BLIND_EVERY_DAYS // 2 and hour_of_day == BLIND_HOUR:
            self.tenant.fail_read(MAILBOXES)
