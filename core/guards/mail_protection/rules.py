"""The rules that say for whom a filter counts, and mail-flow rules that skip filters. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from core.guards.mail_protection.policies import (
    ANTI_PHISH,
    CONTENT,
    DOMAINS,
    MALWARE,
    SAFE_ATTACHMENTS,
    SAFE_LINKS,
    read_own_domains,
)
from core.guards.mail_protection.properties import LOW, MAX_NAME_LENGTH, MEDIUM, FilterShape
from core.guards.mail_protection.rule_reach import (
    BEFORE,
    BEHIND,
    CONDITIONS,
    EXCEPTIONS,
    WITH_POLICY,
    RuledPolicies,
    explain_spared,
    get_name,
    is_on,
    list_followed,
    list_moot,
    list_overtaken,
    list_policy,
    list_reach,
    list_spared,
    rate_arrival,
)
from core.microsoft365.remedies import build_command, make_exchange_step
from core.model.findings import Severity, Step
from core.property_values import (
    find_property,
    get_text,
    get_texts,
    get_time,
    parse_printed_int,
)
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import (
    KEEPS_PREFIX,
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
)

RELIES_ON = ("exchange-spam-levels",)

ENABLED, EVERYBODY, UNCONDITIONAL = "enabled", "everybody", "whatever-"
TECHNIQUES = ("T1562.001",)
TRANSPORT_RULE = "mail-flow-rule"
SKIP_HEADERS = (
    "x-ms-exchange-organization-skipsafelinksprocessing",
    "x-ms-exchange-organization-skipsafeattachmentprocessing",
    "x-ms-exchange-organization-bypassfocusedinbox",
    "x-ms-exchange-organization-antispam-report",
)
# Conditions that narrow a mail-flow rule to senders that somebody chose.
SENDER_CONDITIONS = (
    "From",
    "FromAddressContainsWords",
    "FromAddressMatchesPatterns",
    "FromMemberOf",
    "SenderDomainIs",
    "SenderIpRanges",
    "HeaderContainsWords",
    "HeaderMatchesPatterns",
)
# Of these, the ones that a sender cannot just claim to meet.
PROVING_CONDITIONS = ("SenderIpRanges", "HeaderContainsWords", "HeaderMatchesPatterns")
TESTING_MODES = frozenset({"audit", "auditandnotify"})


def make_rule_description(source: str) -> Callable[[SourceRows], Iterator[WatchedItem]]:
    """The `describe` of rules that say for whom a policy counts."""

    def describe(rows: SourceRows) -> Iterator[WatchedItem]:
        return map(describe_rule, rows[source] or ())

    return describe


def make_ranked_description(
    source: str, policies: str, shape: FilterShape, property_name: str
) -> Callable[[SourceRows], Iterator[WatchedItem]]:
    """The `describe` of rules whose policies the tenant chooses, and ranks."""

    def describe(rows: SourceRows) -> Iterator[WatchedItem]:
        rules = rows[source] or ()
        ruled = RuledPolicies.read(shape, property_name, rows[policies] or ())
        return (describe_ranked_rule(rule, rules, ruled) for rule in rules)

    return describe


def describe_ranked_rule(
    rule: Configuration, rules: Sequence[Configuration], ruled: RuledPolicies
) -> WatchedItem:
    """One rule of a policy that the tenant chooses. Whom a new one leaves out was not covered
    before, so what counts about it is its policy.
    """
    item, acts = describe_rule(rule), is_on(rule)
    weight = ruled.rate(ruled.find(rule), ruled.default)
    arrival, facts = rate_arrival(rule, rules, ruled) if acts else (Severity.INFO, ())
    return replace(
        item,
        opens=(
            *(replace(one, after_kept=WITH_POLICY) for one in item.opens),
            *list_policy(rule, ruled),
            *(list_reach(rule, ruled) if acts else ()),
            *list_overtaken(rule, rules, ruled),
        ),
        keeps=item.keeps | {WITH_POLICY, *list_followed(rule, rules), *list_spared(rule, weight)},
        keeps_all_of=(*item.keeps_all_of, *list_moot(weight)),
        arrival=arrival,
        facts=facts,
    )


def describe_rule(rule: Configuration) -> WatchedItem:
    """One rule: whether it is on, for whom, and who is left out."""
    values = rule.values
    kept = [build_token(name, entry) for name in CONDITIONS for entry in get_texts(values, name)]
    return WatchedItem(
        id=rule.id,
        name=get_name(rule),
        opens=tuple(
            Trait(
                build_token(name, entry),
                f"leaves out {quote_text(entry, MAX_NAME_LENGTH)}",
                MEDIUM if name == "ExceptIfRecipientDomainIs" else LOW,
            )
            for name in EXCEPTIONS
            for entry in get_texts(values, name)
        ),
        keeps=frozenset(
            (
                *(kept or [EVERYBODY]),
                *(f"{UNCONDITIONAL}{name}" for name in CONDITIONS if not get_texts(values, name)),
                *([ENABLED] if is_on(rule) else []),
            )
        ),
        keeps_all_of=tuple(f"{name} " for name in CONDITIONS if not get_texts(values, name)),
    )


def explain_rule_loss(token: str) -> Trait:
    """What it means that a rule no longer protects somebody."""
    if token == WITH_POLICY or token.startswith(f"{BEHIND} "):
        # Whom it comes before is told by itself, and a rule that went is told of that rule.
        return Trait(token, "no longer comes behind another", Severity.INFO)
    if spared := explain_spared(token):
        return spared
    if token == ENABLED:
        return Trait(token, "is switched off: its policy protects nobody", MEDIUM)
    if token.startswith(UNCONDITIONAL):
        return Trait(token, "only counts where one more condition is met", MEDIUM)
    if token == EVERYBODY:
        return Trait(token, "no longer counts for everybody", MEDIUM)
    entry = token.partition(" ")[2]
    return Trait(token, f"no longer covers {quote_text(entry, MAX_NAME_LENGTH)}", MEDIUM)


def make_rule_restore(cmdlet: str) -> Callable[[str, Sequence[str]], tuple[Step, ...]]:
    """The `restore` of one kind of rules. Whom a rule is for is a list that its cmdlet sets whole,
    so that is for a person to set.
    """

    def restore(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
        if ENABLED not in tokens:
            return ()
        enable = make_exchange_step(
            "Unless somebody answers for it: switch it on again.",
            build_command(f"Enable-{cmdlet}", Identity=identity),
        )
        return (enable, *([Step(BY_HAND)] if len(tokens) > 1 else []))

    return restore


BY_HAND = "Set back the rest, whom it is for: Defender portal > Policies > Threat policies."


def define_rules(
    name: str, noun: str, plural: str, source: str, cmdlet: str, shape: FilterShape | None = None
) -> WatchedCollection:
    """The collection of the rules of one kind of policy; `cmdlet` is its noun. With the `shape` of
    its policies it is told which of them a rule has, and whom it newly reaches.
    """
    policies = f"{source.removesuffix('rule')}policy"
    weaker = " by a policy that is no weaker than the default" if shape else ""
    return WatchedCollection(
        name=name,
        noun=noun,
        plural=plural,
        needs=(source, policies) if shape else (source,),
        describe=make_ranked_description(
            source, policies, shape, f"{cmdlet.removesuffix('Rule')}Policy"
        )
        if shape
        else make_rule_description(source),
        # Of others, only which of them it comes before or behind.
        may_lack={source: (f"{BEFORE} ", f"{KEEPS_PREFIX}{BEHIND} ")} if shape else {},
        explain_loss=explain_rule_loss,
        restore=make_rule_restore(cmdlet),
        advice="Ask who changed it. Unless somebody answers for it, set the rule back in the "
        "Defender portal > Policies > Threat policies.",
        techniques=TECHNIQUES,
        reference="Microsoft Learn: Preset security policies; threat policies",
        harmless=f"rules of the first look, a rule that is new or covers more people{weaker}",
        departure=MEDIUM,
        departure_text="its policy protects nobody any longer",
        departs_with=ENABLED,
        only_protects=shape is None,
    )


PROTECTION_RULES = (
    define_rules(
        "preset-rule",
        "preset security policy",
        "preset security policies",
        "eop-preset-rule",
        "EOPProtectionPolicyRule",
    ),
    define_rules(
        "defender-preset-rule",
        "preset security policy (Defender)",
        "preset security policies (Defender)",
        "defender-preset-rule",
        "ATPProtectionPolicyRule",
    ),
    define_rules(
        "anti-phish-rule",
        "anti-phishing rule",
        "anti-phishing rules",
        "anti-phish-rule",
        "AntiPhishRule",
        ANTI_PHISH,
    ),
    define_rules(
        "malware-filter-rule",
        "anti-malware rule",
        "anti-malware rules",
        "malware-filter-rule",
        "MalwareFilterRule",
        MALWARE,
    ),
    define_rules(
        "content-filter-rule",
        "anti-spam rule",
        "anti-spam rules",
        "content-filter-rule",
        "HostedContentFilterRule",
        CONTENT,
    ),
    define_rules(
        "safe-links-rule",
        "Safe Links rule",
        "Safe Links rules",
        "safe-links-rule",
        "SafeLinksRule",
        SAFE_LINKS,
    ),
    define_rules(
        "safe-attachment-rule",
        "Safe Attachments rule",
        "Safe Attachments rules",
        "safe-attachment-rule",
        "SafeAttachmentRule",
        SAFE_ATTACHMENTS,
    ),
)


def describe_flow_rule(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each mail-flow rule, by what it lets past the filters; most let nothing past."""
    own = read_own_domains(rows)
    for one in rows[TRANSPORT_RULE] or ():
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=tuple(list_skips(one.values, own)) if is_acting(one.values, rows.now) else (),
            stop=(
                make_exchange_step(
                    "Unless somebody answers for it: disable the rule; it stays there.",
                    build_command("Disable-TransportRule", "-Confirm:$false", Identity=one.id),
                ),
            ),
        )


def is_acting(values: Mapping[str, object], now: datetime) -> bool:
    """Whether a rule does anything: it is not off, not in a test, and not over. A date that cannot
    be read ends nothing.
    """
    if get_text(values, "State").casefold() == "disabled":
        return False
    if get_text(values, "Mode").casefold() in TESTING_MODES:
        return False
    ends_at = get_time(values, "ExpiryDate")
    return ends_at is None or ends_at > now


def list_skips(values: Mapping[str, object], own: Collection[str]) -> Iterator[Trait]:
    """What a rule skips, and for whose mail."""
    shown = find_property(values, "SetSCL")[1]
    level = parse_printed_int(shown)
    if level is None and isinstance(shown, Mapping | list | str | bool) and shown:
        raise ValueError("SetSCL is no number")
    if level is not None and level < 0:
        yield from list_filter_skips(values, own)
    header = get_text(values, "SetHeaderName")
    if header.casefold() in SKIP_HEADERS and get_text(values, "SetHeaderValue"):
        whose, is_narrow = describe_whose(values)
        yield Trait(
            build_token("header", header),
            f"lets {whose} skip a check (it sets {quote_text(header, 80)})",
            LOW if is_narrow else MEDIUM,
        )


def describe_whose(values: Mapping[str, object]) -> tuple[str, bool]:
    """Whose mail a rule is for, and whether that is less than everybody's."""
    if get_text(values, "FromScope").casefold() == "inorganization":
        return "mail from inside", True
    if any(get_texts(values, name) for name in SENDER_CONDITIONS):
        return "mail of some senders", True
    return "all mail that it sees", False


def list_filter_skips(values: Mapping[str, object], own: Collection[str]) -> Iterator[Trait]:
    """For whose mail a rule skips the spam filter. A name that a sender only claims is no more than
    a claim: for one of one's own domains, whoever makes it passes.
    """
    whose, is_narrow = describe_whose(values)
    if get_text(values, "FromScope").casefold() == "inorganization":
        yield Trait("scl inside", f"lets {whose} skip the spam filter (SetSCL is -1)", LOW)
        return
    yield Trait(
        "scl narrow" if is_narrow else "scl all",
        f"lets {whose} skip the spam filter (SetSCL is -1)",
        MEDIUM if is_narrow else Severity.HIGH,
    )
    is_proved = any(get_texts(values, name) for name in PROVING_CONDITIONS)
    for name in SENDER_CONDITIONS:
        for entry in get_texts(values, name):
            claims = entry.rpartition("@")[2].casefold() in own and not is_proved
            more = ", a domain of one's own: whoever claims it passes" if claims else ""
            yield Trait(
                build_token(name, entry),
                f"lets mail skip the spam filter by {quote_text(entry, 80)}{more}",
                Severity.HIGH if claims else MEDIUM,
            )


SKIPPING_RULES = WatchedCollection(
    name="mail-flow-skip",
    noun="mail-flow rule",
    plural="mail-flow rules",
    needs=(TRANSPORT_RULE, DOMAINS),
    describe=describe_flow_rule,
    advice="Ask who made it; disable it unless somebody answers for it.",
    techniques=("T1562.001", "T1656"),
    reference="Microsoft Learn: Use mail flow rules to set the spam confidence level",
    harmless="rules that skip nothing, rules of the first look, and a rule that is off, in a test, "
    "or over",
)
