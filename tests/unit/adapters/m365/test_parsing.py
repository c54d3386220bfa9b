"""Rows of the wire into nouns: what is understood, what is refused, what is never guessed."""

import contextlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.adapters.m365.accounts import parse_account
from core.adapters.m365.auditing.parse import (
    AUDIT_PROPERTIES,
    parse_audit_bypass,
    parse_mailbox_audit,
)
from core.adapters.m365.inbox_rules.parse import (
    EXCHANGE_ACTIONS,
    GRAPH_ACTIONS,
    is_harmless_rule,
    parse_exchange_rule,
    parse_graph_rule,
)
from core.adapters.m365.mail_flow.parse import (
    RECIPIENT_PROPERTIES,
    parse_accepted_domain,
    parse_displayed,
    parse_recipient,
    parse_remote_domain,
    parse_verified_domain,
)
from core.adapters.m365.mail_flow.parse_rules import (
    parse_outbound_policies,
    parse_transport_rule,
)
from core.adapters.m365.mailboxes import MAILBOX_PROPERTIES, parse_mailbox
from core.adapters.m365.shared_mailboxes import parse_shared_mailbox
from core.adapters.m365.sign_ins import parse_sign_in
from core.adapters.parsing import (
    ResponseRow,
    format_timespan,
    parse_each_row,
    parse_identifier,
    parse_json_object,
    parse_optional_bool,
    parse_recipient_kind,
    parse_recipient_text,
    parse_response_rows,
    parse_text,
    parse_timespan_days,
    parse_whole_number,
    split_recipients,
)
from core.tenant.mail_flow import (
    AcceptedDomain,
    InboxRule,
    OutboundPolicy,
    Recipient,
    RuleCondition,
    SenderScope,
)

DOMAIN = {"DomainName": "contoso.example", "id": "contoso.example"}
LEGACY = "/o=ExchangeLabs/ou=Group/cn=Recipients/cn=0001-ann"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        (True, True),
        (False, False),
        ("True", True),
        ("false", False),
        (" TRUE ", True),
        (None, None),
        ("", None),
        (1, None),
        ("yes", None),
        ([True], None),
        ({"IsPresent": True}, True),
        ({"IsPresent": False}, False),
        ({"IsPresent": 1}, None),
        ({"IsPresent": True, "more": 1}, None),
        ({"ToBool": True}, None),
    ],
)
def test_booleans_come_as_such_or_as_words(value: object, meaning: bool | None) -> None:
    assert parse_optional_bool(value) is meaning


@pytest.mark.parametrize(
    ("value", "days"),
    [
        ("90.00:00:00", 90.0),
        ("00:00:00", 0.0),
        ("12:00:00", 0.5),
        ("1.12:00:00.0000000", 1.5),
        ("-1.00:00:00", -1.0),
        ("P90D", 90.0),
        ("PT36H", 1.5),
        ({"Days": 90, "Hours": 0}, 90.0),
        ({"Days": 1, "Hours": 12}, 1.5),
        ({"Ticks": 77_760_000_000_000}, 90.0),
        ({"TotalDays": 90.5, "Days": 90}, 90.5),
        ({"Days": "90"}, 90.0),
        ({"Ticks": "77,760,000,000,000"}, 90.0),
        ({"Days": True}, None),
        ({"Days": "ninety"}, None),
        ({}, None),
        ("P", None),
        ("ninety", None),
        ("90", None),
        (90, None),
        (None, None),
        ("1" * 5000 + ".00:00:00", None),
    ],
)
def test_durations_come_in_several_forms_and_garbage_is_unknown(
    value: object, days: float | None
) -> None:
    assert parse_timespan_days(value) == days


@given(st.integers(min_value=0, max_value=24_855))
def test_a_duration_that_is_sent_is_read_as_the_same(days: int) -> None:
    assert parse_timespan_days(format_timespan(days)) == days


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("0b8c-1", "0b8c-1"),
        (17_014_118_346_046_923_173, "17014118346046923173"),
        ("AQAAAJ5d==", "AQAAAJ5d=="),
        ("", ""),
        (None, ""),
        (True, ""),
        ("a b", ""),
        ("a\x00b", ""),
        ("a\u202eb", ""),
        ("..", ""),
        ("x" * 129, ""),
        (10**30, ""),
        ("00000000-0000-0000-0000-000000000000", ""),
        ({"a": 1}, ""),
        ("7C9E6679-7425-40DE-944B-E07FC1F90AE7", "7c9e6679-7425-40de-944b-e07fc1f90ae7"),
    ],
)
def test_only_what_looks_like_an_id_is_one(value: object, meaning: str) -> None:
    assert parse_identifier(value) == meaning


def test_long_names_are_cut_and_broken_ones_can_be_written_down() -> None:
    assert len(parse_text("x" * 1_000_000)) == 2_000
    parse_text("\ud800 half a letter").encode()
    assert parse_text(7) == ""


def test_a_long_recipient_keeps_the_address_at_its_end() -> None:
    shown = parse_recipient_text(f'"{"x" * 9_000}" [SMTP:x@evil.example]')
    assert len(shown) <= 2_000
    assert shown.endswith("[SMTP:x@evil.example]")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b'{"a": NaN}',
        b'{"value": [{"isEnabled": true, "isEnabled": false}]}',
        b'{"value": [1], "\\u0076alue": []}',
        b'{"a": 1',
        b"<html></html>",
        b"\x00" * 64,
        b"\xff\xfe",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_what_is_not_a_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="the answer"):
        parse_json_object(raw)


@given(st.binary(max_size=200))
def test_no_body_breaks_the_reading_in_another_way(raw: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse_json_object(raw)


def test_rows_are_a_list_or_one_object_and_nothing_else() -> None:
    assert parse_response_rows({"value": [{"a": 1}]}) == [{"a": 1}]
    assert parse_response_rows({"value": {"a": 1}}) == [{"a": 1}]
    assert parse_response_rows({"Guid": "g"}, ("Guid",)) == [{"Guid": "g"}]
    for answer in ({}, {"value": None}, {"value": [1]}, {"value": "x"}, {"Guid": "g"}):
        with pytest.raises(ValueError, match="no list"):
            parse_response_rows(answer)


def test_expected_properties_are_known_in_any_case() -> None:
    answer = {"value": [{"guid": "g", "NAME": "n", "other": 1}]}
    expected = [{"Guid": "g", "Name": "n", "other": 1}]
    assert parse_response_rows(answer, ("Guid", "Name")) == expected
    assert parse_response_rows({"guid": "g"}, ("Guid",)) == [{"Guid": "g"}]
    both = {"value": [{"Guid": "right", "guid": "wrong"}]}
    assert parse_response_rows(both, ("Guid",))[0]["Guid"] == "right"


@pytest.mark.parametrize(
    ("printed", "number"),
    [
        (12_345, 12_345),
        ("12345", 12_345),
        (" 12,345 ", 12_345),
        ("-1,234,567", -1_234_567),
        ("12,34", None),
        ("1.5", None),
        ("", None),
        (True, None),
        ("1" * 50, None),
        ([1], None),
    ],
)
def test_a_whole_number_may_be_text_and_grouped(printed: object, number: int | None) -> None:
    assert parse_whole_number(printed) == number


@pytest.mark.parametrize(
    ("printed", "kind"),
    [
        ("SHAREDMAILBOX", "SharedMailbox"),
        ("guestmailuser", "GuestMailUser"),
        ("FutureMailbox", "FutureMailbox"),
        (None, ""),
    ],
)
def test_a_kind_is_the_same_in_any_case(printed: object, kind: str) -> None:
    assert parse_recipient_kind(printed) == kind


# Mailboxes and accounts -------------------------------------------------------------------------


def test_a_mailbox_is_known_by_its_account() -> None:
    found = parse_mailbox(
        {
            "ExternalDirectoryObjectId": "account-1",
            "Guid": "guid-1",
            "PrimarySmtpAddress": "ann@contoso.example",
            "DisplayName": "Ann",
            "RecipientTypeDetails": "SharedMailbox",
            "IsDirSynced": "True",
            "ForwardingSmtpAddress": "smtp:x@evil.example",
            "DeliverToMailboxAndForward": True,
        }
    )
    assert (found.id, found.guid, found.has_account) == ("account-1", "guid-1", True)
    assert (found.kind, found.synced, found.keeps_copy) == ("SharedMailbox", True, True)
    assert found.forwarding_smtp_address == "smtp:x@evil.example"


@pytest.mark.parametrize("account", ["", None, "00000000-0000-0000-0000-000000000000"], ids=repr)
def test_a_mailbox_without_an_account_is_known_by_its_guid(account: object) -> None:
    found = parse_mailbox({"ExternalDirectoryObjectId": account, "Guid": "guid-1"})
    assert (found.id, found.has_account) == ("guid-1", False)


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"Guid": "a b"},
        {"Guid": "g", "ForwardingAddress": {"Name": "x"}},
        {"Guid": "g", "ForwardingSmtpAddress": ["smtp:x@evil.example"]},
        {"Guid": "g", "ExternalDirectoryObjectId": "a b"},
        {"Guid": "g", "ExternalDirectoryObjectId": 7},
        {"Guid": "g", "ExternalDirectoryObjectId": ["account-1"]},
        {"Guid": "g", "RecipientTypeDetails": ["SharedMailbox"]},
        {"Guid": "g", "RecipientTypeDetails": 7},
    ],
    ids=json.dumps,
)
def test_a_mailbox_that_cannot_be_read_is_not_a_clean_one(row: dict[str, object]) -> None:
    reasons = r"without a usable id|is not a string|cannot be one|kind cannot be read"
    with pytest.raises(ValueError, match=reasons):
        parse_mailbox(row)


PLAN = {"servicePlanId": "EFB87545-963C", "capabilityStatus": "Enabled"}
DEAD = {"servicePlanId": "dead", "capabilityStatus": "Deleted"}


@pytest.mark.parametrize(
    ("more", "plans", "licensed"),
    [
        ({"assignedPlans": [PLAN, DEAD], "assignedLicenses": [{}]}, {"efb87545-963c"}, True),
        ({"assignedPlans": [DEAD], "assignedLicenses": []}, set(), False),
        ({"assignedPlans": [], "assignedLicenses": [{"skuId": "x"}]}, None, True),
        ({"assignedPlans": [DEAD], "assignedLicenses": [{"skuId": "x"}]}, set(), True),
        ({"assignedLicenses": [{"skuId": "x"}]}, None, True),
        ({"assignedPlans": None, "assignedLicenses": [{"skuId": "x"}]}, None, True),
        ({"assignedPlans": "broken", "assignedLicenses": [{"skuId": "x"}]}, None, True),
        ({}, None, False),
        ({"assignedPlans": None, "assignedLicenses": None}, None, False),
        ({"assignedLicenses": []}, set(), False),
        ({"assignedPlans": [{}, PLAN]}, None, True),
        ({"assignedPlans": ["EFB87545-963C"], "assignedLicenses": [{"skuId": "x"}]}, None, True),
    ],
    ids=repr,
)
def test_plans_are_known_or_said_to_be_unknown(
    more: dict[str, object], plans: set[str] | None, licensed: bool
) -> None:
    found = parse_account({"id": "a", **more})
    assert (found.plans, found.licensed) == (plans, licensed)


@pytest.mark.parametrize(
    ("states", "plans", "idle"),
    [
        (["Enabled"], {"p"}, set()),
        (["Warning"], {"p"}, set()),
        (["warning "], {"p"}, set()),
        ([None], {"p"}, set()),
        (["Suspended"], {"p"}, {"p"}),
        (["LockedOut"], {"p"}, {"p"}),
        (["SomethingNew"], {"p"}, {"p"}),
        (["Deleted"], set(), set()),
        (["Deleted", "Suspended"], {"p"}, {"p"}),
        (["Suspended", "Enabled"], {"p"}, set()),
    ],
)
def test_a_plan_serves_in_two_of_its_states_only(
    states: list[str | None], plans: set[str], idle: set[str]
) -> None:
    rows = [{"servicePlanId": "P", "capabilityStatus": state} for state in states]
    found = parse_account({"id": "a", "assignedPlans": rows})
    assert (set(found.plans or ()), set(found.idle_plans)) == (plans, idle)
    assert set(found.serving_plans or ()) == plans - idle


@pytest.mark.parametrize(
    ("printed", "size"),
    [
        ("100 GB (107,374,182,400 bytes)", 107_374_182_400),
        ("Unlimited", 2**60),
        ({"IsUnlimited": False, "Value": "2 GB (2,147,483,648 bytes)"}, 2_147_483_648),
        (53_687_091_200, 53_687_091_200),
        ("49.5 GB", None),
        (None, None),
        (True, None),
        (-1, None),
        ("", None),
    ],
)
def test_a_quota_is_read_to_the_byte_or_is_not_known(printed: object, size: int | None) -> None:
    row = {"Guid": "g1", "ProhibitSendReceiveQuota": printed}
    assert parse_shared_mailbox(row).mailbox.quota_bytes == size


@pytest.mark.parametrize(
    ("value", "enabled"), [(True, True), ("False", False), (None, None), ("", None)]
)
def test_an_account_that_does_not_say_is_neither_enabled_nor_disabled(
    value: object, enabled: bool | None
) -> None:
    assert parse_account({"id": "a", "accountEnabled": value}).enabled is enabled
    assert parse_account({"id": "a"}).enabled is None


def test_only_an_account_that_is_synced_now_is_synced() -> None:
    for value, synced in ((True, True), (False, False), (None, False)):
        assert parse_account({"id": "a", "onPremisesSyncEnabled": value}).synced is synced


def test_a_guid_joins_in_either_case_and_any_other_id_stays_as_it_is() -> None:
    upper = "7C9E6679-7425-40DE-944B-E07FC1F90AE7"
    assert parse_mailbox({"ExternalDirectoryObjectId": upper}).id == upper.lower()
    assert parse_account({"id": upper}).id == parse_sign_in({"id": upper}).id == upper.lower()
    assert parse_account({"id": "User-1"}).id == "User-1"


def test_failed_sign_ins_do_not_count() -> None:
    activity = {"lastSignInDateTime": "2026-11-20T00:00:00Z"}
    assert parse_sign_in({"id": "a", "signInActivity": activity}).last_success is None
    activity["lastSuccessfulSignInDateTime"] = "2026-11-01T08:00:00.1234567Z"
    at = datetime(2026, 11, 1, 8, 0, 0, 123_456, tzinfo=UTC)
    assert parse_sign_in({"id": "a", "signInActivity": activity}).last_success == at


@pytest.mark.parametrize("odd", [{}, {"x": {"lastSignInDateTime": None}}, [], "never", 7], ids=repr)
def test_activity_without_any_of_its_dates_does_not_say_that_nobody_signed_in(odd: object) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        parse_sign_in({"id": "a", "signInActivity": odd})
    assert parse_sign_in({"id": "a", "signInActivity": None}).last_success is None


def test_an_attempt_is_the_later_of_both_kinds_of_sign_in() -> None:
    activity = {"lastSignInDateTime": "2026-11-20T00:00:00Z"}
    later = {**activity, "lastNonInteractiveSignInDateTime": "2026-11-21T00:00:00Z"}
    for reported, day in ((activity, 20), (later, 21)):
        found = parse_sign_in({"id": "a", "signInActivity": reported})
        assert found.last_attempt == datetime(2026, 11, day, tzinfo=UTC)
    assert parse_sign_in({"id": "a"}).last_attempt is None


@pytest.mark.parametrize(
    ("licences", "ids"),
    [
        (None, None),
        ("broken", None),
        ([], set()),
        (
            [{"skuId": "7C9E6679-7425-40DE-944B-E07FC1F90AE7"}],
            {"7c9e6679-7425-40de-944b-e07fc1f90ae7"},
        ),
        ([{"skuId": "a"}, {}], None),
        ([3], None),
    ],
    ids=repr,
)
def test_the_licences_of_an_account_are_all_listed_or_not_known(
    licences: object, ids: set[str] | None
) -> None:
    assert parse_account({"id": "a", "assignedLicenses": licences}).licence_ids == ids


def test_an_account_tells_since_when_its_password_stands() -> None:
    row = {
        "id": "a",
        "createdDateTime": "2026-11-01T08:00:00Z",
        "lastPasswordChangeDateTime": "2026-11-01T08:00:01Z",
        "isManagementRestricted": True,
    }
    found = parse_account(row)
    assert found.created_at == datetime(2026, 11, 1, 8, tzinfo=UTC)
    assert found.password_changed_at == datetime(2026, 11, 1, 8, 0, 1, tzinfo=UTC)
    assert found.is_management_restricted
    unknown = parse_account({"id": "a", "lastPasswordChangeDateTime": "soon"})
    assert (unknown.created_at, unknown.password_changed_at) == (None, None)
    assert not unknown.is_management_restricted
    with pytest.raises(ValueError, match="makes no sense"):
        parse_sign_in({"id": "a", "signInActivity": {"lastSuccessfulSignInDateTime": "soon"}})


def test_audit_settings_are_read_in_every_form() -> None:
    found = parse_mailbox_audit(
        {
            "Guid": "g",
            "AuditEnabled": "True",
            "DefaultAuditSet": "Admin, Delegate",
            "AuditOwner": ["Update", "Send"],
            "AuditAdmin": "Update",
            "AuditDelegate": None,
            "AuditLogAgeLimit": {"Days": 90},
            "PersistedCapabilities": ["M365Auditing"],
        }
    )
    assert found.enabled is True
    assert found.default_set == {"Admin", "Delegate"}
    assert found.actions == {
        "Owner": {"Update", "Send"},
        "Admin": {"Update"},
        "Delegate": frozenset(),
    }
    assert found.age_days == 90.0
    assert found.capabilities == frozenset({"M365Auditing"})


# Inbox rules ------------------------------------------------------------------------------------


def graph_rule(**more: object) -> InboxRule:
    return parse_graph_rule("m", {"id": "R", "displayName": ".", **more})


def to(*addresses: str) -> list[dict[str, object]]:
    return [{"emailAddress": {"name": "n", "address": address}} for address in addresses]


def test_a_rule_of_graph_is_read_whole() -> None:
    found = graph_rule(
        sequence=3,
        isEnabled=False,
        isReadOnly=True,
        hasError=True,
        conditions={"subjectContains": ["invoice"], "bodyContains": ["pay"]},
        exceptions={"fromAddresses": to("boss@contoso.com"), "hasAttachments": False},
        actions={
            "forwardTo": to("a@x.example"),
            "redirectTo": to(LEGACY),
            "forwardAsAttachmentTo": to("b@x.example", "c@x.example"),
            "permanentDelete": True,
            "moveToFolder": "AAMk=",
            "markAsRead": True,
        },
    )
    assert found.forward_to == ("a@x.example",)
    assert found.redirect_to == (LEGACY,)
    assert found.forward_as_attachment_to == ("b@x.example", "c@x.example")
    assert (found.delete, found.move_to, found.mark_as_read) == ("permanent", "AAMk=", True)
    assert (found.enabled, found.read_only, found.in_error) == (False, True, True)
    assert (found.sequence, found.readable) == (3, True)
    assert found.conditions == (
        RuleCondition("bodyContains", ("pay",)),
        RuleCondition("subjectContains", ("invoice",)),
    )
    assert found.exceptions == (RuleCondition("fromAddresses", ("boss@contoso.com",)),)


@pytest.mark.parametrize("actions", [None, {}, {"newAction": True}, {"delete": False}], ids=repr)
def test_a_rule_without_known_actions_is_unreadable_and_not_harmless(actions: object) -> None:
    assert graph_rule(actions=actions).readable is False


def test_an_unknown_action_beside_harmless_ones_leaves_a_rule_unreadable() -> None:
    assert graph_rule(actions={"markAsRead": True, "newAction": {"to": "x"}}).readable is False
    assert graph_rule(actions={"markAsRead": True, "newAction": None}).readable
    sends = graph_rule(actions={"redirectTo": to("x@evil.example"), "newAction": True})
    assert (sends.readable, sends.redirect_to) == (True, ("x@evil.example",))
    assert graph_rule(actions={"delete": True, "newAction": True}).readable
    assert graph_rule(actions={"delete": True, "newAction": True}).has_unknown_action
    assert not graph_rule(actions={"delete": True, "newAction": None}).has_unknown_action


def test_a_recipient_without_an_address_goes_by_its_name() -> None:
    holder = {"emailAddress": {"name": "Some Person", "address": ""}}
    assert graph_rule(actions={"forwardTo": [holder]}).forward_to == ("Some Person",)


@pytest.mark.parametrize(
    "actions",
    [
        {"forwardTo": [{"emailAddress": {}}]},
        {"redirectTo": ["x@evil.example"]},
        {"redirectTo": [None]},
        {"moveToFolder": {"id": 1}},
        {"moveToFolder": "x" * 600},
        "forward",
    ],
    ids=repr,
)
def test_an_action_that_cannot_be_read_is_not_left_out(actions: Any) -> None:
    with pytest.raises(ValueError, match="inbox rule"):
        graph_rule(actions=actions)


def test_the_same_conditions_read_the_same_however_they_are_ordered() -> None:
    one = graph_rule(conditions={"a": 1, "b": [2]})
    assert one.conditions == graph_rule(conditions={"b": [2], "a": 1}).conditions
    long = graph_rule(conditions={"bodyContains": ["x" * 50_000]})
    assert len(long.conditions[0].values[0]) < 256
    other = graph_rule(conditions={"bodyContains": ["x" * 49_999 + "y"]})
    assert long.conditions != other.conditions


def test_a_rule_of_exchange_is_read_whole() -> None:
    number = 1_675_000_000_000_000_001
    found = parse_exchange_rule(
        "m",
        {
            "RuleIdentity": number,
            "Identity": f"ann\\{number}",
            "Name": ".",
            "Enabled": "False",
            "InError": False,
            "Priority": 2,
            "ForwardTo": ['"me@contoso.example" [SMTP:x@evil.example]'],
            "RedirectTo": f'"Ann" [EX:{LEGACY}]',
            "ForwardAsAttachmentTo": None,
            "SoftDeleteMessage": "True",
            "MoveToFolder": "RSS Feeds",
            "SubjectOrBodyContainsWords": ["invoice"],
            "ExceptIfFrom": ["boss"],
        },
    )
    assert found.id == str(number)
    assert found.forward_to == ('"me@contoso.example" [SMTP:x@evil.example]',)
    assert found.redirect_to == (f'"Ann" [EX:{LEGACY}]',)
    assert (found.enabled, found.sequence, found.delete) == (False, 2, "permanent")
    assert (found.move_to, found.readable) == ("RSS Feeds", True)
    assert found.conditions == (RuleCondition("bodyOrSubjectContains", ("invoice",)),)
    assert found.exceptions == (RuleCondition("fromAddresses", ("boss",)),)


@pytest.mark.parametrize(
    ("graph", "exchange"),
    [
        ({"senderContains": ["news@"]}, {"FromAddressContainsWords": "news@"}),
        (
            {"fromAddresses": [{"emailAddress": {"name": "A", "address": "a@x.example"}}]},
            {"From": ["a@x.example"]},
        ),
        ({"sentToMe": True, "sentCcMe": False}, {"MyNameInToBox": "True", "MyNameInCcBox": False}),
        ({"sentOnlyToMe": True}, {"SentOnlyToMe": True}),
        ({"sentToOrCcMe": True}, {"MyNameInToOrCcBox": True}),
        ({"recipientContains": ["@x"]}, {"RecipientAddressContainsWords": ["@x"]}),
        ({"headerContains": ["X-Spam"]}, {"HeaderContainsWords": ["X-Spam"]}),
        ({"importance": "high"}, {"WithImportance": "high"}),
        (
            {"withinSizeRange": {"minimumSize": 1, "maximumSize": 2048}},
            {
                "WithinSizeRangeMinimum": "1 KB (1,024 bytes)",
                "WithinSizeRangeMaximum": "2 MB (2,097,152 bytes)",
            },
        ),
        ({"withinSizeRange": {"minimumSize": 0}}, {"WithinSizeRangeMinimum": 0}),
        (
            {"withinSizeRange": {"minimumSize": 10**400 // 1024}},
            {"WithinSizeRangeMinimum": 10**400},
        ),
        ({"isNonDeliveryReport": True}, {"MessageTypeMatches": "NonDeliveryReport"}),
        ({"isMeetingRequest": True}, {"MeetingMessage": True}),
        ({"isAutomaticReply": True}, {"MessageTypeMatches": ["AutomaticReply"]}),
        ({}, {"MyNameInToBox": False, "From": None, "SubjectContainsWords": []}),
    ],
    ids=lambda part: next(iter(part), "none"),
)
def test_graph_and_exchange_print_the_same_condition(
    graph: dict[str, Any], exchange: dict[str, Any]
) -> None:
    seen = graph_rule(conditions=graph)
    assert seen.conditions == parse_exchange_rule("m", {"RuleIdentity": 7} | exchange).conditions
    excepted = {f"ExceptIf{name}": value for name, value in exchange.items()}
    hidden = parse_exchange_rule("m", {"RuleIdentity": 7} | excepted)
    assert (hidden.conditions, hidden.exceptions) == ((), seen.conditions)
    assert graph_rule(exceptions=graph).exceptions == seen.conditions


def test_a_condition_nobody_knows_stays_a_condition() -> None:
    assert graph_rule(conditions={"newOne": {"a": 1}}).conditions == (
        RuleCondition("newOne", ('{"a":1}',)),
    )
    odd = parse_exchange_rule("m", {"RuleIdentity": 7, "MessageTypeMatches": "Novel"})
    assert odd.conditions == (RuleCondition("messageType", ("Novel",)),)


@pytest.mark.parametrize("conditions", ["all", [], 7])
def test_conditions_that_are_no_object_leave_the_rule_unread(conditions: Any) -> None:
    with pytest.raises(ValueError, match="inbox rule"):
        graph_rule(conditions=conditions)


def test_a_rule_of_exchange_without_number_goes_by_its_identity() -> None:
    assert parse_exchange_rule("m", {"Identity": "ann\\77"}).id == "77"
    assert parse_exchange_rule("m", {"Identity": "ann\\77"}).readable is False
    with pytest.raises(ValueError, match="usable id"):
        parse_exchange_rule("m", {"Name": "x"})
    with pytest.raises(ValueError, match="recipient"):
        parse_exchange_rule("m", {"RuleIdentity": 1, "ForwardTo": [{"Address": "x"}]})


# Recipients, domains, mail flow -----------------------------------------------------------------

CONTACT = {
    "Name": "Partner",
    "RecipientTypeDetails": "MailContact",
    "ExternalEmailAddress": "SMTP:p@partner.example",
    "PrimarySmtpAddress": "p@partner.example",
    "EmailAddresses": ["SMTP:p@partner.example", "x500:/o=Old/cn=p"],
}


@pytest.mark.parametrize(
    "name",
    [
        *("Partner", "partner", "p@partner.example", "smtp:P@Partner.Example"),
        *("x500:/o=Old/cn=p", "/o=old/cn=P"),
        "EURPR01A001.PROD.OUTLOOK.COM/Hosted Organizations/contoso.example/Partner",
        "CN=Partner,OU=contoso.example,DC=EURPR01A001",
    ],
)
def test_a_recipient_is_found_by_any_of_its_names(name: str) -> None:
    found = parse_recipient(name, [CONTACT])
    assert (found.found, found.external_address) == (True, "SMTP:p@partner.example")


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("Partner", []),
        ("Somebody", [CONTACT, CONTACT]),
        (LEGACY, [CONTACT]),
        ("Somebody", [CONTACT]),
        ("", [CONTACT]),
        ("smtp:", [CONTACT]),
        ("forest.example/contoso.example/Sales\\/Partner", [CONTACT]),
        ("CN=Somebody,OU=Partner", [CONTACT]),
        ("Sales/Office/Partner", [CONTACT]),
    ],
    ids=["none", "everyone", "legacy", "another", "empty", "prefix", "slash", "unit", "no forest"],
)
def test_an_answer_that_is_not_about_the_name_finds_nobody(name: str, rows: list[Any]) -> None:
    assert parse_recipient(name, rows) == Recipient(name, found=False)


def test_a_name_of_several_recipients_finds_none_of_them() -> None:
    found = parse_recipient("Partner", [CONTACT, CONTACT])
    assert (found.found, found.several) == (False, True)


def test_a_recipient_that_is_shown_twice_is_one() -> None:
    guid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    row = {**CONTACT, "Guid": guid}
    found = parse_recipient("Partner", [row, {**row, "Guid": guid.upper()}])
    assert (found.found, found.id) == (True, guid)
    other = {**row, "Guid": "3f2504e0-4f89-41d3-9a0c-0305e82c3302"}
    assert parse_recipient("Partner", [row, other]).several


def test_a_recipient_is_found_by_any_of_very_many_addresses() -> None:
    many = [f"smtp:p{number}@partner.example" for number in range(1_500)]
    found = parse_recipient("p1499@partner.example", [{**CONTACT, "EmailAddresses": many}])
    assert found.found


@pytest.mark.parametrize("odd", [7, ["a"], {"a": "b"}, "a b"], ids=repr)
def test_a_recipient_whose_id_is_none_is_unread(odd: object) -> None:
    with pytest.raises(ValueError, match="an id that cannot be one"):
        parse_recipient("Partner", [{**CONTACT, "ExternalDirectoryObjectId": odd}])


@pytest.mark.parametrize("odd", [None, "", [None], {}])
def test_a_recipient_whose_kind_is_not_shown_is_not_understood(odd: object) -> None:
    row = {**CONTACT, "DisplayName": "Partner", "RecipientTypeDetails": odd}
    with pytest.raises(ValueError, match="the kind of a recipient is not shown"):
        parse_recipient("Partner", [row])
    with pytest.raises(ValueError, match="the kind of a recipient is not shown"):
        parse_displayed("Partner", [row])


def test_a_mailbox_has_no_address_outside() -> None:
    row = {**CONTACT, "RecipientTypeDetails": "UserMailbox"}
    assert parse_recipient("Partner", [row]).external_address == ""


@pytest.mark.parametrize("kind", ["InternalRelay", "ExternalRelay", "SomethingNew", "", None, 1])
def test_only_an_authoritative_domain_knows_all_its_addresses(kind: object) -> None:
    row = {"DomainName": "contoso.example", "DomainType": kind}
    assert not parse_accepted_domain(row).authoritative
    verified = parse_verified_domain({"id": "contoso.example", "isVerified": True})
    assert verified is not None
    assert not verified.authoritative


def test_domains_are_read_in_lower_case() -> None:
    row = {
        "DomainName": "Contoso.Example.",
        "DomainType": "Authoritative",
        "MatchSubDomains": "True",
    }
    assert parse_accepted_domain(row) == AcceptedDomain("contoso.example", True)
    for silent in ({}, {"MatchSubDomains": None}, {"MatchSubDomains": ""}):
        named = {"DomainName": "contoso.example", **silent}
        assert not parse_accepted_domain(named).are_subdomains_told
        assert not parse_accepted_domain(named).includes_subdomains
    assert parse_accepted_domain({**row, "MatchSubDomains": False}).are_subdomains_told
    assert parse_accepted_domain(row).is_type_told
    assert not parse_accepted_domain({"DomainName": "contoso.example"}).is_type_told
    assert parse_verified_domain({"id": "x.example", "isVerified": False}) is None
    for bad in ("", None, "a b", "x@y", "x" * 254):
        with pytest.raises(ValueError, match="domain"):
            parse_accepted_domain({"DomainName": bad})
    with pytest.raises(ValueError, match="remote domain"):
        parse_remote_domain({"DomainName": "*"})


@pytest.mark.parametrize(
    ("name", "parser"),
    [
        ("MatchSubDomains", lambda odd: parse_accepted_domain(DOMAIN | odd)),
        (
            "delete",
            lambda odd: parse_graph_rule("m1", {"id": "r1", "actions": odd}),
        ),
        (
            "permanentDelete",
            lambda odd: parse_graph_rule("m1", {"id": "r1", "actions": odd}),
        ),
        ("isEnabled", lambda odd: parse_graph_rule("m1", {"id": "r1"} | odd)),
        (
            "SoftDeleteMessage",
            lambda odd: parse_exchange_rule("m1", {"RuleIdentity": 1} | odd),
        ),
        ("IsDirSynced", lambda odd: parse_mailbox({"Guid": "g1"} | odd)),
        ("onPremisesSyncEnabled", lambda odd: parse_account({"id": "u1"} | odd)),
    ],
)
def test_what_should_be_true_or_false_and_is_neither_is_not_taken_for_false(
    name: str, parser: Callable[[dict[str, object]], object]
) -> None:
    values: list[object] = [-1, 0, 1, 1e308, "perhaps", [], {}]
    for value in values:
        with pytest.raises(ValueError, match=f"{name} is neither true nor false"):
            parser({name: value})
    parser({})
    for absent in (None, ""):
        parser({name: absent})


def test_a_policy_applies_to_whom_its_rule_says() -> None:
    policies: list[dict[str, object]] = [
        {"Name": "Default", "IsDefault": True, "AutoForwardingMode": "Automatic"},
        {"Name": "Loose", "IsDefault": False, "AutoForwardingMode": "On"},
        {"Name": "Orphan", "AutoForwardingMode": "On"},
    ]
    rules: list[dict[str, object]] = [
        {
            "HostedOutboundSpamFilterPolicy": "Loose",
            "State": "Enabled",
            "Priority": 1,
            "From": "Ann@Contoso.Example",
            "SenderDomainIs": ["Contoso.Example"],
            "ExceptIfFromMemberOf": ["staff"],
        }
    ]
    assert parse_outbound_policies(policies, rules) == [
        OutboundPolicy("Default", "Automatic", is_default=True),
        OutboundPolicy(
            "Loose",
            "On",
            priority=1,
            scope=SenderScope(
                frozenset({"ann@contoso.example"}), domains=frozenset({"contoso.example"})
            ),
            exceptions=SenderScope(groups=("staff",)),
        ),
        OutboundPolicy("Orphan", "On", enabled=False),
    ]


def test_a_mail_flow_rule_names_everyone_it_sends_to() -> None:
    found = parse_transport_rule(
        {
            "Guid": "g",
            "Name": "n",
            "State": "Enabled",
            "Mode": "AuditAndNotify",
            "BlindCopyTo": "a@evil.example, b@evil.example",
            "RedirectMessageTo": ["c@evil.example"],
            "CopyTo": [{"Address": "d@evil.example"}],
            "AddToRecipients": None,
        }
    )
    assert found.blind_copy_to == ("a@evil.example", "b@evil.example")
    assert (found.redirect_to, found.copy_to) == (("c@evil.example",), ("d@evil.example",))
    assert (found.enabled, found.enforced, found.add_to) == (True, False, ())


BOB, EVE = '"Bob" [SMTP:bob@contoso.com]', '"Eve, R." [SMTP:eve@evil.example]'


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([None, EVE, ""], [EVE]),
        (f"{EVE}; {BOB}", [EVE, BOB]),
        (f"{EVE},{BOB}", [EVE, BOB]),
        ("eve@evil.example;bob@contoso.com", ["eve@evil.example", "bob@contoso.com"]),
        ([f"{EVE},{BOB}"], [f"{EVE},{BOB}"]),
        (EVE, [EVE]),
        ("Bob, from home", ["Bob, from home"]),
        (["", None], ["", None]),
        (None, []),
        ("", []),
    ],
    ids=repr,
)
def test_a_list_holds_nulls_and_a_string_may_hold_a_list(value: Any, found: list[Any]) -> None:
    assert list(split_recipients(value)) == found


def test_a_mail_flow_rule_that_cannot_be_read_is_refused() -> None:
    for row in ({"Name": ""}, {"Guid": "g", "BlindCopyTo": [{"x": 1}]}, {"Guid": "g", "CopyTo": 7}):
        with pytest.raises(ValueError, match="mail-flow rule"):
            parse_transport_rule(row)


def test_an_account_must_say_whether_it_is_bypassed() -> None:
    assert parse_audit_bypass({"Guid": "g", "AuditBypassEnabled": "True"}).bypassed
    for row in ({"Guid": "g"}, {"AuditBypassEnabled": True}):
        with pytest.raises(ValueError, match="account"):
            parse_audit_bypass(row)


PARSERS: list[Callable[[dict[str, Any]], object]] = [
    parse_mailbox,
    parse_mailbox_audit,
    parse_account,
    parse_sign_in,
    parse_accepted_domain,
    parse_verified_domain,
    parse_remote_domain,
    parse_transport_rule,
    parse_audit_bypass,
    lambda row: parse_graph_rule("m", row),
    lambda row: parse_exchange_rule("m", row),
    lambda row: parse_recipient("x", [row]),
    lambda row: parse_outbound_policies([row], [row]),
]
FIELDS = sorted(
    {
        *MAILBOX_PROPERTIES,
        *AUDIT_PROPERTIES,
        *EXCHANGE_ACTIONS,
        *RECIPIENT_PROPERTIES,
        *("id", "actions", "conditions", "assignedPlans", "assignedLicenses", "signInActivity"),
        *("isVerified", "DomainName", "BlindCopyTo", "CopyTo", "State", "Mode", "From"),
    }
)


@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=12))
def test_no_row_breaks_a_parser_in_another_way_than_by_being_unread(row: dict[str, Any]) -> None:
    for parse in PARSERS:
        try:
            parse(row)
        except ValueError:
            continue


# Rules that need no closer look ------------------------------------------------------------------

ODD = st.sampled_from([None, False, True, "", "x", "False", 0, 1, [], ["x"], {}, {"a": 1}, [None]])
PLAIN = st.fixed_dictionaries(
    {},
    optional={
        "assignCategories": st.just(["Red"]),
        "copyToFolder": st.just("F1"),
        "markAsRead": st.booleans(),
        "markImportance": st.just("low"),
        "stopProcessingRules": st.booleans(),
        "delete": st.sampled_from([None, False]),
        "forwardTo": st.sampled_from([None, []]),
        "moveToFolder": st.none(),
    },
)
ACTIONS = st.one_of(
    PLAIN,
    st.builds(
        lambda plain, odd: plain | odd,
        PLAIN,
        st.dictionaries(st.sampled_from([*GRAPH_ACTIONS, "somethingNew"]), ODD, min_size=1),
    ),
    ODD,
)
DEEP: Any = ["x"]
for _ in range(100_000):
    DEEP = [DEEP]
CONDITIONS = st.one_of(
    st.none(),
    st.just({"subjectContains": ["invoice"], "sentToMe": True}),
    st.just({"fromAddresses": [{"emailAddress": {"name": "x", "address": "x@evil.example"}}]}),
    st.just({"bodyContains": ["x"] * 1_001}),
    st.just({"bodyContains": DEEP}),
    st.dictionaries(st.sampled_from(("bodyContains", "headerContains", "fromAddresses")), ODD),
    ODD,
)


ROWS = st.fixed_dictionaries(
    {"id": st.sampled_from(["R1", "R1", "R1", "", " ", None, 7, "x" * 500])},
    optional={
        "actions": ACTIONS,
        "conditions": CONDITIONS,
        "exceptions": st.none() | CONDITIONS,
        "isEnabled": st.booleans() | ODD,
        "isReadOnly": st.booleans() | ODD,
        "hasError": st.booleans() | ODD,
        "displayName": ODD,
    },
)


@given(row=ROWS)
@settings(max_examples=1_000)
def test_a_rule_is_only_called_harmless_when_a_closer_look_says_the_same(
    row: dict[str, Any],
) -> None:
    if not is_harmless_rule(row):
        return
    seen = parse_graph_rule("m1", row)
    assert seen.readable
    assert not seen.read_only
    assert not seen.in_error
    assert not seen.forward_to
    assert not seen.redirect_to
    assert not seen.forward_as_attachment_to
    assert not seen.delete
    assert not seen.move_to
    assert not seen.mark_as_read


@given(row=ROWS)
@settings(max_examples=1_000)
def test_a_rule_that_is_left_out_for_its_words_only_marks_mail_as_read(row: dict[str, Any]) -> None:
    asked: list[tuple[str, Sequence[RuleCondition]]] = []

    def is_plain(name: str, conditions: Sequence[RuleCondition]) -> bool:
        asked.append((name, conditions))
        return True

    if not is_harmless_rule(row, is_plain) or not asked:
        return
    seen = parse_graph_rule("m1", row)
    assert seen == InboxRule(
        id=seen.id,
        mailbox_id="m1",
        name=seen.name,
        api="graph",
        enabled=seen.enabled,
        sequence=seen.sequence,
        mark_as_read=True,
        conditions=seen.conditions,
    )
    assert asked == [(seen.name, seen.conditions)]


def test_what_most_rules_do_is_harmless_and_what_graph_might_add_is_not() -> None:
    def does(**actions: object) -> bool:
        row = {"id": "R1", "isEnabled": True, "actions": actions, "conditions": {}}
        return is_harmless_rule(row)

    assert does(markImportance="low", markAsRead=False)
    assert not does(markAsRead=True)
    assert does(assignCategories=["Red"], stopProcessingRules=True, forwardTo=[], delete=False)
    assert not does(markAsRead=False)
    assert not does(assignCategories=["Red"], moveToFolder="F1")
    assert not does(assignCategories=["Red"], sendToPhone=["1"])
    assert not does(assignCategories=["Red"], forwardTo=False)
    assert not does(assignCategories=["Red"], markAsRead="False")


def test_a_rule_that_only_marks_as_read_is_left_out_where_its_words_are_plain() -> None:
    asked: list[tuple[str, tuple[RuleCondition, ...]]] = []

    def is_plain(name: str, conditions: Sequence[RuleCondition]) -> bool:
        asked.append((name, tuple(conditions)))
        return name == "News"

    row: dict[str, Any] = {
        "id": "R1",
        "displayName": "News",
        "isEnabled": True,
        "conditions": {"senderContains": ["news@shop.example"]},
        "actions": {"markAsRead": True, "stopProcessingRules": True},
    }
    assert is_harmless_rule(row, is_plain)
    assert asked == [("News", (RuleCondition("senderContains", ("news@shop.example",)),))]
    assert not is_harmless_rule(row)
    assert not is_harmless_rule(row | {"displayName": "Invoices"}, is_plain)
    asked.clear()
    for odd in (
        {"actions": {"markAsRead": True, "moveToFolder": "F1"}},
        {"actions": {"markAsRead": True, "forwardTo": [{}]}},
        {"actions": {"markAsRead": True, "delete": True}},
        {"actions": {"markAsRead": True, "new": 1}},
        {"actions": {"markAsRead": "True"}},
        {"exceptions": {"sentToMe": True}},
        {"conditions": {"bodyContains": DEEP}},
        {"isReadOnly": True},
        {"id": ""},
    ):
        assert not is_harmless_rule(row | odd, is_plain)
    assert asked == []


@pytest.mark.parametrize(
    "odd",
    [
        {"id": ""},
        {"isEnabled": "True"},
        {"isReadOnly": True},
        {"hasError": True},
        {"actions": None},
        {"actions": []},
        {"conditions": []},
        {"conditions": {"bodyContains": ["x"] * 1_001}},
        {"conditions": {"bodyContains": DEEP}},
    ],
    ids=lambda odd: next(iter(odd)),
)
def test_a_rule_that_is_odd_in_any_way_is_looked_at_closely(odd: dict[str, Any]) -> None:
    row = {"id": "R1", "isEnabled": True, "actions": {"copyToFolder": "F1"}}
    assert is_harmless_rule(row)
    assert not is_harmless_rule(row | odd)


def test_a_row_that_nobody_foresaw_is_unread_and_keeps_back_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def parse(row: ResponseRow) -> str:
        if row["kind"] == "odd":
            raise ValueError("a row of an odd kind")
        return str(row["name"])

    rows: list[ResponseRow] = [{"kind": "x", "name": "a"}, {"kind": "x"}, {"kind": "odd"}, {}]
    found, broken = parse_each_row(rows, parse)
    assert found == ["a"]
    assert [row for row, _ in broken] == rows[1:]
    first, second, third = (reason for _, reason in broken)
    assert first.startswith("a mistake of the app, KeyError at test_parsing.py:")
    assert (second, third[: len(first) - 2]) == ("a row of an odd kind", first[:-2])
    assert caplog.text.count("Traceback") == 2
