"""What declaring an action, a filter or a rule makes of it."""

from datetime import timedelta

import pytest

from core.guards.mail_protection.policies import (
    ANTI_PHISH,
    IMPERSONATION_ACTIONS,
    MAIL_ACTIONS,
    OTHER_ACTIONS,
    PRESET_PREFIX,
    define_filter,
    define_impersonation_action,
    define_mail_action,
    find_policy_id,
)
from core.guards.mail_protection.properties import MAX_NAME_LENGTH, Steps
from core.guards.mail_protection.rules import (
    BY_HAND,
    ENABLED,
    EVERYBODY,
    SKIP_HEADERS,
    UNCONDITIONAL,
    define_rules,
    explain_rule_loss,
    is_acting,
    list_skips,
)
from core.model.findings import Severity, Step
from core.tenant.configuration import Configuration
from core.watched.items import SourceRows
from tests.support.watched_looks import NOW


def test_an_action_goes_from_quarantine_to_nothing_and_names_who_is_sent_mail() -> None:
    assert define_mail_action("SpamAction", "spam", Severity.HIGH) == Steps(
        "SpamAction", "spam", MAIL_ACTIONS, Severity.HIGH, OTHER_ACTIONS, "RedirectToRecipients"
    )
    assert define_mail_action("SpamAction", "spam").severity is Severity.MEDIUM
    about = "mail that imitates a domain"
    assert define_impersonation_action("TargetedDomain", about) == Steps(
        "TargetedDomainProtectionAction",
        about,
        IMPERSONATION_ACTIONS,
        Severity.MEDIUM,
        OTHER_ACTIONS,
        "TargetedDomainActionRecipients",
        "EnableTargetedDomainsProtection",
    )
    shown = define_impersonation_action("MailboxIntelligence", about, "Protection")
    assert shown.receivers == "MailboxIntelligenceProtectionActionRecipients"


def test_a_filter_reads_its_policies_and_the_own_domains_and_explains_its_shape() -> None:
    made = define_filter("a-policy", "a policy", "policies", ANTI_PHISH, "APolicy")
    assert (made.name, made.noun, made.plural) == ("a-policy", "a policy", "policies")
    assert made.sources == ("a-policy", "accepted-domain")
    assert made.advice == (
        "Ask who changed it and why. Unless somebody answers for it, set it back in the Defender "
        "portal > Policies > Threat policies (APolicy)."
    )
    assert (made.techniques, made.departure) == (("T1562.001",), Severity.MEDIUM)
    assert made.departure_text == "nobody is protected by it any longer"
    assert made.reference.startswith("Microsoft Learn: Recommended settings")
    assert made.harmless.startswith("how strict it was at the first look")
    loss = made.explain_loss("EnableTargetedUserProtection")
    assert loss.text.startswith("no longer protects named people")
    policy = Configuration("a-policy", "p1", "Mine", {"EnableSpoofIntelligence": False})
    rows = SourceRows({"a-policy": (policy,), "accepted-domain": None}, NOW)
    (item,) = made.describe(rows)
    assert (item.name, len(item.opens)) == ("Mine", 1)


@pytest.mark.parametrize("state", ["Enabled", "Disabled"])
def test_a_rule_only_protects_and_is_missed_where_it_was_on(state: str) -> None:
    made = define_rules("a-rule", "a rule", "rules", "a-source", "ARule")
    assert (made.name, made.noun, made.plural) == ("a-rule", "a rule", "rules")
    assert (made.sources, made.techniques) == (("a-source",), ("T1562.001",))
    assert made.advice.endswith("Defender portal > Policies > Threat policies.")
    assert (made.reference, made.departs_with) == (
        "Microsoft Learn: Preset security policies; threat policies",
        ENABLED,
    )
    assert (made.departure, made.only_protects) == (Severity.MEDIUM, True)
    assert made.departure_text == "its policy protects nobody any longer"
    assert made.harmless.startswith("rules of the first look, a rule that is new or covers")
    assert made.explain_loss("SentTo ann").text == "no longer covers ann"
    rule = Configuration("a-source", "r1", "Mine", {"State": state})
    (item,) = made.describe(SourceRows({"a-source": (rule,)}, NOW))
    assert (ENABLED in item.keeps) is (state == "Enabled")


def test_a_rule_that_was_switched_off_is_switched_on_and_whom_it_is_for_a_person_sets() -> None:
    made = define_rules("a-rule", "a rule", "rules", "a-source", "ARule")
    assert tuple(made.restore("r1", ["SentTo ann"])) == ()
    (step,) = made.restore("r1", [ENABLED])
    assert step.command == "Enable-ARule -Identity 'r1'"
    assert step.text == "Unless somebody answers for it: switch it on again."
    assert tuple(made.restore("r1", [ENABLED, "SentTo ann"])) == (step, Step(BY_HAND))


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (ENABLED, "is switched off: its policy protects nobody"),
        (EVERYBODY, "no longer counts for everybody"),
        (f"{UNCONDITIONAL}SentTo", "only counts where one more condition is met"),
        ("SentTo ann of sales", "no longer covers ann of sales"),
        (f"SentTo {'x' * 300}", f"no longer covers {'x' * MAX_NAME_LENGTH}\u2026 (300 characters)"),
    ],
)
def test_what_a_rule_no_longer_does_is_said(token: str, said: str) -> None:
    loss = explain_rule_loss(token)
    assert (loss.token, loss.text, loss.severity) == (token, said, Severity.MEDIUM)


def test_a_policy_is_set_back_by_its_cmdlet_and_a_preset_in_its_wizard() -> None:
    made = define_filter("a-policy", "a policy", "policies", ANTI_PHISH, "APolicy")
    (step,) = made.restore("p1", ["EnableSpoofIntelligence"])
    assert step.command.startswith("Set-APolicy -Identity 'p1' -EnableSpoofIntelligence ")
    assert tuple(made.restore(f"{PRESET_PREFIX}strict", ["EnableSpoofIntelligence"])) == ()


@pytest.mark.parametrize("kind", ["Strict", "STANDARD", "Custom"])
def test_a_preset_is_one_policy_whatever_its_id_and_a_policy_of_the_tenant_is_its_own(
    kind: str,
) -> None:
    policy = Configuration("a-policy", "p1", "Mine", {"RecommendedPolicyType": kind})
    is_one = kind != "Custom"
    assert find_policy_id(policy) == (f"{PRESET_PREFIX}{kind.casefold()}" if is_one else "p1")
    made = define_filter("a-policy", "a policy", "policies", ANTI_PHISH, "APolicy")
    (item,) = made.describe(SourceRows({"a-policy": (policy,), "accepted-domain": ()}, NOW))
    assert item.is_object is not is_one
    assert item.arrival is (Severity.INFO if is_one else Severity.LOW)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Mine", "Mine"), ("", "p1"), ("n" * 300, f"{'n' * MAX_NAME_LENGTH}\u2026 (300 characters)")],
)
def test_a_policy_is_called_by_its_name_or_its_id_and_keeps_whom_it_protects(
    name: str, shown: str
) -> None:
    made = define_filter("a-policy", "a policy", "policies", ANTI_PHISH, "APolicy")
    values = {"TargetedUsersToProtect": ["Ann;ann@contoso.com"]}
    policy = Configuration("a-policy", "p1", name, values)
    (item,) = made.describe(SourceRows({"a-policy": (policy,), "accepted-domain": ()}, NOW))
    assert item.name == shown
    assert item.keeps == {"TargetedUsersToProtect ann;ann@contoso.com"}


def test_a_check_that_only_mail_from_inside_skips_is_low_and_says_whose_it_is() -> None:
    header = {"SetHeaderName": SKIP_HEADERS[0], "SetHeaderValue": "1"}
    (inside,) = list_skips({**header, "FromScope": "InOrganization"}, ())
    assert inside.severity is Severity.LOW
    assert inside.text == f"lets mail from inside skip a check (it sets {SKIP_HEADERS[0]})"
    (some,) = list_skips({**header, "From": ["ann@contoso.com"]}, ())
    assert (some.severity, some.text[:24]) == (Severity.LOW, "lets mail of some sender")
    (every,) = list_skips(header, ())
    assert every.severity is Severity.MEDIUM
    (spam,) = list_skips({"SetSCL": -1, "FromScope": "InOrganization"}, ())
    assert (spam.token, spam.severity) == ("scl inside", Severity.LOW)


def test_a_name_of_ones_own_that_a_sender_only_claims_is_said_to_be_a_claim() -> None:
    _, claimed = list_skips({"SetSCL": -1, "SenderDomainIs": ["contoso.com"]}, {"contoso.com"})
    assert claimed.text == (
        "lets mail skip the spam filter by contoso.com, a domain of one's own: whoever claims it "
        "passes"
    )


@pytest.mark.parametrize(("seconds", "acts"), [(-1, False), (0, False), (1, True)])
def test_a_rule_is_over_when_its_time_has_come(seconds: int, acts: bool) -> None:
    ends_at = (NOW + timedelta(seconds=seconds)).isoformat()
    assert is_acting({"ExpiryDate": ends_at}, NOW) is acts
