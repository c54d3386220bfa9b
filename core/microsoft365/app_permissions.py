"""How dangerous the permissions of apps are, and which apps are Microsoft's or pretend to be.

Names of permissions: Microsoft Learn, Microsoft Graph permissions reference, and the permissions of
Office 365 Exchange Online and SharePoint Online. They have this meaning only at Microsoft's own
APIs: any API may define a scope called Mail.Read.
"""

import re
import unicodedata
from collections.abc import Mapping
from enum import IntEnum
from urllib.parse import urlsplit

from core.tenant.apps import App

# Tenants Microsoft registers its own apps in. There are several: its services, the company, its
# production and engineering estates, and those of the government and China clouds. The tenant of
# the app gallery and that of personal accounts are none of them: others' apps are registered there.
MICROSOFT_TENANTS = frozenset(
    {
        "f8cdef31-a31e-4b4a-93e4-5f571e91255a",
        "72f988bf-86f1-41af-91ab-2d7cd011db47",
        "33e01921-4d64-4f8c-a055-5bdaffd5e33d",
        "975f013f-7f24-47e8-a7d3-abc4752bf346",
        "cdc5aeea-15c5-4db6-b079-fcadd2505dc2",
        "cab8a31a-1906-4287-a0d8-4eef66b95f6e",
        "a55a4d5b-9241-49b1-b4ff-befa8db00269",
    }
)


# Microsoft's APIs to mail, files and the directory, by application id, which nobody else can have
# (Microsoft Learn: Verify first-party Microsoft applications in sign-in reports).
MICROSOFT_APIS: Mapping[str, str] = {
    "00000003-0000-0000-c000-000000000000": "Microsoft Graph",
    "00000002-0000-0ff1-ce00-000000000000": "Exchange Online",
    "00000003-0000-0ff1-ce00-000000000000": "SharePoint Online",
}


class PermissionRisk(IntEnum):
    """What an attacker could do with a permission."""

    SIGN_IN = 0
    ORDINARY = 1
    SENSITIVE = 2
    TENANT_WIDE = 3


# What signing in needs. These scopes give access to nothing else.
SIGN_IN_SCOPES = frozenset({"openid", "profile", "email", "offline_access", "user.read"})

# Mail, files and sites, chats, and the legacy protocols of mail: prefixes, in lower case.
SENSITIVE_PREFIXES = (
    "mail.",
    "mailboxfolder.",
    "mailboxitem.",
    "mailboxsettings.",
    "files.",
    "sites.",
    "allsites.",
    "myfiles.",
    "chat.",
    "chatmessage.",
    "channelmessage.",
    "ews.",
    "imap.",
    "pop.",
    "smtp.",
    "full_access_as_user",
    "user_impersonation",
    "application.readwrite.ownedby",
    "exchange.manage",
)

# Full control of the directory, of every mailbox or of every site.
TENANT_WIDE_PREFIXES = (
    "application.readwrite.all",
    "approleassignment.readwrite.all",
    "allsites.fullcontrol",
    "delegatedpermissiongrant.readwrite.all",
    "directory.accessasuser.all",
    "directory.readwrite.all",
    "domain.readwrite.all",
    "exchange.manageasapp",
    "full_access_as_app",
    "group.readwrite.all",
    "groupmember.readwrite.all",
    "organization.readwrite.all",
    "policy.readwrite.",
    "privilegedaccess.readwrite.",
    "privilegedassignmentschedule.readwrite.",
    "privilegedeligibilityschedule.readwrite.",
    "roleassignmentschedule.readwrite.",
    "roleeligibilityschedule.readwrite.",
    "rolemanagement.readwrite.",
    "sites.fullcontrol.all",
    "user.readwrite.all",
    "userauthenticationmethod.readwrite.",
)

# These give nothing by themselves: an administrator also has to name the sites or files.
SELECTIVE_SUFFIXES = (".selected", ".appfolder")


def classify_permission_risk(name: str, api: App) -> PermissionRisk:
    """How dangerous a scope or app role of an API is."""
    known = name.casefold()
    at_microsoft = is_microsoft_app(api) or api.app_id in MICROSOFT_APIS
    if not at_microsoft or known.endswith(SELECTIVE_SUFFIXES):
        return PermissionRisk.ORDINARY
    if known in SIGN_IN_SCOPES:
        return PermissionRisk.SIGN_IN
    if known.startswith(TENANT_WIDE_PREFIXES):
        return PermissionRisk.TENANT_WIDE
    return (
        PermissionRisk.SENSITIVE
        if known.startswith(SENSITIVE_PREFIXES)
        else PermissionRisk.ORDINARY
    )


def is_microsoft_app(app: App) -> bool:
    """True for an app of Microsoft's, by the tenant it is registered in and never by its name.

    A managed identity belongs to this tenant, although Microsoft registers it.
    """
    return app.owner_tenant_id in MICROSOFT_TENANTS and not app.is_home_tenant


# ----------------------------------------------------------------------------------------------
# Misleading names
# ----------------------------------------------------------------------------------------------

# Letters of other scripts, digits and signs that look like Latin letters, with those letters. Small
# L and small I look like one another.
LOOK_ALIKES = str.maketrans(
    {
        **dict.fromkeys("\u0430\u03b1@4", "a"),
        **dict.fromkeys("\u0432\ua7b5", "b"),
        **dict.fromkeys("\u0441\u03f2", "c"),
        **dict.fromkeys("\u0501", "d"),
        **dict.fromkeys("\u0435\u03b5\u04673", "e"),
        **dict.fromkeys("\u0261", "g"),
        **dict.fromkeys("\u04bb\u043d", "h"),
        **dict.fromkeys("\u0456\u03b9\u0131\u04cfl1|", "i"),
        **dict.fromkeys("\u03ba\u043a", "k"),
        **dict.fromkeys("\u043c", "m"),
        **dict.fromkeys("\u03bd", "v"),
        **dict.fromkeys("\u043e\u03bf0", "o"),
        **dict.fromkeys("\u0440\u03c1", "p"),
        **dict.fromkeys("\u04555$", "s"),
        **dict.fromkeys("\u0442\u03c4", "t"),
        **dict.fromkeys("\u0445\u03c7", "x"),
        **dict.fromkeys("\u0443", "y"),
    }
)
PRODUCTS = (
    "azure",
    "entra",
    "exchange",
    "microsoft",
    "msteams",
    "office",
    "onedrive",
    "onenote",
    "outlook",
    "sharepoint",
    "teams",
    "windows",
)


def fold_look_alikes(name: str) -> str:
    """A name reduced to Latin letters, with look-alike signs replaced by what they look like."""
    plain = unicodedata.normalize("NFKD", name).casefold().translate(LOOK_ALIKES)
    return re.sub(r"[^a-z]", "", plain).replace("rn", "m").replace("vv", "w")


def impersonates_microsoft(app: App) -> bool:
    """True for an app of another tenant whose name begins with a product of Microsoft's, or has one
    spelled with look-alike signs.

    "Acme for Outlook" says what the app is for; "Outlook Backup" claims to be Microsoft's. An app
    without an owner is never one of them: Entra knows the owner of every app of another tenant.
    """
    if not app.owner_tenant_id or is_microsoft_app(app) or app.is_home_tenant or app.is_self:
        return False
    written = re.sub(r"\s", "", app.name.casefold())
    first = fold_look_alikes((re.findall(r"\w+", app.name) or [""])[0])
    seen = fold_look_alikes(app.name)
    for product in PRODUCTS:
        shape = fold_look_alikes(product)
        if product not in written and shape in seen:
            return True
        if first == shape or (product == "microsoft" and seen.startswith(shape)):
            return True
    return False


def list_unsafe_reply_hosts(app: App) -> tuple[str, ...]:
    """The hosts to which sign-ins are sent without encryption, or that contain a wildcard."""
    hosts = set()
    for url in app.reply_urls:
        scheme, host = split_reply_url(url)
        loopback = host in ("localhost", "127.0.0.1", "::1", "")
        if (scheme == "http" and not loopback) or "*" in host:
            hosts.add(host)
    return tuple(sorted(hosts))


def list_reply_hosts(app: App) -> tuple[str, ...]:
    """The hosts to which sign-ins are sent."""
    found = {
        host for scheme, host in map(split_reply_url, app.reply_urls) if scheme in ("http", "https")
    }
    return tuple(sorted(found - {""}))


def split_reply_url(url: str) -> tuple[str, str]:
    """Scheme and host of an address; empty if it is not a valid one."""
    try:
        parts = urlsplit(url)
        return parts.scheme.casefold(), (parts.hostname or "").casefold()
    except ValueError:
        return "", ""
