"""What a source of configuration is: where its objects are read, and what may be written. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.model.guards import Service
from core.property_values import show_text

ALL_RESULTS: Mapping[str, object] = {"ResultSize": "Unlimited"}
TYPE_ANNOTATION, TYPE_NAME = "@odata.type", "odataType"
"""What Graph calls the kind of an object, and the property under which it is kept."""
MAILBOX_NAMES = ("Guid", "Identity", "Name", "Alias", "PrimarySmtpAddress", "RecipientTypeDetails")


type RowTest = Callable[[Mapping[str, object]], bool]


def build_filter(test: RowTest) -> RowTest:
    """The same test, which passes what it does not understand: whoever judges it says so."""

    def passes(row: Mapping[str, object]) -> bool:
        try:
            return test(row)
        except ValueError:
            return True

    return passes


@dataclass(frozen=True, slots=True)
class NameList:
    """One property that stands for many objects: the names of those without a certain mark."""

    property_name: str
    """What the list is called."""
    mark: str
    """A property that is true of the objects that are left out."""


@dataclass(frozen=True, slots=True)
class ConfigurationSource:
    """Where objects of one kind are read and written."""

    service: Service
    read: str
    """The Exchange cmdlet that reads, or the Graph path below the version."""
    permission: str
    """The app role that reading needs, or the cmdlet itself."""
    identity_property: str = ""
    """The property that identifies an object to `write`; empty if there is only one object."""
    write: str = ""
    """The Exchange cmdlet that writes, or the Graph path below the version."""
    write_permission: str = ""
    """The app role that writing needs, or the cmdlet itself."""
    writable_properties: frozenset[str] = field(default_factory=frozenset)
    """The only properties that may be changed."""
    may_be_none: bool = False
    """Whether a tenant may have no such object; otherwise an empty answer counts as unread."""
    read_risk: str = ""
    """What an attacker who holds the app's credential could do with the cmdlet that reads."""
    read_parameters: Mapping[str, object] = field(default_factory=dict)
    """What the cmdlet is sent: `ALL_RESULTS` where it lists a thousand objects by default."""
    name_list: NameList | None = None
    """Set where all objects together are one, which holds the names of some of them."""
    relation: str = ""
    """What is read of each object besides, as a property of this name: the rows of a cmdlet that
    takes its `Identity`, or the ids at the end of a relation of Graph.
    """
    related_properties: tuple[str, ...] = ()
    """What of the relation's objects is kept besides their ids, where people have to know them."""
    relates_whole_objects: bool = False
    """Whether the relation's objects are kept as they are, and not by their ids."""
    relates_to_nothing_if_absent: bool = False
    """Whether the relation is not found where an object has none, and the object says enough."""
    relates: Callable[[Mapping[str, object]], bool] | None = None
    """Which objects are asked for the relation; None: each."""
    keeps: Callable[[Mapping[str, object]], bool] | None = None
    """Which rows of a long listing are kept as its pages arrive; None: each."""
    filtered: Callable[[Mapping[str, object]], bool] | None = None
    """What the filter of the listing asks for, said of a row: an object that is asked for alone
    passes no filter. None: it has none, or `keeps` says the same.
    """
    shows_single: bool = True
    """Whether the service shows one object that is asked for alone."""
    found_by: str = ""
    """What finds single objects where that is not their identity: the parameter of a cmdlet, or a
    property that Graph filters by. Several may be found, and what is not found is gone.
    """
    keeps_types: bool = False
    """Whether what kind of thing an object is counts: Graph says so beside it, as `TYPE_NAME`."""
    selected: tuple[str, ...] = ()
    """The properties that the cmdlet prints; none: all."""
    optional_because: str = ""
    """Why a tenant may not have the source, or an app may do without it: a licence, say. That is
    not told apart from a missing permission, so a refused read is only a detail. Empty: it has to
    be there.
    """

    @property
    def has_single_objects(self) -> bool:
        """Whether an object that a listing lacks can be asked for alone."""
        return self.shows_single and bool(self.identity_property) and self.name_list is None

    def name_key(self, identity: str, row: Mapping[str, object]) -> str:
        """The key by which an object of this identity is asked for alone, in any case."""
        return (show_text(row, self.found_by) if self.found_by else identity).casefold()

    def lists(self, row: Mapping[str, object]) -> bool:
        """Whether the listing would show an object that was asked for alone."""
        return all(build_filter(test)(row) for test in (self.keeps, self.filtered) if test)


def define_exchange_source(
    read: str,
    identity_property: str = "",
    write: str = "",
    *writable_properties: str,
    risk: str,
    parameters: Mapping[str, object] | None = None,
    may_be_none: bool = False,
    relation: str = "",
    optional_because: str = "",
    selected: tuple[str, ...] = (),
    keeps: Callable[[Mapping[str, object]], bool] | None = None,
    filtered: Callable[[Mapping[str, object]], bool] | None = None,
    shows_single: bool = True,
    found_by: str = "",
) -> ConfigurationSource:
    """A source that a cmdlet reads and, unless `write` is empty, another one writes.

    `risk` is the `read_risk` and `parameters` the `read_parameters` of the source.
    """
    return ConfigurationSource(
        Service.EXCHANGE,
        read,
        read,
        identity_property,
        write,
        write,
        frozenset(writable_properties),
        may_be_none,
        risk,
        parameters or {},
        relation=relation,
        optional_because=optional_because,
        selected=selected,
        keeps=keeps,
        filtered=filtered,
        shows_single=shows_single,
        found_by=found_by,
    )


def define_mailbox_source(
    condition: str,
    *properties: str,
    filtered: Callable[[Mapping[str, object]], bool],
    **more: object,
) -> ConfigurationSource:
    """The mailboxes that Exchange filters by a condition, with some of their properties. `filtered`
    says the same of a row.
    """
    return define_exchange_source(
        *("Get-Mailbox", "Guid"),
        risk="find every mailbox, its owner and its settings",
        parameters={**ALL_RESULTS, "Filter": condition, **more},
        may_be_none=True,
        selected=(*MAILBOX_NAMES, *properties),
        filtered=filtered,
    )


def define_mailbox_listing(
    keeps: Callable[[Mapping[str, object]], bool], *properties: str
) -> ConfigurationSource:
    """The mailboxes that a condition is true of which Exchange has no filter for: all are listed,
    and the others are dropped page by page.
    """
    return define_exchange_source(
        *("Get-Mailbox", "Guid"),
        risk="find every mailbox, its owner and its settings",
        parameters=ALL_RESULTS,
        may_be_none=True,
        selected=(*MAILBOX_NAMES, *properties),
        keeps=keeps,
    )
