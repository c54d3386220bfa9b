"""Whom a rule puts under its policy, and which other rules it comes before. Pure.

Of the rules that are for somebody, the one of the highest priority counts; where none is, the
default policy does. So a weak policy that is already there reaches more mail when its rule is for
more people, when it no longer leaves somebody out, when it comes before the rule of a stricter one,
or when it is given a rule at all. What a rule of any other policy newly leaves out is told as such,
and that it is for more people only protects more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.guards.mail_protection.properties import (
    LOW,
    MAX_NAME_LENGTH,
    MEDIUM,
    FilterShape,
    list_exposures,
    list_kept,
)
from core.model.findings import Fact, Severity
from core.property_values import find_property, get_flag, get_text, get_texts, parse_printed_int
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import VALUE_MARK, Trait, build_token, build_value_token

CONDITIONS = ("SentTo", "SentToMemberOf", "RecipientDomainIs")
EXCEPTIONS = tuple(f"ExceptIf{one}" for one in CONDITIONS)
WITH_POLICY = "policy"
"""Kept by each rule of which it is remembered whom it covers: what it covered before is no news."""
BEHIND, BEFORE = "behind", "before"
SPARED: Mapping[Severity, str] = {MEDIUM: "spares", LOW: "may spare"}
"""Kept by a rule of a weaker policy, or of one that may be weaker, for each that it leaves out."""
DEFAULT_FLAGS = ("IsDefault", "IsBuiltInProtection")
WEAKER = {
    MEDIUM: ", by a policy that is weaker than the default",
    LOW: ", by a policy of which it is not known whether it is weaker than the default",
}
STANDING = {
    MEDIUM: "which is weaker than",
    LOW: "of which it is not known whether it is weaker than",
}
MAX_STANDINGS = 5
STRICTER = {
    MEDIUM: ", which has a stricter policy",
    LOW: ", and which of them has the stricter policy is not known",
}


@dataclass(frozen=True, slots=True)
class RuledPolicies:
    """The policies of one kind, by what their rules call them."""

    shape: FilterShape
    property_name: str
    """The property of a rule that names its policy."""
    by_name: Mapping[str, Configuration]
    default: Configuration | None

    @classmethod
    def read(
        cls, shape: FilterShape, property_name: str, policies: Iterable[Configuration]
    ) -> "RuledPolicies":
        """The policies as they are listed."""
        listed = list(policies)
        names = {key.casefold(): one for one in listed for key in (one.id, one.name) if key}
        flagged = (
            one
            for one in listed
            if any(get_flag(one.values, name, default=False) for name in DEFAULT_FLAGS)
        )
        return cls(shape, property_name, names, next(flagged, None))

    def find(self, rule: Configuration) -> Configuration | None:
        """The policy of a rule."""
        return self.by_name.get(get_text(rule.values, self.property_name).casefold())

    def rate(self, policy: Configuration | None, other: Configuration | None) -> Severity:
        """How grave it is that a policy counts in place of another; INFO where it is no weaker."""
        if policy is None or other is None:
            return LOW
        opens, keeps = self.measure(policy)
        others, kept = self.measure(other)
        return Severity.INFO if opens <= others and keeps >= kept else MEDIUM

    def measure(self, policy: Configuration) -> tuple[frozenset[str], frozenset[str]]:
        """What a policy lets through, and which of its switches are on; who is named in a list of
        one policy need not be in another's.
        """
        exposures = list_exposures(self.shape, policy, (), ())
        opens = (one.token for one in exposures if one.severity >= MEDIUM)
        return (
            frozenset(one for one in opens if not one.startswith(VALUE_MARK)),
            frozenset(one for one in list_kept(self.shape, policy) if " " not in one),
        )


def list_policy(rule: Configuration, policies: RuledPolicies) -> Iterator[Trait]:
    """Which policy a rule has."""
    if name := get_text(rule.values, policies.property_name):
        yield Trait(
            build_value_token(WITH_POLICY, name),
            f"now has the policy {quote_text(name, MAX_NAME_LENGTH)}",
            MEDIUM,
            after_kept=WITH_POLICY,
        )


def list_reach(rule: Configuration, policies: RuledPolicies) -> Iterator[Trait]:
    """Whom a rule that is on puts under its policy."""
    severity = policies.rate(policies.find(rule), policies.default)
    why = WEAKER.get(severity, "")
    for condition in CONDITIONS:
        entries = get_texts(rule.values, condition)
        everybody = f"whatever {condition}"
        if not entries:
            text = f"counts without a condition of {condition}{why}"
            yield Trait(everybody, text, severity, after_kept=WITH_POLICY)
        for entry in entries:
            text = f"also counts for {quote_text(entry, MAX_NAME_LENGTH)}{why}"
            yield Trait(
                build_token(f"covers {condition}", entry),
                text,
                severity,
                within=(everybody,),
                after_kept=WITH_POLICY,
            )


def list_spared(rule: Configuration, severity: Severity) -> Iterator[str]:
    """The tokens of those whom a rule keeps from its policy, which is weaker than the default."""
    if kind := SPARED.get(severity):
        for name in EXCEPTIONS:
            yield from (build_token(kind, entry) for entry in get_texts(rule.values, name))


def list_moot(severity: Severity) -> Iterator[str]:
    """The beginnings of the tokens of whom nobody needs to be kept from the policy any more."""
    return (f"{kind} " for weight, kind in SPARED.items() if weight is not severity)


def explain_spared(token: str) -> Trait | None:
    """What it means that a rule of a weaker policy no longer leaves somebody out; None for another
    token.
    """
    for severity, kind in SPARED.items():
        if token.startswith(f"{kind} "):
            whom = quote_text(token.removeprefix(f"{kind} "), MAX_NAME_LENGTH)
            return Trait(token, f"no longer leaves out {whom}{WEAKER[severity]}", severity)
    return None


def rate_arrival(
    rule: Configuration, rules: Sequence[Configuration], policies: RuledPolicies
) -> tuple[Severity, tuple[Fact, ...]]:
    """How grave it is that a rule is new, and why: by its policy, and by those that it comes
    before.
    """
    policy = policies.find(rule)
    weighed = [(policies.rate(policy, policies.default), "the default")]
    weighed += [
        (policies.rate(policy, policies.find(other)), f"that of {get_name(other)}")
        for other in rules
        if is_on(other) and comes_before(rule, other)
    ]
    gravest = max(severity for severity, _ in weighed)
    named = get_text(rule.values, policies.property_name) or "not named"
    name = quote_text(named, MAX_NAME_LENGTH)
    return gravest, tuple(
        Fact("policy", f"{name}, {STANDING[severity]} {other}")
        for severity, other in weighed
        if severity in STANDING
    )[:MAX_STANDINGS]


def is_on(rule: Configuration) -> bool:
    """Whether a rule is not switched off."""
    return get_text(rule.values, "State").casefold() != "disabled"


def get_name(rule: Configuration) -> str:
    """What people know a rule by."""
    return quote_text(rule.name or rule.id, MAX_NAME_LENGTH)


def list_overtaken(
    rule: Configuration, rules: Sequence[Configuration], policies: RuledPolicies
) -> Iterator[Trait]:
    """The rules that it comes before, which matters of those that it came behind."""
    for other in rules:
        if comes_before(rule, other):
            severity = policies.rate(policies.find(rule), policies.find(other))
            yield Trait(
                build_token(BEFORE, other.id),
                f"now comes before {get_name(other)}{STRICTER.get(severity, '')}",
                severity,
                after_kept=build_token(BEHIND, other.id),
            )


def list_followed(rule: Configuration, rules: Sequence[Configuration]) -> Iterator[str]:
    """The tokens of the rules that it comes behind."""
    return (build_token(BEHIND, other.id) for other in rules if comes_before(other, rule))


def comes_before(rule: Configuration, other: Configuration) -> bool:
    """Whether a rule is of a higher priority than another: of a lower number."""
    first, second = (
        parse_printed_int(find_property(one.values, "Priority")[1]) for one in (rule, other)
    )
    return first is not None and second is not None and first < second
