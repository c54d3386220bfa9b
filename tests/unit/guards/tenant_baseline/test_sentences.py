"""What the guard of the organization's baseline says of one setting and another."""

from dataclasses import replace
from datetime import date
from typing import Any

from core.guards.tenant_baseline.baseline import Baseline, BaselineRow, ExpectedValue, RowWaiver
from core.guards.tenant_baseline.guard import GUARD, judge
from core.guards.tenant_baseline.live_forwards import LiveForwards
from core.guards.tenant_baseline.observe import BaselineItem
from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS
from core.model.findings import Finding
from core.model.guards import GuardPolicy
from core.property_values import Value
from core.tenant.configuration import Configuration
from core.tenant.mail_flow import AcceptedDomain, InboxRule, Recipient
from core.tenant.mailboxes import Mailbox
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import build_baseline_tenant
from tests.support.sentences import NOW, check_looks, check_sentences

ROWS = {row.id: row for row in SHIPPED_ROWS}
ENFORCED = frozenset({"remote-domain-forwarding", "outbound-forwarding", "device-encryption"})
TERMS = GuardPolicy(NOW, Baseline(SHIPPED_ROWS, ENFORCED))
USUAL = BaselineRow(
    "own-row",
    "transport-config",
    "Some.Thing",
    ExpectedValue("is", (True,)),
    "medium",
    "It matters",
    "A page",
    "Set-RemoteDomain -Identity <identity> -AutoForwardEnabled $false",
)
WAIVER = RowWaiver("CISO", "merger under way", date(2026, 11, 20))
OBJECT = Configuration("transport-config", "t1", "Transport", {})
REMOTE = Configuration("remote-domain", "d1", "Partner", {"DomainName": "partner.example"})
DEFAULT = Configuration("remote-domain", "d2", "Default", {"DomainName": "*"})
FORWARDING = ROWS["remote-domain-forwarding"]


def say(
    value: object,
    row: BaselineRow = USUAL,
    of: Configuration = OBJECT,
    terms: GuardPolicy = TERMS,
    **more: Any,
) -> list[Finding]:
    """What is said of a value of a row in an object."""
    return list(judge(BaselineItem(row, of, value, **more), terms))


def expect(test: str, *values: Value, **more: Any) -> BaselineRow:
    """A row that expects something else."""
    return replace(USUAL, expected=ExpectedValue(test, values), **more)


def test_sentences_about_settings() -> None:
    waived = replace(USUAL, waiver=WAIVER)
    over = replace(USUAL, waiver=replace(WAIVER, until=date(2026, 11, 19)))
    written = replace(USUAL, id="device-encryption")
    undecided = replace(
        written, expected=ExpectedValue("one_of", ("Off", "On")), undecided_values=("Automatic",)
    )
    sharing = ROWS["calendar-sharing"]
    forwards = LiveForwards(1234, ("ann@contoso.com to x@evil.example",), "rules not readable: x")
    check_sentences(
        "tenant_baseline",
        {
            "A setting is as it should be": say(True),
            "A setting is not": say(False),
            "A setting is empty": say(""),
            "A setting is not set": say(None),
            "A setting is a list": say([1, "two"]),
            "A setting is an empty list": say([]),
            "A setting is long": say("x" * 300),
            "A setting should be one of several": say("a", expect("one_of", "b", "c", "d")),
            "A setting should be one": say("a", expect("one_of", "b")),
            "A number is too small": say(5, expect("at_least", 6)),
            "A number is large enough": say("6", expect("at_least", 6)),
            "A number is not set where one is needed": say(None, expect("at_least", 6)),
            "A number is no number": say([], expect("at_least", 6)),
            "A number is too large": say("11", expect("at_most", 10)),
            "A number is small enough": say(10, expect("at_most", 10)),
            "A number is without limit": say("Unlimited", expect("at_most", 10)),
            "Something is missing": say("", expect("present")),
            "Something is there": say("x", expect("present")),
            "A number is there": say(0, expect("present")),
            "Something odd is there": say({}, expect("present")),
            "A list has more": say(["a", "b", "c"], expect("within", "a")),
            "A list has anything": say(["b"], expect("within")),
            "A list has no more": say(["a"], expect("within", "a", "b")),
            "A list is none": say({}, expect("within", "a")),
            "A list has many more": say(
                [f"e{number:02}" for number in range(12)], expect("within")
            ),
            "Calendars are shared with everybody": say(
                [
                    "Anonymous:CalendarSharingFreeBusyReviewer, ContactsSharing",
                    "*:CalendarSharingFreeBusyDetail",
                    "partner.example:CalendarSharingFreeBusySimple, NewThing",
                    "other.example:0",
                ],
                sharing,
            ),
            "Calendars show when people are busy": say(
                ["*:CalendarSharingFreeBusySimple"], sharing
            ),
            "Calendars show that to everybody on the internet": say(
                ["Anonymous:CalendarSharingFreeBusySimple"], sharing
            ),
            "Calendars are shared in words nobody knows": say({}, sharing),
            "Calendars may be shared with nobody": say(
                ["a.example:CalendarSharingFreeBusySimple"], expect("shares_at_most")
            ),
            "An object nobody is under": say(
                False, replace(USUAL, severity="high"), is_inactive=True, notes=("to nobody now",)
            ),
            "A grave row": say(False, replace(USUAL, severity="critical")),
            "A grave row that cannot be told": say({}, expect("at_least", 6, severity="critical")),
            "A row that is written": say(False, written),
            "A row that is written, and cannot be told": say(
                {}, replace(written, expected=ExpectedValue("at_least", (6,)))
            ),
            "A row that Microsoft decides about": say("automatic", undecided),
            "A row that Microsoft decides about, as it is wanted": say(
                "Automatic", replace(undecided, expected=ExpectedValue("is", ("Automatic",)))
            ),
            "A row that is waived at length": say(
                False, replace(USUAL, waiver=replace(WAIVER, reason="r" * 500))
            ),
            "A row that was waived by a long name": say(
                False, replace(over, waiver=replace(over.waiver or WAIVER, granted_by="g" * 300))
            ),
            "An entry too many is long": say(["e" * 300], expect("within")),
            "Forwards to one organization are allowed by two names": say(
                True, FORWARDING, REMOTE, allowed_domains=("a.partner.example", "partner.example")
            ),
            "Forwards to an organization with a long name are allowed": say(
                True, FORWARDING, REMOTE, allowed_domains=("d" * 300,)
            ),
            "Forwards to every organization are allowed, for one with a long name": say(
                True, FORWARDING, DEFAULT, allowed_domains=("d" * 300,)
            ),
            "A row that Microsoft decides about, and nobody writes": say(
                "Automatic", replace(undecided, id="own-row", severity="high")
            ),
            "A row that a person sets": say(
                "x", replace(expect("present"), id="device-encryption"), of=OBJECT
            ),
            "A row that a person sets, and that is empty": say(
                "", replace(expect("present"), id="device-encryption")
            ),
            "A row that is waived today": say(False, waived),
            "A row that was waived until yesterday": say(False, over),
            "Forwards to another organization are allowed": say(
                True, FORWARDING, REMOTE, allowed_domains=("partner.example",)
            ),
            "Forwards to every organization are allowed, for some of them": say(
                True, FORWARDING, DEFAULT, allowed_domains=("a.example", "b.example")
            ),
            "Forwards of everybody are allowed, for some": say(
                "On",
                ROWS["outbound-forwarding"],
                Configuration("outbound-spam-policy", "p1", "Default", {}),
                allowed_domains=("a.example",),
            ),
            "Forwards would end": say(True, FORWARDING, DEFAULT, live_forwards=forwards),
            "Nobody knows whether forwards would end": say(
                True, FORWARDING, DEFAULT, live_forwards=LiveForwards(unread_reason="x")
            ),
            "No forwards would end": say(True, FORWARDING, DEFAULT, live_forwards=LiveForwards()),
            "An object without an id": say(False, of=replace(OBJECT, id="")),
            "An object without a name": say(False, of=replace(OBJECT, name="")),
            "An object that no command can name": say(
                False, of=replace(OBJECT, id="a\nb", name="n" * 300)
            ),
        },
    )


def build_varied_organization() -> FakeTenant:
    """Remote domains, outbound policies and forwards of many kinds, over a baseline in order."""
    tenant = build_baseline_tenant()

    def row(source: str, name: str, **values: object) -> Configuration:
        return Configuration(source, name, name, values)

    def policy(name: str, mode: str = "On") -> Configuration:
        return row("outbound-spam-policy", name, AutoForwardingMode=mode, IsDefault=False)

    def rule(name: str, of: str, **values: object) -> Configuration:
        return row("outbound-spam-rule", name, HostedOutboundSpamFilterPolicy=of, **values)

    def remote(name: str, domain: str) -> Configuration:
        return row("remote-domain", name, DomainName=domain, AutoForwardEnabled=True)

    kept = [one for one in tenant.configurations if one.source != "outbound-spam-rule"]
    ann = Mailbox("m1", "g1", "ann@contoso.com", forwarding_smtp_address="smtp:x@evil.example")
    ben = Mailbox("m2", "g2", "ben@contoso.com", forwarding_address="Ann")
    return replace(
        tenant,
        boxes=[ann, ben, Mailbox("m3", "g3", "cid@contoso.com")],
        domains=[AcceptedDomain("contoso.com", includes_subdomains=True)],
        known_recipients=[Recipient("Ann", True, "UserMailbox", "ann@contoso.com", id="m1")],
        rules=[
            InboxRule("r1", "m3", "On", "graph", redirect_to=('"Max" [SMTP:max@partner.example]',)),
            InboxRule("r2", "m3", "Off", "graph", enabled=False, forward_to=("y@evil.example",)),
            InboxRule("r3", "m3", "In", "graph", forward_as_attachment_to=("a@sub.contoso.com",)),
        ],
        configurations=[
            *kept,
            remote("Partner", "partner.example"),
            remote("Others", "*.partner.example"),
            remote("World", "*"),
            policy("Named"),
            policy("Second"),
            policy("Nameless"),
            policy("Stopped"),
            policy("Odd"),
            rule("R1", "Named", State="Enabled", Priority=1),
            rule("R2", "second", State="Enabled", Priority=0),
            rule("R3", "Stopped", State="Disabled", Priority=2),
            rule("R4", "Odd", State="Enabled"),
        ],
        page_size=2,
    )


async def test_sentences_about_an_organization_with_settings_of_all_kinds() -> None:
    options = Baseline(SHIPPED_ROWS, ENFORCED, frozenset({"partner.example", "b.partner.example"}))
    await check_looks("tenant_baseline_settings_looks", GUARD, build_varied_organization, options)


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("tenant_baseline_looks", GUARD)
