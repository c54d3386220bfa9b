"""A tenant nobody has looked after for years: everything the guards know is wrong somewhere in it.

Every mailbox stands for one case and is called after it, so that a table can say what is to be
found where. What is changed at once stays below the brake of every guard.
"""

from sandbox.exchange.auditing import DEFAULT_ACTIONS
from sandbox.http_types import Row, words
from sandbox.scenes.neglected_settings import (
    exchange_settings,
    graph_settings,
    people_without_mailbox,
)
from sandbox.scenes.people import Cast, Seat
from sandbox.scenes.row_templates import (
    E3,
    E5,
    FLOW_FREE,
    ROOMS_PRO,
    audit_log_config,
    legacy_name,
    organization_config,
    outbound_policy,
    person,
    remote_domain,
    transport_rule,
)

COLLEAGUES = words("anna boris chiara derya edda frank gesa henk ines jakub")


def days_ago(count: float) -> Row:
    """A moment relative to the day the scene is played; see `sandbox.scenes.build.freshened`."""
    return {"@sandbox.daysAgo": count}


def neglected() -> Row:
    """About sixty mailboxes with every finding there is, all at once."""
    cast = Cast()
    for alias in COLLEAGUES:
        cast.seat(alias, alias.capitalize())
    sign_in_cases(cast)
    forward_cases(cast)
    target_cases(cast)
    state_cases(cast)
    hiding_cases(cast)
    audit_cases(cast)
    people_without_mailbox(cast)
    graph = cast.graph() | graph_settings(cast)
    graph["organization"][0]["privacyProfile"] = None
    return {
        "graph": graph,
        "exchange": cast.exchange(
            OrganizationConfig=[organization_config(audit_disabled=True)],
            AdminAuditLogConfig=[audit_log_config(enabled=False)],
            HostedOutboundSpamFilterPolicy=[outbound_policy("Automatic")],
            RemoteDomain=[remote_domain(forwards=True)],
            TransportRule=[
                transport_rule("Copy for auditors", BlindCopyTo=["copies@auditors.example"]),
                transport_rule("Job applications", RedirectMessageTo=["anna@contoso.com"]),
                transport_rule(
                    "Move to the new host", "Disabled", RedirectMessageTo=["all@newhost.example"]
                ),
            ],
            **exchange_settings(cast),
        ),
        "ticks": [{}, {}, {"edit": renamed(cast, "zoe")}],
    }


def renamed(cast: Cast, alias: str) -> list[Row]:
    """The edits that give the first rule of a mailbox another name, and nothing else."""
    seat = next(row for row in cast.mailboxes if row["Alias"] == alias)
    owner, address = seat["ExternalDirectoryObjectId"], seat["PrimarySmtpAddress"]
    rule = cast.rules[owner][0]["id"]
    name = "Renamed again"
    return [
        {
            "op": "set",
            "path": f"/graph/messageRules/{owner}/{rule}/displayName",
            "value": name,
        },
        {"op": "set", "path": f"/exchange/Get-InboxRule/{address}/0/Name", "value": name},
    ]


# Accounts that can sign in ----------------------------------------------------------------------


def sign_in_cases(cast: Cast) -> None:
    """Resource mailboxes whose accounts are enabled, and all that speaks for and against it."""
    shared, room = "SharedMailbox", "RoomMailbox"
    unaudited: Row = {
        "AuditEnabled": False,
        "DefaultAuditSet": [],
        "AuditLogAgeLimit": "30.00:00:00",
    }
    cast.seat("info", "Info", shared, enabled=True)
    cast.seat("room-berlin", "Room Berlin", room, enabled=True, mailbox=unaudited)
    cast.seat("projector", "Projector 1", "EquipmentMailbox", enabled=True, mailbox=unaudited)
    cast.seat("bookings", "Bookings", "SchedulingMailbox", enabled=True)
    cast.seat("suggestions", "Suggestions", shared, enabled=True, product=FLOW_FREE)
    was_synced = {"onPremisesSyncEnabled": False}
    cast.seat("warehouse", "Warehouse", shared, enabled=True, account=was_synced)
    cast.seat(
        "legacy-orders",
        "Orders (old)",
        shared,
        enabled=True,
        account={"onPremisesSyncEnabled": True},
    )
    cast.seat("board", "Board", shared, enabled=True, product=E3)
    cast.seat("room-oslo", "Room Oslo", room, enabled=True, product=ROOMS_PRO, mailbox=unaudited)
    cast.seat("orphan", "Orphan", shared, known=False)
    guarded = {"@sandbox.protected": True}
    cast.seat("exec-office", "Executive Office", shared, enabled=True, account=guarded)
    for alias, last, success in (
        ("support", 3, days_ago(3)),
        ("newsletter", 1, days_ago(400)),
        ("events", 2, None),
    ):
        activity = {
            "lastSignInDateTime": days_ago(last),
            "lastSuccessfulSignInDateTime": success,
        }
        account = {"signInActivity": activity}
        cast.seat(alias, alias.capitalize(), shared, enabled=True, account=account)
    cast.seat("archive-2019", "Archive 2019", shared)
    cast.seat("room-madrid", "Room Madrid", room, mailbox=unaudited)


# Mail that leaves -------------------------------------------------------------------------------


def forward_cases(cast: Cast) -> None:
    """Forwards set on the mailbox itself."""
    cast.contact("bruno-private", "Bruno Private", "bruno@private.example")
    cast.contact("partner-desk", "Partner Desk", "desk@partner.example")
    cast.seat(
        "amelia",
        "Amelia",
        mailbox={
            "ForwardingSmtpAddress": "smtp:amelia@home.example",
            "DeliverToMailboxAndForward": True,
        },
    )
    cast.seat("bruno", "Bruno", mailbox={"ForwardingAddress": "Bruno Private"})
    cast.seat(
        "clara",
        "Clara",
        mailbox={
            "ForwardingAddress": "Partner Desk",
            "ForwardingSmtpAddress": "smtp:clara@spare.example",
        },
    )
    cast.seat("dario", "Dario", mailbox={"ForwardingAddress": "anna"})
    cast.seat("karin", "Karin", mailbox={"ForwardingSmtpAddress": "smtp:karin@evilcontoso.com"})


def target_cases(cast: Cast) -> None:
    """Inbox rules that send mail on, by action and by the form of their recipient."""
    legacy = cast.contact("iris-notary", "Notary", "office@notary.example")["LegacyExchangeDN"]
    nobody = legacy_name("somebody-who-left")
    guest = cast.guest("nils@partner.example")
    inside = person("anna@contoso.com", "Anna")
    stolen = {"redirectTo": [person("drop@evil.example")], "markAsRead": True}
    for alias, name, actions in (
        ("elena", "To my other account", {"redirectTo": [person("elena@mail.example")]}),
        ("felix", "Copy", {"forwardTo": [person("felix@mail.example")]}),
        ("greta", "Attach", {"forwardAsAttachmentTo": [person("greta@mail.example")]}),
        ("hugo", "Both", {"forwardTo": [person("hugo@mail.example", "Hugo"), inside]}),
        ("iris", "Deeds", {"redirectTo": [person(legacy, "Notary")]}),
        ("jonas", "Handover", {"forwardTo": [person(nobody, "Somebody who left")]}),
        ("lars", "Branch", {"redirectTo": [person("lars@sub.contoso.com")]}),
        ("nils", "Project", {"forwardTo": [person(guest, "Nils (guest)")]}),
        ("olga", "Bücher", {"forwardTo": [person("olga@bücher.example")]}),
        ("pavel", ".", stolen),
        ("paula", "..", stolen),
        ("petra", "Archive", stolen),
        (
            "mona",
            "Holiday",
            {"forwardTo": [person("mona@fabrikam.com"), person("mona@eu.fabrikam.com"), inside]},
        ),
    ):
        cast.rule(cast.seat(alias, alias.capitalize()), name, actions)


def state_cases(cast: Cast) -> None:
    """Inbox rules in every state: off, unreadable, hidden, of a blocked account, doubled."""

    def out(alias: str) -> Row:
        return {"redirectTo": [person(f"{alias}@mail.example")]}

    cast.rule(cast.seat("quinn", "Quinn"), "Later", out("quinn"), isEnabled=False)
    rosa, rudi = cast.seat("rosa", "Rosa"), cast.seat("rudi", "Rudi")
    cast.rule(rosa, "Client only", {}, bare=True, isReadOnly=True, exchange=False)
    cast.rule(rudi, "Client only", out("rudi"), bare=True, isReadOnly=True)
    cast.rule(cast.seat("sven", "Sven"), "", out("sven"), hidden=True)
    cast.rule(cast.seat("yann", "Yann", enabled=False), "Out", out("yann"))
    zoe = cast.seat("zoe", "Zoe")
    cast.rule(zoe, "Forward", out("zoe"), mark="first")
    cast.rule(zoe, "Forward (renamed)", out("zoe"), mark="second")


def hiding_cases(cast: Cast) -> None:
    """Inbox rules that take mail out of its owner's sight, and one that does not."""
    invoices = {"bodyOrSubjectContains": ["invoice", "payment"]}
    cast.rule(cast.seat("tilda", "Tilda"), "Tidy", {"delete": True}, invoices)
    cast.rule(cast.seat("xenia", "Xenia"), "..", {"permanentDelete": True}, invoices)
    for alias, folder, well_known in (
        ("ugo", "RSS-Feeds", ""),
        ("vera", "Flux RSS", ""),
        ("wim", "Verlauf der Unterhaltung", "conversationhistory"),
    ):
        seat = cast.seat(alias, alias.capitalize())
        place = cast.folder(seat, folder, well_known)
        actions = {"moveToFolder": place, "markAsRead": True, "stopProcessingRules": True}
        cast.rule(seat, "Sort", actions, invoices)
    harmless(cast, cast.seat("amir", "Amir"))


def harmless(cast: Cast, seat: Seat) -> None:
    """What people use inbox rules for."""
    projects = cast.folder(seat, "Projects")
    from_projects = {"senderContains": ["projects@contoso.com"]}
    cast.rule(seat, "Projects", {"moveToFolder": projects}, from_projects)
    cast.rule(seat, "Deputy", {"forwardTo": [person("anna@contoso.com", "Anna")]})


# Auditing ---------------------------------------------------------------------------------------


def audit_cases(cast: Cast) -> None:
    """Mailboxes whose audit settings were changed by hand, for better and for worse."""
    cast.seat("ben", "Ben", mailbox={"AuditEnabled": False})
    few = ["Update", "MoveToDeletedItems", "SoftDelete", "HardDelete"]
    left = {"DefaultAuditSet": ["Admin", "Delegate"]}
    cast.seat("cora", "Cora", mailbox=left | {"AuditOwner": few})
    cast.seat("dana", "Dana", mailbox=left | {"AuditOwner": [*few, "MailboxLogin"]})
    complete = [*DEFAULT_ACTIONS["Owner"], "MailboxLogin", "SearchQueryInitiated"]
    cast.seat("emil", "Emil", product=E5, mailbox=left | {"AuditOwner": complete})
    cast.seat("fiona", "Fiona", mailbox={"AuditLogAgeLimit": "30.00:00:00"})
    cast.seat("gerd", "Gerd", mailbox={"AuditLogAgeLimit": "365.00:00:00"})
    cast.seat("hanna", "Hanna")
    cast.bypassed.add("hanna")
    blind = [each for each in DEFAULT_ACTIONS["Owner"] if each != "MailItemsAccessed"]
    cast.seat("ivo", "Ivo", product=E5, mailbox={"AuditOwner": blind})
    unaudited: Row = {
        "AuditEnabled": False,
        "DefaultAuditSet": [],
        "AuditLogAgeLimit": "30.00:00:00",
    }
    for alias, kind in (
        ("DiscoverySearchMailbox{D919BA05-46A6-415f-80AD-7E09334BB852}", "DiscoveryMailbox"),
        ("SystemMailbox{1f05a927-89c0-4725-adca-4527114196a1}", "ArbitrationMailbox"),
    ):
        cast.seat(alias, alias.partition("{")[0], kind, mailbox=unaudited)
