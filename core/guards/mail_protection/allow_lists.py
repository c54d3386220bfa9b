"""Allow lists of the tenant, simulation overrides, signing and reporting. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from core.guards.mail_protection.policies import (
    DOMAINS,
    read_own_domains,
    read_settled_domains,
)
from core.guards.mail_protection.properties import LOW, MAX_NAME_LENGTH, MEDIUM
from core.microsoft365.remedies import build_command, make_exchange_step
from core.model.findings import Fact, Severity, Step
from core.property_values import (
    find_property,
    get_flag,
    get_text,
    get_texts,
    get_time,
    parse_printed_bool,
    parse_printed_int,
)
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    read_entry,
)

ALLOW_SOURCES = ("allow-sender", "allow-url", "allow-file", "allow-address")
LIST_TYPES = dict(zip(ALLOW_SOURCES, ("Sender", "Url", "FileHash", "IP"), strict=True))
SPOOF, SIMULATION = "allow-spoof", "phish-simulation-rule"
UNFILTERED, SEALERS = "unfiltered-mailbox-rule", "arc-config"
DKIM, QUARANTINE, REPORTING = "dkim-config", "quarantine-policy", "report-policy"
TECHNIQUES = ("T1562.001", "T1656")
SPOOF_IDENTITY = "domain.com\\Default"
"""What the cmdlet takes for an identity, literally (Microsoft Learn: Remove-Tenant…SpoofItems)."""
REPORT_IDENTITY = "DefaultReportSubmissionPolicy"
"""The only policy there can be (Microsoft Learn: Set-ReportSubmissionPolicy)."""
SIGNED, REPORTS = "Enabled", "EnableReportToMicrosoft"
RIGHT_PREFIX = "PermissionTo"
GRANTED = re.compile(rf"(?i){RIGHT_PREFIX}(\w{{1,40}}):\s*True")
LONGEST_ALLOWED = timedelta(days=90)
"""Twice what Microsoft gives an entry (Microsoft Learn: Manage the Tenant Allow/Block List)."""
RELEASING = frozenset({"release", "allowsender"})


def describe_allowed(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each entry that lets something pass. One that ends by itself is how Microsoft makes them."""
    own = read_own_domains(rows)
    for source in ALLOW_SOURCES:
        for one in rows[source] or ():
            values = one.values
            if get_text(values, "Action").casefold() == "block":
                continue
            value = get_text(values, "Value")
            is_endless = not ends_soon(values, rows.now)
            is_own = value.rpartition("@")[2].casefold() in own
            severity = Severity.HIGH if is_own else MEDIUM
            yield WatchedItem(
                id=one.id,
                name=quote_text(value, MAX_NAME_LENGTH),
                opens=(Trait("endless", "is allowed without an end", severity),)
                if is_endless
                else (),
                arrival=Severity.HIGH if is_own else Severity.INFO,
                facts=(Fact("note", quote_text(get_text(values, "Notes"), MAX_NAME_LENGTH)),)
                if get_text(values, "Notes")
                else (),
                is_object=False,
                stop=(
                    make_exchange_step(
                        "Unless somebody answers for it: take it out.",
                        build_command(
                            "Remove-TenantAllowBlockListItems",
                            f"-ListType {LIST_TYPES[source]}",
                            Entries=value,
                        ),
                    ),
                ),
            )


def ends_soon(values: Mapping[str, object], now: datetime) -> bool:
    """Whether an entry ends by itself: on a date, or so many days after its last use. What lies
    ages ahead is no end, nor is what cannot be read.
    """
    ends_at = get_time(values, "ExpirationDate")
    days = parse_printed_int(find_property(values, "RemoveAfter")[1])
    is_dated = ends_at is not None and ends_at <= now + LONGEST_ALLOWED
    return is_dated or (days is not None and days <= LONGEST_ALLOWED.days)


def describe_spoof(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each sender that may pretend to be a domain; such an entry never ends."""
    own = read_own_domains(rows)
    for one in rows[SPOOF] or ():
        values = one.values
        passes = get_text(values, "Action").casefold() != "block"
        spoofed = get_text(values, "SpoofedUser")
        sender = get_text(values, "SendingInfrastructure")
        is_own = spoofed.rpartition("@")[2].casefold() in own
        yield WatchedItem(
            id=one.id,
            name=f"{quote_text(sender, 80)} as {quote_text(spoofed, 80)}",
            opens=(
                Trait(
                    "spoofs",
                    "may send mail that pretends to be from there",
                    MEDIUM if is_own else LOW,
                ),
            )
            if passes
            else (),
            stop=(
                make_exchange_step(
                    "Unless somebody answers for it: take it out.",
                    build_command(
                        "Remove-TenantAllowBlockListSpoofItems",
                        "-Confirm:$false",
                        Identity=SPOOF_IDENTITY,
                        Ids=one.id,
                    ),
                ),
            ),
        )


def describe_simulation(rows: SourceRows) -> Iterator[WatchedItem]:
    """The override for phishing simulations: what it names passes every filter."""
    for one in rows[SIMULATION] or ():
        values = one.values
        is_ending = get_text(values, "Mode").casefold() == "pendingdeletion"
        entries = [
            (name, entry)
            for name in ("Domains", "SenderIpRanges")
            for entry in get_texts(values, name)
        ]
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=()
            if is_ending
            else tuple(
                Trait(
                    build_token(name, entry),
                    f"lets phishing pass for an exercise: {quote_text(entry, MAX_NAME_LENGTH)}",
                    MEDIUM,
                )
                for name, entry in entries
            ),
            arrival=Severity.INFO if is_ending else MEDIUM,
            stop=(
                make_exchange_step(
                    "Unless somebody answers for it: remove the override.",
                    build_command(
                        "Remove-ExoPhishSimOverrideRule", "-Confirm:$false", Identity=one.id
                    ),
                ),
            ),
        )


def restore_simulation(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
    """What takes newly named senders out of the override, and leaves the exercise as it was."""
    found = [
        (name, entry)
        for token in tokens
        for name in ("Domains", "SenderIpRanges")
        if token.startswith(f"{name} ") and (entry := read_entry(token))
    ]
    return tuple(
        make_exchange_step(
            f"Unless somebody answers for it: take {quote_text(entry, MAX_NAME_LENGTH)} out.",
            build_command(
                "Set-ExoPhishSimOverrideRule",
                Identity=identity,
                **{f"Remove{name}": entry},
            ),
        )
        for name, entry in found
    )


def describe_unfiltered(rows: SourceRows) -> Iterator[WatchedItem]:
    """The override for those who study attacks: all mail to these mailboxes passes every filter."""
    for one in rows[UNFILTERED] or ():
        is_ending = get_text(one.values, "Mode").casefold() == "pendingdeletion"
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=()
            if is_ending
            else tuple(
                Trait(
                    build_token("mailbox", entry),
                    f"has all mail delivered unfiltered to {quote_text(entry, MAX_NAME_LENGTH)}",
                    Severity.HIGH,
                )
                for entry in get_texts(one.values, "SentTo")
            ),
            arrival=Severity.INFO if is_ending else MEDIUM,
            stop=(
                make_exchange_step(
                    "Unless somebody answers for it: remove the override.",
                    build_command(
                        "Remove-ExoSecOpsOverrideRule", "-Confirm:$false", Identity=one.id
                    ),
                ),
            ),
        )


def describe_sealers(rows: SourceRows) -> Iterator[WatchedItem]:
    """Who is believed about where mail came from: mail that they forward passes DMARC."""
    for one in rows[SEALERS] or ():
        yield WatchedItem(
            id=one.id,
            name="of the tenant",
            opens=tuple(
                Trait(
                    build_token("sealer", entry),
                    f"believes {quote_text(entry, MAX_NAME_LENGTH)} about where mail came from",
                    MEDIUM,
                )
                for sealers in get_texts(one.values, "ArcTrustedSealers")
                for entry in map(str.strip, sealers.split(","))
                if entry
            ),
        )


def describe_signing(rows: SourceRows) -> Iterator[WatchedItem]:
    """Whether mail of each domain is signed."""
    for one in rows[DKIM] or ():
        values = one.values
        yield WatchedItem(
            id=one.id,
            name=quote_text(get_text(values, "Domain") or one.name, MAX_NAME_LENGTH),
            keeps=frozenset([SIGNED] if get_flag(values, SIGNED, default=False) else []),
        )


def explain_signing_loss(token: str) -> Trait:
    """Mail of a domain is no longer signed."""
    return Trait(token, "is no longer signed with DKIM: others cannot verify its mail", MEDIUM)


def restore_signing(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
    """What has mail of a domain signed again."""
    if SIGNED not in tokens:
        return ()
    sign = build_command("Set-DkimSigningConfig", "-Enabled $true", Identity=identity)
    return (make_exchange_step("Unless somebody answers for it: sign its mail again.", sign),)


def describe_quarantine(rows: SourceRows) -> Iterator[WatchedItem]:
    """What users may do with held mail, by policy."""
    for one in rows[QUARANTINE] or ():
        granted = list_granted_rights(one.values)
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=tuple(
                Trait(
                    f"may {right}",
                    f"lets users {describe_right(right)} held mail",
                    MEDIUM if right.casefold() in RELEASING else Severity.INFO,
                )
                for right in granted
            ),
        )


def list_granted_rights(values: Mapping[str, object]) -> list[str]:
    """The rights of users over held mail, whether they are printed as a text or as an object.
    Raises ValueError for a text that names none.
    """
    found = find_property(values, "EndUserQuarantinePermissions")[1]
    if not isinstance(found, Mapping):
        text = get_text(values, "EndUserQuarantinePermissions")
        if text and RIGHT_PREFIX not in text:
            raise ValueError("EndUserQuarantinePermissions names no right")
        return GRANTED.findall(text)
    return [
        name[len(RIGHT_PREFIX) :]
        for name, value in found.items()
        if name.startswith(RIGHT_PREFIX) and parse_printed_bool(value)
    ]


def describe_right(right: str) -> str:
    """A right over held mail as a verb."""
    return "release" if right.casefold() == "release" else f"use the right {right} over"


def describe_reporting(rows: SourceRows) -> Iterator[WatchedItem]:
    """Where mail goes that users report."""
    own = read_settled_domains(rows)
    names = (
        "ReportJunkAddresses",
        "ReportNotJunkAddresses",
        "ReportPhishAddresses",
        "ThirdPartyReportAddresses",
    )
    for one in rows[REPORTING] or ():
        values = one.values
        yield WatchedItem(
            id=name_reporting(one)[0],
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=tuple(
                Trait(
                    build_token(name, entry),
                    f"sends what users report to {quote_text(entry, MAX_NAME_LENGTH)}",
                    LOW if entry.rpartition("@")[2].casefold() in own else Severity.HIGH,
                )
                for name in names
                for entry in get_texts(values, name)
            ),
            keeps=frozenset([REPORTS] if get_flag(values, REPORTS, default=False) else []),
        )


def name_reporting(policy: Configuration) -> tuple[str]:
    """The item of the one policy about reports, which may have no id."""
    return (policy.id or "policy",)


def explain_reporting_loss(token: str) -> Trait:
    """Reported mail no longer reaches Microsoft."""
    return Trait(token, "no longer sends reported mail to Microsoft", LOW)


def restore_reporting(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
    """What has reported mail sent to Microsoft again. To whom else it goes is a person's matter."""
    if set(tokens) != {REPORTS}:
        return ()
    send = build_command(
        "Set-ReportSubmissionPolicy", f"-{REPORTS} $true", Identity=REPORT_IDENTITY
    )
    return (make_exchange_step("Unless somebody answers for it: send it there again.", send),)


ALLOWED_ENTRIES = WatchedCollection(
    name="allow-entry",
    noun="allow entry",
    plural="allow entries",
    needs=(*ALLOW_SOURCES, DOMAINS),
    items_of=ALLOW_SOURCES,
    describe=describe_allowed,
    advice="Ask who allowed it; take it out unless somebody answers for it.",
    techniques=TECHNIQUES,
    reference="Microsoft Learn: Tenant Allow/Block List",
    harmless="an entry that ends by a date or after its last use, and every entry that blocks",
)
SPOOF_ENTRIES = WatchedCollection(
    name="spoof-entry",
    noun="spoofing allow entry",
    plural="spoofing allow entries",
    needs=(SPOOF, DOMAINS),
    describe=describe_spoof,
    advice="Ask who allowed it; take it out in the Defender portal > Tenant Allow/Block Lists > "
    "Spoofed senders unless somebody answers for it.",
    techniques=TECHNIQUES,
    reference="Microsoft Learn: Spoof intelligence insight",
    harmless="entries of the first look, and every entry that blocks",
)
SIMULATIONS = WatchedCollection(
    name="phish-simulation-rule",
    noun="phishing simulation override",
    plural="phishing simulation overrides",
    needs=(SIMULATION,),
    describe=describe_simulation,
    restore=restore_simulation,
    advice="Ask who runs the exercise. Unless somebody answers for it, take it out in the Defender "
    "portal > Advanced delivery > Phishing simulation.",
    techniques=TECHNIQUES,
    reference="Microsoft Learn: Configure the advanced delivery policy",
    harmless="an override of the first look, and one that is being removed",
)
UNFILTERED_MAILBOXES = WatchedCollection(
    name="unfiltered-mailbox-rule",
    noun="SecOps mailbox override",
    plural="SecOps mailbox overrides",
    needs=(UNFILTERED,),
    describe=describe_unfiltered,
    advice="Ask the security team whose mailbox it is. Unless somebody answers for it, take it out "
    "in the Defender portal > Advanced delivery > SecOps mailbox.",
    techniques=TECHNIQUES,
    reference="Microsoft Learn: Configure the advanced delivery policy",
    harmless="an override of the first look, and one that is being removed",
)
TRUSTED_SEALERS = WatchedCollection(
    name="arc-config",
    noun="list of trusted ARC sealers",
    plural="lists of trusted ARC sealers",
    needs=(SEALERS,),
    describe=describe_sealers,
    advice="Ask who trusts it, and for which forwarding service. Unless somebody answers for it, "
    "take it out in the Defender portal > Email authentication settings > ARC.",
    techniques=TECHNIQUES,
    reference="Microsoft Learn: Configure trusted ARC sealers",
    harmless="sealers of the first look, and one that is no longer trusted",
)
SIGNING = WatchedCollection(
    name="dkim-config",
    noun="domain",
    plural="domains with DKIM",
    needs=(DKIM,),
    describe=describe_signing,
    explain_loss=explain_signing_loss,
    restore=restore_signing,
    advice="Ask who switched it off, and switch it on again in the Defender portal > Email "
    "authentication settings > DKIM.",
    techniques=("T1562.001",),
    reference="Microsoft Learn: Get-DkimSigningConfig",
    harmless="a domain that was never signed",
)
QUARANTINE_POLICIES = WatchedCollection(
    name="quarantine-policy",
    noun="quarantine policy",
    plural="quarantine policies",
    needs=(QUARANTINE,),
    describe=describe_quarantine,
    advice="Ask who changed it, and set back what users may do with held mail.",
    techniques=("T1562.001",),
    reference="Microsoft Learn: Quarantine policies",
    harmless="what users could do at the first look, and a right that is taken away",
)
REPORT_POLICIES = WatchedCollection(
    name="report-policy",
    noun="policy for reported mail",
    plural="policies for reported mail",
    needs=(REPORTING, DOMAINS),
    describe=describe_reporting,
    name_items=name_reporting,
    explain_loss=explain_reporting_loss,
    restore=restore_reporting,
    advice="Ask who changed it. Unless somebody answers for it, set back where reported mail goes: "
    "Defender portal > Settings > Email & collaboration > User reported settings.",
    techniques=("T1114.003", "T1562.001"),
    reference="Microsoft Learn: User reported settings",
    harmless="addresses of the first look",
)
ALLOW_LISTS = (
    ALLOWED_ENTRIES,
    SPOOF_ENTRIES,
    SIMULATIONS,
    UNFILTERED_MAILBOXES,
    TRUSTED_SEALERS,
    SIGNING,
    QUARANTINE_POLICIES,
    REPORT_POLICIES,
)
