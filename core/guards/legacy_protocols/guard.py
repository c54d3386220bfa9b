"""The threat: a password alone opens the mailbox, by a protocol that knows nothing else.

SMTP AUTH takes a name and a password and asks for no second factor: it is where stolen and guessed
passwords are tried, and from where they send mail in the owner's name. POP and IMAP copy a whole
mailbox to a client no policy sees, and whoever holds a token or a password for them reads on
unnoticed. They are on by default, also for mailboxes there will be; a mailbox's own setting, a plan
or an exception policy that nobody remembers brings them back.
"""

from core.guards.legacy_protocols.items import PLANS, POLICIES
from core.guards.legacy_protocols.judge import judge
from core.guards.legacy_protocols.observe import build_single_look, look_up_mailboxes, observe
from core.guards.legacy_protocols.options import WITHOUT_SIGN_INS, read_options
from core.guards.legacy_protocols.verdicts import VERDICT_TEXTS
from core.model.guards import Guard, Permission, Service, SingleLook
from core.model.options import SettingReader
from core.model.shared_settings import RECENT_SIGN_IN_DAYS
from core.tenant.sources import PROTOCOLS

EXCHANGE = Service.EXCHANGE
GUARD = Guard(
    name="legacy-protocols",
    title="Legacy protocols",
    looks_for="SMTP AUTH, POP and IMAP: for the organization, for existing and future mailboxes; "
    "who still uses them",
    rationale="SMTP AUTH, POP and IMAP let a stolen password in where no second factor is asked "
    "for.",
    verdicts=VERDICT_TEXTS,
    permissions=(
        Permission(EXCHANGE, "Get-TransportConfig", "whether SMTP AUTH is off"),
        Permission(EXCHANGE, "Get-CASMailbox", "which mailboxes allow SMTP AUTH, POP or IMAP"),
        Permission(EXCHANGE, "Get-CASMailboxPlan", "what new mailboxes get"),
        Permission(EXCHANGE, "Get-AuthenticationPolicy", "who may use a bare password"),
        Permission(
            EXCHANGE, "Get-OrganizationConfig", "which authentication policy is the default"
        ),
        Permission(EXCHANGE, "Get-Mailbox", "which are for searches only", optional=True),
        Permission(
            EXCHANGE, "Get-User", "whom an authentication policy was given to", optional=True
        ),
        Permission(
            Service.GRAPH,
            "AuditLog.Read.All",
            "who uses them, before they are switched off; needs Entra ID P1",
            optional=True,
        ),
        *(
            Permission(Service.GRAPH, name, "which apps may use them by a token", optional=True)
            for name in ("Application.Read.All", "Directory.Read.All")
        ),
        Permission(
            Service.GRAPH, "User.Read.All", "whose token an app may use, by name", optional=True
        ),
        Permission(
            EXCHANGE,
            "Set-TransportConfig",
            "to switch SMTP AUTH off",
            writes=True,
            parameters=("SmtpClientAuthenticationDisabled",),
        ),
        Permission(
            EXCHANGE,
            "Set-CASMailbox",
            "to switch protocols of a mailbox off",
            writes=True,
            parameters=(
                "Identity",
                "ImapEnabled",
                "PopEnabled",
                "SmtpClientAuthenticationDisabled",
            ),
        ),
        Permission(
            EXCHANGE,
            "Set-CASMailboxPlan",
            "to switch POP and IMAP off for new mailboxes",
            writes=True,
            parameters=("Identity", "ImapEnabled", "PopEnabled"),
        ),
        Permission(
            EXCHANGE,
            "Set-AuthenticationPolicy",
            "to refuse bare passwords for SMTP",
            writes=True,
            parameters=("Identity", "AllowBasicAuthSmtp"),
        ),
    ),
    noun="mailboxes",
    observe=observe,
    single_looks=(
        SingleLook(PROTOCOLS, frozenset({PROTOCOLS}), look_up_mailboxes),
        *map(build_single_look, (PLANS, POLICIES)),
    ),
    judge=judge,
    settings=(RECENT_SIGN_IN_DAYS, WITHOUT_SIGN_INS),
    read_options=read_options,
    options=read_options(SettingReader()),
)
