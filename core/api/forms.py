"""Forms that pages of this app send: how one is read, and what another site cannot do. Pure.

A form that has an effect carries a token that equals a cookie of this site, both made anew for each
confirmation: a page of another site can read neither (OWASP: CSRF Prevention, "Double-Submit
Cookie"). A token is used once. Browsers also say where a request comes from, and only this site's
own are accepted.
"""

import hmac
import secrets
from collections.abc import Collection
from dataclasses import replace
from urllib.parse import parse_qsl

from core.api.request import BadRequest, HttpRequest, HttpResponse

FORM_TYPE = "application/x-www-form-urlencoded"
FORM_FIELD = "token"
COOKIE_NAME = "__Host-exoguard-act"
COOKIE_SECONDS = 3_600
MAX_FIELDS = 220
"""Room for the check boxes of a form, each a field of its own."""


def create_token() -> str:
    """What a form and a cookie have in common."""
    return secrets.token_urlsafe(32)


def with_token(answer: HttpResponse, token: str) -> HttpResponse:
    """A page with a form, and the cookie that goes with its token."""
    return set_cookie(answer, token, COOKIE_SECONDS)


def without_token(answer: HttpResponse) -> HttpResponse:
    """The answer to a form, whose token is used up."""
    return set_cookie(answer, "", 0)


def set_cookie(answer: HttpResponse, value: str, seconds: int) -> HttpResponse:
    """An answer that sets the cookie of the token."""
    cookie = f"{COOKIE_NAME}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}"
    return replace(answer, headers={**answer.headers, "Set-Cookie": cookie})


def parse_form(
    request: HttpRequest, lists: Collection[str], *, needs_token: bool
) -> dict[str, str]:
    """The fields of a form that a page of this site sent. Raises BadRequest.

    `lists` are the fields that may come several times, as check boxes do: their values are joined
    by commas.
    """
    if request.headers.get("sec-fetch-site") != "same-origin":
        raise BadRequest(403, "a form is accepted from a page of this app only")
    try:
        pairs = parse_qsl(
            request.body.decode(),
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise BadRequest(400, "the form cannot be read") from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields and name not in lists:
            raise BadRequest(400, "the form repeats a name")
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    token, cookie = fields.pop(FORM_FIELD, ""), read_cookie(request.headers.get("cookie", ""))
    is_own = bool(token) and hmac.compare_digest(token.encode(), cookie.encode())
    if needs_token and not is_own:
        raise BadRequest(
            403,
            "this confirmation is too old, or was sent already: go back, load the page and try "
            "again",
        )
    return {name: value for name, value in fields.items() if value}


def read_cookie(header: str) -> str:
    """The token in a browser's cookies; empty if there is none, or more than one.

    Each cookie is read by itself: http.cookies finds none at all where one of another maker is odd.
    """
    pairs = (one.strip().partition("=") for one in header.split(";"))
    found = [value for name, _, value in pairs if name == COOKIE_NAME]
    return found[0] if len(found) == 1 else ""
