"""The steps about a case: who comes first, by a record, and what a card has room for."""

import pytest

from core.microsoft365.remedies import contain
from core.model.activity import Cause
from core.model.cases import Case
from core.model.findings import Shell, Step
from core.status.remedy import MAX_SHORT, list_short_steps, list_steps
from core.tenant.activity import ActivityActor, ActivityLog, ActorKind
from tests.support.cases import build_case
from tests.support.fakes.clock import START

STOP = Step("Stop it.", "Stop-It", Shell.EXCHANGE)
ADMIN = ActivityActor(ActorKind.PERSON, "chief@x", "c1")


def put_down_to(actor: ActivityActor | None) -> Case:
    """A case of the mailbox m1, and who did it by a record."""
    cause = actor and Cause("Set-Mailbox", START, actor, ActivityLog.EXCHANGE)
    return build_case(steps=(STOP,), cause=cause, held_account="m1")


@pytest.mark.parametrize(
    ("actor", "whom", "command"),
    [
        (ADMIN, "chief@x", "exo cases --about 'c1'"),
        # Exchange often tells a name alone.
        (ActivityActor(ActorKind.PERSON, "chief@x"), "chief@x", "exo cases --about 'chief@x'"),
        (ActivityActor(ActorKind.PERSON, "", "c1"), "the account c1", "exo cases --about 'c1'"),
        (ActivityActor(ActorKind.PERSON, "o'h; rm"), "o'h; rm", ""),
    ],
)
def test_whoever_else_did_it_by_a_record_is_asked_before_anything_is_stopped(
    actor: ActivityActor, whom: str, command: str
) -> None:
    first, *rest = list_steps(put_down_to(actor), may_contain=False)
    assert first.text.startswith(f"A record says that {whom} did it: ask them first")
    assert "secure that account before any other" in first.text
    assert first.command == command
    assert rest == [STOP]


@pytest.mark.parametrize(
    "actor",
    [
        None,
        ActivityActor(ActorKind.PERSON, "m1@x", "other id of m1"),
        ActivityActor(ActorKind.PERSON, "M1@X"),
        ActivityActor(ActorKind.PERSON, "m1@renamed", "M1"),
        ActivityActor(ActorKind.PERSON),
        ActivityActor(ActorKind.APP, "chief@x", "c1"),
        ActivityActor(ActorKind.UNKNOWN, "chief@x"),
        ActivityActor(ActorKind.MICROSOFT, "chief@x", "c1"),
    ],
)
def test_nobody_is_asked_where_no_record_tells_of_another_person(
    actor: ActivityActor | None,
) -> None:
    assert list_steps(put_down_to(actor), may_contain=False) == (STOP,)


def test_containing_comes_first_where_it_is_on_and_what_is_over_has_no_steps() -> None:
    case = put_down_to(ADMIN)
    plan, asked, stop = list_steps(case, may_contain=True)
    assert (plan, stop) == (contain("m1"), STOP)
    assert asked.text.startswith("A record says that chief@x did it")
    assert list_steps(build_case(steps=(STOP,), closed_at=START), may_contain=True) == ()


def test_a_card_has_the_first_steps_with_a_command() -> None:
    steps = (Step("Ask."), STOP, STOP, STOP)
    assert list_short_steps(steps) == (STOP,) * MAX_SHORT
