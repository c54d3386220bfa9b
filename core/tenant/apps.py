"""Enterprise apps: service principals, and what they were granted."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AppCredential:
    """A secret or certificate of a service principal or of an app registration."""

    id: str
    kind: str
    """Either "secret" or "certificate"."""
    expires: datetime | None = None
    """None: Graph reports no expiry."""
    saml_signing: bool = False
    """True: a certificate that only signs SAML responses, or the password of its file."""


@dataclass(frozen=True, slots=True)
class App:
    """An app as this tenant knows it: a service principal."""

    id: str
    """Object id of the service principal."""
    app_id: str = ""
    """Client id of the app."""
    name: str = ""
    owner_tenant_id: str = ""
    """Tenant the app is registered in; empty where Entra does not report it."""
    is_home_tenant: bool = False
    """True: that tenant is this one."""
    is_self: bool = False
    """True: Exoguard's own app."""
    kind: str = "Application"
    """servicePrincipalType."""
    enabled: bool = True
    publisher: str = ""
    """Name of the verified publisher; empty for none."""
    credentials: tuple[AppCredential, ...] = ()
    reply_urls: tuple[str, ...] = ()
    """Where sign-ins to the app may be sent."""
    home_hosts: frozenset[str] = frozenset()
    """The hosts among them that lie below a domain of this tenant, as far as these were read."""
    microsoft_status: str = ""
    """disabledByMicrosoftStatus; empty where Microsoft has not disabled it."""


@dataclass(frozen=True, slots=True)
class FederatedCredential:
    """Another provider whose tokens an app registration accepts in place of a secret."""

    id: str
    name: str
    issuer: str
    """The address of the provider."""
    subject: str
    """For whom the provider has to vouch, such as a repository and its branch."""


@dataclass(frozen=True, slots=True)
class AppOwner:
    """Somebody who may give an app registration new secrets."""

    id: str
    name: str
    is_guest: bool = False


@dataclass(frozen=True, slots=True)
class AppRegistration:
    """An app that is registered in this tenant: what its secrets and owners hang on."""

    id: str
    """Object id of the application."""
    app_id: str
    """Client id, by which it belongs to a service principal."""
    name: str = ""
    credentials: tuple[AppCredential, ...] = ()
    federated_credentials: tuple[FederatedCredential, ...] = ()
    owners: tuple[AppOwner, ...] = ()


@dataclass(frozen=True, slots=True)
class DelegatedGrant:
    """What an app may do at one API on behalf of one user, or of all users."""

    client_id: str
    """Object id of the app's service principal."""
    resource_id: str
    """Object id of the API's service principal."""
    all_principals: bool
    """True: on behalf of all users."""
    scopes: frozenset[str]
    principal_id: str = ""
    """Object id of the one user; empty for all users."""


@dataclass(frozen=True, slots=True)
class AppPermission:
    """An app role of an API, granted to an app: what the app may do without a user."""

    id: str
    client_id: str
    resource_id: str
    role_id: str
    value: str = ""
    """Name of the role; empty where the API does not list it (any more)."""
