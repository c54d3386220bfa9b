"""A neglected tenant: every problem that a guard detects exists somewhere in it.

Every mailbox is one case and named after it, so that a table of tests can list the expected
findings. The automatic changes stay below every guard's change limit.
"""

from sandbox.exchange.auditing import DEFAULT_ACTIONS
from sandbox.http_types import Row, split_words
from sandbox.scenes.neglected_settings import (
    add_people_without_mailbox,
    build_exchange_settings,
    build_graph_settings,
)
from sandbox.scenes.people import MailboxFixture, TenantBuilder
from sandbox.scenes.row_templates import (
    E3,
    E5,
    FLOW_FREE,
    ROOMS_PRO,
    build_audit_log_config,
    build_graph_recipient,
    build_legacy_dn,
    build_organization_config,
    build_outbound_policy,
    build_remote_domain,
    build_transport_rule,
)

COLLEAGUES = split_words("anna boris chiara derya edda frank gesa henk ines jakub")


def build_days_ago(count: float) -> Row:
    """A time relative to the day the scene is run; see `sandbox.scenes.build.resolve_dates`."""
    return {"@sandbox.daysAgo": count}


def build_neglected() -> Row:
    """About sixty mailboxes with every kind of finding."""
    cast = TenantBuilder()
    for alias in COLLEAGUES:
        cast.add_mailbox(alias, alias.capitalize())
    add_sign_in_cases(cast)
    add_forward_cases(cast)
    add_target_cases(cast)
    add_rule_state_cases(cast)
    add_hiding_cases(cast)
    add_audit_cases(cast)
    add_people_without_mailbox(cast)
    graph = cast.build_graph() | build_graph_settings(cast)
    graph["organization"][0]["privacyProfile"] = None
    return {
        "graph": graph,
        "exchange": cast.build_exchange(
            OrganizationConfig=[build_organization_config(audit_disabled=True)],
            AdminAuditLogConfig=[build_audit_log_config(enabled=False)],
            HostedOutboundSpamFilterPolicy=[build_outbound_policy("Automatic")],
            RemoteDomain=[build_remote_domain(forwards=True)],
            TransportRule=[
                build_transport_rule("Copy for auditors", BlindCopyTo=["copies@auditors.example"]),
                build_transport_rule("Job applications", RedirectMessageTo=["anna@contoso.com"]),
                build_transport_rule(
                    "Move to the new host", "Disabled", RedirectMessageTo=["all@newhost.example"]
                ),
            ],
            **build_exchange_settings(cast),
        ),
        "ticks": [{}, {}, {"edit": build_rename_edits(cast, "zoe")}],
    }


def build_rename_edits(builder: TenantBuilder, alias: str) -> list[Row]:
    """Builds the edits that rename a mailbox's first rule and change nothing else."""
    seat = next(row for row in builder.mailboxes if row["Alias"] == alias)
    owner, address = seat["ExternalDirectoryObjectId"], seat["PrimarySmtpAddress"]
    rule = builder.rules[owner][0]["id"]
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


def add_sign_in_cases(builder: TenantBuilder) -> None:
    """Adds resource mailboxes with enabled accounts, with evidence for and against each."""
    shared, room = "SharedMailbox", "RoomMailbox"
    unaudited: Row = {
        "AuditEnabled": False,
        "DefaultAuditSet": [],
        "AuditLogAgeLimit": "30.00:00:00",
    }
    builder.add_mailbox("info", "Info", shared, enabled=True)
    builder.add_mailbox("room-berlin", "Room Berlin", room, enabled=True, mailbox=unaudited)
    builder.add_mailbox(
        "projector", "Projector 1", "EquipmentMailbox", enabled=True, mailbox=unaudited
    )
    builder.add_mailbox("bookings", "Bookings", "SchedulingMailbox", enabled=True)
    builder.add_mailbox("suggestions", "Suggestions", shared, enabled=True, product=FLOW_FREE)
    was_synced = {"onPremisesSyncEnabled": False}
    builder.add_mailbox("warehouse", "Warehouse", shared, enabled=True, account=was_synced)
    builder.add_mailbox(
        "legacy-orders",
        "Orders (old)",
        shared,
        enabled=True,
        account={"onPremisesSyncEnabled": True},
    )
    builder.add_mailbox("board", "Board", shared, enabled=True, product=E3)
    builder.add_mailbox(
        "room-oslo", "Room Oslo", room, enabled=True, product=ROOMS_PRO, mailbox=unaudited
    )
    builder.add_mailbox("orphan", "Orphan", shared, has_account=False)
    guarded = {"@sandbox.protected": True}
    builder.add_mailbox("exec-office", "Executive Office", shared, enabled=True, account=guarded)
    for alias, last, success in (
        ("support", 3, build_days_ago(3)),
        ("newsletter", 1, build_days_ago(400)),
        ("events", 2, None),
    ):
        activity = {
            "lastSignInDateTime": build_days_ago(last),
            "lastSuccessfulSignInDateTime": success,
        }
        account = {"signInActivity": activity}
        builder.add_mailbox(alias, alias.capitalize(), shared, enabled=True, account=account)
    builder.add_mailbox("archive-2019", "Archive 2019", shared)
    builder.add_mailbox("room-madrid", "Room Madrid", room, mailbox=unaudited)


# Mail that leaves -------------------------------------------------------------------------------


def add_forward_cases(builder: TenantBuilder) -> None:
    """Adds forwards set on the mailbox itself."""
    builder.add_contact("bruno-private", "Bruno Private", "bruno@private.example")
    builder.add_contact("partner-desk", "Partner Desk", "desk@partner.example")
    builder.add_mailbox(
        "amelia",
        "Amelia",
        mailbox={
            "ForwardingSmtpAddress": "smtp:amelia@home.example",
            "DeliverToMailboxAndForward": True,
        },
    )
    builder.add_mailbox("bruno", "Bruno", mailbox={"ForwardingAddress": "Bruno Private"})
    builder.add_mailbox(
        "clara",
        "Clara",
        mailbox={
            "ForwardingAddress": "Partner Desk",
            "ForwardingSmtpAddress": "smtp:clara@spare.example",
        },
    )
    builder.add_mailbox("dario", "Dario", mailbox={"ForwardingAddress": "anna"})
    builder.add_mailbox(
        "karin", "Karin", mailbox={"ForwardingSmtpAddress": "smtp:karin@evilcontoso.com"}
    )


def add_target_cases(builder: TenantBuilder) -> None:
    """Adds inbox rules that forward, by action and by form of recipient."""
    legacy = builder.add_contact("iris-notary", "Notary", "office@notary.example")[
        "LegacyExchangeDN"
    ]
    nobody = build_legacy_dn("somebody-who-left")
    guest = builder.add_guest("nils@partner.example")
    inside = build_graph_recipient("anna@contoso.com", "Anna")
    stolen = {"redirectTo": [build_graph_recipient("drop@evil.example")], "markAsRead": True}
    for alias, name, actions in (
        (
            "elena",
            "To my other account",
            {"redirectTo": [build_graph_recipient("elena@mail.example")]},
        ),
        ("felix", "Copy", {"forwardTo": [build_graph_recipient("felix@mail.example")]}),
        (
            "greta",
            "Attach",
            {"forwardAsAttachmentTo": [build_graph_recipient("greta@mail.example")]},
        ),
        (
            "hugo",
            "Both",
            {"forwardTo": [build_graph_recipient("hugo@mail.example", "Hugo"), inside]},
        ),
        ("iris", "Deeds", {"redirectTo": [build_graph_recipient(legacy, "Notary")]}),
        ("jonas", "Handover", {"forwardTo": [build_graph_recipient(nobody, "Somebody who left")]}),
        ("lars", "Branch", {"redirectTo": [build_graph_recipient("lars@sub.contoso.com")]}),
        ("nils", "Project", {"forwardTo": [build_graph_recipient(guest, "Nils (guest)")]}),
        ("olga", "Bücher", {"forwardTo": [build_graph_recipient("olga@bücher.example")]}),
        ("pavel", ".", stolen),
        ("paula", "..", stolen),
        ("petra", "Archive", stolen),
        (
            "mona",
            "Holiday",
            {
                "forwardTo": [
                    build_graph_recipient("mona@fabrikam.com"),
                    build_graph_recipient("mona@eu.fabrikam.com"),
                    inside,
                ]
            },
        ),
    ):
        builder.add_rule(builder.add_mailbox(alias, alias.capitalize()), name, actions)


def add_rule_state_cases(builder: TenantBuilder) -> None:
    """Adds inbox rules in every state: disabled, unreadable, hidden, on a blocked account,
    duplicate.
    """

    def out(alias: str) -> Row:
        return {"redirectTo": [build_graph_recipient(f"{alias}@mail.example")]}

    builder.add_rule(builder.add_mailbox("quinn", "Quinn"), "Later", out("quinn"), isEnabled=False)
    rosa, rudi = builder.add_mailbox("rosa", "Rosa"), builder.add_mailbox("rudi", "Rudi")
    builder.add_rule(rosa, "Client only", {}, hide_content=True, isReadOnly=True, exchange=False)
    builder.add_rule(rudi, "Client only", out("rudi"), hide_content=True, isReadOnly=True)
    builder.add_rule(builder.add_mailbox("sven", "Sven"), "", out("sven"), hidden=True)
    builder.add_rule(builder.add_mailbox("yann", "Yann", enabled=False), "Out", out("yann"))
    zoe = builder.add_mailbox("zoe", "Zoe")
    builder.add_rule(zoe, "Forward", out("zoe"), id_suffix="first")
    builder.add_rule(zoe, "Forward (renamed)", out("zoe"), id_suffix="second")


def add_hiding_cases(builder: TenantBuilder) -> None:
    """Adds inbox rules that hide mail from the mailbox's owner, and one that does not."""
    invoices = {"bodyOrSubjectContains": ["invoice", "payment"]}
    builder.add_rule(builder.add_mailbox("tilda", "Tilda"), "Tidy", {"delete": True}, invoices)
    builder.add_rule(
        builder.add_mailbox("xenia", "Xenia"), "..", {"permanentDelete": True}, invoices
    )
    for alias, folder, well_known in (
        ("ugo", "RSS-Feeds", ""),
        ("vera", "Flux RSS", ""),
        ("wim", "Verlauf der Unterhaltung", "conversationhistory"),
    ):
        seat = builder.add_mailbox(alias, alias.capitalize())
        place = builder.add_folder(seat, folder, well_known)
        actions = {"moveToFolder": place, "markAsRead": True, "stopProcessingRules": True}
        builder.add_rule(seat, "Sort", actions, invoices)
    add_harmless_rules(builder, builder.add_mailbox("amir", "Amir"))


def add_harmless_rules(builder: TenantBuilder, mailbox: MailboxFixture) -> None:
    """Adds ordinary inbox rules."""
    projects = builder.add_folder(mailbox, "Projects")
    from_projects = {"senderContains": ["projects@contoso.com"]}
    builder.add_rule(mailbox, "Projects", {"moveToFolder": projects}, from_projects)
    builder.add_rule(
        mailbox, "Deputy", {"forwardTo": [build_graph_recipient("anna@contoso.com", "Anna")]}
    )


# Auditing ---------------------------------------------------------------------------------------


def add_audit_cases(builder: TenantBuilder) -> None:
    """Adds mailboxes with manual audit settings, stricter and weaker ones."""
    builder.add_mailbox("ben", "Ben", mailbox={"AuditEnabled": False})
    few = ["Update", "MoveToDeletedItems", "SoftDelete", "HardDelete"]
    left = {"DefaultAuditSet": ["Admin", "Delegate"]}
    builder.add_mailbox("cora", "Cora", mailbox=left | {"AuditOwner": few})
    builder.add_mailbox("dana", "Dana", mailbox=left | {"AuditOwner": [*few, "MailboxLogin"]})
    complete = [*DEFAULT_ACTIONS["Owner"], "MailboxLogin", "SearchQueryInitiated"]
    builder.add_mailbox("emil", "Emil", product=E5, mailbox=left | {"AuditOwner": complete})
    builder.add_mailbox("fiona", "Fiona", mailbox={"AuditLogAgeLimit": "30.00:00:00"})
    builder.add_mailbox("gerd", "Gerd", mailbox={"AuditLogAgeLimit": "365.00:00:00"})
    builder.add_mailbox("hanna", "Hanna")
    builder.bypassed_names.add("hanna")
    blind = [each for each in DEFAULT_ACTIONS["Owner"] if each != "MailItemsAccessed"]
    builder.add_mailbox("ivo", "Ivo", product=E5, mailbox={"AuditOwner": blind})
    unaudited: Row = {
        "AuditEnabled": False,
        "DefaultAuditSet": [],
        "AuditLogAgeLimit": "30.00:00:00",
    }
    for alias, kind in (
        ("DiscoverySearchMailbox{D919BA05-46A6-415f-80AD-7E09334BB852}", "DiscoveryMailbox"),
        ("SystemMailbox{1f05a927-89c0-4725-adca-4527114196a1}", "ArbitrationMailbox"),
    ):
        builder.add_mailbox(alias, alias.partition("{")[0], kind, mailbox=unaudited)
