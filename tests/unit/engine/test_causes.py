"""Who did it: the last act that fits before a case was seen, and what else that session did."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.engine.causes import (
    ActIndex,
    add_cause,
    add_methods,
    is_search_due,
    list_wished,
)
from core.microsoft365.method_operations import (
    GIVEN_METHODS,
    PASSWORD_ACTS,
    WEAKENED_SIGN_INS,
)
from core.model.activity import Act
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Severity, Verdict
from core.status.cause_texts import list_cause_lines
from core.tenant.activity import ActivityActor, ActorKind
from tests.support.acts import EVE, build_act
from tests.support.fakes.clock import START

FORWARDING = "mailbox-forwarding"
SEEN = START + timedelta(hours=1)
HOUR = timedelta(hours=1)
SETTLING = timedelta(minutes=10)
CASE = Case(
    "k1",
    "inbox-rule-forward",
    "u1",
    "ann@contoso.com",
    Severity.HIGH,
    "external",
    "external",
    "A rule forwards.",
    SEEN,
)
OWN = ActivityActor(ActorKind.APP, app_id="a1", is_this_app=True)


def search(case: Case, *acts: Act, changes: tuple[ChangeRecord, ...] = ()) -> Case:
    return add_cause(case, ActIndex.build(acts, FORWARDING), SEEN, changes, SETTLING)


def get_operation(case: Case) -> str:
    return case.cause.operation if case.cause else ""


def test_the_last_act_before_the_case_was_seen_is_its_cause() -> None:
    first, last = build_act(minutes=10), build_act(minutes=50, operation="set-inboxrule")
    found = search(CASE, last, first, build_act(minutes=90, operation="remove-inboxrule"))
    assert get_operation(found) == "set-inboxrule"
    assert found.cause is not None
    assert (found.cause.actor, found.cause.address, found.cause.session) == (
        EVE,
        "198.51.100.9",
        "s1",
    )
    assert found.cause_sought_at == SEEN


@pytest.mark.parametrize(
    "act",
    [
        build_act(object_id="u2"),
        build_act(guard="mailbox-audit"),
        build_act(kinds=("mailbox-forward",)),
        build_act(minutes=-8 * 24 * 60),
        build_act(actor=OWN),
    ],
    ids=["another object", "another guard", "another kind", "too old", "our own"],
)
def test_an_act_that_does_not_fit_explains_nothing_and_the_search_is_a_fact(act: Act) -> None:
    found = search(CASE, act)
    assert (found.cause, found.cause_sought_at) == (None, SEEN)


def test_an_object_is_known_by_its_ids_and_names_the_id_first() -> None:
    named = build_act(object_id="", names=("ann@contoso.com",), minutes=40)
    assert get_operation(search(CASE, named)) == "new-inboxrule"
    exact = build_act(operation="set-inboxrule", minutes=5)
    assert get_operation(search(CASE, named, exact)) == "set-inboxrule"
    organization = replace(CASE, object_id="organization", kind="switch", subject="Auditing")
    switch = build_act(object_id="", kinds=("switch",))
    assert get_operation(search(organization, switch)) == "new-inboxrule"
    assert search(organization, build_act(object_id="", kinds=("other",))).cause is None


def test_what_else_the_session_did_within_the_hour_is_told_with_it() -> None:
    acts = [
        build_act(minutes=10),
        build_act(minutes=20, object_id="u2"),
        build_act(minutes=25, object_id="u3"),
        build_act(minutes=30, object_id="u1", operation="set-mailbox"),
        build_act(minutes=40, object_id="u4", session="s2"),
        build_act(minutes=-90, object_id="u5"),
    ]
    cause = search(replace(CASE, opened_at=START + timedelta(minutes=12)), *acts).cause
    assert cause is not None
    assert cause.beside == ("new-inboxrule x 2", "set-mailbox")
    assert (cause.beside_count, cause.is_same_session) == (3, True)


def test_without_a_session_acts_are_joined_by_actor_and_address_only() -> None:
    acts = [
        build_act(minutes=10, session=""),
        build_act(minutes=20, session="", object_id="u2", operation="set-mailbox"),
        build_act(minutes=20, session="", object_id="u3", address="192.0.2.1"),
        build_act(minutes=20, session="", object_id="u4", address=""),
    ]
    cause = search(replace(CASE, opened_at=START + timedelta(minutes=12)), *acts).cause
    assert cause is not None
    assert (cause.beside, cause.is_same_session) == (("set-mailbox",), False)


def test_a_record_that_comes_late_explains_a_case_that_is_open() -> None:
    unexplained = search(CASE)
    assert unexplained.cause is None
    found = add_cause(
        unexplained,
        ActIndex.build([build_act(minutes=50)], FORWARDING),
        SEEN + 53 * HOUR,
        (),
        SETTLING,
    )
    assert get_operation(found) == "new-inboxrule"
    # A case is explained by what came before it was seen, whenever that is known.
    assert search(CASE, build_act(minutes=70)).cause is None


def test_a_case_that_went_further_is_put_down_to_the_later_act() -> None:
    first = search(CASE, build_act(minutes=50))
    later = build_act(minutes=300, operation="set-inboxrule")
    assert get_operation(search(first, build_act(minutes=50), later)) == "new-inboxrule"
    wider = replace(first, widened_at=START + 6 * HOUR)
    assert get_operation(search(wider, build_act(minutes=50), later)) == "set-inboxrule"


def test_a_contested_case_is_put_down_to_who_changed_it_back() -> None:
    at = START + timedelta(minutes=30)
    ours = ChangeRecord("c1", "k1", "ann", "DisableInboxRule", {}, ChangeState.APPLIED, at, "run")
    contested = replace(CASE, verdict=Verdict.CONTESTED)
    before, after = build_act(minutes=10), build_act(minutes=45, operation="enable-inboxrule")
    assert get_operation(search(contested, before, after, changes=(ours,))) == "enable-inboxrule"
    assert search(contested, before, changes=(ours,)).cause is None


CLEAN = START + timedelta(minutes=30)
DATED = replace(CASE, clean_at=CLEAN, found_at=SEEN + timedelta(minutes=40))


@pytest.mark.parametrize(
    ("minutes", "place"),
    [
        (-60, "earlier"),
        (19, "earlier"),  # The look of minute 30 cannot have missed it.
        (21, "cause"),  # The tenant may not have shown it yet at minute 30.
        (60, "cause"),
        (99, "cause"),  # The look that saw it took until minute 100.
        (106, ""),
    ],
)
def test_the_act_lies_between_a_clean_look_and_the_one_that_saw_it(
    minutes: float, place: str
) -> None:
    act = build_act(minutes=minutes)
    found = search(DATED, replace(act, seen_at=act.at + HOUR))
    assert (found.cause is not None, found.earlier_change is not None) == (
        place == "cause",
        place == "earlier",
    )


@pytest.mark.parametrize(("first", "last", "told"), [(50, 300, 50), (50, 70, 70), (120, 300, None)])
def test_of_alike_acts_that_go_on_after_the_look_those_before_it_are_the_cause(
    first: float, last: float, told: float | None
) -> None:
    burst = replace(build_act(minutes=last), first_at=START + timedelta(minutes=first), count=900)
    cause = search(DATED, burst).cause
    assert cause is None or (cause.count, cause.beside) == (900, ())
    assert (cause.at if cause else None) == (
        START + timedelta(minutes=told) if told is not None else None
    )


def test_what_was_on_record_when_a_look_found_nothing_led_to_nothing_unless_that_shows_late() -> (
    None
):
    act = build_act(minutes=25)
    known, late = replace(act, seen_at=CLEAN), replace(act, seen_at=CLEAN + HOUR)
    assert search(DATED, known).cause is None
    assert search(DATED, known).earlier_change is not None
    assert get_operation(search(DATED, late)) == "new-inboxrule"
    index = ActIndex.build([known], FORWARDING)
    slow = add_cause(DATED, index, SEEN, (), timedelta(hours=2))
    assert get_operation(slow) == "new-inboxrule"
    # It stays an earlier change at the next search.
    again = add_cause(search(DATED, known), index, SEEN + 2 * HOUR, (), SETTLING)
    assert (again.cause, again.earlier_change is not None) == (None, True)


def test_an_earlier_change_blames_nobody_and_gives_way_to_the_act_whose_record_comes_late() -> None:
    before = build_act(minutes=5)
    found = search(DATED, before)
    lines = dict(list_cause_lines(found))
    assert lines["who"].startswith("no record found by")
    assert "eve@contoso.com" in lines["earlier change"]
    assert "so something later led to this" in lines["earlier change"]
    assert "which did not find it" in lines["came"]
    late = ActIndex.build([before, build_act(minutes=45, operation="set-inboxrule")], FORWARDING)
    known = add_cause(found, late, SEEN + 53 * HOUR, (), SETTLING)
    assert (get_operation(known), known.earlier_change) == ("set-inboxrule", None)
    assert "earlier change" not in dict(list_cause_lines(known))
    # Both stay as they are once the records are gone.
    nothing = ActIndex.build([], FORWARDING)
    assert get_operation(add_cause(known, nothing, SEEN + 200 * HOUR, (), SETTLING)) == (
        "set-inboxrule"
    )
    assert (
        add_cause(found, nothing, SEEN + 200 * HOUR, (), SETTLING).earlier_change
        == found.earlier_change
    )


def test_what_was_there_before_the_first_look_is_bounded_by_nothing_and_says_so() -> None:
    found = search(replace(CASE, baselined=True), build_act(minutes=-5 * 24 * 60))
    lines = dict(list_cause_lines(found))
    assert get_operation(found) == "new-inboxrule"
    assert "before the first look" in lines["came"]
    assert "a later one may have led to it" in lines["age"]


def test_who_made_it_at_first_is_not_who_made_it_worse() -> None:
    first = search(DATED, build_act(minutes=45))
    wider = replace(first, clean_at=START + 5 * HOUR, found_at=START + 6 * HOUR)
    unexplained = search(wider, build_act(minutes=45))
    assert unexplained.cause is None
    assert unexplained.earlier_change is not None
    assert unexplained.earlier_change.at == START + timedelta(minutes=45)


def test_who_made_it_before_we_put_it_right_is_not_who_made_it_again() -> None:
    at = START + timedelta(minutes=30)
    ours = ChangeRecord("c1", "k1", "ann", "DisableInboxRule", {}, ChangeState.APPLIED, at, "run")
    # A look would have to be given the time until a change shows; a write was read back.
    found = search(DATED, build_act(minutes=25), changes=(ours,))
    assert (found.cause, found.earlier_change is not None) == (None, True)
    # What we did to a case that is open explains no more than before.
    later = replace(ours, at=DATED.seen_since + HOUR)
    assert get_operation(search(DATED, build_act(minutes=45), changes=(later,))) == "new-inboxrule"


def test_a_search_of_the_log_asks_for_no_more_than_the_time_in_which_it_was_done() -> None:
    (wished,) = list_wished([DATED], SEEN + HOUR, SETTLING)
    assert wished.since == CLEAN - SETTLING
    (unbounded,) = list_wished([CASE], SEEN + HOUR, SETTLING)
    assert unbounded.since == SEEN - timedelta(days=7)


def test_a_search_is_due_for_a_day_and_again_after_two_days_and_a_week() -> None:
    fresh = CASE
    assert is_search_due(fresh, SEEN)
    sought = replace(CASE, cause_sought_at=SEEN + 20 * HOUR)
    due = [hours for hours in range(0, 24 * 9, 6) if is_search_due(sought, SEEN + hours * HOUR)]
    assert [one for one in due if one < 24] == [0, 6, 12, 18]
    assert min(one for one in due if one >= 24) == 48
    again = replace(CASE, cause_sought_at=SEEN + 49 * HOUR)
    later = [hours for hours in range(48, 24 * 9, 6) if is_search_due(again, SEEN + hours * HOUR)]
    assert later[0] == 7 * 24
    assert not is_search_due(replace(CASE, closed_at=SEEN), SEEN)
    assert not is_search_due(replace(CASE, kind="brake"), SEEN)
    assert not is_search_due(replace(CASE, is_one_off=True), SEEN)


def test_a_nearer_act_whose_record_comes_days_late_takes_the_place_of_an_older_one() -> None:
    older = build_act(minutes=-2 * 24 * 60)
    found = search(CASE, older)
    assert get_operation(found) == "new-inboxrule"
    assert is_search_due(found, SEEN + 53 * HOUR)
    index = ActIndex.build([older, build_act(minutes=55, operation="set-inboxrule")], FORWARDING)
    assert get_operation(add_cause(found, index, SEEN + 53 * HOUR, (), SETTLING)) == "set-inboxrule"


def test_a_flood_of_text_in_a_record_is_cut() -> None:
    loud = ActivityActor(ActorKind.PERSON, "x" * 5_000, "e1")
    cause = search(CASE, build_act(actor=loud, detail="d" * 5_000, client="c" * 5_000)).cause
    assert cause is not None
    assert len(cause.actor.name) + len(cause.detail) + len(cause.client) < 400


def test_a_session_that_acts_from_two_places_says_so_and_two_sessions_do_not() -> None:
    acts = [
        build_act(minutes=10),
        build_act(minutes=20, object_id="u2", address="192.0.2.77"),
        build_act(minutes=25, object_id="u3", address=""),
        build_act(minutes=30, object_id="u4", session="s2", address="192.0.2.88"),
        build_act(minutes=90, object_id="u5", address="192.0.2.99"),
    ]
    cause = search(CASE, *acts).cause
    assert cause
    assert cause.other_addresses == ("192.0.2.77",)
    assert ("places", "within an hour the same session also acted from 192.0.2.77") in list(
        list_cause_lines(replace(CASE, cause=cause))
    )
    # Acts joined by their address have no other one.
    bare = [replace(act, session="") for act in acts]
    joined = search(CASE, *bare).cause
    assert joined
    assert joined.other_addresses == ()


def build_method(
    name: str, minutes: float, operation: str = "User registered security info"
) -> Act:
    return build_act(
        "privileged-change",
        "",
        minutes,
        operation,
        names=(name,),
        session="other",
        address="192.0.2.5",
    )


@pytest.mark.parametrize(
    ("name", "minutes", "is_told"),
    [
        ("u1", -60, True),
        ("ann@contoso.com", 90, True),
        ("e1", 5, True),
        ("held", 5, True),
        ("u2", 5, False),
        ("u1", -25 * 60, False),
    ],
)
def test_a_method_given_to_the_person_or_the_actor_within_a_day_stands_with_the_case(
    name: str, minutes: float, is_told: bool
) -> None:
    index = ActIndex.build([build_act(minutes=10), build_method(name, minutes)], FORWARDING)
    found = add_methods(
        add_cause(replace(CASE, held_account="held"), index, SEEN, (), SETTLING), index
    ).new_methods
    assert bool(found) is is_told
    assert all("by eve@contoso.com" in one for one in found)


@pytest.mark.parametrize("operation", [*GIVEN_METHODS, *WEAKENED_SIGN_INS, *PASSWORD_ACTS])
def test_every_way_in_counts_and_needs_no_cause(operation: str) -> None:
    index = ActIndex.build([build_method("u1", 5, operation)], FORWARDING)
    (phrase,) = add_methods(CASE, index).new_methods
    assert phrase.startswith(operation)


def test_a_case_is_told_again_with_the_first_way_in_and_not_with_the_next() -> None:
    told = replace(CASE, notified_at=SEEN)
    first = ActIndex.build([build_method("u1", 90)], FORWARDING)
    found = add_methods(told, first)
    assert found.notification is Notification.CHANGED
    sent = replace(found, notification=Notification.NONE)
    both = ActIndex.build([build_method("u1", 90), build_method("u1", 95)], FORWARDING)
    later = add_methods(sent, both)
    assert (len(later.new_methods), later.notification) == (2, Notification.NONE)
    assert add_methods(replace(told, severity=Severity.LOW), first).notification == ""
    assert add_methods(replace(CASE, notification=Notification.OPENED), first).notification == (
        Notification.OPENED
    )


ANN_HERSELF = ActivityActor(ActorKind.PERSON, "Ann@contoso.com", "u1")
NOBODY = ActivityActor(ActorKind.UNKNOWN)


@pytest.mark.parametrize(
    ("actor", "minutes", "is_told"),
    [
        (EVE, 70, True),  # Before anybody knew of the case.
        (EVE, 190, False),  # An administrator answers the card.
        (ANN_HERSELF, 190, True),  # Whoever holds the account keeps its owner out.
        (NOBODY, 190, True),
    ],
)
def test_a_password_that_somebody_sets_for_a_told_case_is_its_answer(
    actor: ActivityActor, minutes: float, is_told: bool
) -> None:
    told = replace(CASE, notified_at=START + 3 * HOUR)
    reset = replace(build_method("u1", minutes, "Reset user password"), actor=actor)
    found = add_methods(told, ActIndex.build([reset], FORWARDING))
    assert found.new_methods[0].startswith("Reset user password by")
    assert (found.notification is Notification.CHANGED) is is_told
    # A way in that comes after the answer is told all the same.
    sent = replace(found, notification=Notification.NONE)
    both = ActIndex.build([reset, build_method("u1", 200)], FORWARDING)
    assert (add_methods(sent, both).notification is Notification.CHANGED) is not is_told


def test_people_who_use_the_same_client_at_one_address_are_not_one_hand() -> None:
    eve, mia = (
        ActivityActor(ActorKind.PERSON, name, app_id="outlook-on-the-web")
        for name in ("eve@contoso.com", "mia@contoso.com")
    )
    acts = [
        build_act(minutes=10, actor=eve, session=""),
        build_act(minutes=12, actor=mia, session="", object_id="u2", operation="set-mailbox"),
    ]
    cause = search(CASE, *acts).cause
    assert cause
    assert (cause.actor, cause.beside) == (eve, ())


def test_an_act_that_is_much_older_than_its_case_is_said_to_be() -> None:
    lines = dict(list_cause_lines(search(CASE, build_act(minutes=-3 * 24 * 60))))
    assert "a later one may have led to it" in lines["age"]
    assert "age" not in dict(list_cause_lines(search(CASE, build_act(minutes=10))))
