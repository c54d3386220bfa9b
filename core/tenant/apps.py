"""core.tenant.apps."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AppCredential:
    """A secret or certificate that stands on a service principal itself, not on its registration.

    `kind` is "secret" or "certificate"; `ends` None: it does not say. `signs` marks a certificate
    that only signs SAML answers, and the password of its file.
    """

    id: str
    kind: str
    expires: datetime | None = None
    saml_signing: bool = False


@dataclass(frozen=True, slots=True)
class App:
    """An app as this tenant knows it: a service principal.

    `owner` is the id of the tenant it is registered in, "" where Entra does not say; `home`: it is
    this one. `itself` marks the app these lines run in. `kind` is servicePrincipalType, `publisher`
    the name of the verified publisher, "" for none, `replies` where sign-ins to it may end up.
    """

    id: str
    app_id: str = ""
    name: str = ""
    owner_tenant_id: str = ""
    is_home_tenant: bool = False
    is_self: bool = False
    kind: str = "Application"
    enabled: bool = True
    publisher: str = ""
    credentials: tuple[AppCredential, ...] = ()
    reply_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DelegatedGrant:
    """What an app may do in the name of one user, or of `everyone`, at one API.

    `client_id` and `resource_id` are ids of service principals: the app's and the API's.
    """

    client_id: str
    resource_id: str
    all_principals: bool
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class AppPermission:
    """An app role of an API, given to an app: what it may do in its own name.

    `value` is the role's name, "" where the API does not list the role (any more).
    """

    id: str
    client_id: str
    resource_id: str
    role_id: str
    value: str = ""
