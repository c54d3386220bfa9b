"""Whether a change can be taken back, as its record tells."""

from copy import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tenant.changes import CHANGE_TYPES
from core.tenant.mail_flow import InboxRule, RuleCondition
from core.tenant.reversibility import (
    ALREADY_SET,
    AUDIT_AGE_PURGES,
    DEFAULT_SET_ONLY,
    PRIOR_STATE_UNKNOWN,
    SESSIONS_STAY_ENDED,
    UNKNOWN_KIND,
    VALUE_LIMIT,
    describe_changed_since,
    explain_irreversible,
    explain_undo_unknown,
    hash_rule_actions,
)

FORWARD = {"ForwardingAddress": None, "DeliverToMailboxAndForward": True}
RULE = InboxRule("R1", "m1", "any", "graph", redirect_to=("x@evil.example",))


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        ("BlockSignIn", {"accountEnabled": True}),
        ("EnableOrganizationAudit", {"AuditDisabled": True}),
        ("EnableUnifiedAuditLog", {"UnifiedAuditLogIngestionEnabled": False}),
        ("EnableMailboxAudit", {"AuditEnabled": False}),
        ("ClearAuditBypass", {"AuditBypassEnabled": True}),
        ("DisableInboxRule", {"isEnabled": True}),
        ("DisableInboxRule", {"isEnabled": True, "does": "0" * 32}),
        ("DisableExchangeModule", {"EXOModuleEnabled": True}),
        ("ClearMailboxForward", {**FORWARD, "ForwardingSmtpAddress": "smtp:x@evil.example"}),
        ("SetConfiguration", {"Domains": ["a:b"]}),
        ("SetConfiguration", {"MinPasswordLength": None}),
        ("SetConfiguration", {"MinPasswordLength": 8}),
        ("SetConfiguration", {"AutoForwardingMode": "Off"}),
        ("DisableMailboxProtocols", {"PopEnabled": True, "SmtpClientAuthenticationDisabled": ""}),
        ("DisableMailboxProtocols", {"ImapEnabled": True}),
        (
            "DisableMailboxProtocols",
            {"PopEnabled": "True", "SmtpClientAuthenticationDisabled": None},
        ),
        ("BlockAccount", {"accountEnabled": True}),
        ("DisableDevice", {"accountEnabled": True}),
        ("DisableHiddenRule", {"Enabled": True}),
        ("DisableClientProtocols", {"OWAEnabled": True}),
        ("DisableClientProtocols", {"EwsEnabled": None, "MAPIEnabled": "False"}),
        ("DisableClientProtocols", {"EwsEnabled": "", "PopEnabled": False}),
        ("ResetAuditSet", {"DefaultAuditSet": ["Admin"], "AuditOwner": ["MailboxLogin"]}),
        ("ResetAuditSet", {"DefaultAuditSet": [], "AuditOwner": []}),
    ],
    ids=str,
)
def test_what_was_told_can_be_undone(kind: str, before: dict[str, object]) -> None:
    assert explain_irreversible(kind, before) == ""


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        ("BlockSignIn", {"accountEnabled": None}),
        ("EnableMailboxAudit", {"AuditEnabled": None}),
        ("EnableMailboxAudit", {"AuditEnabled": "False"}),
        ("ClearMailboxForward", FORWARD),
        ("ClearMailboxForward", {**FORWARD, "ForwardingSmtpAddress": 7}),
        ("ClearMailboxForward", {"ForwardingAddress": "Ann", "ForwardingSmtpAddress": None}),
        ("SetConfiguration", {"a": True, "b": True}),
        ("SetConfiguration", {"a": {"b": True}}),
        ("SetConfiguration", {"a": [1]}),
        ("DisableMailboxProtocols", {"ImapEnabled": None}),
        ("DisableMailboxProtocols", {"SmtpClientAuthenticationDisabled": {}}),
        ("DisableMailboxProtocols", {"MAPIEnabled": True}),
        ("DisableHiddenRule", {"isEnabled": True}),
        ("DisableClientProtocols", {"OWAEnabled": "perhaps"}),
        ("DisableClientProtocols", {"OWAEnabled": True, "AuditEnabled": True}),
        ("DisableMailboxProtocols", {"ImapEnabled": True, "OWAEnabled": True}),
        ("EndSessions", {"accountEnabled": True}),
        ("RevokeSessions", {"signInSessionsValidFromDateTime": None}),
        ("RaiseAuditAge", {"AuditLogAgeLimit": " "}),
        ("RaiseAuditAge", {"AuditLogAgeLimit": None}),
        ("ResetAuditSet", {"DefaultAuditSet": ["Admin"]}),
        ("ResetAuditSet", {"DefaultAuditSet": None, "AuditOwner": ["Update"]}),
        ("ResetAuditSet", {"DefaultAuditSet": [], "AuditOwner": [1]}),
    ],
    ids=str,
)
def test_what_was_not_told_cannot(kind: str, before: dict[str, object]) -> None:
    assert explain_irreversible(kind, before) == PRIOR_STATE_UNKNOWN


@pytest.mark.parametrize("kind", CHANGE_TYPES)
def test_an_empty_record_tells_nothing(kind: str) -> None:
    assert explain_irreversible(kind, {}) == PRIOR_STATE_UNKNOWN


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        ("BlockSignIn", {"accountEnabled": False}),
        ("EnableUnifiedAuditLog", {"UnifiedAuditLogIngestionEnabled": True}),
        ("ClearMailboxForward", {**FORWARD, "ForwardingSmtpAddress": None}),
        (
            "DisableMailboxProtocols",
            {"ImapEnabled": False, "SmtpClientAuthenticationDisabled": None},
        ),
        ("DisableMailboxProtocols", {"PopEnabled": "False"}),
        ("DisableMailboxProtocols", {"SmtpClientAuthenticationDisabled": "True"}),
        ("DisableClientProtocols", {"OWAEnabled": "False", "MAPIEnabled": False}),
        ("BlockAccount", {"accountEnabled": False}),
        ("DisableHiddenRule", {"Enabled": False}),
    ],
    ids=str,
)
def test_a_change_that_wrote_nothing_has_nothing_to_give_back(
    kind: str, before: dict[str, object]
) -> None:
    assert explain_irreversible(kind, before) == ALREADY_SET
    assert explain_undo_unknown(kind, before) == ""


def test_records_are_not_shortened_and_microsofts_lists_not_set() -> None:
    assert (
        explain_irreversible("RaiseAuditAge", {"AuditLogAgeLimit": "90.00:00:00"})
        == AUDIT_AGE_PURGES
    )
    before = {"DefaultAuditSet": ["Admin", "Delegate", "Owner"], "AuditOwner": ["Update"]}
    assert explain_irreversible("ResetAuditSet", before) == DEFAULT_SET_ONLY


def test_sessions_that_were_ended_stay_ended() -> None:
    ended = {"signInSessionsValidFromDateTime": "2026-11-20T06:00:00Z"}
    assert explain_irreversible("RevokeSessions", ended) == SESSIONS_STAY_ENDED
    assert explain_irreversible("EndSessions", {"accountEnabled": False}) == SESSIONS_STAY_ENDED


def test_a_change_of_another_version_is_not_known() -> None:
    assert explain_irreversible("RemoveEverything", {"accountEnabled": True}) == UNKNOWN_KIND


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        *("accountEnabled", "AuditEnabled", "DefaultAuditSet", "AuditOwner", "AuditLogAgeLimit"),
        *("ForwardingAddress", "ForwardingSmtpAddress", "DeliverToMailboxAndForward"),
        *("ImapEnabled", "SmtpClientAuthenticationDisabled", "isEnabled", "other"),
    ]
)


@given(st.sampled_from(sorted(CHANGE_TYPES)), st.dictionaries(NAMES, JSON, max_size=4))
def test_no_record_breaks_the_answer(kind: str, before: dict[str, Any]) -> None:
    reason = explain_irreversible(kind, before)
    reasons = {PRIOR_STATE_UNKNOWN, ALREADY_SET, AUDIT_AGE_PURGES, DEFAULT_SET_ONLY}
    assert reason in {"", SESSIONS_STAY_ENDED, *reasons}
    assert not explain_undo_unknown(kind, before) or reason == PRIOR_STATE_UNKNOWN


def test_what_a_rule_does_is_not_its_name_nor_whether_it_is_on() -> None:
    same = replace(RULE, name="other", enabled=False, sequence=9)
    assert hash_rule_actions(same) == hash_rule_actions(RULE)
    others = (
        replace(RULE, redirect_to=("y@evil.example",)),
        replace(RULE, forward_to=("x@evil.example",), redirect_to=()),
        replace(RULE, conditions=(RuleCondition("subjectContains", ("invoice",)),)),
        replace(RULE, forward_as_attachment_to=("x@evil.example",), redirect_to=()),
        replace(RULE, exceptions=(RuleCondition("subjectContains", ("invoice",)),)),
        replace(RULE, conditions=(RuleCondition("bodyContains", ("invoice",)),)),
        replace(RULE, delete="permanent"),
        replace(RULE, move_to="archive"),
        replace(RULE, mark_as_read=True),
    )
    assert len({hash_rule_actions(one) for one in (RULE, *others)}) == len(others) + 1


def test_what_is_told_of_an_object_is_bounded_and_shows_what_it_is() -> None:
    told = describe_changed_since(
        {"ForwardingSmtpAddress": "smtp:\u202e" + "x" * 5_000, "other": None}
    )
    assert len(told) < 400
    assert "\\u202e" in told
    assert told.endswith("other is empty now")
    said = describe_changed_since({"Domains": ["a", "b"], "List": [], "State": "", "Ages": [5]})
    assert said == (
        "it was changed since: Domains is a, b, List is empty, State is empty, Ages is [5] now"
    )


def test_a_long_name_and_long_values_are_cut_each_and_say_how_long_they_are() -> None:
    said = describe_changed_since({"n" * 300: "v" * 300, "List": ["w" * 300]})
    shown = [f"{sign * VALUE_LIMIT}\u2026 (300 characters)" for sign in "nvw"]
    assert said == f"it was changed since: {shown[0]} is {shown[1]}, List is {shown[2]} now"
