"""Keeps every log message on one line and free of secrets, whichever library writes it.

Exoguard's own messages are written that way. Libraries log headers and whole URLs at their verbose
levels, so every record of the process is cleaned when it is created, before any handler sees it.
This is a second line of defence: nothing may rely on it.
"""

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import urlsplit

from core.sanitize import sanitize_text

MAX_MESSAGE_LENGTH = 16_000
REDACTED = "***"
# A shorter value is not a secret, and would occur in ordinary words.
MIN_SECRET_LENGTH = 8
# Headers, form fields and parts of addresses that name what they hold; and tokens, by their shape.
SECRET_PATTERN = re.compile(
    r"""
    (?P<name>
        (?: \b(?: authorization | x-functions-key | x-identity-header | x-ms-client-principal
                | account_?key | shared_?access_?(?:key|signature) | client_?secret
                | client_?assertion | access_?token | refresh_?token ) | [?&;](?:code|sig) )
        ["']? \s* [=:] \s* ["']? (?: (?:bearer|basic|sharedkey(?:lite)?) \s+ )?
    )
    [^\s"'&,;)}\]]+
    | \b eyJ[\w-]{6,} \. [\w-]{2,} (?: \. [\w-]* )?
    """,
    re.IGNORECASE | re.VERBOSE,
)


def extract_secrets(values: Collection[str]) -> frozenset[str]:
    """What must not be seen of secret settings: each as a whole, and what alone would be enough.

    Of an address that is what follows its host, of a connection string the key or signature in it.
    """
    return frozenset(
        part
        for value in values
        for part in iter_secret_parts(value)
        if len(part) >= MIN_SECRET_LENGTH
    )


def iter_secret_parts(value: str) -> Iterator[str]:
    """Iterate over a secret and the secrets inside it."""
    yield value
    if value.startswith(("http://", "https://")):
        parts = urlsplit(value)
        yield parts.path
        yield parts.query
    elif "=" in value and ";" in value:
        for part in value.split(";"):
            name, _, inner = part.partition("=")
            if name.strip().lower() in ("accountkey", "sharedaccesskey", "sharedaccesssignature"):
                yield inner


def redact_secrets(text: str, secrets: Collection[str]) -> str:
    """Replace these secrets, and whatever has the form of one, in a text."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return SECRET_PATTERN.sub(lambda found: (found["name"] or "") + REDACTED, text)


def to_single_line(text: str) -> str:
    """Return a text without line breaks, control characters or deceptive characters."""
    return (
        text
        if text.isprintable() and len(text) <= MAX_MESSAGE_LENGTH
        else sanitize_text(text, MAX_MESSAGE_LENGTH)
    )


def clean_log_record(record: logging.LogRecord, secrets: Collection[str]) -> logging.LogRecord:
    """Clean a record. One whose arguments do not fit its format is left to `logging`."""
    try:
        said = record.getMessage()
    except (TypeError, ValueError, KeyError):
        return record
    safe = to_single_line(redact_secrets(said, secrets))
    if safe != said:
        record.msg, record.args = safe, None
    if record.exc_info:
        # Handlers show this text instead of making their own.
        record.exc_text = redact_secrets(
            logging.Formatter().formatException(record.exc_info), secrets
        )
    return record


def install_log_redaction(environ: Mapping[str, str], names: Collection[str]) -> None:
    """Clean every record this process makes from now on; `names` are the settings with secrets."""
    secrets = extract_secrets([environ[name] for name in names if environ.get(name)])

    def made(*args: object, **options: object) -> logging.LogRecord:
        return clean_log_record(logging.LogRecord(*args, **options), secrets)  # type: ignore[arg-type]  # as given

    logging.setLogRecordFactory(made)
