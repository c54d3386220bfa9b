"""Which authorities connections trust: public ones, or those in a file."""

import ssl
from functools import cache


@cache
def build_tls_context(ca_path: str) -> ssl.SSLContext:
    """Build a TLS context that trusts public authorities, or those in a file. Cached."""
    return ssl.create_default_context(cafile=ca_path or None)
