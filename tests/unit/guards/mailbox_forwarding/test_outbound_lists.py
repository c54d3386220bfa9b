"""Lists of settings that decide whether forwards leave: one with a gap is not believed."""

from collections.abc import Mapping
from copy import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.guards.mailbox_forwarding.outbound_lists import (
    build_outbound_settings,
    list_policy_names,
    note_outbound_lists,
)
from core.tenant.known_traits import KnownTraits
from core.tenant.mail_flow import OutboundPolicy, RemoteDomain, SenderScope, TransportRule
from core.tenant.readings import ReadFailure, Reading

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DEFAULT = OutboundPolicy("Default", "On", is_default=True)
SALES = OutboundPolicy("Sales", "Off", scope=SenderScope(groups=("sales",)))
EVERY, OPEN = RemoteDomain("*", auto_forward=True), RemoteDomain("open.example", auto_forward=True)
STOPS = TransportRule(
    "t1",
    "Stop",
    actions={"DeleteMessage": ("True",)},
    conditions={"MessageTypeMatches": ("AutoForward",)},
)
MARKS = TransportRule("t2", "Mark", actions={"PrependSubject": ("x",)})
MISS = ReadFailure("a source", "HTTP 503")
POLICIES, REMOTES, RULES = (
    Reading((DEFAULT, SALES)),
    Reading((EVERY, OPEN)),
    Reading((STOPS, MARKS)),
)


def note(known: Mapping[str, KnownTraits], now: datetime = NOW) -> dict[str, KnownTraits]:
    """What is remembered after a look at all of them."""
    return {row.key: row for row in note_outbound_lists(POLICIES, REMOTES, RULES, known, now)}


def test_lists_that_were_read_to_their_end_count() -> None:
    settings = build_outbound_settings(POLICIES, REMOTES, RULES, note({}), NOW)
    assert settings.policies == (DEFAULT, SALES)
    assert settings.remote_domains == (EVERY, OPEN)
    assert settings.flow_rules == (STOPS, MARKS)


@pytest.mark.parametrize("gap", [{"complete": False}, {"failures": (MISS,)}])
def test_a_list_with_a_gap_does_not_count_and_is_not_remembered(gap: dict[str, Any]) -> None:
    policies, remotes, rules = (
        Reading(POLICIES.items, **gap),
        Reading(REMOTES.items, **gap),
        Reading(RULES.items, **gap),
    )
    settings = build_outbound_settings(policies, remotes, rules, {}, NOW)
    assert (settings.policies, settings.remote_domains, settings.flow_rules) == (None, None, None)
    assert note_outbound_lists(policies, remotes, rules, {}, NOW) == ()
    assert len(note_outbound_lists(POLICIES, remotes, rules, {}, NOW)) == 1


def test_a_list_that_lacks_something_is_not_believed_for_an_hour() -> None:
    known = note({})
    fewer = (Reading((DEFAULT,)), Reading((EVERY,)), Reading((MARKS,)))
    for later, is_believed in ((QUARTER, False), (5 * QUARTER, True)):
        now = NOW + later
        settings = build_outbound_settings(*fewer, known, now)
        lists = (settings.policies, settings.remote_domains, settings.flow_rules)
        assert [one is not None for one in lists] == [is_believed] * 3
        known |= {row.key: row for row in note_outbound_lists(*fewer, known, now)}


def test_only_a_rule_that_decides_about_forwards_is_missed() -> None:
    known = note({})
    now = NOW + QUARTER
    without = build_outbound_settings(POLICIES, REMOTES, Reading((STOPS,)), known, now)
    assert without.flow_rules == (STOPS,)
    # Whatever it does now, a rule that is there was not left out.
    harmless = replace(STOPS, actions={})
    changed = build_outbound_settings(POLICIES, REMOTES, Reading((harmless,)), known, now)
    assert changed.flow_rules == (harmless,)


def test_the_rule_of_a_policy_is_missed_by_itself() -> None:
    assert list_policy_names(POLICIES) == ["Default", "Sales", "rule of Sales"]
    unruled = Reading((DEFAULT, replace(SALES, scope=SenderScope())))
    settings = build_outbound_settings(unruled, REMOTES, RULES, note({}), NOW + QUARTER)
    assert settings.policies is None
