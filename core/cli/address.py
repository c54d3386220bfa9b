"""The address of an app and the key to it, as an operator gives them."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from core.cli.api_client import UsageError

KEY_HEADER = "x-functions-key"


def parse_origin(address: str) -> str:
    """The scheme, host and port of an app's address. Raises UsageError.

    Plain HTTP is accepted for this machine only: elsewhere the key could be read in transit.
    """
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UsageError(
            "--app takes the address of the app: https://<name>.azurewebsites.net"
        ) from None
    extra = parts.path.strip("/") or parts.query or parts.fragment
    if not host or parts.username or parts.password or extra:
        raise UsageError(
            "--app takes only the address of the app: https://<name>.azurewebsites.net"
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and is_this_machine(host)):
        raise UsageError("--app must begin with https://, or the key could be read in transit")
    origin = f"{parts.scheme}://[{host}]" if ":" in host else f"{parts.scheme}://{host}"
    return f"{origin}:{port}" if port else origin


def is_this_machine(host: str) -> bool:
    """True for a loopback name or address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def parse_key(key: str) -> str:
    """A key in the form of a header value. Raises UsageError, which never repeats the key."""
    stripped = key.strip()
    if not stripped or not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        raise UsageError("the key is not valid: it has no spaces and only ASCII characters")
    return stripped
