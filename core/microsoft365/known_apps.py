"""Apps known by their application id: Microsoft's tools that tenants consent to, and apps that
intruders use.

Ids of apps seen in takeovers are the rows of `abused_apps.csv`, each with its public source and
date. Some were made to rob mailboxes; others are products that honest people use too.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.tenant.apps import App

ABUSED_APPS_FILE = Path(__file__).with_name("abused_apps.csv")

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

# Public clients of Microsoft's that administrators and developers sign in with. Whoever takes an
# account over may use them too, and what they may do without asking is this tenant's consent
# (Microsoft Learn: Verify first-party Microsoft applications in sign-in reports, and the pages of
# each tool; dirkjanm/ROADtools `firstpartyscopes`, 2026-01).
PUBLIC_CLIENTS: Mapping[str, str] = {
    "14d82eec-204b-4c2f-b7e8-296a70dab67e": "Microsoft Graph Command Line Tools",
    "de8bc8b5-d9f9-48b1-a8ad-b748da725064": "Graph Explorer",
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Microsoft Azure CLI",
    "1950a258-227b-4e31-a9cf-717495945fc2": "Microsoft Azure PowerShell",
    "1b730954-1685-4b74-9bfd-dac224a7b894": "Azure Active Directory PowerShell",
    "fb78d390-0c51-40cd-8e17-fdbfab77341b": "Microsoft Exchange REST API Based PowerShell",
    "a0c73c16-a7e3-4564-9a95-2bdf47383716": "Microsoft Exchange Online Remote PowerShell",
    "9bc3ab49-b65d-410a-85ad-de819febfddc": "Microsoft SharePoint Online Management Shell",
    "12128f48-ec9e-42f0-b203-ea49fb6af367": "Microsoft Teams PowerShell Cmdlets",
    "d1ddf0e4-d672-4dae-b554-9d5bdfd93547": "Microsoft Intune PowerShell",
    "90f610bf-206d-4950-b61d-37fa6fd1b224": "Aadrm Admin PowerShell",
    "aebc6443-996d-45c2-90f0-388ff96faa56": "Visual Studio Code",
    "872cd9fa-d31f-45e0-9eab-6e460a02d1f1": "Visual Studio",
}
# Where only an app on somebody's own device may receive a sign-in.
NATIVE_REPLIES = ("/common/oauth2/nativeclient", "urn:ietf:wg:oauth:2.0:oob", "http://localhost")

# Exchange hybrid: the app that its setup makes in the tenant (Microsoft Learn: Deploy dedicated
# Exchange hybrid app, 2025).
HYBRID_APP_PREFIX = "exchangeserverapp-"


@dataclass(frozen=True, slots=True)
class AbusedApp:
    """An app that intruders were seen with."""

    name: str
    is_product: bool
    """Whether honest people use it too."""
    seen_doing: str
    """What it does then, as the rest of a sentence."""
    source: str
    dated: str


@cache
def load_abused_apps() -> Mapping[str, AbusedApp]:
    """The rows of the file by application id."""
    with ABUSED_APPS_FILE.open(encoding="utf-8", newline="") as lines:
        return {
            row["app_id"]: AbusedApp(
                row["name"],
                row["made_for"] == "work",
                row["seen_doing"],
                row["source"],
                row["dated"],
            )
            for row in csv.DictReader(lines)
        }


def is_microsoft_app(app: App) -> bool:
    """True for an app of Microsoft's, by the tenant it is registered in and never by its name.

    A managed identity belongs to this tenant, although Microsoft registers it.
    """
    return app.owner_tenant_id in MICROSOFT_TENANTS and not app.is_home_tenant


def is_public_client(app: App) -> bool:
    """True for a tool of Microsoft's that anybody may sign in with from their own device."""
    return is_microsoft_app(app) and (
        app.app_id in PUBLIC_CLIENTS
        or any(url.casefold().endswith(NATIVE_REPLIES[:2]) for url in app.reply_urls)
        or any(url.casefold().startswith(NATIVE_REPLIES[2]) for url in app.reply_urls)
    )


def is_hybrid_app(app: App) -> bool:
    """True for an app of this tenant with the name that the setup of Exchange hybrid gives."""
    return app.is_home_tenant and app.name.casefold().startswith(HYBRID_APP_PREFIX)
