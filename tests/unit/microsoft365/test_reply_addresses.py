"""Where sign-ins are sent, and who else may receive them."""

import pytest

from core.microsoft365.reply_addresses import (
    ReplyWeakness,
    WeakReply,
    list_reply_hosts,
    list_unsafe_reply_hosts,
    list_weak_replies,
    load_free_hosts,
)
from core.tenant.apps import App


def with_replies(*urls: str) -> App:
    return App("c1", "a1", "Tool", reply_urls=urls)


@pytest.mark.parametrize(
    ("url", "weakness"),
    [
        ("https://*.app.example/cb", ReplyWeakness.WILDCARD),
        ("https://app.example/*", ReplyWeakness.WILDCARD),
        ("https://203.0.113.9/cb", ReplyWeakness.BARE_ADDRESS),
        ("https://[2001:db8::1]/cb", ReplyWeakness.BARE_ADDRESS),
        ("http://10.1.2.3:8080/cb", ReplyWeakness.BARE_ADDRESS),
        ("http://app.example/x", ReplyWeakness.UNENCRYPTED),
        ("http://intranet/x", ReplyWeakness.UNENCRYPTED),
        ("https://contoso-portal.azurewebsites.net/cb", ReplyWeakness.FREE_HOST),
        ("https://x.westeurope.cloudapp.azure.com", ReplyWeakness.FREE_HOST),
        ("https://someone.github.io/", ReplyWeakness.FREE_HOST),
        ("https://ab12.ngrok-free.app/cb", ReplyWeakness.FREE_HOST),
        ("https://login.PAGES.dev./cb", ReplyWeakness.FREE_HOST),
        ("https://bucket.s3.amazonaws.com/cb", ReplyWeakness.FREE_HOST),
    ],
)
def test_an_address_that_others_can_take_is_weak(url: str, weakness: ReplyWeakness) -> None:
    (found,) = list_weak_replies(with_replies(url))
    assert found.weakness is weakness


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://127.9.9.9:1",
        "http://[::1]:3000/",
        "myapp://auth",
        "msal1234://auth",
        "ms-appx-web://microsoft.aad.brokerplugin/x",
        "urn:ietf:wg:oauth:2.0:oob",
        "http://[broken",
        "",
        "https://github.io.contoso.example/cb",
        "https://mygithub.io/cb",
        "https://github.io/cb",
        "https://exoguard-f3b7e4gmb2fkc5aa.westeurope-01.azurewebsites.net/.auth/login/aad/callback",
    ],
)
def test_an_address_of_ones_own_or_of_the_device_is_not(url: str) -> None:
    assert list_weak_replies(with_replies(url)) == ()


def test_of_each_host_the_worst_is_told() -> None:
    app = with_replies("http://x.github.io/a", "https://x.github.io/b", "https://x.github.io/*")
    assert list_weak_replies(app) == (WeakReply("x.github.io", ReplyWeakness.WILDCARD),)
    reverse = with_replies(*app.reply_urls[::-1])
    assert list_weak_replies(reverse) == list_weak_replies(app)


def test_a_wildcard_without_a_host_is_shown_by_the_whole_address() -> None:
    found = WeakReply("https:///*", ReplyWeakness.WILDCARD)
    assert list_weak_replies(with_replies("https:///*")) == (found,)


def test_a_free_host_is_no_open_line() -> None:
    app = with_replies("https://x.github.io", "http://y.example", "https://203.0.113.9")
    assert list_unsafe_reply_hosts(app) == ("203.0.113.9", "y.example")
    assert list_reply_hosts(app) == ("203.0.113.9", "x.github.io", "y.example")
    assert list_reply_hosts(with_replies("myapp://auth", "https:///cb", "http://[broken")) == ()


def test_the_file_of_free_hosts_holds_domains_and_says_where_they_are_from() -> None:
    assert {"azurewebsites.net", "github.io", "ngrok.io"} <= load_free_hosts()
    assert all(host == host.casefold().strip(".") and "." in host for host in load_free_hosts())
