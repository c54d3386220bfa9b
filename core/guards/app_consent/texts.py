"""How apps are named and described on cards. Pure."""

from core.microsoft365.app_names import NameClaim
from core.microsoft365.known_apps import is_microsoft_app
from core.microsoft365.reply_addresses import is_loopback, list_reply_hosts, list_weak_replies
from core.model.findings import Fact
from core.tenant.apps import App
from core.tenant.quoting import quote_text

MAX_TEXT_LENGTH = 120
MAX_SHOWN = 12


def format_app_name(app: App) -> str:
    """The app as people know it."""
    return quote_text(app.name or app.app_id or app.id, MAX_TEXT_LENGTH)


def format_app_title(app: App) -> str:
    """The app at the beginning of a sentence."""
    if app.is_self:
        return f"This app itself ({format_app_name(app)})"
    whose = "Microsoft's app" if is_microsoft_app(app) else "App"
    return f"{whose} {format_app_name(app)}"


def list_app_facts(app: App, claim: NameClaim | None = None) -> tuple[Fact, ...]:
    """Who made an app, what its name claims, and where it sends people."""
    if is_microsoft_app(app):
        owner = "Microsoft"
    elif app.is_home_tenant:
        owner = "this tenant"
    else:
        owner = f"another tenant ({app.owner_tenant_id})" if app.owner_tenant_id else "not told"
    facts = [
        Fact("application id", quote_text(app.app_id, MAX_TEXT_LENGTH) or "not told"),
        Fact("registered in", owner),
    ]
    if not (is_microsoft_app(app) or app.is_home_tenant):
        facts.append(
            Fact("publisher", quote_text(app.publisher, MAX_TEXT_LENGTH) or "not verified")
        )
    if claim:
        facts.append(Fact("", describe_name_claim(claim)))
    if not app.enabled:
        facts.append(Fact("", "sign-in to it is switched off"))
    if app.microsoft_status:
        facts.append(Fact("", "Microsoft has disabled it"))
    weak = list_weak_replies(app)
    facts += [
        Fact("", f"sign-ins to it are sent {one.weakness}: {quote_text(one.host, MAX_TEXT_LENGTH)}")
        for one in weak[:MAX_SHOWN]
    ]
    elsewhere = [
        host
        for host in list_reply_hosts(app)
        if host not in app.home_hosts and not is_loopback(host)
    ]
    if elsewhere and not weak:
        facts.append(Fact("sends sign-ins to", format_name_list(elsewhere)))
    return tuple(facts)


def describe_name_claim(claim: NameClaim) -> str:
    """What is misleading about a name, as a fact."""
    if claim is NameClaim.MICROSOFT:
        return f"its name {claim}, and it is not"
    if claim is NameClaim.BRAND:
        return f"its name {claim}, and nobody verified who made it"
    return f"its name {claim}"


def format_name_list(names: list[str]) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(quote_text(name, MAX_TEXT_LENGTH) for name in names[:MAX_SHOWN]) + more
