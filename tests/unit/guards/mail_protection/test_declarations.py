"""What declaring an action, a filter or a rule makes of it."""

import pytest

from core.guards.mail_protection.policies import (
    ANTI_PHISH,
    IMPERSONATION_ACTIONS,
    MAIL_ACTIONS,
    OTHER_ACTIONS,
    define_filter,
    define_impersonation_action,
    define_mail_action,
)
from core.guards.mail_protection.properties import Steps
from core.guards.mail_protection.rules import ENABLED, define_rules
from core.model.findings import Severity
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
    assert made.harmless.startswith("rules of the first look, a rule that covers more people")
    assert made.explain_loss("SentTo ann").text == "no longer covers ann"
    rule = Configuration("a-source", "r1", "Mine", {"State": state})
    (item,) = made.describe(SourceRows({"a-source": (rule,)}, NOW))
    assert (ENABLED in item.keeps) is (state == "Enabled")
