"""The ATT&CK techniques of each verdict of each guard. Pure.

Watched collections name their techniques themselves; here are those of all other findings. A
verdict that concludes that nothing is wrong has none. Ids are those of MITRE ATT&CK, version 17,
matrix Enterprise (attack.mitre.org).
"""

from collections.abc import Mapping

FORWARDING, HIDING = ("T1114.003",), ("T1564.008", "T1137.005")
FULL_RIGHTS = ("T1098.002",)
LOGGING = ("T1562.008",)
CONSENT = ("T1528", "T1098.003")
FACTORS = ("T1556.006", "T1098.005")

VERDICT_TECHNIQUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "shared-mailbox-sign-in": {
        "block": ("T1078.004",),
        "end-sessions": ("T1550", "T1078.004"),
        "keep": (),
        "never": (),
    },
    "mailbox-forwarding": {
        "external": FORWARDING,
        "unresolved": FORWARDING,
        "hides-mail": HIDING,
        "routed": (*FORWARDING, "T1537"),
        "trusted": ("T1566", "T1098"),
        "unfiltered": ("T1562.001", "T1656"),
        "new-domain": ("T1584.001", "T1114.003"),
        "bait": ("T1534", "T1656"),
        "published": ("T1114",),
        "dormant": FORWARDING,
        "keep": (),
    },
    "mailbox-audit": {"repair": LOGGING, "keep": ()},
    "mailbox-delegation": {
        "delegated": FULL_RIGHTS,
        "everyone": (*FULL_RIGHTS, "T1114.002"),
        "external": (*FULL_RIGHTS, "T1114.002"),
        "unresolved": FULL_RIGHTS,
        "add-in": ("T1137.006",),
    },
    "tenant-baseline": {"drift": ("T1562",), "repair": ("T1562",), "keep": ()},
    "app-consent": {
        "granted": (*CONSENT, "T1098.001", "T1098.002"),
        "impostor": ("T1528", "T1036.005"),
        "dormant": ("T1098.001",),
        "repair": ("T1528", "T1562"),
        "keep": (),
    },
    "mfa-registration": {
        "no-second-factor": ("T1556.006", "T1078.004"),
        "weak-factor": ("T1078.004", "T1621"),
        "decided-elsewhere": ("T1484.002",),
        "method-added": FACTORS,
    },
    "mass-deletion": {
        "mass-deletion": ("T1485", "T1531"),
        "deleted-for-good": ("T1485",),
        "mass-lockout": ("T1531",),
    },
    "exchange-module-access": {"repair": ("T1059.009", "T1098.002")},
    "legacy-protocols": {"repair": ("T1078.004", "T1110")},
    "privileged-change": {
        "new-administrator": ("T1098.003", "T1136.003"),
        "method-added": FACTORS,
        "emergency-sign-in": ("T1078.004",),
        "elevated": ("T1098.003",),
        "secrets-read": ("T1555",),
        "blocked-sender": ("T1199", "T1534"),
        "locked-out": ("T1531", "T1098", "T1550"),
        "revived": ("T1098", "T1136.003"),
        "refused-role": ("T1078.004",),
        "invited": ("T1136.003",),
        "apps-changed": ("T1136.003", "T1489"),
        "unused": ("T1078.004",),
    },
    "risky-accounts": {
        "new-way": ("T1528", "T1566.002", "T1078.004"),
        "prompted": ("T1621",),
        "at-risk": ("T1078.004",),
        "compromised": ("T1078.004",),
        "not-licensed": (),
    },
    "shared-mailbox-health": {},
    "external-trust": {},
    "exchange-roles": {},
    "mail-protection": {},
}
