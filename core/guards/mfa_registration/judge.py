"""Judges administrators one by one, and everybody else by what share of them lacks something."""

from collections.abc import Iterator, Mapping
from itertools import batched

from core.guards.mfa_registration.factors import (
    PLATFORM_PREFIXES,
    UNKNOWN_FACTOR,
    WEAK_FACTOR,
    WEAK_METHODS,
    WITHOUT_SECOND_FACTOR,
    get_factor_deficiency,
    has_only_weak_factor,
    has_second_factor,
    is_external,
    is_resistant_method,
    is_unknown_method,
    list_unknown_methods,
)
from core.guards.mfa_registration.items import (
    EXTERNAL_MEMBERS,
    FEDERATED,
    GUESTS,
    MAX_LABEL_LENGTH,
    MAX_TEXT_LENGTH,
    MEMBERS,
    AddedMethods,
    Administrator,
    GroupSummary,
    RegistrationItem,
)
from core.guards.mfa_registration.remedies import (
    build_added_remedy,
    build_factor_remedy,
    build_group_remedy,
)
from core.guards.mfa_registration.verdicts import MfaVerdict
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import GuardPolicy
from core.tenant.quoting import quote_text
from core.tenant.sources import REGISTERED_ADMINISTRATORS, SIGN_IN_METHODS

NAMES_PER_LINE = 5
# At these shares a digest becomes graver, and only that is news.
HIGH_SHARE, MEDIUM_SHARE = 25.0, 5.0
REPORT_AGE_TEXT = "Microsoft's report is up to a day old and leaves out disabled accounts"
# Of the groups whose second factor others may ask for: who that is.
DECIDED_BY: Mapping[str, str] = {
    GUESTS: "their own organization may ask them for a second factor, which is not seen from here",
    EXTERNAL_MEMBERS: "they belong to another organization, which may ask them for a second "
    "factor; that is not seen from here",
    FEDERATED: "another provider signs them in and may ask them for a second factor; that is not "
    "seen from here",
}
# What accounts have in common, and the verdict, where they have a second factor.
GROUP_TEXTS: Mapping[str, tuple[str, str]] = {
    WEAK_FACTOR: ("with only a telephone as second factor", MfaVerdict.WEAK_FACTOR),
    UNKNOWN_FACTOR: (
        "with a second factor that this version does not know",
        Verdict.COULD_NOT_TELL,
    ),
}
REQUIRE_OF_GUESTS = (
    "Require a second factor of guests: Entra admin center > Entra ID > Conditional Access > "
    "Create new policy from templates > Require multifactor authentication for guests."
)


def judge(item: RegistrationItem, policy: GuardPolicy) -> Iterator[Finding]:
    """An administrator each by itself; ordinary accounts by what share of them lacks something."""
    if isinstance(item, Administrator):
        if item.entry.is_admin and (lack := get_factor_deficiency(item.entry)):
            yield build_administrator_finding(item, lack)
    elif isinstance(item, AddedMethods):
        yield build_added_finding(item)
    elif item.count:
        yield build_group_finding(item)


def build_administrator_finding(administrator: Administrator, deficiency: str) -> Finding:
    """One administrator who can be impersonated."""
    entry = administrator.entry
    name = quote_text(entry.upn or entry.id, MAX_TEXT_LENGTH)
    severity: Severity
    verdict: str
    if deficiency == UNKNOWN_FACTOR:
        severity, verdict = Severity.MEDIUM, Verdict.COULD_NOT_TELL
        methods = format_methods(list_unknown_methods(entry))
        summary = (
            f"The administrator {name} has a second factor that this version does not know "
            f"({methods}): what it is worth is not known."
        )
    elif deficiency == WEAK_FACTOR:
        severity, verdict = Severity.HIGH, MfaVerdict.WEAK_FACTOR
        summary = f"The administrator {name} has only a weak second factor."
    elif is_external(entry):
        severity, verdict = Severity.HIGH, MfaVerdict.DECIDED_ELSEWHERE
        summary = (
            f"The administrator {name} has no second factor here; whether the organization they "
            "belong to asks for one is not seen."
        )
    elif administrator.is_federated:
        severity, verdict = Severity.MEDIUM, MfaVerdict.DECIDED_ELSEWHERE
        summary = (
            f"The administrator {name} signs in at another provider, which decides about the "
            "second factor; it is not seen from here."
        )
    else:
        severity, verdict = Severity.CRITICAL, MfaVerdict.NO_SECOND_FACTOR
        summary = f"The administrator {name} signs in with a password alone."
        if not administrator.are_domains_known:
            summary = f"The administrator {name} has registered no second factor."
    return Finding(
        kind="administrator-second-factor",
        object_id=entry.id,
        subject=name,
        severity=severity,
        verdict=verdict,
        summary=summary,
        facts=tuple(list_administrator_facts(administrator)),
        sources=(SIGN_IN_METHODS, REGISTERED_ADMINISTRATORS),
        advice=build_administrator_advice(administrator, name),
        steps=build_factor_remedy(entry.id, name, entry.upn),
    )


def build_added_finding(added: AddedMethods) -> Finding:
    """Methods that an administrator can sign in by since the look before.

    Whoever adds a method of their own to somebody else's account can come back whenever they like.
    """
    name = quote_text(added.entry.upn or added.entry.id, MAX_TEXT_LENGTH)
    shown = format_methods(added.names)
    return Finding(
        kind="administrator-method-added",
        object_id=added.entry.id,
        subject=name,
        severity=rate_added_methods(added),
        verdict=MfaVerdict.METHOD_ADDED,
        summary=f"The administrator {name} can sign in by {shown} now, and could not before.",
        facts=(
            Fact("first seen", f"{added.seen_at:%Y-%m-%d %H:%M} UTC"),
            Fact("registered before", format_methods(added.earlier) or "none"),
            Fact("", "who added it is in the audit log of Entra"),
            Fact("", REPORT_AGE_TEXT),
        ),
        sources=(SIGN_IN_METHODS, REGISTERED_ADMINISTRATORS),
        fingerprint=added.seen_at.isoformat(),
        advice=f"Ask {name} in person whether they added it. If not, remove it, end the sessions, "
        "and look at who could have done it.",
        steps=build_added_remedy(added.entry.id, name, added.entry.upn),
        held_account=added.entry.id,
        is_one_off=True,
        is_said_once=True,
        needs_own_exemption=True,
    )


def rate_added_methods(added: AddedMethods) -> Severity:
    """How grave new methods are: the gravest opens a way in that did not exist before.

    Whoever has the password of an account without any method registers the first one as its owner.
    """
    if all(name.startswith(PLATFORM_PREFIXES) for name in added.names):
        return Severity.LOW
    was_resistant = bool(added.earlier) and all(map(is_resistant_method, added.earlier))
    weakens = was_resistant and any(
        name in WEAK_METHODS or is_unknown_method(name) for name in added.names
    )
    return Severity.HIGH if weakens else Severity.MEDIUM


def format_methods(names: tuple[str, ...]) -> str:
    """The names of methods, as many as one line takes."""
    return ", ".join(quote_text(name, MAX_LABEL_LENGTH) for name in names[:10])


def list_administrator_facts(administrator: Administrator) -> Iterator[Fact]:
    """What is registered, and why it does not do."""
    entry = administrator.entry
    yield Fact("registered methods", format_methods(tuple(sorted(entry.methods))) or "none")
    if entry.mfa_registered and not has_second_factor(entry):
        yield Fact(
            "",
            "what is registered is no second factor that the authentication methods policy allows",
        )
    if has_only_weak_factor(entry) and has_second_factor(entry):
        yield Fact("", "messages and calls can be diverted by whoever takes over the number")
    if is_external(entry):
        kind = "guest" if entry.is_guest else "member of another organization"
        yield Fact("", f"it is a {kind} with an administrator's role")
    if not administrator.are_domains_known:
        yield Fact("", "whether another provider signs it in could not be read")
    yield Fact("", REPORT_AGE_TEXT)


def build_administrator_advice(administrator: Administrator, name: str) -> str:
    """What to do, and what about the account no person signs in with."""
    entry = administrator.entry
    if administrator.is_federated and not has_second_factor(entry):
        return (
            f"Make sure that the provider asks {name} for a second factor, or better: administer "
            "with an account of the domain onmicrosoft.com that has a passkey, so that whoever "
            "takes the provider over does not administer the tenant."
        )
    advice = (
        f"Have {name} register a passkey or Microsoft Authenticator at aka.ms/mysecurityinfo, and "
        "require it: Entra admin center > Entra ID > Conditional Access > Create new policy "
        "from templates > Require multifactor authentication for admins."
    )
    if entry.upn.lower().startswith("sync_"):
        advice += (
            " If this is the account of Entra Connect, it cannot register anything: let it sign in "
            "from the address of its server only, and exempt it here."
        )
    return advice


def rate_group_summary(summary: GroupSummary) -> Severity:
    """How bad it is: by share, so that a few accounts more or less are no news."""
    if summary.group != MEMBERS or summary.deficiency != WITHOUT_SECOND_FACTOR:
        return Severity.LOW
    if summary.share >= HIGH_SHARE:
        return Severity.HIGH
    return Severity.MEDIUM if summary.share >= MEDIUM_SHARE else Severity.LOW


def build_group_finding(summary: GroupSummary) -> Finding:
    """Many accounts in one case."""
    without = summary.deficiency == WITHOUT_SECOND_FACTOR
    what, verdict = GROUP_TEXTS.get(summary.deficiency, ("", MfaVerdict.NO_SECOND_FACTOR))
    if without:
        what = "without a second factor" + " here" * (summary.group != MEMBERS)
    if summary.deficiency == UNKNOWN_FACTOR:
        advice = (
            "Look up the method that Microsoft added: a newer version of Exoguard may know it. Ask "
            "them to register a passkey or Microsoft Authenticator at aka.ms/mysecurityinfo."
        )
    elif not without:
        advice = (
            "Ask them to register a passkey or Microsoft Authenticator at aka.ms/mysecurityinfo."
        )
    elif summary.group in (GUESTS, EXTERNAL_MEMBERS):
        advice = REQUIRE_OF_GUESTS
    elif summary.group == FEDERATED:
        advice = "Make sure that the provider asks them for a second factor."
    else:
        advice = (
            "Require a second factor of everybody: Entra admin center > Entra ID > Conditional "
            "Access > Create new policy from templates > Require multifactor authentication for "
            "all users; without Entra ID P1, Overview > Properties > Manage security defaults."
        )
    return Finding(
        kind=summary.deficiency,
        object_id=summary.group,
        subject=f"{summary.group} {what}",
        severity=rate_group_summary(summary),
        verdict=verdict,
        summary=f"{summary.count:,} of {summary.total:,} {summary.group} are {what}, "
        "administrators aside.",
        facts=tuple(list_group_facts(summary)),
        sources=(SIGN_IN_METHODS,),
        advice=f"{advice} Everyone: Entra ID > Authentication methods > User registration details.",
        steps=build_group_remedy(advice),
    )


def list_group_facts(summary: GroupSummary) -> Iterator[Fact]:
    """Figures and first names; the same as long as the accounts are."""
    figures = f"{summary.share:.0f} % of {summary.group}"
    if summary.deficiency == WITHOUT_SECOND_FACTOR and summary.disallowed_count:
        figures += f"; {summary.disallowed_count:,} have registered only what policy does not allow"
    yield Fact("", figures)
    for names in batched(summary.names, NAMES_PER_LINE, strict=False):
        yield Fact("", ", ".join(quote_text(name, MAX_LABEL_LENGTH) for name in names))
    if more := summary.count - len(summary.names):
        yield Fact("", f"and {more:,} more")
    if summary.group in DECIDED_BY and summary.deficiency == WITHOUT_SECOND_FACTOR:
        yield Fact("", DECIDED_BY[summary.group])
    if summary.deficiency == WITHOUT_SECOND_FACTOR and summary.unchecked_count:
        yield Fact(
            "",
            f"of {summary.unchecked_count:,} it was not looked up whether they are disabled since; "
            f"{REPORT_AGE_TEXT}",
        )
    else:
        yield Fact("", REPORT_AGE_TEXT)
