"""How an inbox rule keeps mail from the eyes of the mailbox's owner, and how grave that is.

Whoever has taken over a mailbox makes a rule that takes replies and warnings out of sight: into a
folder nobody opens, or away altogether (MITRE ATT&CK T1564.008, Email Hiding Rules).
"""

import re
import unicodedata

from core.model.findings import Severity
from core.tenant.mail_flow import InboxRule

# Rules Exchange keeps for itself: junk mail and out-of-office replies.
JUNK_RULE_NAME = "junk e-mail rule"
OUT_OF_OFFICE_PREFIX = "microsoft.exchange.oof."

COMMON_FOLDERS = {
    "deleteditems": "Deleted Items",
    "junkemail": "Junk Email",
    "archive": "the archive",
    "clutter": "Clutter",
}
RARELY_OPENED_FOLDERS = {
    "conversationhistory": "Conversation History",
    "syncissues": "Sync Issues",
    "conflicts": "Conflicts",
    "localfailures": "Local Failures",
    "serverfailures": "Server Failures",
    "recoverableitemsdeletions": "Recoverable Items",
    "rssfeeds": "RSS Feeds",
}
DELETE_TEXTS = {"delete": "deletes the mail", "permanent": "deletes the mail for good"}

# The same folders as Exchange prints them: it gives a path in the mailbox's language and no id.
PRINTED_FOLDER_NAMES = {
    "deleteditems": (
        "deleted items, gelöschte elemente, éléments supprimés, elementos eliminados, "
        "posta eliminata, verwijderde items, itens excluídos, itens eliminados, slettet post, "
        "slettede elementer, borttagna objekt, elementy usunięte, удаленные, 削除済みアイテム"
    ),
    "junkemail": (
        "junk email, junk e-mail, junk-e-mail, courrier indésirable, correo no deseado, "
        "posta indesiderata, ongewenste e-mail, lixo eletrônico, lixo, uønsket e-mail, "
        "søppelpost, skräppost, wiadomości-śmieci, нежелательная почта, 迷惑メール"
    ),
    "archive": "archive, archiv, archives, archivo, archivio, archief, arquivo, arkiv, archiwum",
    "clutter": "clutter, autres courriers, otros correos, secondaria, onbelangrijke e-mail",
    "conversationhistory": (
        "conversation history, aufgezeichnete unterhaltungen, verlauf der unterhaltung, "
        "historique des conversations, historial de conversaciones, cronologia conversazioni, "
        "gespreksgeschiedenis, histórico de conversa, histórico de conversas, samtalehistorik, "
        "konversationshistorik, historia konwersacji, журнал бесед"
    ),
    "syncissues": (
        "sync issues, synchronisierungsprobleme, problèmes de synchronisation, "
        "problemas de sincronización, problemi di sincronizzazione, synchronisatieproblemen, "
        "problemas de sincronização, synkroniseringsproblemer, synkroniseringsproblem"
    ),
    "conflicts": "conflicts, konflikte, conflits, conflictos, conflitti, conflicten, conflitos",
    "localfailures": "local failures, lokale fehler, échecs locaux, errores locales",
    "serverfailures": "server failures, serverfehler, échecs du serveur, errores del servidor",
    "recoverableitemsdeletions": "deletions, recoverable items",
}
FOLDERS_BY_NAME = {
    name.strip(): folder
    for folder, names in PRINTED_FOLDER_NAMES.items()
    for name in names.split(",")
}

# What a thief does not want the owner to read: money, alarms, and replies that did not arrive.
SUSPICIOUS_PATTERN = (
    r"invoic|payment|payroll|remit|overdue|bank|iban|swift\b|wires?\b|password|passcode|hack|"
    r"phish|spam\b|spoof|scam|fraud|malware|virus|suspicious|security|secure\b|helpdesk|help desk|"
    r"service desk|undeliver|delivery (?:status|failure)|mailer-daemon|postmaster|mfa\b|2fa\b|"
    r"multi-?factor|two-?factor|authenticat|verification code|sign-in|compromis|do not open|"
    r"rechnung|zahlung|uberweisung|kennwort|passwort|sicherheit|unzustellbar|betrug|"
    r"factur|paiement|virement|mot de passe|securite|non remis|fraude|"
    r"pago\b|transferencia|contrasena|seguridad|fattur|pagament|bonifico|sicurezza|"
    r"fatura|senha|seguranca|factuur|betaling|wachtwoord|faktura|betalning|losenord|przelew|haslo"
)
SUSPICIOUS_WORDS = re.compile(rf"(?<!\w)(?:{SUSPICIOUS_PATTERN})")


def strip_accents(text: str) -> str:
    """Text without case and accents, as far as words are compared."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


def is_built_in_rule(rule: InboxRule) -> bool:
    """True for the rules Exchange makes itself, going by the name alone.

    Exchange has spelled the name with a small and with a capital m.
    """
    name = rule.name.casefold()
    return name == JUNK_RULE_NAME or name.startswith(OUT_OF_OFFICE_PREFIX)


def classify_graph_folder(well_known: str, name: str) -> str:
    """Graph's folder as this page knows it. RSS Feeds has no well-known name of its own."""
    if well_known in COMMON_FOLDERS or well_known in RARELY_OPENED_FOLDERS:
        return well_known
    if well_known.startswith("recoverableitems"):
        return "recoverableitemsdeletions"
    return "rssfeeds" if not well_known and is_rss_folder(name) else ""


def classify_folder_path(path: str) -> str:
    """The folder behind a path as Exchange prints it; empty for an ordinary one."""
    name = re.split(r"[\\/]", path.rstrip("\\/"))[-1].rpartition(":")[2].strip()
    return "rssfeeds" if is_rss_folder(name) else FOLDERS_BY_NAME.get(name.casefold(), "")


def is_rss_folder(name: str) -> bool:
    """RSS is RSS in every language: RSS Feeds, Flux RSS, RSS-Feeds, Fuentes RSS."""
    return re.search(r"(?<![^\W_])rss(?![^\W_])", name.casefold()) is not None


def find_hiding_place(rule: InboxRule, folder: str) -> str:
    """Where a rule puts mail out of sight; empty when it does not."""
    if rule.delete:
        return rule.delete
    return folder if folder in COMMON_FOLDERS or folder in RARELY_OPENED_FOLDERS else ""


def describe_hiding_place(hiding_place: str) -> str:
    """What the rule does, in words."""
    folder = COMMON_FOLDERS.get(hiding_place) or RARELY_OPENED_FOLDERS.get(hiding_place)
    return (
        f"moves the mail to {folder}"
        if folder
        else DELETE_TEXTS.get(hiding_place, "deletes the mail")
    )


def is_nameless(name: str) -> bool:
    """True for a name made to be overlooked: nothing, or only dots and the like."""
    return not any(sign.isalnum() for sign in name)


def find_suspicious_words(rule: InboxRule) -> tuple[str, ...]:
    """The texts the rule looks for that a thief would look for."""
    return tuple(
        sorted({word for word in rule.keywords if SUSPICIOUS_WORDS.search(strip_accents(word))})
    )


def is_unconditional_rule(rule: InboxRule) -> bool:
    """True when the rule takes every message."""
    return rule.conditions.strip() in ("", "{}", "null", "[]")


def rate_hiding_rule(rule: InboxRule, hiding_place: str) -> Severity:
    """How much a rule that hides mail should worry."""
    if is_unconditional_rule(rule) or find_suspicious_words(rule) or is_nameless(rule.name):
        return Severity.HIGH
    if hiding_place in RARELY_OPENED_FOLDERS or rule.mark_as_read:
        return Severity.MEDIUM
    return Severity.LOW
