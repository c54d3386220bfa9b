"""Where Microsoft 365 is: the hosts of the national clouds.

Sources: Microsoft Learn, "National cloud deployments" (Graph and login hosts), "Exchange Online
PowerShell app-only authentication" (Exchange hosts), "Workload identity federation
considerations" (audiences of a managed identity used as a federated credential), "Office 365
Management Activity API reference" (its hosts).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Cloud:
    """The addresses of one cloud, each scheme and host without a slash at the end.

    The scopes name the resource a token is for. They stay the cloud's own even where the addresses
    are overridden, since a stand-in for Graph answers for Graph.
    """

    login: str
    graph: str
    exchange: str
    assertion_scope: str
    graph_scope: str
    exchange_scope: str
    management: str
    """The Office 365 Management Activity API; empty where none is known."""
    management_scope: str


# Exchange may send a caller on to a host of its region below one of these.
REGIONAL_EXCHANGE = (
    ".outlook.office365.com",
    ".outlook.office365.us",
    # The regions of the DoD's own hosts (cisagov/ScubaGear, EXORestHelper.psm1).
    ".outlook-dod.office365.us",
    ".outlook.office365.cn",
    # The host that Connect-ExchangeOnline's page names for China; EXCHANGE_ENDPOINT selects it.
    ".partner.outlook.cn",
)


def build_cloud(
    login: str, graph: str, exchange: str, audience: str, management: str = ""
) -> Cloud:
    """A cloud from its hosts and the audience of assertions."""
    return Cloud(
        login=f"https://{login}",
        graph=f"https://{graph}",
        exchange=f"https://{exchange}",
        assertion_scope=f"api://{audience}/.default",
        graph_scope=f"https://{graph}/.default",
        exchange_scope=f"https://{exchange}/.default",
        management=f"https://{management}" if management else "",
        management_scope=f"https://{management}/.default" if management else "",
    )


CLOUDS: Mapping[str, Cloud] = {
    "global": build_cloud(
        "login.microsoftonline.com",
        "graph.microsoft.com",
        "outlook.office365.com",
        "AzureADTokenExchange",
        "manage.office.com",
    ),
    "gcc-high": build_cloud(
        "login.microsoftonline.us",
        "graph.microsoft.us",
        "outlook.office365.us",
        "AzureADTokenExchangeUSGov",
        "manage.office365.us",
    ),
    "dod": build_cloud(
        "login.microsoftonline.us",
        "dod-graph.microsoft.us",
        "outlook-dod.office365.us",
        "AzureADTokenExchangeUSGov",
        "manage.protection.apps.mil",
    ),
    "china": build_cloud(
        "login.chinacloudapi.cn",
        "microsoftgraph.chinacloudapi.cn",
        "outlook.office365.cn",
        "AzureADTokenExchangeChina",
    ),
}

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_loopback_url(url: str) -> bool:
    """True for an address on this machine, the only place plain http may go."""
    return urlsplit(url).hostname in LOOPBACK


def check_endpoint(name: str, url: str) -> str:
    """An overriding address as given, without its last slash. Raises SettingsError."""
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback_url(url))
    if not safe or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise SettingsError(f"{name} must be an https address (http only for this machine)")
    return url.rstrip("/")


def resolve_cloud(
    name: str, *, login: str = "", graph: str = "", exchange: str = "", management: str = ""
) -> Cloud:
    """The cloud of that name, with the addresses that are overridden. Raises SettingsError."""
    try:
        chosen = CLOUDS[name]
    except KeyError:
        raise SettingsError(f"CLOUD must be one of {', '.join(CLOUDS)}") from None
    return replace(
        chosen,
        login=check_endpoint("LOGIN_ENDPOINT", login) if login else chosen.login,
        graph=check_endpoint("GRAPH_ENDPOINT", graph) if graph else chosen.graph,
        exchange=check_endpoint("EXCHANGE_ENDPOINT", exchange) if exchange else chosen.exchange,
        management=check_endpoint("MANAGEMENT_ENDPOINT", management)
        if management
        else chosen.management,
    )
