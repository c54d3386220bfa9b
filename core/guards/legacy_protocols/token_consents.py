"""Which apps may use a mail protocol by a token: evidence of use that no sign-in log shows.

An app gets its token as any modern app does, so the log names no mail protocol. POP and IMAP take
nothing but tokens. Without an app that may have one, nobody uses them; with one, somebody may.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from core.tenant.apps import AppPermission, DelegatedGrant
from core.tenant.port import HasAccounts, HasApps, HasProtocols
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import APP_PERMISSIONS, DELEGATED_GRANTS

MAX_NAME_LENGTH = 200
MAX_SHOWN = 5
MAX_NAMED = 1_000
"""So many users are asked for their names."""
# Microsoft Learn: Authenticate an IMAP, POP or SMTP connection using OAuth.
TOKEN_PERMISSIONS: Mapping[str, str] = {
    "imap.accessasuser.all": "imap",
    "imap.accessasapp": "imap",
    "pop.accessasuser.all": "pop",
    "pop.accessasapp": "pop",
    "smtp.send": "smtp",
    "smtp.sendasapp": "smtp",
}


class ConsentPorts(HasAccounts, HasApps, Protocol):
    """The ports that consents are read from."""


class EvidencePorts(HasAccounts, HasApps, HasProtocols, Protocol):
    """The ports that evidence of use is read from."""


@dataclass(frozen=True, slots=True)
class TokenConsent:
    """An app's permission to use a protocol by a token."""

    protocol: str
    permission: str
    client_id: str
    """Object id of the app's service principal."""
    account_id: str = ""
    """The one user it is for; empty for every user, or for an app that acts by itself."""
    app_name: str = ""
    account_name: str = ""
    """The principal name of the one user, where it could be read."""


@dataclass(slots=True)
class TokenConsents:
    """The consents of the tenant to mail protocols."""

    tenant: ConsentPorts
    consents: tuple[TokenConsent, ...] = ()
    permanent_doubts: tuple[str, ...] = ()
    """Why some may be missing, also the next time."""
    failure: str = ""
    """Why they could not be read just now."""
    read_failures: tuple[ReadFailure, ...] = ()
    found: dict[TokenConsent, None] = field(default_factory=dict)

    async def read_once(self) -> None:
        """Read all grants and app roles, then the names of the apps that hold one of these."""
        await self.collect(self.tenant.apps.list_delegated_grants(), select_delegated_consents)
        await self.collect(self.tenant.apps.list_app_permissions(), select_app_consents)
        apps: dict[str, str] = {}
        users: dict[str, str] = {}
        if self.found:
            known = await self.tenant.apps.read_apps({one.client_id for one in self.found})
            apps = {app.id: app.name for app in known.items}
        # Names are for people: where they cannot be read, the ids have to do.
        if ids := sorted({one.account_id for one in self.found} - {""})[:MAX_NAMED]:
            accounts = await self.tenant.accounts.read_users(ids)
            users = {one.id: one.upn for one in accounts.items}
        self.consents = tuple(
            replace(
                one,
                app_name=apps.get(one.client_id, ""),
                account_name=users.get(one.account_id, ""),
            )
            for one in self.found
        )

    async def collect[T](
        self,
        pages: AsyncIterator[Reading[T]],
        select: Callable[[T], Iterable[TokenConsent]],
    ) -> None:
        """Keep what the pages of one listing grant, and why a part of it is missing."""
        async for page in pages:
            for item in page.items:
                self.found |= dict.fromkeys(select(item))
            self.note_failures(page)

    def note_failures(self, page: Reading[Any]) -> None:
        """Keep why a page is not whole."""
        for gap in page.failures:
            if gap.object_id:
                doubt = "what one of the apps was granted could not be read"
            elif gap.permission:
                doubt = f"which apps may use them by a token is unread without {gap.permission}"
                self.read_failures += (replace(gap, optional=True),)
            else:
                self.failure = self.failure or gap.reason
                continue
            self.permanent_doubts = tuple(dict.fromkeys((*self.permanent_doubts, doubt)))
        if not page.complete and not page.failures:
            self.failure = self.failure or "the list of consents was cut short"

    def select(self, protocols: frozenset[str], account: str | None) -> tuple[TokenConsent, ...]:
        """The consents to some protocols: of one account and of everybody, or all of them."""
        return tuple(
            sorted(
                (
                    one
                    for one in self.consents
                    if one.protocol in protocols
                    and (account is None or one.account_id in ("", account))
                ),
                key=lambda one: (one.app_name.lower(), one.client_id, one.permission),
            )
        )


CONSENT_SOURCES = frozenset({DELEGATED_GRANTS, APP_PERMISSIONS})


def select_delegated_consents(grant: DelegatedGrant) -> Iterable[TokenConsent]:
    """What a delegated grant allows of these protocols."""
    for scope in sorted(grant.scopes):
        if protocol := TOKEN_PERMISSIONS.get(scope.strip().lower()):
            yield TokenConsent(protocol, scope, grant.client_id, grant.principal_id)


def select_app_consents(permission: AppPermission) -> Iterable[TokenConsent]:
    """What an app role allows of these protocols."""
    if protocol := TOKEN_PERMISSIONS.get(permission.value.strip().lower()):
        yield TokenConsent(protocol, permission.value, permission.client_id)


def list_consent_texts(consents: tuple[TokenConsent, ...]) -> list[str]:
    """Which apps may use it, in words: the first few of many."""
    lines = [format_consent(one) for one in consents[:MAX_SHOWN]]
    if len(consents) > MAX_SHOWN:
        apps = len({one.client_id for one in consents})
        lines.append(f"{len(consents)} such permissions of {apps} apps in all")
    return lines


def format_consent(consent: TokenConsent) -> str:
    """One app's permission."""
    app = quote_text(consent.app_name or consent.client_id, MAX_NAME_LENGTH)
    permission = quote_text(consent.permission, MAX_NAME_LENGTH)
    if permission.lower().endswith("asapp"):
        return f"the app {app} may use it by a token of its own ({permission})"
    user = quote_text(consent.account_name or consent.account_id, MAX_NAME_LENGTH)
    whom = f"the user {user}" if consent.account_id else "every user"
    return f"the app {app} may use it by a token of {whom} ({permission})"
