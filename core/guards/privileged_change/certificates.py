"""Certificate authorities that people sign in by, and cases that search all mail. Pure."""

from collections.abc import Iterator, Mapping

from core.keys import hash_parts
from core.model.findings import Fact, Severity
from core.property_values import find_property, get_text, parse_printed_bool
from core.tenant.quoting import quote_text
from core.watched.items import SourceRows, Trait, WatchedCollection, WatchedItem

AUTHORITIES, CASES = "certificate-authority", "ediscovery-case"
RELATION = "certificateBasedAuthConfiguration"
MAX_NAME_LENGTH = 120


def describe_authority(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each authority by its key: a certificate renewed with the same key is the same one."""
    for organization in rows[AUTHORITIES] or ():
        found = find_property(organization.values, RELATION)[1]
        for configuration in found if isinstance(found, list) else ():
            inner = (
                configuration.get("certificateAuthorities")
                if isinstance(configuration, Mapping)
                else None
            )
            for one in inner if isinstance(inner, list) else ():
                if isinstance(one, Mapping):
                    key = get_text(one, "issuerSki") or hash_parts(get_text(one, "certificate"))
                    is_root = parse_printed_bool(one.get("isRootAuthority")) is not False
                    yield WatchedItem(
                        id=key,
                        name=quote_text(get_text(one, "issuer") or key, MAX_NAME_LENGTH),
                        opens=(
                            Trait(
                                "trusted root" if is_root else "trusted",
                                "is trusted to say who somebody is"
                                + (", as a root" if is_root else ""),
                                Severity.CRITICAL if is_root else Severity.HIGH,
                            ),
                        ),
                    )


def describe_case(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each eDiscovery case; whoever works on one can search and export mail."""
    for one in rows[CASES] or ():
        by = find_property(one.values, "lastModifiedBy.user.displayName")[1]
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=(Trait("case", "can search and export the mail of others", Severity.MEDIUM),),
            facts=(Fact("last changed by", quote_text(by, MAX_NAME_LENGTH)),)
            if isinstance(by, str) and by
            else (),
        )


CERTIFICATE_AUTHORITIES = WatchedCollection(
    name="certificate-authority",
    noun="certificate authority",
    plural="certificate authorities",
    needs=(AUTHORITIES,),
    describe=describe_authority,
    advice="Ask whoever added it, by telephone: with it, anybody can be signed in as anybody. "
    "Unless somebody answers for it: Entra admin center > Protection > Show more > Security Center "
    "> Certificate authorities.",
    techniques=("T1556", "T1649"),
    reference="Microsoft Graph v1.0: certificateBasedAuthConfiguration",
    harmless="a certificate renewed with the same key, and one that is removed",
)
EDISCOVERY_CASES = WatchedCollection(
    name="ediscovery-case",
    noun="eDiscovery case",
    plural="eDiscovery cases",
    needs=(CASES,),
    describe=describe_case,
    advice="Ask the legal team whether the case is theirs. The audit log says who made it.",
    techniques=("T1114.002",),
    reference="Microsoft Graph v1.0: /security/cases/ediscoveryCases",
    harmless="cases of the first look, and one that is closed or deleted",
)
