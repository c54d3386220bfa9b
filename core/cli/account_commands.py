"""The commands about one account: contain it, take that back, its evidence, whom it hit.

    contain ACCOUNT              the plan: what is done, what it needs, what stays for a person
    contain ACCOUNT --plan HASH  carries it out, after consent

An account goes by its object id, or by a case about it.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.api_client import (
    EXIT_OK,
    EXIT_PROBLEM,
    EXIT_REFUSED,
    EXIT_UNAVAILABLE,
    ApiClient,
    ApiUnavailable,
    UsageError,
    fetch_response,
    submit_request,
)
from core.cli.completion import complete_case
from core.cli.formatting import format_time_and_age
from core.cli.lookup import parse_hex_id, parse_until_option, resolve_case
from core.cli.options import AsJson
from core.cli.read_commands import write_private_file
from core.cli.session import Session
from core.cli.write_commands import DEFAULT_TIMEOUT, poll_until_done
from core.tenant.quoting import quote_text

# The most lines that are printed of a list; the document has all of them.
MAX_RECIPIENTS, MAX_RECORDS = 100, 50
ACCOUNT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
AccountName = Annotated[
    str,
    typer.Argument(
        metavar="ACCOUNT",
        help="its object id, or a case about it",
        autocompletion=complete_case,
    ),
]
Why = Annotated[
    str, typer.Option("--why", metavar="TEXT", help="the reason, kept with the request")
]
Who = Annotated[
    str, typer.Option("--who", metavar="NAME", help="the operator [default: user@machine]")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask for confirmation")]
Steps = Annotated[
    str, typer.Option("--steps", metavar="NAMES", help="which steps, separated by commas")
]
Since = Annotated[
    str, typer.Option("--since", metavar="DATE", help="from when on: a date or a time, in UTC")
]
BundleReason = Annotated[
    str, typer.Option("--why", metavar="TEXT", help="the reason, for what is gathered anew")
]
KeptId = Annotated[
    str, typer.Option("--id", metavar="ID", help="what was kept under this id, and not anew")
]
KeptEdition = Annotated[
    int, typer.Option("--edition", metavar="N", help="with --id: which edition [default: last]")
]
OutFile = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="where to write the document")
]


async def resolve_account(client: ApiClient, text: str) -> str:
    """The object id of an account, given by itself or by a case about it.

    Raises UsageError or ApiUnavailable.
    """
    wanted = text.strip().lower()
    if ACCOUNT_ID.fullmatch(wanted):
        return wanted
    if "@" in wanted:
        raise UsageError(
            "a name can change hands: use the object id, as the case's page shows it, or "
            f"Get-MgUser -UserId {quote_text(wanted, 100)}"
        )
    guard, key = await resolve_case(client, wanted)
    case = (await fetch_response(client, f"/api/cases/{guard}/{key}.json")).parse_object()
    found = str(case.get("object", "")).lower()
    if not ACCOUNT_ID.fullmatch(found):
        raise UsageError(f"case {key} is not about an account")
    return found


async def submit_about_account(
    session: Session, client: ApiClient, account: str, action: str, **body: str
) -> dict[str, Any]:
    """Submit a request about an account and wait for its result."""
    fields = {name: value for name, value in body.items() if value}
    fields["who"] = body.get("who") or session.who
    response = await submit_request(client, f"/api/accounts/{account}/{action}", fields)
    accepted = response.parse_object()
    with session.err.status("waiting for the result …"):
        await client.process_pending()
        result = await poll_until_done(
            session, client, str(accepted["address"]), max_wait_seconds=DEFAULT_TIMEOUT
        )
    return result.parse_object()


async def contain_account(
    session: Session,
    client: ApiClient,
    account: AccountName,
    why: Why,
    plan: Annotated[
        str, typer.Option("--plan", metavar="HASH", help="carry out the plan of this hash")
    ] = "",
    steps: Steps = "",
    who: Who = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> int:
    """Show the plan for containing an account; with --plan, carry it out.

    The plan says what is done, what it needs, whether it can be undone, and what stays for you.
    """
    account_id = await resolve_account(client, account)
    if plan:
        plan = parse_hex_id(plan, "plan")
        session.print_note(f"{account_id} is contained by plan {plan}, at {client.location}")
        if not session.confirm(yes):
            session.print_note("Nothing was requested.")
            return EXIT_REFUSED
    result = await submit_about_account(
        session, client, account_id, "contain", why=why, who=who, plan=plan, steps=steps
    )
    document = await find_containment(client, result, account_id, plan)
    if document is None:
        session.print_note(f"Refused: {quote_text(str(result['note']), 600)}")
        return EXIT_REFUSED
    if as_json:
        session.write_response((await get_containment(client, document["containment"])).body)
    else:
        print_containment(session, document)
        session.print_output(f"Result: {quote_text(str(result['note']), 600)}")
    return EXIT_REFUSED if result["status"] == "refused" else rate_containment(document)


async def find_containment(
    client: ApiClient, result: dict[str, Any], account: str, plan: str
) -> dict[str, Any] | None:
    """The containment that a request led to; None where it led to none."""
    document = (await fetch_response(client, "/api/containments.json")).parse_object()
    for row in document["containments"]:
        is_own = row["containment"] == result["request"]
        if is_own or (plan and row["plan"] == plan and row["account"] == account):
            found: dict[str, Any] = row
            return found
    return None


async def get_containment(client: ApiClient, containment: str) -> Any:
    """One containment as the API answers it."""
    return await fetch_response(client, f"/api/containments/{containment}.json")


def rate_containment(document: dict[str, Any]) -> int:
    """The exit code: 1 where a step that Exoguard makes failed or was refused."""
    from core.model.containment import StepState

    bad = {StepState.FAILED, StepState.REFUSED, StepState.STARTED}
    return EXIT_PROBLEM if any(step["state"] in bad for step in document["steps"]) else EXIT_OK


def print_containment(session: Session, document: dict[str, Any]) -> None:
    """Print a containment: what was planned or done, and what stays for a person."""
    when = format_time_and_age(document["planned_at"], session.now())
    session.print_output(
        f"{quote_text(document['name'] or document['account'])} · {document['state']}",
        f"  planned {when} by {quote_text(document['who'], 200)}: "
        f"{quote_text(document['why'], 500)}",
    )
    if document["refusal"]:
        session.print_output(f"  not contained: {quote_text(document['refusal'], 600)}")
    for remark in document["remarks"]:
        session.print_output(f"  note: {quote_text(remark, 600)}")
    for line in document["not_read"]:
        session.print_output(f"  not read: {quote_text(line, 600)}")
    for step in document["steps"]:
        print_step(session, step)
    if document["seconds_to_block"] is not None:
        session.print_output(f"  sign-in blocked after {document['seconds_to_block']:.0f} s")
    if document["evidence_sha256"]:
        session.print_output(
            f"  evidence: evidence-bundle {document['account']} --id {document['containment']}"
        )
    if document["state"] == "planned":
        session.print_output(
            f"Carry it out within the hour: contain {document['account']} --plan "
            f'{document["plan"]} --why "..."'
        )


def print_step(session: Session, step: dict[str, Any]) -> None:
    """Print one step with its command."""
    # Only who prints a containment waits for its texts to be imported.
    from core.model.containment import StepState
    from core.status.containment_texts import STEP_STATE_TEXTS

    state = STEP_STATE_TEXTS.get(StepState(step["state"]), step["state"])
    session.print_output(f"  [{state}] {step['step']}: {quote_text(step['title'], 500)}")
    if step["result"]:
        session.print_output(f"      {quote_text(step['result'], 500)}")
    if step["by_exoguard"]:
        back = "can be undone" if step["can_be_undone"] else "cannot be undone"
        session.print_output(f"      needs {step['needs']}; {back}")
    if step["remark"]:
        session.print_output(f"      {quote_text(step['remark'], 600)}")
    if step["command"]:
        session.print_output(f"      > {quote_text(step['command'], 1000)}")


async def uncontain_account(
    session: Session,
    client: ApiClient,
    account: AccountName,
    why: Why,
    steps: Steps = "",
    who: Who = "",
    yes: Yes = False,
) -> int:
    """Take back an account's containment, step by step.

    Rules and forwards stay off unless --steps names them. Access may need an hour to return. Exits
    with 1 if something that was to be taken back is not.
    """
    account_id = await resolve_account(client, account)
    session.print_note(f"the containment of {account_id} is taken back, at {client.location}")
    if not session.confirm(yes):
        session.print_note("Nothing was requested.")
        return EXIT_REFUSED
    result = await submit_about_account(
        session, client, account_id, "uncontain", why=why, who=who, steps=steps
    )
    session.print_output(f"{result['status']}: {quote_text(str(result['note']), 1500)}")
    if result["status"] == "refused":
        return EXIT_REFUSED
    document = (await fetch_response(client, "/api/containments.json")).parse_object()
    is_partly = any(
        row["not_taken_back"]
        for row in document["containments"]
        if row["undo_request"] == result["request"]
    )
    return EXIT_PROBLEM if is_partly else EXIT_OK


async def list_containments(session: Session, client: ApiClient, as_json: AsJson = False) -> int:
    """List the contained accounts, and the plans that were shown."""
    response = await fetch_response(client, "/api/containments.json")
    if as_json:
        session.write_response(response.body)
        return EXIT_OK
    document = response.parse_object()
    if not document["containments"]:
        session.print_output("None.")
    for row in document["containments"]:
        when = format_time_and_age(row["planned_at"], session.now())
        name = quote_text(row["name"] or row["account"])
        session.print_output(f"{row['containment']}  {row['state']:<9} {name}, {when}")
    if more := document["total"] - len(document["containments"]):
        session.print_output(f"and {more} older ones")
    for one in document["unreadable"]:
        session.print_note(f"{quote_text(str(one), 60)}: its row cannot be decoded")
    return EXIT_UNAVAILABLE if document["unreadable"] else EXIT_OK


async def show_impact(
    session: Session,
    client: ApiClient,
    account: AccountName,
    why: BundleReason = "",
    since: Since = "",
    who: Who = "",
    number: KeptId = "",
    edition: KeptEdition = 0,
    out: OutFile = None,
    as_json: AsJson = False,
) -> int:
    """Show whom an account wrote to since a time, inside and outside.

    With the ready request that would find and remove it. Exoguard deletes nothing.
    """
    if not number:
        number = await request_bundle(session, client, account, "impact", why, who, since)
    body = await fetch_edition(client, number, edition)
    if out or as_json:
        write_bundle(session, body, number, out)
        return EXIT_OK
    document = body.parse_object()
    if document["kind"] != "impact":
        raise UsageError(f"{number} is evidence: evidence-bundle {account} --id {number}")
    sent = document["sent"]
    session.print_output(
        f"{sent['messages']} messages to {sent['recipients']} recipients: {sent['inside']} inside, "
        f"{sent['outside']} outside, {sent['unknown']} of whom that is not known"
    )
    for row in document["recipients"][:MAX_RECIPIENTS]:
        subjects = "; ".join(quote_text(text, 80) for text in row["subjects"][:2])
        session.print_output(
            f"  {row['where']:<8} {row['count']:>4}  {quote_text(row['address'])}  {subjects}"
        )
    print_remainder(session, len(document["recipients"]) - MAX_RECIPIENTS, "recipients")
    session.print_output(f"Opened: {document['opened']}.")
    print_records(session, document)
    for line in document["not_read"]:
        session.print_output(f"not read: {quote_text(line, 600)}")
    session.print_output(f"Not searched: {document['purge']['not_searched']}.")
    print_edition(session, document, number)
    return EXIT_OK


def print_records(session: Session, document: dict[str, Any]) -> None:
    """Print what audit records say of mail, and how complete that is."""
    records = document["records"]
    session.print_output(f"Records: {quote_text(records['state'], 600)}.")
    if "counts" not in records:
        if records["command"]:
            session.print_output(f"  > {quote_text(records['command'], 1000)}")
        return
    counts = records["counts"]
    session.print_output(
        f"  {counts['opened']} messages opened, {counts['copied']} folders copied (any message in "
        f"them may have been read), {counts['attachments']} attachments fetched, {counts['sent']} "
        f"messages sent"
    )
    for name in ("copied", "opened", "attachments"):
        for row in records[name][:MAX_RECORDS]:
            what = row.get("message") or row.get("folder") or "not named"
            session.print_output(
                f"  {name:<11} {row['last'][:16]}  {quote_text(what, 200)}  {quote_text(row['by'])}"
                f"  {', '.join(row['addresses'])}"
            )
        print_remainder(session, len(records[name]) - MAX_RECORDS, f"records ({name})")
    for row in records["not_recorded"]:
        session.print_output(
            f"  not recorded: more was accessed on {row['last'][:10]} than the service recorded"
        )
    if records.get("silence"):
        session.print_output(f"  {quote_text(records['silence'], 600)}")


def print_remainder(session: Session, number: int, what: str) -> None:
    """Say how much of a list is not printed, and where it is."""
    if number > 0:
        session.print_output(f"  and {number:,} more {what}: --out FILE writes all of them")


async def download_bundle(
    session: Session,
    client: ApiClient,
    account: AccountName,
    why: BundleReason = "",
    since: Since = "",
    who: Who = "",
    number: KeptId = "",
    edition: KeptEdition = 0,
    out: OutFile = None,
) -> int:
    """Write the evidence of an account as one JSON document, and print its SHA-256.

    It is completed when the audit log answers; how complete it is stands in it and is printed.
    """
    if not number:
        number = await request_bundle(session, client, account, "evidence", why, who, since)
    write_bundle(session, await fetch_edition(client, number, edition), number, out)
    return EXIT_OK


async def request_bundle(
    session: Session,
    client: ApiClient,
    account: str,
    action: str,
    why: str,
    who: str,
    since: str,
) -> str:
    """Ask for a bundle and return its id. Raises ApiUnavailable if refused, UsageError for no
    reason.
    """
    if not why:
        raise UsageError("--why says why it is wanted, or --id which was kept")
    account_id = await resolve_account(client, account)
    start = parse_until_option(since, session.now()).isoformat() if since else ""
    result = await submit_about_account(
        session, client, account_id, action, why=why, who=who, since=start
    )
    if result["status"] == "refused":
        raise ApiUnavailable(f"refused: {quote_text(str(result['note']), 600)}")
    return str(result["request"])


async def fetch_edition(client: ApiClient, number: str, edition: int) -> Any:
    """An edition of what was kept under an id, as the API answers it; 0 is the last one."""
    chosen = {"edition": str(edition)} if edition else None
    return await fetch_response(client, f"/api/account-bundles/{number}", chosen)


def print_edition(session: Session, document: dict[str, Any], number: str) -> None:
    """Say whose bundle it is and how complete, and under which id later editions are."""
    whose = quote_text(document["account"]["principal_name"] or document["account"]["id"])
    state = quote_text(document["state"], 600)
    session.print_note(
        f"{document['kind']} of {whose}, edition {document['edition']}: {state}; id {number}"
    )


def write_bundle(session: Session, response: Any, number: str, out: Path | None) -> None:
    """Write a bundle unchanged, and say its digest."""
    digest = hashlib.sha256(response.body).hexdigest()
    if out is None:
        session.write_bytes(response.body)
    else:
        write_private_file(out, response.body)
    session.print_note(f"sha256 {digest}")
    print_edition(session, response.parse_object(), number)
