"""Findings: what a guard concludes about one object in one run."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

from core.keys import build_object_key, hash_parts
from core.model.reach import Reach
from core.tenant.changes import Change


class Severity(IntEnum):
    """How severe a finding is. INFO appears in reports and is never notified."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """The name as people and documents write it."""
        return self.name.lower()


class Verdict(StrEnum):
    """The verdicts that every guard shares, and those only the engine gives.

    A guard declares its own in `Guard.verdicts`, so a verdict is any short word; one that this
    version does not know is shown as it stands.
    """

    COULD_NOT_TELL = "could-not-tell"
    """The object could not be read, or the answer did not say."""
    ASK = "ask"
    """Only an operator can decide."""
    ON_PREMISES = "on-premises"
    """The object is mastered on premises and has to be changed there."""
    PROTECTED = "protected"
    """Microsoft does not let an app change it."""
    REFUSED = "refused"
    """The tenant refused the change."""
    FAILED = "failed"
    """The change failed several times."""
    CONTESTED = "contested"
    """Somebody reversed the change twice."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One piece of the evidence: a labelled value ("rule", "Parcel notes") or a plain statement.

    Documents write a fact as one string; a card shows the labelled ones as a table.
    """

    label: str
    """What the text is, in up to three words; empty for a statement that speaks for itself."""
    text: str

    def __str__(self) -> str:
        return f"{self.label}: {self.text}" if self.label else self.text


def format_facts(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Facts as JSON documents write them: "label: text", or the statement alone."""
    return tuple(str(fact) for fact in facts)


class Shell(StrEnum):
    """Where a command is typed, in the words in which a page says it."""

    EXCHANGE = "Exchange Online PowerShell"
    GRAPH = "Microsoft Graph PowerShell"
    DIRECTORY = "PowerShell of the directory on premises"
    EXCHANGE_ON_PREMISES = "Exchange Management Shell on premises"
    AZURE = "Azure PowerShell"
    SHELL = "shell with the Azure command line and the repository"
    EXO = "command line of Exoguard"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of what an operator does about a finding, at its place among the others."""

    text: str
    """What to do, as sentences."""
    command: str = ""
    """What to type, exactly; empty for what no command does. Foreign text in it is quoted."""
    shell: Shell | None = None


@dataclass(frozen=True, slots=True)
class Correlation:
    """Something that findings of several objects may share, such as an outside address."""

    key: str
    """Its identity: hex digits of a hash, never untrusted text."""
    text: str
    """What it is, as a noun phrase: "mail to x@evil.example"."""
    is_loose: bool = False
    """Whether it makes cases one story and none of them graver: honest people may share it too."""

    @classmethod
    def of(cls, identity: str, text: str, *, is_loose: bool = False) -> "Correlation":
        """The correlation of what goes by an identity."""
        return cls(hash_parts(identity)[:CORRELATION_KEY_LENGTH], text, is_loose)


CORRELATION_KEY_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Finding:
    """Something is wrong with one object, now.

    Its identity is the guard, the object, the kind and the fingerprint, never a name: a renamed
    rule with the same target is the same finding, and a new target is a new one.
    """

    kind: str
    object_id: str
    """The id of the object."""
    subject: str
    """The name of the object."""
    severity: Severity
    verdict: str
    summary: str
    facts: tuple[Fact, ...] = ()
    """The evidence; the same in every run while the object stays the same."""
    sources: tuple[str, ...] = ()
    """The data sources that must be read before the finding counts as gone."""
    fingerprint: str = ""
    """The dangerous part, such as the target of a forward; part of the identity."""
    changes: tuple[Change, ...] = ()
    """The changes that remediate it, if the app can make them."""
    advice: str = ""
    """What an operator can do, in a sentence or two, without commands."""
    steps: tuple[Step, ...] = ()
    """The same step by step, in an order that loses nothing: see `core.microsoft365.remedies`."""
    held_account: str = ""
    """The id of the account that an intruder may hold, so that it can be contained."""
    confirmations_needed: int = 0
    """How many further runs must see the finding before it is notified."""
    correlations: tuple[Correlation, ...] = ()
    """What it may share with findings of other objects: see `CorrelationRule`."""
    is_one_off: bool = False
    """Whether the finding is an event: its end is not reported."""
    is_said_once: bool = False
    """Whether it is notified once, without reminders: nothing is expected of the operator."""
    plan_hash: str = ""
    """The plan that the brake holds, if the finding is about one."""
    reaches: tuple[Reach, ...] = ()
    """How far it goes: a case whose finding goes further than before is told again, also where an
    operator acknowledged or exempted it as it was. None: it goes as far as it can.
    """
    needs_own_exemption: bool = False
    """Whether only an exemption of its case covers it, and never one of the whole object."""
    asks_if_preexisting: bool = False
    """Whether an operator decides if the object was already so when the guard first read it.

    Somebody may have set it on purpose. The changes are made only of what appears later.
    """
    preexisting_verdict: str = Verdict.ASK
    """The verdict of such a question, where the guard's own one would promise a change."""

    def compute_key(self, guard: str) -> str:
        """The identity of the finding, the same in every run."""
        return build_object_key(self.object_id, guard, self.kind, self.fingerprint)

    def as_question(self, why: Fact | None = None) -> "Finding":
        """The finding without its changes, for an operator to decide; `why` says why, by default
        that it was so at the first look.
        """
        if not self.changes:
            return self
        return replace(
            self,
            verdict=self.preexisting_verdict,
            facts=(*self.facts, why or PREEXISTING_FACT),
            changes=(),
        )


PREEXISTING_FACT = Fact(
    "",
    "it was so when this guard first looked, so somebody may have meant it: an operator decides; "
    "in enforce mode the guard changes it only if it ends and comes back",
)


@dataclass(frozen=True, slots=True)
class CorrelationRule:
    """When findings of at least so many objects share something, each becomes this severe."""

    min_objects: int
    severity: Severity
    fact: Fact
    """The evidence that each case then gets."""
