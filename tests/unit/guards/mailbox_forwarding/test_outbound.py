"""Does forwarded mail actually leave?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.guards.mailbox_forwarding.departure import (
    Departure,
    ForwardingPolicyResult,
    ForwardMethod,
    Sender,
)
from core.guards.mailbox_forwarding.outbound import OutboundSettings, evaluate_forwarding
from core.microsoft365.recipients import ForwardTarget, KnownRecipients, RecipientLocation
from core.tenant.mail_flow import (
    GroupMembers,
    OutboundPolicy,
    Recipient,
    RemoteDomain,
    SenderScope,
    TransportRule,
)

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
ANN = "Ann@contoso.com"
ON = OutboundPolicy("Default", "On", is_default=True)
OFF = OutboundPolicy("Default", "Off", is_default=True)
AUTOMATIC = OutboundPolicy("Default", "Automatic", is_default=True)
OPEN = RemoteDomain("*", auto_forward=True)
CLOSED = RemoteDomain("*", auto_forward=False)
ALLOWED, BLOCKED = ForwardingPolicyResult.ALLOWED, ForwardingPolicyResult.BLOCKED
UNKNOWN, NOT_PINNED = ForwardingPolicyResult.UNKNOWN, ForwardingPolicyResult.AUTOMATIC


def scope(
    *addresses: str,
    domains: Sequence[str] = (),
    groups: Sequence[str] = (),
    others: Sequence[str] = (),
) -> SenderScope:
    return SenderScope(frozenset(addresses), tuple(groups), frozenset(domains), tuple(others))


NOBODY = KnownRecipients()
FOR_ANN = OutboundPolicy("Ann", "Off", priority=1, scope=scope("ann@contoso.com"))


def target(address: str = "x@evil.example", via: str = "") -> ForwardTarget:
    return ForwardTarget(address, RecipientLocation.OUTSIDE, address, via)


def leaves(
    policies: Sequence[OutboundPolicy] | None,
    remotes: Sequence[RemoteDomain] | None = (OPEN,),
    rules: Sequence[TransportRule] | None = (),
    *,
    sender: str = ANN,
    method: ForwardMethod = ForwardMethod.RULE,
    targets: Sequence[ForwardTarget] = (target(),),
    known: KnownRecipients = NOBODY,
) -> Departure:
    settings = OutboundSettings(policies, remotes, rules)
    return evaluate_forwarding(Sender(sender, "id-ann", known), method, targets, settings, NOW)


@pytest.mark.parametrize(
    ("policy", "remote", "expected"),
    [
        (ON, OPEN, ALLOWED),
        (OFF, OPEN, BLOCKED),
        (AUTOMATIC, OPEN, NOT_PINNED),
        (ON, CLOSED, BLOCKED),
        (OFF, CLOSED, BLOCKED),
        (AUTOMATIC, CLOSED, BLOCKED),
        (replace(ON, mode="Sometimes"), OPEN, UNKNOWN),
        (replace(ON, mode=" on "), OPEN, ALLOWED),
    ],
)
def test_either_setting_alone_can_stop_a_forward(
    policy: OutboundPolicy, remote: RemoteDomain, expected: ForwardingPolicyResult
) -> None:
    assert leaves([policy], [remote]).result is expected


def test_each_answer_is_one_sentence_that_names_what_decides() -> None:
    assert leaves([ON]).sentence == "nothing stops this mail: it leaves the organization"
    assert leaves([OFF]).sentence == (
        "this mail is stopped before it leaves, by outbound spam policy Default"
    )
    assert leaves([ON], [CLOSED]).sentence == (
        "this mail is stopped before it leaves, by the remote domain *"
    )
    assert leaves([AUTOMATIC]).sentence == (
        "outbound spam policy Default is set to Automatic: blocked today, but not pinned"
    )
    assert leaves(None).sentence == (
        "whether this mail leaves is not known: the outbound spam policies were not read in full"
    )
    assert leaves([replace(ON, mode="x")]).reason == (
        "the mode of outbound spam policy Default is not known"
    )
    headlines = [leaves([one]).headline for one in (ON, OFF, AUTOMATIC)] + [leaves(None).headline]
    assert headlines == [
        ", and it leaves",
        ", but outbound spam policy Default stops it",
        ", and outbound spam policy Default stops it for now",
        ", and whether it leaves is not known",
    ]


def test_what_could_not_be_read_never_counts_as_letting_pass() -> None:
    assert leaves(None).result is UNKNOWN
    assert leaves([ON], None).result is UNKNOWN
    assert leaves(None, None).result is UNKNOWN
    assert leaves([]).result is UNKNOWN
    assert leaves([ON], rules=None).result is UNKNOWN
    assert leaves([OFF], None).result is BLOCKED
    assert leaves(None, [CLOSED]).result is BLOCKED
    assert leaves([OFF], rules=None).result is BLOCKED


def test_the_enabled_rule_that_comes_first_decides() -> None:
    later = OutboundPolicy("later", "On", priority=5, scope=scope(domains=["contoso.com"]))
    assert leaves([ON, later, FOR_ANN]).result is BLOCKED
    assert leaves([OFF, later], sender="bob@contoso.com").result is ALLOWED
    assert leaves([ON, replace(FOR_ANN, enabled=False)]).result is ALLOWED
    assert leaves([OFF, FOR_ANN, replace(later, priority=0)]).result is ALLOWED


@pytest.mark.parametrize(
    ("of", "applies"),
    [
        (scope("ann@contoso.com"), True),
        (scope("ANN@CONTOSO.COM", "eve@contoso.com"), True),
        (scope("eve@contoso.com"), False),
        (scope(domains=["contoso.com"]), True),
        (scope(domains=["other.example", "contoso.com"]), True),
        (scope(domains=["evilcontoso.com"]), False),
        (scope(domains=["sub.contoso.com"]), False),
        (scope("ann@contoso.com", domains=["contoso.com"]), True),
        (scope("ann@contoso.com", domains=["other.example"]), False),
        (scope("eve@contoso.com", domains=["contoso.com"]), False),
        (scope(groups=["staff"]), None),
        (scope("eve@contoso.com", groups=["staff"]), False),
        (scope("ann@contoso.com", groups=["staff"]), None),
        (scope("Ann Example"), None),
        (scope("eve@contoso.com", "Ann Example"), None),
        (scope("Ann Example", domains=["other.example"]), False),
        (scope("ann@contoso.com", others=["SomethingNew"]), None),
        (scope(), None),
    ],
)
def test_kinds_of_conditions_are_anded_and_their_values_ored(
    of: SenderScope, applies: bool | None
) -> None:
    policy = OutboundPolicy("Block", "Off", scope=of)
    expected = {True: BLOCKED, False: ALLOWED, None: UNKNOWN}[applies]
    assert leaves([ON, policy]).result is expected
    contrary = {True: ALLOWED, False: BLOCKED, None: UNKNOWN}[applies]
    assert leaves([OFF, replace(policy, mode="On")]).result is contrary


@pytest.mark.parametrize(
    ("sender", "of", "without", "applies"),
    [
        ("a@mail.contoso.com", scope(domains=["contoso.com"]), scope(), True),
        (
            "a@mail.contoso.com",
            scope(domains=["contoso.com"]),
            scope(domains=["mail.contoso.com"]),
            False,
        ),
        (
            "a@contoso.com",
            scope(domains=["contoso.com"]),
            scope(domains=["mail.contoso.com"]),
            True,
        ),
        ("a@contoso.com", scope(domains=["contoso.com"]), scope("a@contoso.com"), False),
        ("b@contoso.com", scope(domains=["contoso.com"]), scope("a@contoso.com"), True),
        ("b@contoso.com", scope(domains=["contoso.com"]), scope(groups=["board"]), None),
        (
            "b@contoso.com",
            scope(domains=["contoso.com"]),
            scope("b@contoso.com", groups=["board"]),
            False,
        ),
        ("b@other.example", scope(domains=["contoso.com"]), scope(groups=["board"]), False),
    ],
)
def test_exceptions_win_and_a_domain_covers_what_is_below_it(
    sender: str, of: SenderScope, without: SenderScope, applies: bool | None
) -> None:
    policy = OutboundPolicy("Block", "Off", scope=of, exceptions=without)
    expected = {True: BLOCKED, False: ALLOWED, None: UNKNOWN}[applies]
    assert leaves([ON, policy], sender=sender).result is expected


def test_a_policy_that_may_apply_makes_the_answer_unknown_unless_all_say_the_same() -> None:
    groups = OutboundPolicy("groups", "On", priority=0, scope=scope(groups=["staff"]))
    unknown = leaves([OFF, groups])
    assert unknown.result is UNKNOWN
    assert unknown.reason == (
        "outbound spam policy groups may apply to the sender: it names the group staff, and who is "
        "in it is not known (no such group was found)"
    )
    assert leaves([ON, groups]).result is ALLOWED
    assert leaves([ON, FOR_ANN, replace(groups, priority=9)]).result is BLOCKED


def group(address: str, kind: str = "MailUniversalSecurityGroup", name: str = "") -> Recipient:
    return Recipient(name or address, True, kind, address, id=f"id-{address}")


def person(address: str, kind: str = "UserMailbox", key: str = "") -> Recipient:
    return Recipient(address, True, kind, address, id=key or f"id-{address}")


STAFF, INNER, DYNAMIC = (
    group("staff@contoso.com", name="staff"),
    group("inner@contoso.com"),
    group("all@contoso.com", "DynamicDistributionGroup", "staff"),
)
BEN_AT, ANN_AT = person("ben@contoso.com"), person("ann@contoso.com")


def knowing(
    *groups: tuple[Recipient, tuple[Recipient, ...]], whole: bool = True
) -> KnownRecipients:
    return KnownRecipients(
        {one.name: one for one, _ in groups},
        {one.key: GroupMembers(one.key, members, whole) for one, members in groups},
    )


@pytest.mark.parametrize(
    ("known", "applies", "why"),
    [
        (knowing((STAFF, (BEN_AT, ANN_AT))), True, ""),
        (knowing((STAFF, (person("a.b@contoso.com", key="ID-Ann"),))), True, ""),
        (knowing((STAFF, (BEN_AT,))), False, ""),
        (knowing((STAFF, (BEN_AT, INNER)), (INNER, (ANN_AT, STAFF))), True, ""),
        (knowing((STAFF, (BEN_AT, INNER)), (INNER, (STAFF,))), False, ""),
        (knowing((STAFF, (BEN_AT,)), whole=False), None, "too many members"),
        (knowing((STAFF, (ANN_AT,)), whole=False), True, ""),
        (knowing((DYNAMIC, ())), None, "DynamicDistributionGroup all@contoso.com: its members are"),
        (knowing((STAFF, ())), None, "shows no member"),
        (knowing((replace(ANN_AT, name="staff"), ())), None, "is no group"),
        (replace(knowing(), by_name={"staff": replace(STAFF, found=False)}), None, "no such group"),
        (
            replace(knowing(), by_name={"staff": replace(STAFF, found=False, several=True)}),
            None,
            "several recipients of this name",
        ),
        (
            replace(knowing(), by_name={"staff": STAFF}, unread_groups={STAFF.key: "refused"}),
            None,
            "refused",
        ),
    ],
)
def test_a_group_in_a_condition_is_looked_into(
    known: KnownRecipients, applies: bool | None, why: str
) -> None:
    named = OutboundPolicy("Block", "Off", scope=scope(groups=["Staff "]))
    spared = OutboundPolicy("Block", "Off", scope=scope(ANN), exceptions=scope(groups=["STAFF"]))
    met = {True: BLOCKED, False: ALLOWED, None: UNKNOWN}
    by_name = leaves([ON, named], known=known)
    assert by_name.result is met[applies]
    assert why in by_name.reason
    assert leaves([ON, spared], known=known).result is met[None if applies is None else not applies]
    stops = TransportRule(
        "t1",
        "No forwards for staff",
        actions={"RejectMessageReasonText": ("no",)},
        conditions={"MessageTypeMatches": ("AutoForward",), "FromMemberOf": ("Staff",)},
    )
    assert leaves([ON], rules=[stops], known=known).result is met[applies]
    redirected = leaves([ON], rules=[stops], known=known, method=ForwardMethod.REDIRECT)
    assert redirected.result is UNKNOWN


def test_a_rule_on_mail_to_a_group_looks_for_the_recipient_in_it() -> None:
    partner = Recipient("x", True, "MailContact", "x@evil.example", "smtp:x@evil.example", "c1")
    stops = TransportRule(
        "t1",
        "No forwards to partners",
        actions={"DeleteMessage": ("True",)},
        conditions={"MessageTypeMatches": ("AutoForward",), "SentToMemberOf": ("staff",)},
    )
    inside = knowing((STAFF, (partner,)))
    assert leaves([ON], rules=[stops], known=inside).result is BLOCKED
    others = knowing((STAFF, (BEN_AT, ANN_AT)))
    assert leaves([ON], rules=[stops], known=others).result is ALLOWED


@pytest.mark.parametrize(
    ("remotes", "expected"),
    [
        ([OPEN, RemoteDomain("evil.example", False)], BLOCKED),
        ([CLOSED, RemoteDomain("evil.example", True)], ALLOWED),
        ([CLOSED, RemoteDomain("*.example", True)], ALLOWED),
        ([OPEN, RemoteDomain("*.evil.example", False)], BLOCKED),
        ([RemoteDomain("*.example", False), RemoteDomain("*.evil.example", True), CLOSED], ALLOWED),
        ([OPEN, RemoteDomain("vil.example", False)], ALLOWED),
        ([RemoteDomain("other.example", True)], UNKNOWN),
        ([], UNKNOWN),
    ],
)
def test_the_most_specific_remote_domain_decides(
    remotes: list[RemoteDomain], expected: ForwardingPolicyResult
) -> None:
    assert leaves([ON], remotes).result is expected


def test_the_worst_of_several_targets_decides() -> None:
    remotes = [OPEN, RemoteDomain("evil.example", False)]
    targets = (target("x@evil.example"), target("y@other.example"))
    assert leaves([ON], remotes, targets=targets).result is ALLOWED
    assert leaves([ON], remotes, targets=()).result is UNKNOWN


def test_what_stops_a_forward_may_not_stop_a_group_from_sending_it_on() -> None:
    through = target(via="MailUniversalDistributionGroup desk@contoso.com")
    found = leaves([OFF], targets=(through,))
    assert found.result is UNKNOWN
    assert "through a group" in found.reason
    assert leaves([ON], targets=(through,)).result is ALLOWED
    assert leaves([OFF], targets=(target(via="MailContact c@contoso.com"),)).result is BLOCKED


# ----------------------------------------------------------------------------------------------
# Mail-flow rules that stop automatic forwards
# ----------------------------------------------------------------------------------------------

BLOCK = TransportRule(
    "t1",
    "Block auto-forward",
    actions={"RejectMessageReasonText": ("no",)},
    conditions={"MessageTypeMatches": ("AutoForward",)},
)


def block(
    conditions: Mapping[str, tuple[str, ...]] | None = None,
    exceptions: Mapping[str, tuple[str, ...]] | None = None,
) -> TransportRule:
    return replace(
        BLOCK,
        conditions={**BLOCK.conditions, **(conditions or {})},
        exceptions=exceptions or {},
    )


def test_a_rule_that_refuses_automatic_forwards_stops_what_inbox_rules_forward() -> None:
    found = leaves([ON], rules=[BLOCK])
    assert found.result is BLOCKED
    assert found.reason == "the organization's mail-flow rule Block auto-forward"
    assert leaves([ON], rules=[BLOCK], method=ForwardMethod.MAILBOX).result is ALLOWED
    redirected = leaves([ON], rules=[BLOCK], method=ForwardMethod.REDIRECT)
    assert redirected.result is UNKNOWN
    assert redirected.reason.endswith("Block auto-forward may stop it")


@pytest.mark.parametrize(
    "action",
    [
        *("DeleteMessage", "Quarantine", "RedirectMessageTo", "ModerateMessageByUser"),
        *("RejectMessageEnhancedStatusCode", "SmtpRejectMessageRejectText", "Disconnect"),
    ],
)
def test_each_action_that_keeps_the_message_from_its_recipient_stops_it(action: str) -> None:
    assert leaves([ON], rules=[replace(BLOCK, actions={action: ("True",)})]).result is BLOCKED


@pytest.mark.parametrize("action", ["BlindCopyTo", "PrependSubject", "SetSCL", "NotifySender"])
def test_a_rule_that_only_marks_forwards_stops_nothing(action: str) -> None:
    assert leaves([ON], rules=[replace(BLOCK, actions={action: ("x",)})]).result is ALLOWED


@pytest.mark.parametrize(
    "rule",
    [
        replace(BLOCK, enabled=False),
        replace(BLOCK, enforced=False),
        replace(BLOCK, activates_at=NOW + timedelta(days=1)),
        replace(BLOCK, expires_at=NOW - timedelta(days=1)),
        replace(BLOCK, conditions={"MessageTypeMatches": ("OOF",)}),
        replace(BLOCK, conditions={"SubjectContainsWords": ("x",)}),
    ],
)
def test_a_rule_that_does_not_act_on_forwards_now_stops_nothing(rule: TransportRule) -> None:
    assert leaves([ON], rules=[rule]).result is ALLOWED


@pytest.mark.parametrize(
    ("conditions", "exceptions", "expected"),
    [
        ({"FromScope": ("InOrganization",), "SentToScope": ("NotInOrganization",)}, {}, BLOCKED),
        ({"FromScope": ("NotInOrganization",)}, {}, ALLOWED),
        ({"SentToScope": ("InOrganization",)}, {}, ALLOWED),
        ({"SentToScope": ("ExternalPartner",)}, {}, UNKNOWN),
        ({"SenderDomainIs": ("contoso.com",)}, {}, BLOCKED),
        ({"SenderDomainIs": ("other.example",)}, {}, ALLOWED),
        ({"From": ("ann@contoso.com",)}, {}, BLOCKED),
        ({"From": ("bob@contoso.com",)}, {}, ALLOWED),
        ({"From": ("Ann Example",)}, {}, UNKNOWN),
        ({"From": ("Ann Example", "bob@contoso.com")}, {}, UNKNOWN),
        ({"SenderDomainIs": ("other.example", "contoso.com")}, {}, BLOCKED),
        ({"SentToScope": ("ExternalPartner", "InOrganization")}, {}, UNKNOWN),
        ({"MessageTypeMatches": ("AutoForward", "OOF")}, {}, BLOCKED),
        ({}, {"MessageTypeMatches": ("OOF",)}, BLOCKED),
        ({"RecipientDomainIs": ("evil.example",)}, {}, BLOCKED),
        ({"RecipientDomainIs": ("other.example",)}, {}, ALLOWED),
        ({"SentTo": ("x@evil.example",)}, {}, BLOCKED),
        ({"FromMemberOf": ("staff@contoso.com",)}, {}, UNKNOWN),
        ({"SubjectContainsWords": ("x",)}, {}, UNKNOWN),
        ({}, {"RecipientDomainIs": ("evil.example",)}, ALLOWED),
        ({}, {"RecipientDomainIs": ("other.example",)}, BLOCKED),
        ({}, {"From": ("ann@contoso.com",)}, ALLOWED),
        ({}, {"FromMemberOf": ("board@contoso.com",)}, UNKNOWN),
        ({"From": ("bob@contoso.com",)}, {"FromMemberOf": ("board@contoso.com",)}, ALLOWED),
    ],
)
def test_the_conditions_and_exceptions_of_a_blocking_rule_count(
    conditions: Mapping[str, tuple[str, ...]],
    exceptions: Mapping[str, tuple[str, ...]],
    expected: ForwardingPolicyResult,
) -> None:
    assert leaves([ON], rules=[block(conditions, exceptions)]).result is expected


def test_a_rule_on_the_header_of_inbox_rules_may_stop_a_forward() -> None:
    header = {"HeaderContainsMessageHeader": ("X-MS-Exchange-Inbox-Rules-Loop",)}
    assert leaves([ON], rules=[replace(BLOCK, conditions=header)]).result is UNKNOWN
    for other in (
        {"HeaderContainsMessageHeader": ("X-Spam",)},
        # Words are looked for in the text, whatever they are.
        {"SubjectOrBodyContainsWords": ("X-MS-Exchange-Inbox-Rules-Loop",)},
    ):
        assert leaves([ON], rules=[replace(BLOCK, conditions=other)]).result is ALLOWED
    words = {"HeaderContainsWords": ("Auto-Submitted",)}
    assert leaves([ON], rules=[replace(BLOCK, conditions=words)]).result is UNKNOWN


LONG = "n" * 200


@pytest.mark.parametrize(
    ("policies", "remotes", "rules", "reason"),
    [
        (
            [ON],
            None,
            (),
            "no remote domain that was read says whether it lets automatic forwards pass",
        ),
        ([ON], [OPEN], None, "the mail-flow rules were not read in full"),
        ([], [OPEN], (), "no outbound spam policy applies to the sender"),
        (
            [replace(FOR_ANN, scope=scope(others=["SentToMemberOf"])), ON],
            [OPEN],
            (),
            "outbound spam policy Ann may apply to the sender: its conditions are not all "
            "understood",
        ),
    ],
)
def test_what_is_not_known_has_its_reason(
    policies: Sequence[OutboundPolicy],
    remotes: Sequence[RemoteDomain] | None,
    rules: Sequence[TransportRule] | None,
    reason: str,
) -> None:
    answer = leaves(policies, remotes, rules)
    assert (answer.result, answer.reason) == (UNKNOWN, reason)


def test_names_of_others_are_bounded_in_every_reason() -> None:
    doubt = replace(FOR_ANN, name=LONG, scope=scope(groups=[LONG]))
    rule, far = replace(BLOCK, name=LONG), target(f"x@{LONG}.example")
    for answer in (
        leaves([replace(OFF, name=LONG)]),
        leaves([ON], [replace(CLOSED, name=f"{LONG}.example")], targets=[far]),
        leaves([doubt, ON]),
        leaves([ON], rules=[rule]),
        leaves([ON], rules=[replace(block({"FromX": ("y",)}), name=LONG)]),
    ):
        assert len(answer.reason) < 400
        assert LONG[:50] in answer.reason
        assert LONG not in answer.reason


def test_of_conditions_in_doubt_one_that_is_not_met_decides() -> None:
    both = replace(FOR_ANN, scope=scope("ben@contoso.com", others=["SentToMemberOf"]))
    assert leaves([both, ON]).result is ALLOWED
    one_of_two = replace(FOR_ANN, scope=scope(groups=["Known", "Unknown"]))
    nobody = KnownRecipients(
        {"known": Recipient("known", True, "MailUniversalSecurityGroup", "known@x", id="k")},
        {"k": GroupMembers("k", ())},
    )
    assert leaves([one_of_two, ON], known=nobody).result is UNKNOWN


def test_a_domain_without_a_name_covers_nobody() -> None:
    nameless = replace(FOR_ANN, scope=scope(domains=[""]))
    assert leaves([nameless, ON], sender="").result is ALLOWED
    several = replace(FOR_ANN, scope=scope(domains=["a.example", "contoso.com"]))
    assert leaves([several, ON]).result is BLOCKED


def test_only_the_kind_of_a_group_says_that_mail_passes_through_one() -> None:
    for via in ("MailContact group@contoso.com", "MailContact group desk"):
        assert leaves([OFF], targets=[target(via=via)]).result is BLOCKED
    by_kind = target(via="MailUniversalSecurityGroup desk@contoso.com")
    assert leaves([OFF], targets=[by_kind]).result is UNKNOWN


def test_recipients_inside_decide_nothing() -> None:
    inside = ForwardTarget("a", RecipientLocation.INSIDE, "ann@contoso.com")
    assert leaves([ON], [replace(OPEN, name="contoso.com")], targets=[inside]).result is UNKNOWN


@pytest.mark.parametrize(
    ("changes", "stops"),
    [
        ({}, True),
        ({"activates_at": NOW}, True),
        ({"activates_at": NOW + timedelta(seconds=1)}, False),
        ({"activates_at": NOW - timedelta(days=1)}, True),
        ({"expires_at": NOW}, False),
        ({"expires_at": NOW + timedelta(seconds=1)}, True),
        ({"actions": {"DeleteMessage": ("True",), "PrependSubject": ("x",)}}, True),
        ({"conditions": {"SubjectContainsWords": ("X-MS-Exchange-Inbox-Rules-Loop",)}}, False),
    ],
    ids=repr,
)
def test_a_rule_stops_mail_between_its_dates(changes: Mapping[str, Any], stops: bool) -> None:
    assert (leaves([ON], rules=[replace(BLOCK, **changes)]).result is BLOCKED) is stops


def test_a_rule_that_stops_mail_decides_wherever_it_stands() -> None:
    marks = replace(BLOCK, actions={"PrependSubject": ("x",)})
    doubtful = replace(block({"FromX": ("y",)}), name="Doubt")
    assert leaves([ON], rules=[marks, BLOCK]).result is BLOCKED
    assert leaves([ON], rules=[doubtful, BLOCK]).result is BLOCKED
    assert "Doubt" in leaves([ON], rules=[doubtful, marks]).reason
    first = replace(doubtful, name="First")
    assert "First" in leaves([ON], rules=[first, doubtful]).reason


def test_a_rule_that_ends_the_rules_lets_a_forward_past_those_after_it() -> None:
    ends = TransportRule("t0", "Excuse", priority=1, actions={"StopProcessingRules": ("True",)})
    blocks = replace(BLOCK, priority=2)
    # What a listing shows first does not act first.
    assert leaves([ON], rules=[blocks, ends]).result is ALLOWED
    assert leaves([ON], rules=[replace(blocks, priority=0), ends]).result is BLOCKED
    assert leaves([ON], rules=[blocks, replace(ends, enforced=False)]).result is BLOCKED
    of_others = replace(ends, conditions={"From": ("zoe@contoso.com",)})
    assert leaves([ON], rules=[of_others, blocks]).result is BLOCKED
    unclear = replace(ends, conditions={"FromX": ("y",)})
    doubtful = leaves([ON], rules=[unclear, blocks])
    assert doubtful.result is UNKNOWN
    assert doubtful.reason.endswith("Excuse ends the rules before it")
    assert leaves([ON], rules=[unclear]).result is ALLOWED


def test_of_several_things_unread_the_remote_domains_are_named_first() -> None:
    remotes = "no remote domain that was read says whether it lets automatic forwards pass"
    policies = "the outbound spam policies were not read in full"
    assert leaves(None, None, None).reason == remotes
    assert leaves(None, rules=None).reason == policies


def test_policies_that_say_the_same_are_named_by_the_last_and_a_doubt_by_the_first() -> None:
    doubtful = OutboundPolicy("Staff", "Off", scope=scope(groups=["staff"]))
    assert leaves([OFF, doubtful]).reason == "outbound spam policy Default"
    second = replace(doubtful, name="Second", mode="On", priority=2)
    assert leaves([OFF, second, doubtful]).reason.startswith("outbound spam policy Staff may apply")


def test_a_doubt_about_an_exception_names_its_group() -> None:
    spared = replace(FOR_ANN, exceptions=scope(groups=["Board"]))
    found = leaves([ON, spared])
    assert found.result is UNKNOWN
    assert "it names the group Board" in found.reason


@pytest.mark.parametrize(
    "remotes", [[OPEN, CLOSED], [CLOSED, OPEN], [OPEN, replace(OPEN, name=" * ")]]
)
def test_of_two_remote_domains_as_specific_the_one_that_lets_pass_counts(
    remotes: list[RemoteDomain],
) -> None:
    assert leaves([ON], remotes).result is ALLOWED


def test_a_forward_that_is_not_pinned_may_leave_through_a_group_too() -> None:
    through = target(via="GroupMailbox desk@contoso.com")
    found = leaves([AUTOMATIC], targets=(through,))
    assert (found.result, "through a group" in found.reason) == (UNKNOWN, True)
