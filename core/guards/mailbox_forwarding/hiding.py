"""How an inbox rule keeps mail from the eyes of the mailbox's owner, and how grave that is.

Whoever has taken over a mailbox makes a rule that takes replies and warnings out of sight: into a
folder nobody opens, or away altogether (MITRE ATT&CK T1564.008, Email Hiding Rules).
"""

import re
import unicodedata

from core.model.findings import Severity
from core.tenant.mail_flow import InboxRule

# Rules Exchange keeps for itself: junk mail and out-of-office replies.
JUNK_RULE = "junk e-mail rule"
OUT_OF_OFFICE = "microsoft.exchange.oof."

ORDINARY = {
    "deleteditems": "Deleted Items",
    "junkemail": "Junk Email",
    "archive": "the archive",
    "clutter": "Clutter",
}
FORGOTTEN = {
    "conversationhistory": "Conversation History",
    "syncissues": "Sync Issues",
    "conflicts": "Conflicts",
    "localfailures": "Local Failures",
    "serverfailures": "Server Failures",
    "recoverableitemsdeletions": "Recoverable Items",
    "rssfeeds": "RSS Feeds",
}
DELETES = {"delete": "deletes the mail", "permanent": "deletes the mail for good"}

# The same folders as Exchange prints them: it gives a path in the mailbox's language and no id.
PRINTED = {
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
FOLDER_NAMES = {
    name.strip(): folder for folder, names in PRINTED.items() for name in names.split(",")
}

# What a thief does not want the owner to read: money, alarms, and replies that did not arrive.
TELLING = (
    r"invoic|payment|payroll|remit|overdue|bank|iban|swift\b|wires?\b|password|passcode|hack|"
    r"phish|spam\b|spoof|scam|fraud|malware|virus|suspicious|security|secure\b|helpdesk|help desk|"
    r"service desk|undeliver|delivery (?:status|failure)|mailer-daemon|postmaster|mfa\b|2fa\b|"
    r"multi-?factor|two-?factor|authenticat|verification code|sign-in|compromis|do not open|"
    r"rechnung|zahlung|uberweisung|kennwort|passwort|sicherheit|unzustellbar|betrug|"
    r"factur|paiement|virement|mot de passe|securite|non remis|fraude|"
    r"pago\b|transferencia|contrasena|seguridad|fattur|pagament|bonifico|sicurezza|"
    r"fatura|senha|seguranca|factuur|betaling|wachtwoord|faktura|betalning|losenord|przelew|haslo"
)
TELLING_WORDS = re.compile(rf"(?<!\w)(?:{TELLING})")


def plain_letters(text: str) -> str:
    """Text without case and accents, as far as words are compared."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


def kept_by_exchange(rule: InboxRule) -> bool:
    """True for the rules Exchange makes itself, going by the name alone.

    Exchange has spelled the name with a small and with a capital m.
    """
    name = rule.name.casefold()
    return name == JUNK_RULE or name.startswith(OUT_OF_OFFICE)


def known_folder(well_known: str, name: str) -> str:
    """Graph's folder as this page knows it. RSS Feeds has no well-known name of its own."""
    if well_known in ORDINARY or well_known in FORGOTTEN:
        return well_known
    if well_known.startswith("recoverableitems"):
        return "recoverableitemsdeletions"
    return "rssfeeds" if not well_known and is_rss(name) else ""


def printed_folder(path: str) -> str:
    """The folder behind a path as Exchange prints it; empty for an ordinary one."""
    name = re.split(r"[\\/]", path.rstrip("\\/"))[-1].rpartition(":")[2].strip()
    return "rssfeeds" if is_rss(name) else FOLDER_NAMES.get(name.casefold(), "")


def is_rss(name: str) -> bool:
    """RSS is RSS in every language: RSS Feeds, Flux RSS, RSS-Feeds, Fuentes RSS."""
    return re.search(r"(?<![^\W_])rss(?![^\W_])", name.casefold()) is not None


def hiding_place(rule: InboxRule, folder: str) -> str:
    """Where a rule puts mail out of sight; empty when it does not."""
    if rule.delete:
        return rule.delete
    return folder if folder in ORDINARY or folder in FORGOTTEN else ""


def described(place: str) -> str:
    """What the rule does, in words."""
    folder = ORDINARY.get(place) or FORGOTTEN.get(place)
    return f"moves the mail to {folder}" if folder else DELETES.get(place, "deletes the mail")


def nameless(name: str) -> bool:
    """True for a name made to be overlooked: nothing, or only dots and the like."""
    return not any(sign.isalnum() for sign in name)


def telling_words(rule: InboxRule) -> tuple[str, ...]:
    """The texts the rule looks for that a thief would look for."""
    return tuple(sorted({word for word in rule.words if TELLING_WORDS.search(plain_letters(word))}))


def unconditional(rule: InboxRule) -> bool:
    """True when the rule takes every message."""
    return rule.conditions.strip() in ("", "{}", "null", "[]")


def gravity(rule: InboxRule, place: str) -> Severity:
    """How much a rule that hides mail should worry."""
    if unconditional(rule) or telling_words(rule) or nameless(rule.name):
        return Severity.HIGH
    if place in FORGOTTEN or rule.mark_as_read:
        return Severity.MEDIUM
    return Severity.LOW
