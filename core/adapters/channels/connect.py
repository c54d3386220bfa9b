"""Settings -> the channels that are on, connected."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.adapters.channel_addresses import check_channel_address
from core.adapters.channels.events import (
    EventChannel,
    SendRows,
    is_accepted_by_pagerduty,
    is_accepted_by_sentinel,
    is_accepted_by_slack,
    is_success,
    send_pagerduty,
    send_sentinel,
    send_servicenow,
    send_slack,
    send_webhook,
)
from core.adapters.channels.mail import MailChannel
from core.adapters.channels.posting import Poster, hash_address, open_client
from core.adapters.credentials import Credential
from core.adapters.graph.client import GraphClient
from core.adapters.http import BufferedResponse, HttpClient
from core.adapters.retry import ThrottledService, gate_for
from core.model.findings import Severity
from core.ports import MessageChannel

SENTINEL_SCOPES = {
    "ingest.monitor.azure.com": "https://monitor.azure.com/.default",
    "ingest.monitor.azure.us": "https://monitor.azure.us/.default",
    "ingest.monitor.azure.cn": "https://monitor.azure.cn/.default",
}
CALL_SECONDS = 25.0


@dataclass(frozen=True, slots=True)
class ChannelSetup:
    """What connecting a channel takes besides its own settings."""

    values: Mapping[str, str]
    """All settings by name."""
    graph: GraphClient
    credential: Credential
    listed: frozenset[str]
    """Hosts of the operator's own."""
    deadline: float
    now: Callable[[], datetime]
    stack: AsyncExitStack
    """Closes the connections."""
    time_options: Mapping[str, Any] = field(default_factory=dict)
    """How the services wait: their clock and sleep, where these are not the real ones."""

    @property
    def base_url(self) -> str:
        """The address of the app."""
        return self.values["PUBLIC_ADDRESS"]

    def open_service(self, name: str, address: str) -> ThrottledService:
        """One message at a time, three attempts."""
        return ThrottledService(
            name,
            attempts=3,
            cap=1,
            call_timeout=CALL_SECONDS,
            max_wait=30.0,
            deadline=self.deadline,
            throttle_gate=gate_for(f"{name} {address}"),
            **self.time_options,
        )

    def open_poster(
        self,
        name: str,
        address: str,
        is_accepted: Callable[[BufferedResponse], bool],
        *,
        most_lost: int = 2,
        client: HttpClient | None = None,
    ) -> Poster:
        """What posts to an address, closed at the end."""
        poster = Poster(
            f"{name} {hash_address(address)}",
            address.rstrip("/"),
            self.open_service(name, address),
            client or open_client(name, self.listed, self.values["CA_BUNDLE"]),
            is_accepted,
            most_lost=most_lost,
        )
        self.stack.push_async_callback(poster.close)
        return poster


def connect_mail(
    setup: ChannelSetup, least_severity: Severity, guards: frozenset[str]
) -> MessageChannel:
    """Mail from one mailbox."""
    values = setup.values
    return MailChannel(
        setup.graph,
        setup.open_service("mail", values["MAIL_SENDER"]),
        values["MAIL_SENDER"],
        [one.strip() for one in values["MAIL_TO"].split(",")],
        least_severity=least_severity,
        guards=guards,
        base_url=setup.base_url,
    )


def connect_webhook(setup: ChannelSetup) -> tuple[SendRows, str]:
    """The signed webhook; a receiver knows a message that comes again by its id."""
    values = setup.values
    url, secret = values["EVENT_WEBHOOK_URL"], values["EVENT_WEBHOOK_SECRET"]
    # A slash at the end of an address of the operator's own may mean something.
    poster = setup.open_poster("webhook", url, is_success, most_lost=3)
    poster.address = url
    send = send_webhook(poster, secret, values["TENANT_ID"], setup.base_url, setup.now)
    return send, hash_address(url, secret)


def connect_pagerduty(setup: ChannelSetup) -> tuple[SendRows, str]:
    """PagerDuty, which knows a case by its key."""
    url, key = setup.values["PAGERDUTY_ENDPOINT"], setup.values["PAGERDUTY_ROUTING_KEY"]
    poster = setup.open_poster("pagerduty", url, is_accepted_by_pagerduty, most_lost=3)
    return send_pagerduty(poster, key, setup.base_url), hash_address(url, key)


def connect_slack(setup: ChannelSetup) -> tuple[SendRows, str]:
    """Slack by an incoming webhook."""
    url = setup.values["SLACK_WEBHOOK_URL"]
    poster = setup.open_poster("slack", url, is_accepted_by_slack)
    return send_slack(poster, setup.base_url), hash_address(url)


def connect_servicenow(setup: ChannelSetup) -> tuple[SendRows, str]:
    """ServiceNow: an incident that may have been created is looked for before another is."""
    url, user = setup.values["SERVICENOW_INSTANCE"], setup.values["SERVICENOW_USER"]
    poster = setup.open_poster("servicenow", url, is_success, most_lost=1)
    password = setup.values["SERVICENOW_PASSWORD"]
    send = send_servicenow(poster, user, password, setup.base_url)
    return send, hash_address(url, user)


def connect_sentinel(setup: ChannelSetup) -> tuple[SendRows, str]:
    """Sentinel, with a token of the app for Azure Monitor."""
    url, rule = setup.values["SENTINEL_ENDPOINT"], setup.values["SENTINEL_RULE"]
    scope = next(
        (scope for host, scope in SENTINEL_SCOPES.items() if url.rstrip("/").endswith(host)),
        SENTINEL_SCOPES["ingest.monitor.azure.com"],
    )
    client = HttpClient(
        "sentinel",
        credential=setup.credential,
        scope=scope,
        ca_path=setup.values["CA_BUNDLE"],
        connections=1,
        read_timeout=20.0,
    )
    poster = setup.open_poster("sentinel", url, is_accepted_by_sentinel, client=client)
    send = send_sentinel(poster, rule, setup.values["TENANT_ID"], setup.base_url)
    return send, hash_address(url, rule)


CONNECTORS: Mapping[str, Callable[[ChannelSetup], tuple[SendRows, str]]] = {
    "webhook": connect_webhook,
    "pagerduty": connect_pagerduty,
    "slack": connect_slack,
    "servicenow": connect_servicenow,
    "sentinel": connect_sentinel,
}
BATCH_SIZES = {"sentinel": 100}


def connect_channel(
    name: str, setup: ChannelSetup, least_severity: Severity, guards: frozenset[str]
) -> MessageChannel:
    """A channel that is on. Raises SettingsError for an address that it must not send to."""
    check_channel_address(name, setup.values, setup.listed)
    if name == "mail":
        return connect_mail(setup, least_severity, guards)
    send, address = CONNECTORS[name](setup)
    return EventChannel(
        name, address, least_severity, guards, send, batch_size=BATCH_SIZES.get(name, 1)
    )
