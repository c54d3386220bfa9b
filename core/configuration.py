"""The organization's configuration: which objects are read, and which properties may be changed.

A row a source, reviewed like the catalog. What is not in `writable` is never written, whoever asks:
a `SetConfiguration` names a source, one of its objects and one such property.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.model import Service


@dataclass(frozen=True, slots=True)
class Source:
    """Where objects of one kind are read and written.

    For Exchange `read` and `write` are cmdlets, for Graph paths below the version. `identity` is
    the property that names an object to `write`; without one there is only a single object.
    `permission` and `write_permission` are app roles; of a cmdlet it is the cmdlet itself.
    `writable` are the only properties that may be changed.
    """

    service: Service
    read: str
    permission: str
    identity: str = ""
    write: str = ""
    write_permission: str = ""
    writable: frozenset[str] = field(default_factory=frozenset)


def exchange(read: str, identity: str = "", write: str = "", *writable: str) -> Source:
    """A source behind a pair of cmdlets."""
    return Source(Service.EXCHANGE, read, read, identity, write, write, frozenset(writable))


SOURCES: Mapping[str, Source] = {
    "transport-config": exchange(
        "Get-TransportConfig", "", "Set-TransportConfig", "SmtpClientAuthenticationDisabled"
    ),
    "cas-mailbox-plan": exchange(
        "Get-CASMailboxPlan", "Identity", "Set-CASMailboxPlan", "ImapEnabled", "PopEnabled"
    ),
    "authentication-policy": exchange(
        "Get-AuthenticationPolicy", "Identity", "Set-AuthenticationPolicy", "AllowBasicAuthSmtp"
    ),
    "organization-config": exchange(
        "Get-OrganizationConfig", "", "Set-OrganizationConfig", "OAuth2ClientProfileEnabled"
    ),
}


def surface_of(source: str) -> str:
    """The surface of a source, as readings and findings name it."""
    return f"configuration-{source}"
