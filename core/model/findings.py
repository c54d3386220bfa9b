"""core.model.findings."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from core.keys import build_object_key
from core.tenant.changes import Change


class Severity(IntEnum):
    """How bad a finding is. INFO is shown in reports and never told."""

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


@dataclass(frozen=True, slots=True)
class Finding:
    """Something is wrong with one object, now.

    Its identity is (guard, object, kind, dangerous part), never a name: a renamed rule with the
    same target is the same finding, a new target is a new one. `surfaces` are what must be read
    before its absence may be believed. `facts` are stable from run to run as long as the thing is.
    `changes` put it right, where that is possible from here; `advice` says what a person can do.
    `patience` is how many further sightings it takes before it is worth telling. `shared` is what
    the findings of several objects may have in common (an outside address): see `Several`. An
    `event` is something that happened: that it is over is no news. `plan_hash` names the plan that
    the brake holds, where the finding is about one.
    """

    kind: str
    object_id: str
    subject: str
    severity: Severity
    verdict: str
    summary: str
    facts: tuple[Fact, ...] = ()
    sources: tuple[str, ...] = ()
    fingerprint: str = ""
    changes: tuple[Change, ...] = ()
    advice: str = ""
    confirmations_needed: int = 0
    correlation_keys: tuple[str, ...] = ()
    is_one_off: bool = False
    plan_hash: str = ""

    def compute_key(self, guard: str) -> str:
        """The identity of the finding, the same in every run."""
        return build_object_key(self.object_id, guard, self.kind, self.fingerprint)


@dataclass(frozen=True, slots=True)
class CorrelationRule:
    """When the findings of so many objects share something, each of them is worse: by this much."""

    min_objects: int
    severity: Severity
    fact: Fact
