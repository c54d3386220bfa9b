"""The steps of what an operator does about something grave, in an order that loses nothing. Pure.

    save what is there ─► ask, or lock out ─► stop it, by its id ─► look at the rest, what went out

Saved is what a change would destroy: who made a rule, what a grant was. People are asked by
telephone, since whoever holds a mailbox reads the question too. What is stopped is named by its id,
never by when it was made: a comparison of times takes what others did along with it, and reads
time zones wrongly.

Sources: Microsoft Learn, "Responding to a compromised email account", "Revoke user access in
Microsoft Entra ID", and the pages of each cmdlet.
"""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from core.keys import hash_parts
from core.microsoft365.powershell import (
    build_block_account_command,
    build_find_account_command,
    build_revoke_sessions_command,
    can_be_quoted,
    quote_literal,
)
from core.model.findings import Shell, Step

RELIES_ON = ("graph-audit-actor-filter",)

NO_COMMAND = (
    "No command is shown, since a name in it has signs that are not safe to paste: use the "
    "admin center."
)
BY_TELEPHONE = "by telephone, not by mail: whoever holds a mailbox reads the question too"
TRACED_DAYS = 10
"""As far back as one search of the message trace reaches (Microsoft Learn: Get-MessageTraceV2)."""
AUDITED_DAYS = 90
EXAMPLE_WHY = "state the reason for the record"
# What is the same text to PowerShell, to sh and to cmd, within quotes.
PLAIN_WORD = re.compile(r"[A-Za-z0-9@.+_][A-Za-z0-9@.+_-]{0,199}")
MAX_STOPPED = 8
"""How many objects get a command each; the others are counted."""


def build_command(cmdlet: str, ending: str = "", /, **values: str) -> str:
    """A command with foreign values as literals; empty if one of them cannot be quoted."""
    if not all(map(can_be_quoted, values.values())):
        return ""
    parts = (cmdlet, *(f"-{name} {quote_literal(value)}" for name, value in values.items()))
    return " ".join((*parts, ending)).rstrip()


def make_step(text: str, command: str, shell: Shell) -> Step:
    """A step with its command, or with why there is none."""
    return Step(text, command, shell) if command else Step(f"{text} {NO_COMMAND}")


def make_exchange_step(text: str, command: str) -> Step:
    """A step in Exchange Online PowerShell."""
    return make_step(text, command, Shell.EXCHANGE)


def make_graph_step(text: str, command: str) -> Step:
    """A step in Microsoft Graph PowerShell."""
    return make_step(text, command, Shell.GRAPH)


# ----------------------------------------------------------------------------------------------
# Save
# ----------------------------------------------------------------------------------------------


def name_evidence(kind: str, object_id: str) -> str:
    """The name of a file of evidence, without foreign text and without an ending."""
    return f"evidence-{kind}-{hash_parts(object_id)[:8]}"


def save_from_exchange(what: str, kind: str, object_id: str, read: str) -> Step:
    """Save what a cmdlet shows. A file that is there already is kept."""
    path = f"{name_evidence(kind, object_id)}.xml"
    return make_exchange_step(
        f"Save {what}, before anything is changed.",
        f"{read} | Export-Clixml -Depth 4 -NoClobber -Path '{path}'" if read else "",
    )


def save_from_graph(what: str, kind: str, object_id: str, *path: str) -> Step:
    """Save what Graph shows under a path, whose parts are percent-encoded one by one."""
    route = "/".join(quote(part, safe="") for part in path)
    return make_graph_step(
        f"Save {what}, before anything is changed.",
        f"Invoke-MgGraphRequest -Method GET -Uri 'v1.0/{route}' "
        f"-OutputFilePath '{name_evidence(kind, object_id)}.json'"
        if all(path)
        else "",
    )


# ----------------------------------------------------------------------------------------------
# Ask, or lock out
# ----------------------------------------------------------------------------------------------


def ask(whom: str, what: str = "") -> Step:
    """Ask somebody, by another way than mail."""
    return Step(f"Ask {whom}, {BY_TELEPHONE}.{f' {what}' if what else ''}")


def build_password_command(account_id: str, upn: str, *, synced: bool) -> str:
    """The command that sets a new password, which the person is asked for; the secret is typed in,
    never written down.
    """
    if synced:
        if not can_be_quoted(upn):
            return ""
        found = build_find_account_command(upn)
        return f"{found} | Set-ADAccountPassword -Reset -NewPassword (Read-Host -AsSecureString)"
    if not can_be_quoted(account_id):
        return ""
    return (
        f"Update-MgUser -UserId {quote_literal(account_id)} -PasswordProfile "
        "@{ Password = (Read-Host -MaskInput 'New password'); ForceChangePasswordNextSignIn = $true"
        " }"
    )


def lock_out(account_id: str, unless: str = "") -> Iterator[Step]:
    """A new password and the end of all sessions, in this order: with the old password whoever
    holds it would only sign in again.
    """
    start = f"Unless {unless}: set" if unless else "Set"
    yield make_graph_step(
        f"{start} a new password, and tell it by telephone, not by mail. That of a synchronised "
        "account is set in the directory on premises instead.",
        build_password_command(account_id, "", synced=False),
    )
    yield make_graph_step(
        "End its sessions, which outlive the password; open ones may last up to an hour.",
        build_revoke_sessions_command(account_id),
    )


def contain(account_id: str) -> Step:
    """Have Exoguard show the plan for containing an account, which comes before everything."""
    return make_step(
        "Contain the account: this shows the plan, with its evidence first, and changes nothing "
        "yet. The answer has the command that carries it out.",
        f"exo contain '{account_id}' --why \"{EXAMPLE_WHY}\""
        if PLAIN_WORD.fullmatch(account_id)
        else "",
        Shell.EXO,
    )


def block_sign_in(account_id: str, unless: str = "") -> Iterator[Step]:
    """Block an account, and end what it is signed in to; it stays as it is otherwise."""
    start = f"Unless {unless}: block" if unless else "Block"
    yield make_graph_step(
        f"{start} its sign-in. One that is synchronised is disabled on premises as well.",
        build_block_account_command(account_id),
    )
    yield make_graph_step("End its sessions.", build_revoke_sessions_command(account_id))


def stop_app(principal_id: str, unless: str = "") -> Step:
    """Stop an app: nobody signs in to it, and it gets no more tokens; it keeps what it was given,
    as evidence.
    """
    start = f"Unless {unless}: stop" if unless else "Stop"
    return make_graph_step(
        f"{start} the app. It stays there, with all it was given; tokens it has last up to an hour "
        "or, in places, a day.",
        build_command(
            "Update-MgServicePrincipal", "-AccountEnabled:$false", ServicePrincipalId=principal_id
        ),
    )


def build_graph_request(method: str, body: str, /, *path: str) -> str:
    """A request to Graph; `body` is a table of PowerShell of our own, such as `{ a = $null }`, or
    empty. Empty if a part of the path is.
    """
    if not all(path):
        return ""
    route = "/".join(quote(part, safe="$") for part in path)
    sent = f" -Body (@{body} | ConvertTo-Json -Depth 5)" if body else ""
    return f"Invoke-MgGraphRequest -Method {method} -Uri 'v1.0/{route}'{sent}"


def build_each_command(ids: Iterable[str], action: str) -> str:
    """One pipeline that does the same to each of some ids; empty if one is no plain word."""
    listed = list(ids)
    if not listed or not all(map(PLAIN_WORD.fullmatch, listed)):
        return ""
    return f"@({', '.join(map(quote_literal, listed))}) | ForEach-Object {{ {action} }}"


# ----------------------------------------------------------------------------------------------
# Look at the rest
# ----------------------------------------------------------------------------------------------


def look_around(whose: str, *names: str) -> Step:
    """Look at all other cases that name one of these: an address, an id."""
    word = next((name for name in names if PLAIN_WORD.fullmatch(name)), "")
    text = f"Look at the other cases of {whose}."
    if not word:
        return Step(f"{text} The page of the case links to all that is known of it.")
    return Step(text, f"exo cases --about '{word}'", Shell.EXO)


def ask_actor(whom: str, *names: str) -> Step:
    """Ask whoever did it by a record, before anything else; their account may be the one in other
    hands.
    """
    text = (
        f"A record says that {whom} did it: ask them first, by telephone. If they know nothing of "
        "it, secure that account before any other"
    )
    word = next((name for name in names if PLAIN_WORD.fullmatch(name)), "")
    if not word:
        return Step(f"{text}.")
    return Step(f"{text}, and look at its other cases.", f"exo cases --about '{word}'", Shell.EXO)


def find_actor(what: str, *operations: str) -> Step:
    """Find out who did something, in the unified audit log."""
    return Step(
        f"Find out who {what}: the audit log has it, half an hour or more later.",
        f"Search-UnifiedAuditLog -StartDate (Get-Date).AddDays(-{AUDITED_DAYS}) -EndDate "
        f"(Get-Date) -Operations {','.join(map(quote_literal, operations))} -ResultSize 5000",
        Shell.EXCHANGE,
    )


def read_directory_log(whose: str, account_id: str) -> Step:
    """Look what an account did in the directory, in Entra's own log.

    A filter by actor may answer with no rows at all, so the whole log is read.
    """
    return make_graph_step(
        f"Look at what {whose} did in the directory in the last month, and save it.",
        "Get-MgAuditLogDirectoryAudit -All | Where-Object { $_.InitiatedBy.User.Id -eq "
        f"{quote_literal(account_id)} }} | Export-Clixml -Depth 6 -NoClobber -Path "
        f"'{name_evidence('directory-log', account_id)}.xml'"
        if PLAIN_WORD.fullmatch(account_id)
        else "",
    )


def read_sign_ins(whose: str, account_id: str) -> Step:
    """Look where an account signed in from."""
    return make_graph_step(
        f"Look at where {whose} signed in from in the last month, and save it.",
        f'Get-MgAuditLogSignIn -All -Filter "userId eq {quote_literal(account_id)}" | '
        f"Export-Clixml -Depth 6 -NoClobber -Path '{name_evidence('sign-ins', account_id)}.xml'"
        if PLAIN_WORD.fullmatch(account_id)
        else "",
    )


def trace_sent(address: str) -> Step:
    """Look what an address sent in the last days."""
    return make_exchange_step(
        f"Look at what it sent in the last {TRACED_DAYS} days: to whom, how much, when.",
        build_trace(SenderAddress=address),
    )


def trace_received(address: str) -> Step:
    """Look what an address outside was sent in the last days."""
    return make_exchange_step(
        f"Look at what went there in the last {TRACED_DAYS} days: from whom, how much, when.",
        build_trace(RecipientAddress=address),
    )


def build_trace(**values: str) -> str:
    """A search of the message trace as far back as one search reaches."""
    period = f"-StartDate (Get-Date).AddDays(-{TRACED_DAYS}) -EndDate (Get-Date) -ResultSize 5000"
    return build_command("Get-MessageTraceV2", period, **values)


def stop_each(steps: Iterable[Step], what: str) -> Iterator[Step]:
    """As many of the same steps as a person can work through, and how many more there are."""
    listed = list(steps)
    yield from listed[:MAX_STOPPED]
    if (more := len(listed) - MAX_STOPPED) > 0:
        yield Step(f"And {more:,} more {what}: what was saved first names them.")
