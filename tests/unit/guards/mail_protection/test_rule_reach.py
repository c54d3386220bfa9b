"""A rule that puts more mail under a weak policy is told, and one that protects more is not."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from core.model.findings import Finding, format_facts
from core.tenant.configuration import Configuration
from tests.support.watched_looks import COLLECTIONS, Looks

RULE, POLICY = "content-filter-rule", "content-filter-policy"
WEAK = {"SpamAction": "NoAction", "BulkThreshold": 9}
STRICT = {"SpamAction": "Quarantine", "BulkThreshold": 3}
POLICIES = (
    Configuration(POLICY, "p0", "Default", {"IsDefault": True, "SpamAction": "MoveToJmf"}),
    Configuration(POLICY, "p1", "Weak", WEAK),
    Configuration(POLICY, "p2", "Strict", STRICT),
    Configuration(POLICY, "p3", "Spare", STRICT),
)


def rule(policy: str, priority: int = 0, **more: object) -> Configuration:
    """A rule that is on, with the name of its policy."""
    values = {"State": "Enabled", "HostedContentFilterPolicy": policy, "Priority": priority}
    given = {"SentTo": ["ann@contoso.com"], **more}
    return Configuration(RULE, f"r-{more.get('id', policy)}", f"{policy} rule", values | given)


def say(found: Sequence[Finding]) -> list[str]:
    return [f"{one.severity.label}: {one.summary}" for one in found]


async def tell(*looks: Sequence[Configuration]) -> list[str]:
    """What is said at the last of these looks at the rules."""
    played = Looks(COLLECTIONS["content-filter-rule"])
    said: list[str] = []
    for rules in looks:
        said = say(await played.look([*POLICIES, *rules]))
    return said


SUBJECT = "medium: The anti-spam rule Weak rule "
BY_WEAKER = ", by a policy that is weaker than the default"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            {},
            {"SentTo": ["ann@contoso.com", "ben@contoso.com"]},
            f"also counts for ben@contoso.com{BY_WEAKER}",
        ),
        (
            {"RecipientDomainIs": ["contoso.com"]},
            {"RecipientDomainIs": ["contoso.com", "b.example"]},
            f"also counts for b.example{BY_WEAKER}",
        ),
        (
            {"RecipientDomainIs": ["contoso.com"]},
            {"RecipientDomainIs": ["contoso.com"], "SentTo": None},
            f"counts without a condition of SentTo{BY_WEAKER}",
        ),
        ({"State": "Disabled"}, {}, f"also counts for ann@contoso.com{BY_WEAKER}"),
    ],
)
async def test_a_weak_policy_that_reaches_more_is_told_and_a_strict_one_is_not(
    before: Mapping[str, Any], after: Mapping[str, Any], expected: str
) -> None:
    (said,) = await tell([rule("Weak", **before)], [rule("Weak", **after)])
    assert said.startswith(SUBJECT)
    assert expected in said
    assert await tell([rule("Strict", **before)], [rule("Strict", **after)]) == []


async def test_what_a_rule_of_a_weak_policy_covers_stays_no_news() -> None:
    wide, narrow = rule("Weak", SentTo=None), rule("Weak", 0)
    assert await tell([wide], [wide]) == []
    # One more condition is a loss of what it covered, and nobody is covered newly.
    (said,) = await tell([wide], [narrow])
    assert "also counts for" not in said
    assert await tell([rule("Weak", 0, Comments="x")], [rule("Weak", 7)]) == []


async def test_a_policy_that_is_not_listed_is_not_believed_to_be_strict() -> None:
    more = rule("Hidden", SentTo=["ann@contoso.com", "ben@contoso.com"])
    (said,) = await tell([rule("Hidden")], [more])
    assert said == (
        "low: The anti-spam rule Hidden rule also counts for ben@contoso.com, by a policy of which "
        "it is not known whether it is weaker than the default."
    )


async def test_another_policy_of_a_rule_is_told_until_it_has_the_first_one_again() -> None:
    first = rule("Strict", id="one")
    other = Configuration(RULE, first.id, first.name, {**first.values, POLICY_PROPERTY: "Spare"})
    (said,) = await tell([first], [other])
    assert said == "medium: The anti-spam rule Strict rule now has the policy Spare."
    assert await tell([first], [other], [first]) == []
    assert await tell([first], [other], [first], [other], [first]) == []


POLICY_PROPERTY = "HostedContentFilterPolicy"


async def test_a_weaker_rule_that_comes_before_a_stricter_one_is_told_and_the_reverse_is_not() -> (
    None
):
    strict_first = [rule("Strict", 0), rule("Weak", 1)]
    weak_first = [rule("Strict", 1), rule("Weak", 0)]
    (said,) = await tell(strict_first, weak_first)
    assert said == f"{SUBJECT}now comes before Strict rule, which has a stricter policy."
    assert await tell(strict_first, weak_first, weak_first) == [said]
    assert await tell(strict_first, weak_first, strict_first) == []
    assert await tell(weak_first, strict_first) == []


async def test_rules_that_come_go_or_have_no_priority_move_no_other_one() -> None:
    weak, strict = rule("Weak", 1), rule("Strict", 0)
    assert await tell([weak], [weak, rule("Strict", 2)]) == []
    assert await tell([weak], [weak, strict]) == []
    gone = await tell([strict, weak], [weak], [weak])
    assert gone == [
        "medium: The anti-spam rule Strict rule is gone: its policy protects nobody any longer."
    ]
    nameless = Configuration(RULE, weak.id, weak.name, {**weak.values, "Priority": None})
    assert await tell([strict, nameless], [rule("Strict", 5), nameless]) == []


async def test_without_its_policies_nothing_is_said_of_a_rule() -> None:
    played = Looks(COLLECTIONS["content-filter-rule"])
    await played.look([*POLICIES, rule("Weak")])
    wide = rule("Weak", SentTo=["ann@contoso.com", "ben@contoso.com"])
    assert await played.look([*POLICIES, wide], unread=POLICY) == []
    assert [one.reason for one in played.failures]
    assert len(await played.look([*POLICIES, wide])) == 1


async def look_again(*looks: Sequence[Configuration]) -> list[Finding]:
    """What is found at the last of these looks."""
    played = Looks(COLLECTIONS["content-filter-rule"])
    found: list[Finding] = []
    for rules in looks:
        found = list(await played.look([*POLICIES, *rules]))
    return found


@pytest.mark.parametrize(
    ("policy", "severity", "reason"),
    [
        ("Weak", "medium", "policy: Weak, which is weaker than the default"),
        (
            "Hidden",
            "low",
            "policy: Hidden, of which it is not known whether it is weaker than the default",
        ),
    ],
)
async def test_a_new_rule_of_a_weak_policy_is_told_with_the_reason(
    policy: str, severity: str, reason: str
) -> None:
    (found,) = await look_again([], [rule(policy, ExceptIfSentTo=["ben@contoso.com"])])
    assert say([found]) == [f"{severity}: The anti-spam rule {policy} rule is new."]
    assert reason in format_facts(found.facts)
    assert await tell([], [rule(policy, State="Disabled")]) == []
    (said,) = await tell([], [rule(policy, State="Disabled")], [rule(policy)])
    assert "also counts for ann@contoso.com" in said


async def test_a_new_rule_of_a_strict_policy_is_told_where_it_comes_before_a_stricter() -> None:
    new = rule("Strict", 0, ExceptIfSentTo=["ben@contoso.com"])
    assert await tell([], [new]) == []
    assert await tell([rule("Weak", 1)], [new, rule("Weak", 1)]) == []
    plain = Configuration(POLICY, "p4", "Plain", {"SpamAction": "MoveToJmf"})
    strict = rule("Strict", 3)
    for priority, expected in ((7, 0), (0, 1)):
        played = Looks(COLLECTIONS["content-filter-rule"])
        await played.look([*POLICIES, plain, strict])
        added = rule("Plain", priority, id=priority)
        found = await played.look([*POLICIES, plain, strict, added])
        assert len(found) == expected
    (one,) = found
    assert "policy: Plain, which is weaker than that of Strict rule" in format_facts(one.facts)


async def test_whom_a_rule_of_a_weak_policy_no_longer_leaves_out_is_told() -> None:
    spared: dict[str, Any] = {
        "SentTo": None,
        "ExceptIfSentTo": ["ann@contoso.com", "ben@contoso.com"],
    }
    fewer = spared | {"ExceptIfSentTo": ["ben@contoso.com"]}
    for policy, severity in (("Weak", "medium"), ("Hidden", "low")):
        (said,) = await tell([rule(policy, **spared)], [rule(policy, **fewer)])
        assert said.startswith(f"{severity}: The anti-spam rule {policy} rule no longer leaves out")
        assert "ann@contoso.com" in said
        assert "ben@contoso.com" not in said
    for policy in ("Strict", "Default"):
        assert await tell([rule(policy, **spared)], [rule(policy, **fewer)]) == []
    weak, less = rule("Weak", **spared), rule("Weak", **fewer)
    assert await tell([weak], [less], [weak]) == []
    off = rule("Weak", State="Disabled", **fewer)
    assert any("no longer leaves out" in one for one in await tell([weak], [off], [less]))
    # Under a policy that is no weaker nobody needs to be left out.
    mended = Configuration(RULE, weak.id, weak.name, {**less.values, POLICY_PROPERTY: "Strict"})
    assert not any("leaves out" in one for one in await tell([weak], [mended]))
