"""Providers whose tokens an app registration may accept in place of a secret.

A federated credential names an issuer and a subject: whoever the issuer vouches for in these words
is the app (Microsoft Learn: Workload identity federation).
"""

from urllib.parse import urlsplit

ENTRA_HOSTS = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
        "login.chinacloudapi.cn",
        "sts.windows.net",
    }
)
KNOWN_ISSUERS = {
    "token.actions.githubusercontent.com": "GitHub Actions",
    "gitlab.com": "GitLab",
    "vstoken.dev.azure.com": "Azure DevOps",
    "app.terraform.io": "Terraform Cloud",
    "accounts.google.com": "Google",
    "api.bitbucket.org": "Bitbucket",
}


def is_own_issuer(issuer: str, tenant_id: str) -> bool:
    """True for this tenant itself, which vouches for its own managed identities."""
    parts = split_issuer(issuer)
    if not parts or not tenant_id:
        return False
    host, path = parts
    return host in ENTRA_HOSTS and path.split("/")[:1] == [tenant_id.casefold()]


def describe_issuer(issuer: str) -> str:
    """The provider in words that cannot be made up by whoever wrote the address."""
    parts = split_issuer(issuer)
    if not parts:
        return "an unknown provider"
    host, _ = parts
    if host in ENTRA_HOSTS:
        return "another tenant of Entra"
    return KNOWN_ISSUERS.get(host, "another provider")


def split_issuer(issuer: str) -> tuple[str, str] | None:
    """Host and path of the address of an issuer; None for what is no secure address."""
    try:
        parts = urlsplit(issuer.strip())
    except ValueError:
        return None
    if parts.scheme.casefold() != "https" or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.hostname.casefold(), parts.path.strip("/").casefold()
