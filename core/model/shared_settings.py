"""Settings that more than one guard reads. Each guard that reads one lists it as its own."""

from core.model.options import Purpose, Setting, names, whole_number

RESOURCE_MAILBOX_KINDS = Setting(
    name="RESOURCE_MAILBOX_KINDS",
    purpose=Purpose.JUDGEMENT,
    default="SharedMailbox,RoomMailbox,EquipmentMailbox,SchedulingMailbox",
    help="kinds of mailboxes (RecipientTypeDetails) whose accounts should not sign in",
    parse=names(r"[A-Za-z]{1,40}", "RecipientTypeDetails such as SharedMailbox"),
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
