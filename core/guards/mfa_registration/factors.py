"""What counts as a second factor, and who decides about it. Pure.

The names of methods are those of Microsoft Graph's usageAuthMethod, to which Microsoft adds: one
that is not named here may be anything, so it is told as that.
"""

from core.tenant.directory import MfaRegistration
from core.tenant.domain_names import to_a_label

# Passkeys and their kin prove two things at once and cannot be phished. The report counts some of
# them as a second factor only where policy does, so their own names decide.
PHISHING_RESISTANT_PREFIXES = (
    "passkey",
    "fido",
    "windowshello",
    "macossecureenclave",
    "x509certificatemulti",
)
# They reset a password, let an old client in or stand in its place; none is asked for beside it.
NON_FACTOR_METHODS = frozenset({"email", "securityquestion", "apppassword", "qrcode", "qrcodepin"})
# An attacker can take over a number or read a message on the telephone; a pass expires.
WEAK_METHODS = NON_FACTOR_METHODS | {
    "mobilephone",
    "mobilesms",
    "mobilecall",
    "sms",
    "alternatemobilephone",
    "alternatemobilecall",
    "officephone",
    "temporaryaccesspass",
}
# A provider outside of Entra proves the second factor; the report may list and not count it.
EXTERNAL_METHODS = frozenset({"externalauthmethod", "externalauthenticationmethod"})
# A prompt or a code of a device of one's own: no number that somebody can take over.
STRONG_METHODS = EXTERNAL_METHODS | {
    "microsoftauthenticatorpush",
    "microsoftauthenticatorpasswordless",
    "appnotification",
    "appcode",
    "softwareonetimepasscode",
    "hardwareonetimepasscode",
}
# They come with a computer of one's own.
PLATFORM_PREFIXES = ("windowshello", "macossecureenclave")
EXTERNAL_MARK = "#ext#"
WITHOUT_SECOND_FACTOR, WEAK_FACTOR = "without-second-factor", "weak-factor"
UNKNOWN_FACTOR = "unknown-factor"


def is_phishing_resistant(entry: MfaRegistration) -> bool:
    """True when the account has a passkey or its like."""
    return any(is_resistant_method(method) for method in entry.methods)


def has_second_factor(entry: MfaRegistration) -> bool:
    """True when signing in can take more than a password."""
    if entry.passwordless_capable or is_phishing_resistant(entry):
        return True
    if not entry.methods.isdisjoint(EXTERNAL_METHODS) and not entry.mfa_registered:
        return True
    return entry.mfa_capable and not (entry.methods and entry.methods <= NON_FACTOR_METHODS)


def has_only_weak_factor(entry: MfaRegistration) -> bool:
    """True when all there is besides the password is a telephone, or ends by itself."""
    return bool(entry.methods) and entry.methods <= WEAK_METHODS and not entry.passwordless_capable


def has_strong_factor(entry: MfaRegistration) -> bool:
    """True when one of the methods is known to be more than weak."""
    return (
        entry.passwordless_capable
        or is_phishing_resistant(entry)
        or not entry.methods.isdisjoint(STRONG_METHODS)
    )


def list_unknown_methods(entry: MfaRegistration) -> tuple[str, ...]:
    """The registered methods of which nobody knows what they are worth, by name."""
    return tuple(sorted(filter(is_unknown_method, entry.methods)))


def is_unknown_method(method: str) -> bool:
    """True for a method of a name that Microsoft may have added since."""
    return method not in WEAK_METHODS | STRONG_METHODS and not is_resistant_method(method)


def get_factor_deficiency(entry: MfaRegistration) -> str:
    """What an account lacks, or that it is not known whether it does; "" for nothing."""
    if not has_second_factor(entry):
        return WITHOUT_SECOND_FACTOR
    if has_only_weak_factor(entry):
        return WEAK_FACTOR
    return UNKNOWN_FACTOR if list_unknown_methods(entry) and not has_strong_factor(entry) else ""


def is_resistant_method(method: str) -> bool:
    """True for a method that cannot be phished."""
    return method.startswith(PHISHING_RESISTANT_PREFIXES)


def is_external(entry: MfaRegistration) -> bool:
    """True for a guest, and for a member who belongs to another organization.

    The principal name of an account that was invited holds #EXT#, whatever type it has since
    (Microsoft Learn: Properties of a Microsoft Entra B2B collaboration user).
    """
    return entry.is_guest or EXTERNAL_MARK in entry.upn.lower()


def is_federated(entry: MfaRegistration, federated_domains: frozenset[str]) -> bool:
    """True when another provider signs the account in, because of its domain."""
    return to_a_label(entry.upn.rpartition("@")[2]) in federated_domains
