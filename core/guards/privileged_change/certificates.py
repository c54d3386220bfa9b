"""Certificate authorities that people sign in by, and cases that search all mail. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from core.keys import hash_parts
from core.microsoft365.certificate_keys import find_public_key
from core.microsoft365.remedies import build_graph_request, make_graph_step
from core.model.findings import Fact, Severity
from core.property_values import find_property, get_objects, get_text, parse_printed_bool
from core.tenant.quoting import quote_text
from core.watched.items import ANY, SourceRows, Trait, WatchedCollection, WatchedItem

AUTHORITIES, CASES = "certificate-authority", "ediscovery-case"
TRUST_STORES = "trust-store"
RELATION = "certificateBasedAuthConfiguration"
STORES_PATH = ("directory", "publicKeyInfrastructure", "certificateBasedAuthConfigurations")
CASES_PATH = ("security", "cases", "ediscoveryCases")
KEY_IDENTIFIERS = ("issuerSki", "issuerSubjectKeyIdentifier")
MAX_NAME_LENGTH = 120


def describe_authority(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each authority of the organization by its key: renewed with the same key it is the same."""
    for organization in rows[AUTHORITIES] or ():
        for configuration in get_objects(organization.values, RELATION):
            for one in get_objects(configuration, "certificateAuthorities"):
                is_root = parse_printed_bool(one.get("isRootAuthority")) is not False
                yield build_authority(one, is_root=is_root)


def describe_trust_store(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each authority in the newer trust stores."""
    for store in rows[TRUST_STORES] or ():
        for one in get_objects(store.values, "certificateAuthorities"):
            kind = get_text(one, "certificateAuthorityType").casefold()
            path = (*STORES_PATH, store.id, "certificateAuthorities", get_text(one, "id"))
            yield replace(
                build_authority(one, is_root=kind != "intermediate"),
                stop=(
                    make_graph_step(
                        "Unless somebody answers for it: remove the authority. Nobody signs in by "
                        "its certificates then.",
                        build_graph_request("DELETE", "", *path),
                    ),
                ),
            )


def build_authority(values: Mapping[str, object], *, is_root: bool) -> WatchedItem:
    """An authority, known by its key. One of an unknown kind counts as a root."""
    called = next(filter(None, (get_text(values, name) for name in KEY_IDENTIFIERS)), "")
    identity = identify_authority(values)
    return WatchedItem(
        id=identity,
        name=quote_text(get_text(values, "issuer") or called or identity, MAX_NAME_LENGTH),
        is_object=False,
        opens=(
            Trait(
                "trusted root" if is_root else "trusted",
                "is trusted to say who somebody is" + (", as a root" if is_root else ""),
                Severity.CRITICAL if is_root else Severity.HIGH,
            ),
        ),
    )


def identify_authority(values: Mapping[str, object]) -> str:
    """What an authority is known by: its key, or else its certificate's hash, or its object's id.

    The identifier of its key is what its maker calls it: with that of a trusted authority, another
    would pass for it. It counts beside the id of an object that shows nothing else, and in place of
    a certificate that cannot be read; whoever signs by one that can be is known by something else.
    """
    certificate, issuer = get_text(values, "certificate"), get_text(values, "issuer")
    if key := find_public_key(certificate):
        return hash_parts(key.hex())
    called = next(filter(None, (get_text(values, name) for name in KEY_IDENTIFIERS)), "")
    if certificate:
        return hash_parts(issuer, called.upper()) if called else hash_parts(certificate)
    if thumbprint := get_text(values, "thumbprint"):
        return hash_parts(thumbprint.upper())
    return hash_parts(get_text(values, "id"), issuer, called)


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
            stop=(
                make_graph_step(
                    "Unless the legal team answers for it: close the case; it can be opened again.",
                    build_graph_request("POST", "", *CASES_PATH, one.id, "close"),
                ),
            ),
        )


ADVICE = (
    "Ask whoever added it, by telephone: with it, anybody can be signed in as anybody. Unless "
    "somebody answers for it: Entra admin center > Protection > Show more > Security Center > "
)
CERTIFICATE_AUTHORITIES = WatchedCollection(
    name="certificate-authority",
    noun="certificate authority",
    plural="certificate authorities",
    needs=(AUTHORITIES,),
    items_of=(),
    may_lack={AUTHORITIES: (ANY,)},
    describe=describe_authority,
    advice=f"{ADVICE}Certificate authorities.",
    techniques=("T1556", "T1649"),
    reference="Microsoft Graph v1.0: certificateBasedAuthConfiguration",
    harmless="a certificate renewed with the same key, and one that is removed",
)
STORED_AUTHORITIES = WatchedCollection(
    name="trust-store-authority",
    noun="certificate authority",
    plural="certificate authorities in trust stores",
    needs=(TRUST_STORES,),
    items_of=(),
    may_lack={TRUST_STORES: (ANY,)},
    describe=describe_trust_store,
    advice=f"{ADVICE}Public key infrastructure.",
    techniques=("T1556", "T1649"),
    reference="Microsoft Graph v1.0: /directory/publicKeyInfrastructure",
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
