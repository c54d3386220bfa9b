"""Names of apps that claim to be somebody else's.

A consent screen shows little more than a name. Intruders take Microsoft's names and those of known
products, spell them with letters that only look alike, or leave nothing that could be read.
"""

import re
import unicodedata
from enum import StrEnum

# Letters of other scripts, digits and signs that look like Latin letters, with those letters. Small
# L and small I look like one another.
LOOK_ALIKES = str.maketrans(
    {
        **dict.fromkeys("\u0430\u03b1@4", "a"),
        **dict.fromkeys("\u0432\ua7b5", "b"),
        **dict.fromkeys("\u0441\u03f2", "c"),
        **dict.fromkeys("\u0501", "d"),
        **dict.fromkeys("\u0435\u03b5\u04673", "e"),
        **dict.fromkeys("\u0261", "g"),
        **dict.fromkeys("\u04bb\u043d", "h"),
        **dict.fromkeys("\u0456\u03b9\u0131\u04cfl1|", "i"),
        **dict.fromkeys("\u03ba\u043a", "k"),
        **dict.fromkeys("\u043c", "m"),
        **dict.fromkeys("\u03bd", "v"),
        **dict.fromkeys("\u043e\u03bf\u05e1\u06650", "o"),
        **dict.fromkeys("\u0440\u03c1", "p"),
        **dict.fromkeys("\u04555$", "s"),
        **dict.fromkeys("\u0442\u03c4", "t"),
        **dict.fromkeys("\u0445\u03c7", "x"),
        **dict.fromkeys("\u0443", "y"),
        "\u00f8": "o",
        "\u0142": "i",
    }
)
PRODUCTS = (
    "authenticator",
    "azure",
    "copilot",
    "defender",
    "entra",
    "exchange",
    "hotmail",
    "intune",
    "microsoft",
    "msteams",
    "office",
    "onedrive",
    "onenote",
    "outlook",
    "powerapps",
    "powerautomate",
    "powerbi",
    "purview",
    "sharepoint",
    "skype",
    "teams",
    "windows",
    "yammer",
)
# Microsoft 365 by its short names, alone or before other words.
SUITE = re.compile(r"(?:m|ms|o|office|microsoft)[\W_]*365|msft")
# Products of others that phishing apps were named after (Proofpoint 2025-07: Adobe, DocuSign,
# RingCentral, SharePoint; reports of consent phishing since 2020).
BRANDS = (
    "acrobat",
    "adobe",
    "amazon",
    "apple",
    "docusign",
    "dropbox",
    "facebook",
    "github",
    "gmail",
    "google",
    "icloud",
    "linkedin",
    "okta",
    "paypal",
    "ringcentral",
    "salesforce",
    "servicenow",
    "slack",
    "webex",
    "whatsapp",
    "zoom",
)
# Signs that count as letters and show nothing.
FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
SEPARATORS = re.compile(r"[\s_.\-/\\()\[\]&+,:;'\"]+")


class NameClaim(StrEnum):
    """What is misleading about the name of an app; the values complete "its name"."""

    LOOK_ALIKE = (
        "looks like one of Microsoft's or of a known product, spelled with letters that only look "
        "alike"
    )
    UNREADABLE = "has no letter or digit that could be read"
    MICROSOFT = "looks like one of Microsoft's"
    BRAND = "is that of a known product"


def fold_look_alikes(name: str) -> str:
    """A name reduced to Latin letters, with look-alike signs replaced by what they look like."""
    plain = unicodedata.normalize("NFKD", name).casefold().translate(LOOK_ALIKES)
    return re.sub(r"[^a-z]", "", plain).replace("rn", "m").replace("vv", "w")


def find_name_claim(name: str) -> NameClaim | None:
    """What is misleading about a name on an app of whoever it is not; None for nothing.

    "Acme for Outlook" says what the app is for; "Outlook Backup" claims to be Microsoft's.
    """
    if not name:
        return None
    if not any(unicodedata.category(sign)[0] in "LN" for sign in name if sign not in FILLERS):
        return NameClaim.UNREADABLE
    written, seen = SEPARATORS.sub("", name.casefold()), fold_look_alikes(name)
    for product in (*PRODUCTS, *(brand for brand in BRANDS if len(brand) >= 5)):
        if product not in written and fold_look_alikes(product) in seen:
            return NameClaim.LOOK_ALIKE
    words = [word for word in re.split(r"[\W_]+", name) if word]
    first, two = fold_look_alikes(words[0]), fold_look_alikes("".join(words[:2]))
    shapes = {fold_look_alikes(product) for product in PRODUCTS}
    if SUITE.match(unicodedata.normalize("NFKC", name).casefold()) or first in shapes:
        return NameClaim.MICROSOFT
    if two in shapes or seen.startswith(fold_look_alikes("microsoft")):
        return NameClaim.MICROSOFT
    return NameClaim.BRAND if first in {fold_look_alikes(one) for one in BRANDS} else None
