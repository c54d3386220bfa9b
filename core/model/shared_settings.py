"""Settings that more than one guard reads. Each guard that reads one lists it as its own."""

from core.model.options import Purpose, Setting, names, several_of, whole_number

LISTED_MAILBOX_KINDS = frozenset(
    (
        *("DiscoveryMailbox", "EquipmentMailbox", "LegacyMailbox", "LinkedMailbox"),
        *("LinkedRoomMailbox", "RoomMailbox", "SchedulingMailbox", "SharedMailbox"),
        *("TeamMailbox", "UserMailbox"),
    )
)
"""The kinds that Get-Mailbox lists without another switch (office-docs-powershell, Get-Mailbox,
-RecipientTypeDetails). A workspace is a RoomMailbox."""
RESOURCE_MAILBOX_KINDS = Setting(
    name="RESOURCE_MAILBOX_KINDS",
    purpose=Purpose.JUDGEMENT,
    default="SharedMailbox,RoomMailbox,EquipmentMailbox,SchedulingMailbox",
    help="kinds of mailboxes (RecipientTypeDetails) whose accounts should not sign in",
    # For a kind that does not exist Exchange lists nothing, without an error (graph2otel, live).
    parse=several_of(LISTED_MAILBOX_KINDS),
)
ALLOWED_FORWARD_DOMAINS = Setting(
    name="ALLOWED_FORWARD_DOMAINS",
    purpose=Purpose.JUDGEMENT,
    help="outside domains to which mail may be forwarded, separated by commas: mailbox-forwarding "
    "accepts such forwards, and tenant-baseline neither reports nor closes the way there",
    parse=names(
        r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+",
        "domain names such as partner.example, without wildcards",
        fold_case=True,
    ),
)
RECENT_SIGN_IN_DAYS = Setting(
    name="RECENT_SIGN_IN_DAYS",
    purpose=Purpose.JUDGEMENT,
    default="30",
    help="days for which a sign-in counts as recent: an account or a protocol in recent use is "
    "left to an operator",
    parse=whole_number(1, 365),
)
BREAK_GLASS_ACCOUNTS = Setting(
    name="BREAK_GLASS_ACCOUNTS",
    purpose=Purpose.JUDGEMENT,
    default="",
    help="object ids or principal names of emergency accounts: shared-mailbox-sign-in never blocks "
    "them, nobody contains them, and privileged-change tells when somebody signs in with one",
    parse=names(r"[^\s,'\"]{1,200}", "object ids or principal names", fold_case=True),
)
