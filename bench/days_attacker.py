"""Somebody who owns one mailbox, knows Exoguard's code, and wants to wear it down.

Each tactic is what they do before every look, for two hours; then comes the next. All of them come
within a day, so that every day is as bad as any other.
"""

from collections.abc import Callable, Mapping
from copy import replace
from dataclasses import dataclass

from bench.days_tenant import DOMAIN, LivingTenant
from core.tenant.mail_flow import Recipient, RuleCondition
from core.tenant.mailboxes import Delegation, Mailbox

TACTIC_TICKS = 8
FLOOD_SIZE = 40
THIEF = "thief@evil.example"


@dataclass
class Attacker:
    """The owner of one mailbox, and how often they acted."""

    home: LivingTenant
    mailbox_id: str
    deeds: int = 0

    @property
    def mailbox(self) -> Mailbox:
        """The mailbox as it is now."""
        return self.home.find_mailbox(self.mailbox_id)

    def act(self, tick: int) -> None:
        """What the attacker does before a look."""
        turn, step = divmod(tick, TACTIC_TICKS)
        tactic = TACTICS[turn % len(TACTICS)]
        if step == 0:
            self.clear()
        self.deeds += 1
        DEEDS[tactic](self, step)

    def clear(self) -> None:
        """Nothing of the attacker's is left."""
        tenant, box = self.home.tenant, self.mailbox
        tenant.rules = [rule for rule in tenant.rules if rule.mailbox_id != box.id]
        tenant.exchange_rules = [one for one in tenant.exchange_rules if one.mailbox_id != box.id]
        tenant.delegations = [one for one in tenant.delegations if one.mailbox_name != box.address]
        self.home.replace_mailbox(box, kind="UserMailbox", forwarding_smtp_address="")

    def send_to(self, target: str, name: str = ".", **more: object) -> None:
        """One more rule that redirects mail."""
        self.home.add_rule(self.mailbox, name, redirect_to=(target,), **more)

    def flap(self, step: int) -> None:
        """A rule is there at one look and gone at the next."""
        self.clear()
        if step % 2 == 0:
            self.send_to(THIEF)

    def flood(self, step: int) -> None:
        """Forty rules with as many targets."""
        self.clear()
        for number in range(FLOOD_SIZE):
            self.send_to(f"x{number}@flood.example")

    def flood_with_new_targets(self, step: int) -> None:
        """Forty rules, all of them with targets that nobody has seen."""
        self.clear()
        for number in range(FLOOD_SIZE):
            self.send_to(f"y{self.deeds}-{number}@flood.example")

    def rename(self, step: int) -> None:
        """The same rule by another name."""
        self.clear()
        self.send_to(THIEF, f"name {self.deeds}")

    def hide(self, step: int) -> None:
        """A rule that Graph does not show, there and gone."""
        self.clear()
        if step % 2 == 0:
            self.send_to(THIEF)
            rule = self.home.tenant.rules.pop()
            self.home.tenant.exchange_rules.append(replace(rule, api="exchange", name=""))

    def widen(self, step: int) -> None:
        """A rule that takes more mail at each look."""
        self.clear()
        words = tuple(f"word{number}" for number in range(step + 1))
        conditions = (RuleCondition("subjectContains", words),) if step < TACTIC_TICKS - 1 else ()
        self.send_to(THIEF, conditions=conditions)

    def make_anew(self, step: int) -> None:
        """The rule is deleted and made again, so that it has another id."""
        self.clear()
        self.send_to(THIEF)

    def change_target(self, step: int) -> None:
        """The rule sends to an address that nobody has seen."""
        self.clear()
        self.send_to(f"z{self.deeds}@evil.example")

    def toggle_forward(self, step: int) -> None:
        """The forward of the mailbox is set again as often as it is cleared."""
        target = f"smtp:{THIEF}" if step % 2 == 0 else ""
        self.home.replace_mailbox(self.mailbox, forwarding_smtp_address=target)

    def convert(self, step: int) -> None:
        """The mailbox is shared at one look and a person's at the next."""
        kind = "SharedMailbox" if step % 2 == 0 else "UserMailbox"
        self.home.replace_mailbox(self.mailbox, kind=kind)
        tenant = self.home.tenant
        tenant.users = [
            replace(one, enabled=True) if one.id == self.mailbox_id else one for one in tenant.users
        ]

    def give_rights(self, step: int) -> None:
        """Another person from outside may send as the mailbox."""
        tenant, address = self.home.tenant, f"guest{self.deeds}@evil.example"
        tenant.delegations = [
            one for one in tenant.delegations if one.mailbox_name != self.mailbox.address
        ]
        tenant.known_recipients = [
            one for one in tenant.known_recipients if not one.address.startswith("guest")
        ]
        tenant.known_recipients.append(
            Recipient(address, True, "GuestMailUser", address, address, id=f"guest-{self.deeds}")
        )
        tenant.delegations.append(Delegation("SendAs", address, mailbox_name=self.mailbox.address))


DEEDS: Mapping[str, Callable[[Attacker, int], None]] = {
    "flap": Attacker.flap,
    "flood": Attacker.flood,
    "rename": Attacker.rename,
    "hide": Attacker.hide,
    "widen": Attacker.widen,
    "make anew": Attacker.make_anew,
    "another target": Attacker.change_target,
    "flood anew": Attacker.flood_with_new_targets,
    "toggle the forward": Attacker.toggle_forward,
    "convert": Attacker.convert,
    "give rights": Attacker.give_rights,
    "rest": lambda attacker, step: None,
}
TACTICS = tuple(DEEDS)


def hit_victim(home: LivingTenant, number: int) -> Mailbox:
    """A rule in the mailbox of somebody else, which no one must miss."""
    victim = home.add_mailbox()
    victim = home.replace_mailbox(victim, address=f"victim{number}@{DOMAIN}")
    home.reserved.add(victim.id)
    home.tenant.known_recipients[-1] = replace(
        home.tenant.known_recipients[-1], name=victim.address, address=victim.address
    )
    home.add_rule(victim, "parcels", redirect_to=(f"loot{number}@evil.example",))
    return victim
