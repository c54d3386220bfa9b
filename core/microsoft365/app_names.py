"""Names of apps that claim to be somebody else's.

A consent screen shows little more than a name. Intruders take Microsoft's names and those of known
products, spell them with letters that only look alike, or leave nothing that could be read.
"""

import re
import unicodedata
from enum import StrEnum

from core.look_alikes import LOOK_ALIKES, fold_accents, strip_hidden
from core.microsoft365.look_alike_domains import is_one_slip_away

# Digits and signs that stand for letters in a name; small L and small I look like one another.
SIGNS_AS_LETTERS = str.maketrans("01345@$!|l", "oieasasiii")
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
# Words that are Microsoft's wherever they stand, but for what comes after "for" and the like.
UNMISTAKABLE_WORDS = frozenset(
    ["microsoft", "outlook", "onedrive", "sharepoint", "o365", "m365", "office365", "msteams"]
)
LINKING_WORDS = frozenset(
    [
        "for",
        "with",
        "in",
        "to",
        "from",
        "on",
        "at",
        "by",
        "into",
        "via",
        "and",
        "or",
        "of",
        "against",
        "fur",
        "für",
        "pour",
        "para",
        "per",
        "met",
        "til",
    ]
)
# Where words are written as one without capitals.
JOINED_LINKING_WORDS = ("for", "with", "from")
WORDS_WITHIN = re.compile(r"[A-Z]?[^A-Z]+|[A-Z]+")
# Names to which no other word is alike, so that a slip in one is made on purpose.
UNLIKE_OTHERS = ("authenticator", "docusign", "microsoft", "onedrive", "outlook", "sharepoint")
SEPARATORS = re.compile(r"[\s_.\-/\\()\[\]&+,:;'\"]+")


class NameClaim(StrEnum):
    """What is misleading about the name of an app; the values complete "its name"."""

    LOOK_ALIKE = (
        "looks like one of Microsoft's or of a known product, spelled with letters that only look "
        "alike"
    )
    MISSPELT = "is one letter away from one of Microsoft's or of a known product"
    UNREADABLE = "has no letter or digit that could be read"
    MICROSOFT = "looks like one of Microsoft's"
    BRAND = "is that of a known product"


def fold_look_alikes(name: str) -> str:
    """A name reduced to Latin letters, with look-alike signs replaced by what they look like."""
    latin = fold_accents(name).translate(LOOK_ALIKES).translate(SIGNS_AS_LETTERS)
    return re.sub(r"[^a-z]", "", latin).replace("rn", "m").replace("vv", "w")


def find_name_claim(name: str) -> NameClaim | None:
    """What is misleading about a name on an app of whoever it is not; None for nothing.

    "Acme for Outlook" says what the app is for; "Outlook Backup" claims to be Microsoft's.
    """
    if not name:
        return None
    if not any(unicodedata.category(sign)[0] in "LN" for sign in strip_hidden(name)):
        return NameClaim.UNREADABLE
    written, seen = SEPARATORS.sub("", name.casefold()), fold_look_alikes(name)
    for product in (*PRODUCTS, *(brand for brand in BRANDS if len(brand) >= 5)):
        if product not in written and fold_look_alikes(product) in seen:
            return NameClaim.LOOK_ALIKE
    words = [word for word in re.split(r"[\W_]+", name) if word]
    if is_misspelt(words):
        return NameClaim.MISSPELT
    first, two = fold_look_alikes(words[0]), fold_look_alikes("".join(words[:2]))
    shapes = {fold_look_alikes(product) for product in PRODUCTS}
    if SUITE.match(unicodedata.normalize("NFKC", name).casefold()) or {first, two} & shapes:
        return NameClaim.MICROSOFT
    if seen.startswith(fold_look_alikes("microsoft")) or names_microsoft(words):
        return NameClaim.MICROSOFT
    brands = {fold_look_alikes(one) for one in BRANDS}
    return NameClaim.BRAND if {first, two} & brands else None


def names_microsoft(words: list[str]) -> bool:
    """True where a product of Microsoft's stands in a name, and not after what an app is for."""
    for word in words:
        folded = word.casefold()
        if folded in LINKING_WORDS:
            return False
        starts = [folded.find(one) for one in UNMISTAKABLE_WORDS if one in folded]
        if starts:
            return not ends_with_linking_word(word[: min(starts)])
    return False


def ends_with_linking_word(text: str) -> bool:
    """True for the beginning of a word that says what an app is for: AcmeFor, backup-for."""
    parts = WORDS_WITHIN.findall(text)
    return bool(parts) and (
        parts[-1].casefold() in LINKING_WORDS or text.casefold().endswith(JOINED_LINKING_WORDS)
    )


def is_misspelt(words: list[str]) -> bool:
    """True for a word that is one letter away from a name that is nobody else's."""
    return any(
        is_one_slip_away(word, product) and not word.startswith(product)
        for word in map(str.casefold, words)
        for product in UNLIKE_OTHERS
    )
