"""Rows of mail-flow rules in every form Exchange prints them, and the members of groups."""

from datetime import UTC, datetime

import pytest

from core.adapters.m365.mail_flow.groups import MAX_MEMBERS, fetch_group_members
from core.adapters.m365.mail_flow.parse_rules import parse_rule_date, parse_transport_rule
from core.adapters.parsing import ResponseRow
from core.errors import Forbidden, NotFound, TenantError, Unavailable
from core.tenant.mail_flow import Recipient
from tests.support.fakes.exchange import ScriptedExchange

ROW: dict[str, object] = {"Guid": "g1", "Name": "n", "State": "Enabled", "Mode": "Enforce"}
DESK = Recipient("d", True, "MailUniversalDistributionGroup", "desk@contoso.com", id="d1")
TEAM = Recipient("t", True, "GroupMailbox", "team@contoso.com", id="t1")
TASKS = "Microsoft.Exchange.MessagingPolicies.Rules.Tasks"


def test_conditions_exceptions_and_actions_are_told_apart() -> None:
    found = parse_transport_rule(
        ROW
        | {
            "FromScope": "NotInOrganization",
            "SubjectContainsWords": ["a", "b"],
            "ExceptIfFrom": ["x@contoso.com"],
            "DeleteMessage": "True",
            "Quarantine": False,
            "RejectMessageReasonText": None,
            "SetSCL": -1,
            "Comments": "mine",
            "Priority": 3,
            "RuleErrorAction": "Ignore",
        }
    )
    assert found.conditions == {
        "FromScope": ("NotInOrganization",),
        "SubjectContainsWords": ("a", "b"),
    }
    assert found.exceptions == {"From": ("x@contoso.com",)}
    assert found.actions == {"DeleteMessage": ("True",), "SetSCL": ("-1",)}
    assert found.unknown == ()


@pytest.mark.parametrize(
    ("row", "unknown"),
    [
        ({"TeleportMessageTo": "x"}, ("TeleportMessageTo",)),
        ({"TeleportMessageTo": None}, ()),
        ({"TeleportMessageTo": "x", "Actions": [f"{TASKS}.DeleteMessageAction"]}, ()),
        ({"Actions": [f"{TASKS}.TeleportAction"]}, ("TeleportAction",)),
        ({"TeleportMessageTo": "x", "Actions": [{"odd": 1}]}, ("TeleportMessageTo",)),
        (
            {"IsRuleConfigurationSupported": "False"},
            ("a configuration that Exchange calls unsupported",),
        ),
    ],
)
def test_what_is_not_known_is_named(row: dict[str, object], unknown: tuple[str, ...]) -> None:
    assert parse_transport_rule(ROW | row).unknown == unknown


@pytest.mark.parametrize(
    ("row", "whole"),
    [
        ({"IncidentReportContent": ["Sender", "AttachOriginalMail"]}, True),
        ({"IncidentReportContent": "Sender, AttachOriginalMail"}, True),
        ({"IncidentReportOriginalMail": "IncludeOriginalMail"}, True),
        ({"IncidentReportOriginalMail": "DoNotIncludeOriginalMail"}, False),
        ({"IncidentReportContent": ["Sender", "Subject"]}, False),
    ],
)
def test_a_report_with_the_whole_mail_is_known_as_such(row: dict[str, object], whole: bool) -> None:
    found = parse_transport_rule(ROW | {"GenerateIncidentReport": "x@evil.example"} | row)
    assert (found.report_to, found.reports_mail) == (("x@evil.example",), whole)


@pytest.mark.parametrize(
    ("printed", "at"),
    [
        ("2027-06-01T00:00:00Z", datetime(2027, 6, 1, tzinfo=UTC)),
        ("/Date(1811808000000)/", datetime(2027, 6, 1, tzinfo=UTC)),
        (None, None),
        ("", None),
        ("soon", None),
        ("/Date(999999999999999)/", None),
        (7, None),
    ],
)
def test_a_date_that_cannot_be_read_keeps_no_rule_from_acting(
    printed: object, at: datetime | None
) -> None:
    assert parse_rule_date(printed) == at
    assert parse_transport_rule(ROW | {"ActivationDate": printed}).activates_at == at


async def test_each_kind_of_group_has_its_cmdlet_and_a_failure_names_its_group() -> None:
    member: ResponseRow = {"RecipientTypeDetails": "UserMailbox", "PrimarySmtpAddress": "a@c.com"}
    answers: list[list[ResponseRow] | TenantError] = [[member], Unavailable("HTTP 503")]
    exchange = ScriptedExchange([], answers)
    found = await fetch_group_members(exchange, [DESK, TEAM])
    assert [(one.cmdlet, one.parameters["Identity"]) for one in exchange.sent] == [
        ("Get-DistributionGroupMember", "desk@contoso.com"),
        ("Get-UnifiedGroupLinks", "team@contoso.com"),
    ]
    assert [(one.group_key, len(one.members), one.complete) for one in found.items] == [
        ("d1", 1, True)
    ]
    (failure,) = found.failures
    assert (failure.object_id, failure.optional) == ("t1", True)


async def test_a_group_that_is_large_or_gone_is_not_complete_and_a_refusal_is_the_sources() -> None:
    member: ResponseRow = {"RecipientTypeDetails": "UserMailbox", "PrimarySmtpAddress": "a@c.com"}
    large = ScriptedExchange([], [[member] * (MAX_MEMBERS + 1), NotFound("gone")])
    found = await fetch_group_members(large, [DESK, TEAM])
    assert [(len(one.members), one.complete) for one in found.items] == [
        (MAX_MEMBERS, False),
        (0, False),
    ]
    refused = ScriptedExchange([], [Forbidden("no", "Get-DistributionGroupMember")])
    (failure,) = (await fetch_group_members(refused, [DESK])).failures
    assert (failure.object_id, failure.permission) == ("", "Get-DistributionGroupMember")


def test_every_value_of_a_condition_is_kept_and_too_many_make_a_rule_unread() -> None:
    words = [f"lunch{number}" for number in range(800)] + ["invoice"]
    rule = parse_transport_rule({"Guid": "r1", "SubjectContainsWords": words})
    assert rule.conditions["SubjectContainsWords"][-1] == "invoice"
    with pytest.raises(ValueError, match="elements"):
        parse_transport_rule({"Guid": "r1", "SubjectContainsWords": [*words, *words]})
