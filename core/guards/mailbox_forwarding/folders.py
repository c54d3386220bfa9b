"""What becomes of mail in the folder that a rule moves it to: who would ever see it there. Pure.

Graph gives an id, whose well-known name it tells for some folders; Exchange prints a path in the
language of the mailbox. Folders that Graph has no name for are known by the names that Outlook
gives them, and only at the top of the mailbox: below the inbox a folder "Notes" is somebody's own.
"""

import re
from enum import StrEnum

from core.guards.mailbox_forwarding.names import is_unreadable_folder_name
from core.look_alikes import fold_accents
from core.tenant.mail_flow import MAX_PARENT_FOLDERS, Folder

RELIES_ON = ("graph-mail-folders", "graph-folders-without-mail")


class Sight(StrEnum):
    """Whether the owner of a mailbox comes across mail in a folder."""

    OPEN = "open"
    """Among the folders that people read mail in."""
    ASIDE = "aside"
    """Where handled and unwanted mail lies."""
    FORGOTTEN = "forgotten"
    """Where mail can be seen, and nobody looks."""
    UNSEEN = "unseen"
    """No view of mail shows it."""
    UNKNOWN = "unknown"
    """Nobody can find the folder."""


ASIDE_FOLDERS = {
    "deleteditems": "Deleted Items",
    "junkemail": "Junk Email",
    "archive": "the archive",
    "clutter": "Clutter",
}
FORGOTTEN_FOLDERS = {
    "conversationhistory": "Conversation History",
    "drafts": "Drafts",
    "sentitems": "Sent Items",
    "syncissues": "Sync Issues",
    "conflicts": "Conflicts",
    "localfailures": "Local Failures",
    "serverfailures": "Server Failures",
    "rssfeeds": "RSS Feeds",
    "unreadable": "a folder whose name cannot be read",
    "deep": f"a folder more than {MAX_PARENT_FOLDERS} levels down",
}
UNSEEN_FOLDERS = {
    "calendar": "the calendar, which shows no mail",
    "contacts": "the contacts, which show no mail",
    "tasks": "the tasks, which show no mail",
    "notes": "the notes, which show no mail",
    "journal": "the journal, which shows no mail",
    "outbox": "the outbox, which shows no mail that arrived",
    "msgfolderroot": "the top of the mailbox, above every folder",
    "searchfolders": "the search folders, which hold no mail of their own",
    "scheduled": "the scheduled mail, which no view shows",
    "recoverableitemsdeletions": "Recoverable Items",
    "hidden": "a hidden folder",
}
FOLDER_TEXTS = {
    **ASIDE_FOLDERS,
    **FORGOTTEN_FOLDERS,
    **UNSEEN_FOLDERS,
    "missing": "a folder that cannot be found",
    "ordinary": "another folder",
    "unread": "a folder that was not looked into",
}
MAX_DEPTH = 20

# The folders as Exchange prints them and Outlook shows them, in the languages of mailboxes.
PRINTED_FOLDER_NAMES = {
    "deleteditems": (
        "deleted items, gelöschte elemente, éléments supprimés, elementos eliminados, "
        "posta eliminata, verwijderde items, itens excluídos, itens eliminados, slettet post, "
        "slettede elementer, borttagna objekt, elementy usunięte, удаленные, 削除済みアイテム, "
        "odstraněná pošta, odstránená pošta, törölt elemek, elemente șterse, silinmiş öğeler, "
        "poistetut, διαγραμμένα, видалені, изтрити, 已删除邮件, 刪除的郵件, 지운 편지함, "
        "elements suprimits, izbrisane stavke, izbrisano"
    ),
    "junkemail": (
        "junk email, junk e-mail, junk-e-mail, courrier indésirable, correo no deseado, "
        "posta indesiderata, ongewenste e-mail, lixo eletrônico, lixo, uønsket e-mail, "
        "søppelpost, skräppost, wiadomości-śmieci, нежелательная почта, 迷惑メール, "
        "nevyžádaná pošta, nevyžiadaná pošta, levélszemét, e-mail nedorit, "
        "e-mail nedorită, önemsiz e-posta, gereksiz e-posta, roskaposti, "
        "ανεπιθύμητη αλληλογραφία, небажана пошта, нежелана поща, 垃圾邮件, 垃圾郵件, 정크 메일, "
        "correu brossa, neželjena e-pošta, bezvredna e-pošta"
    ),
    "archive": (
        "archive, archiv, archives, archivo, archivio, archief, arquivo, arkiv, archiwum, "
        "archív, archívum, arhivă, arşiv, arkisto, αρχειοθήκη, архив, архів, 存档, 封存, 보관, "
        "アーカイブ"
    ),
    "clutter": (
        "clutter, autres courriers, otros correos, secondaria, onbelangrijke e-mail, "
        "nebensächlich, rodmail"
    ),
    "conversationhistory": (
        "conversation history, aufgezeichnete unterhaltungen, unterhaltungsverlauf, "
        "verlauf der unterhaltung, historique des conversations, historial de conversaciones, "
        "cronologia conversazioni, gespreksgeschiedenis, histórico de conversa, "
        "histórico de conversas, samtalehistorik, samtalelogg, konversationshistorik, "
        "historia konwersacji, журнал бесед, historie konverzace, história konverzácií, "
        "beszélgetések előzményei, istoric conversații, konuşma geçmişi, keskusteluhistoria, "
        "ιστορικό συνομιλιών, 对话历史记录, 交談記錄, 대화 내용, 会話の履歴"
    ),
    "syncissues": (
        "sync issues, synchronisierungsprobleme, problèmes de synchronisation, "
        "problemas de sincronización, problemi di sincronizzazione, synchronisatieproblemen, "
        "problemas de sincronização, synkroniseringsproblemer, synkroniseringsproblem, "
        "problemy z synchronizacją, problémy se synchronizací, problémy so synchronizáciou, "
        "szinkronizálási problémák, probleme de sincronizare, eşitleme sorunlari, "
        "synkronointiongelmat, ζητήματα συγχρονισμού, ошибки синхронизации, "
        "проблеми синхронізації, 同步问题, 同步處理問題, 동기화 문제, 同期の失敗"
    ),
    "conflicts": (
        "conflicts, konflikte, conflits, conflictos, conflitti, conflicten, conflitos, "
        "konflikter, konflikty, ütközések, conflicte, çakişmalar, ristiriidat, конфликты"
    ),
    "localfailures": (
        "local failures, lokale fehler, échecs locaux, errores locales, errori locali, "
        "lokale fouten, falhas locais, lokale fejl, lokala fel, lokalne błędy"
    ),
    "serverfailures": (
        "server failures, serverfehler, échecs du serveur, errores del servidor, errori server, "
        "serverfouten, falhas do servidor, serverfejl, serverfel, błędy serwera"
    ),
    "recoverableitemsdeletions": "deletions, recoverable items, purges, versions, discoveryholds",
    "sentitems": (
        "sent items, sent, gesendete elemente, éléments envoyés, elementos enviados, "
        "posta inviata, verzonden items, itens enviados, sendt post, sendte elementer, "
        "skickat, skickade objekt, elementy wysłane, отправленные, 送信済みアイテム, "
        "odeslaná pošta, odoslaná pošta, elküldött elemek, elemente trimise, "
        "gönderilmiş öğeler, lähetetyt, απεσταλμένα, надіслані, изпратени, 已发送邮件, 寄件備份, "
        "보낸 편지함, elements enviats, poslano, poslane stavke"
    ),
    "drafts": (
        "drafts, entwürfe, brouillons, borradores, bozze, concepten, rascunhos, kladder, utkast, "
        "kopie robocze, черновики, koncepty, piszkozatok, schițe, taslaklar, luonnokset, "
        "πρόχειρα, чернетки, 草稿, 임시 보관함, 下書き"
    ),
}
# Those that hold something else than mail. They lie at the top of the mailbox.
PRINTED_NAMES_OF_UNSEEN = {
    "calendar": (
        "calendar, kalender, calendrier, calendario, agenda, calendário, kalenter, kalendarz, "
        "kalendář, kalendár, naptár, calendar, takvim, kalenteri, ημερολόγιο, календарь, "
        "календар, 日历, 行事曆, 日曆, 일정, 予定表, التقويم, לוח שנה"
    ),
    "contacts": (
        "contacts, kontakte, contactos, contatti, contactpersonen, contatos, kontakter, "
        "kontaktpersoner, kontakty, névjegyek, persoane de contact, kişiler, yhteystiedot, "
        "επαφές, контакты, контакти, 联系人, 連絡人, 연락처, 連絡先"
    ),
    "tasks": (
        "tasks, aufgaben, tâches, tareas, attività, taken, tarefas, opgaver, oppgaver, uppgifter, "
        "zadania, úkoly, úlohy, feladatok, activități, görevler, tehtävät, εργασίες, задачи, "
        "завдання, 任务, 工作, 작업, タスク"
    ),
    "notes": (
        "notes, notizen, notas, note, notities, anotações, noter, notater, anteckningar, notatki, "
        "poznámky, feljegyzések, notlar, muistiinpanot, muistilaput, σημειώσεις, заметки, "
        "нотатки, 便笺, 記事, 便箋, 메모, メモ"
    ),
    "journal": (
        "journal, diario, diário, logboek, dziennik, deník, denník, napló, jurnal, günlük, "
        "päiväkirja, ημερολόγιο δραστηριοτήτων, дневник, журнал, 日记, 日誌, 업무 일지, 履歴"
    ),
    "outbox": (
        "outbox, postausgang, boîte d'envoi, bandeja de salida, posta in uscita, postvak uit, "
        "caixa de saída, a enviar, udbakke, utboks, utkorgen, skrzynka nadawcza, pošta k odeslání, "
        "pošta na odoslanie, postázandó üzenetek, outbox, giden kutusu, lähtevät, εξερχόμενα, "
        "исходящие, вихідні, 发件箱, 寄件匣, 보낼 편지함, 送信トレイ"
    ),
}


def list_names(names: str) -> list[str]:
    """The names in one row of a table, as names compare."""
    return [fold_accents(name.strip()) for name in names.split(",")]


FOLDERS_BY_NAME = {
    name: folder for folder, names in PRINTED_FOLDER_NAMES.items() for name in list_names(names)
}
UNSEEN_BY_NAME = {
    name: folder for folder, names in PRINTED_NAMES_OF_UNSEEN.items() for name in list_names(names)
}
# A folder of one's own below these is as much in sight as any other.
PARENTS_IN_SIGHT = frozenset({"archive", "ordinary", ""})


def judge_sight(folder: str) -> Sight:
    """Whether mail in a folder is seen. `folder` is a name of FOLDER_TEXTS."""
    if folder in ASIDE_FOLDERS:
        return Sight.ASIDE
    if folder in FORGOTTEN_FOLDERS:
        return Sight.FORGOTTEN
    if folder in UNSEEN_FOLDERS:
        return Sight.UNSEEN
    return Sight.UNKNOWN if folder == "missing" else Sight.OPEN


def classify_folder(folder: Folder) -> str:
    """Graph's folder as a name of FOLDER_TEXTS. What lies in a forgotten folder is forgotten.

    So is what lies so deep that nobody read where.
    """
    if not folder.is_found:
        return "missing"
    chain = [folder]
    while chain[-1].parent and len(chain) < MAX_DEPTH:
        chain.append(chain[-1].parent)
    if any(one.is_hidden for one in chain):
        return "hidden"
    is_in_inbox = any(one.well_known == "inbox" for one in chain[1:])
    own = classify_one(folder, is_in_inbox)
    if own != "ordinary":
        return own
    for parent in chain[1:]:
        found = classify_one(parent, is_in_inbox)
        if parent.well_known != "msgfolderroot" and found not in PARENTS_IN_SIGHT:
            return found
    return "deep" if len(chain) > MAX_PARENT_FOLDERS and not chain[-1].well_known else own


def classify_one(folder: Folder, is_in_inbox: bool) -> str:
    """One folder by itself. RSS Feeds and what holds no mail have no well-known names."""
    if folder.well_known.startswith("recoverableitems"):
        return "recoverableitemsdeletions"
    if folder.well_known:
        return folder.well_known if folder.well_known in FOLDER_TEXTS else "ordinary"
    if is_rss_folder(folder.name):
        return "rssfeeds"
    if is_unreadable_folder_name(folder.name):
        return "unreadable"
    if not is_in_inbox:
        return UNSEEN_BY_NAME.get(fold_accents(folder.name.strip()), "ordinary")
    return "ordinary"


def classify_folder_path(path: str) -> str:
    """The folder behind a path as Exchange prints it, `owner:\\Inbox\\Old`; "" for no path."""
    text = path.strip().strip("\\/")
    names = [name.strip() for name in re.split(r"[\\/]", text)]
    if ":" in names[0]:
        # The owner stands before the colon, and the path after it.
        names[0] = names[0].rpartition(":")[2].strip()
    names = [name for name in names if name]
    if not names:
        return "msgfolderroot" if text else ""
    if any(map(is_rss_folder, names)):
        return "rssfeeds"
    if unseen := UNSEEN_BY_NAME.get(fold_accents(names[0])):
        return unseen
    for name in reversed(names):
        found = FOLDERS_BY_NAME.get(fold_accents(name), "")
        if found and (found not in PARENTS_IN_SIGHT or name is names[-1]):
            return found
    return "unreadable" if is_unreadable_folder_name(names[-1]) else "ordinary"


def is_rss_folder(name: str) -> bool:
    """RSS is RSS in every language: RSS Feeds, Flux RSS, RSS-Feeds, Fuentes RSS."""
    return re.search(r"(?<![^\W_])rss(?![^\W_])", fold_accents(name)) is not None
