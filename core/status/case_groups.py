"""Which cases of a card are one story, and so one entry. Pure.

    many objects, one target, holder, session or actor  ─┐
    many cases of one object                            ─┴► one entry, its gravest case first

A case belongs to the largest of the stories it could belong to, so that each case is in one entry.
What is set for the whole organization, and what Exoguard has to say of itself, stays apart: such
cases have nothing in common but the place where they are kept.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.keys import PREFIX_LENGTH
from core.model.activity import build_actor_key, build_session_key
from core.model.cases import Case
from core.model.findings import Correlation, Severity
from core.status.cause_texts import describe_actor

# Settings of the organization, and rows of the state: cases there are as many stories.
SHARED_PLACES = frozenset({"organization", "authorization-policy", "state"})
MAX_PER_OBJECT = 3

type StoryKey = tuple[bool, str]  # whether it is what objects share, and its key


@dataclass(frozen=True, slots=True)
class CaseGroup:
    """The cases of one entry, the gravest first; a single one if nothing else belongs to it."""

    cases: tuple[Case, ...]
    shared: Correlation | None = None
    """What the objects share; None for the cases of one object."""

    @property
    def lead(self) -> Case:
        """The gravest case, and among those the oldest."""
        return self.cases[0]

    @property
    def object_ids(self) -> tuple[str, ...]:
        """The objects, in the order of their gravest case."""
        return tuple(dict.fromkeys(case.object_id for case in self.cases))

    @property
    def severity(self) -> Severity:
        """That of the gravest case."""
        return self.lead.severity

    @property
    def story(self) -> str:
        """What the page of cases lists these by: what is shared, or the object."""
        return self.shared.key if self.shared else self.lead.key[:PREFIX_LENGTH]


def group_cases(cases: Iterable[Case], guard: str) -> list[CaseGroup]:
    """The entries of a guard's card: every case in one of them, the most severe entry first."""
    apart = SHARED_PLACES | {guard}
    ranked = rank_cases(cases)
    stories: defaultdict[StoryKey, list[Case]] = defaultdict(list)
    names: dict[str, Correlation] = {}
    for case in ranked:
        if case.object_id not in apart:
            stories[False, case.object_id].append(case)
        # One thing may go by two names: a case is in its story once.
        for key, shared in {one.key: one for one in list_shared(case)}.items():
            stories[True, key].append(case)
            names.setdefault(key, shared)
    left = dict.fromkeys(case.key for case in ranked)
    groups: list[CaseGroup] = []
    for (is_shared, key), members in sorted(
        stories.items(), key=lambda story: rank_story(story[0], story[1], names)
    ):
        found = [case for case in members if case.key in left]
        if len({case.object_id for case in found} if is_shared else found) < 2:
            continue
        for case in found:
            del left[case.key]
        groups.append(CaseGroup(spread_objects(found), names[key] if is_shared else None))
    groups += (CaseGroup((case,)) for case in ranked if case.key in left)
    return rank_groups(groups)


def rank_story(
    story: StoryKey, members: Sequence[Case], names: Mapping[str, Correlation]
) -> tuple[int, bool, bool, str]:
    """The largest story first; of two as large the one that says most."""
    is_shared, key = story
    return (-len(members), not is_shared, is_shared and names[key].is_loose, key)


def list_shared(case: Case) -> Iterator[Correlation]:
    """All that a case may share with others."""
    yield from case.correlations
    yield from list_hands(case)


def list_hands(case: Case) -> Iterator[Correlation]:
    """The session and the actor that a case is put down to, as what cases may share: one attack is
    one story.
    """
    cause = case.cause
    if cause is None:
        return
    who = describe_actor(cause.actor)
    if key := build_session_key(cause):
        yield Correlation(key, f"one session of {who}")
    if key := build_actor_key(cause):
        yield Correlation(key, f"acts of {who}")


def rank_cases(cases: Iterable[Case]) -> list[Case]:
    """The most severe first, and the oldest among those."""
    return sorted(cases, key=lambda case: (-case.severity, case.opened_at, case.subject, case.key))


def spread_objects(ranked: Sequence[Case]) -> tuple[Case, ...]:
    """Of those that are as severe, one case of each object before the second one of any."""
    turns: Counter[str] = Counter()
    numbered: list[tuple[int, int, Case]] = []
    for case in ranked:
        turns[case.object_id] += 1
        numbered.append((-case.severity, turns[case.object_id], case))
    return tuple(case for _, _, case in sorted(numbered, key=lambda one: one[:2]))


def rank_groups(groups: Iterable[CaseGroup]) -> list[CaseGroup]:
    """The most severe first; only a few of the same objects before others had a turn."""
    ranked = sorted(
        groups,
        key=lambda one: (-one.severity, one.lead.opened_at, one.lead.subject, one.lead.key),
    )
    turns: Counter[str] = Counter()
    first: list[CaseGroup] = []
    later: list[CaseGroup] = []
    for group in ranked:
        turns.update(group.object_ids)
        is_loud = min(turns[name] for name in group.object_ids) > MAX_PER_OBJECT
        (later if is_loud else first).append(group)
    return first + later
