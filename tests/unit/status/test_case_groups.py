"""Which cases of a card are one story: each in one entry, the gravest first, nobody hidden."""

from dataclasses import replace

from core.model.activity import Cause
from core.model.cases import Case
from core.model.findings import Correlation, Severity
from core.status.case_groups import CaseGroup, group_cases
from core.tenant.activity import ActivityActor, ActivityLog, ActorKind
from tests.support.cases import build_case
from tests.support.fakes.clock import START

GUARD = "mailbox-forwarding"
THIEF = Correlation.of("x@evil.example", "mail to x@evil.example")
OTHER = Correlation.of("y@evil.example", "mail to y@evil.example")


def group(*cases: Case) -> list[CaseGroup]:
    return group_cases(cases, GUARD)


def outline(groups: list[CaseGroup]) -> list[tuple[int, str]]:
    """How many cases each entry has, and what they share."""
    return [(len(one.cases), one.shared.text if one.shared else "") for one in groups]


def test_many_objects_with_one_target_are_one_entry_the_gravest_first() -> None:
    cases = [build_case(number, correlations=(THIEF,)) for number in range(40)]
    cases[7] = build_case(7, correlations=(THIEF,), severity=Severity.CRITICAL)
    (entry,) = group(*cases)
    assert outline([entry]) == [(40, "mail to x@evil.example")]
    assert (entry.lead, entry.severity) == (cases[7], Severity.CRITICAL)
    assert entry.story == THIEF.key


def test_many_cases_of_one_object_are_one_entry_whatever_their_kinds() -> None:
    rules = [
        build_case(number, object_id="m1", kind=f"kind-{number % 2}", correlations=(THIEF,))
        for number in range(21)
    ]
    (entry,) = group(*rules)
    assert outline([entry]) == [(21, "")]
    assert entry.story == rules[0].key[:8]


def test_a_case_belongs_to_the_larger_of_its_stories_and_to_one() -> None:
    # m1 has 20 rules, one of which sends to the thief, to whom three others send too.
    own = [build_case(number, object_id="m1") for number in range(19)]
    both = build_case(19, object_id="m1", correlations=(THIEF,))
    others = [build_case(number, correlations=(THIEF,)) for number in range(50, 53)]
    groups = group(*own, both, *others)
    assert outline(groups) == [(20, ""), (3, "mail to x@evil.example")]
    keys = [case.key for one in groups for case in one.cases]
    assert sorted(keys) == sorted(case.key for case in (*own, both, *others))


def test_who_is_left_of_a_story_alone_has_an_entry_of_its_own() -> None:
    pair = [build_case(number, correlations=(THIEF, OTHER)) for number in (1, 2)]
    alone = build_case(3, correlations=(OTHER,))
    groups = group(*pair, alone)
    assert sorted(len(one.cases) for one in groups) in ([1, 2], [3])
    assert sum(len(one.cases) for one in groups) == 3


def test_what_is_shared_loosely_gives_way_to_what_says_more_of_as_many_cases() -> None:
    domain = Correlation.of("domain", "mail to addresses of evil.example", is_loose=True)
    pair = [build_case(number, correlations=(domain, THIEF)) for number in (1, 2)]
    assert outline(group(*pair)) == [(2, THIEF.text)]
    third = build_case(3, correlations=(OTHER, domain))
    assert outline(group(*pair, third)) == [(3, domain.text)]


def test_what_goes_by_two_names_is_shared_once() -> None:
    """As of two rules that were merged into one case, each with its own words for the target."""
    named = (THIEF, replace(THIEF, text="mail to the same by another name"))
    pair = [build_case(number, correlations=named) for number in (1, 2)]
    [found] = group(*pair)
    assert len(found.cases) == 2


def build_cause(name: str, session: str = "", kind: ActorKind = ActorKind.PERSON) -> Cause:
    actor = ActivityActor(kind, name)
    return Cause("Set-Mailbox", START, actor, ActivityLog.EXCHANGE, session=session)


def test_what_one_session_or_one_actor_did_is_one_story() -> None:
    cases = [
        replace(build_case(number), cause=build_cause("eve@contoso.com", session))
        for number, session in ((1, "s1"), (2, "s1"), (3, ""))
    ]
    (entry,) = group(*cases)
    assert outline([entry]) == [(3, "acts of eve@contoso.com")]
    assert all(case.is_about(entry.story) for case in cases)
    (session,) = group(*cases[:2])
    assert session.shared
    assert all(case.is_about(session.story) for case in cases[:2])


def test_nobody_in_particular_and_microsofts_service_are_no_story() -> None:
    for kind, name in (
        (ActorKind.UNKNOWN, "Not Available"),
        (ActorKind.MICROSOFT, "NT AUTHORITY\\SYSTEM (w3wp)"),
        (ActorKind.APP, "Notes"),
    ):
        cases = [
            replace(build_case(number), cause=build_cause(name, "", kind)) for number in (1, 2)
        ]
        assert outline(group(*cases)) == [(1, ""), (1, "")]


def test_one_object_alone_shares_nothing_with_itself() -> None:
    twice = [build_case(number, object_id="m1", correlations=(THIEF,)) for number in (1, 2)]
    assert outline(group(*twice)) == [(2, "")]


def test_settings_of_the_organization_and_troubles_of_the_engine_stay_apart() -> None:
    settings = [build_case(number, object_id="organization") for number in range(5)]
    own = [build_case(number, object_id=GUARD) for number in range(5, 8)]
    state = [build_case(number, object_id="state") for number in range(8, 10)]
    assert outline(group(*settings, *own, *state)) == [(1, "")] * 10


def test_each_object_is_named_before_the_second_case_of_any_that_is_no_graver() -> None:
    loud = [build_case(number, object_id="m0", correlations=(THIEF,)) for number in range(9)]
    quiet = build_case(99, correlations=(THIEF,))
    grave = build_case(98, object_id="m0", correlations=(THIEF,), severity=Severity.CRITICAL)
    (entry,) = group(*loud, quiet, grave)
    assert entry.cases[0] == grave
    assert quiet in entry.cases[1:3]


def test_two_mailboxes_with_a_hundred_targets_do_not_crowd_out_a_third() -> None:
    loud = [
        build_case(
            10 * number + box,
            object_id=f"loud-{box}",
            correlations=(Correlation.of(f"{number}", f"mail to {number}"),),
        )
        for number in range(100)
        for box in (1, 2)
    ]
    quiet = build_case(9_999, subject="zoe@contoso.com")
    groups = group(*loud, quiet)
    assert groups.index(CaseGroup((quiet,))) <= 6
    assert sum(len(one.cases) for one in groups) == 201


def test_the_order_of_the_cases_does_not_matter() -> None:
    cases = [
        build_case(number, object_id=f"m{number % 7}", correlations=((THIEF, OTHER)[number % 2],))
        for number in range(30)
    ]
    assert group(*cases) == group(*reversed(cases))
