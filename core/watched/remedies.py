"""What an operator does about news of a watched collection, step by step. Pure.

The object is saved as it is, whoever changed it is asked, and only then is it taken away by its id:
that is the item's own part, and it counts where something was opened. What is laxer than before is
set back by the collection's own commands where these can say how it was, and by hand otherwise.
"""

from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.remedies import (
    ask,
    find_actor,
    look_around,
    save_from_exchange,
    save_from_graph,
)
from core.microsoft365.source_commands import build_read_command, split_read_path
from core.model.findings import Step
from core.model.guards import Service
from core.watched.items import DEPARTED, WatchedNews


def build_watched_remedy(news: WatchedNews, advice: str) -> tuple[Step, ...]:
    """The steps about what is new, wider, weaker or gone about an item."""
    subject = f"the {news.collection.noun} {news.name}"
    asked = ask("whoever changed it" if not news.is_new else "whoever made it")
    return (
        save_item(news, subject),
        *find_changes(news),
        asked,
        *(list_acts(news) or (Step(advice),)),
        look_around(subject, news.object_id.rpartition(" ")[2]),
    )


def list_acts(news: WatchedNews) -> tuple[Step, ...]:
    """What puts it right, with commands: only what changed where that can be said, or the whole."""
    if news.item is None:
        return tuple(news.collection.restore(news.object_id, [DEPARTED]))
    if news.is_new:
        return news.item.stop
    changed = [one.token for one in (*news.added, *news.lost)]
    restored = tuple(news.collection.restore(news.object_id, changed))
    return restored or (news.item.stop if news.added else ())


def save_item(news: WatchedNews, subject: str) -> Step:
    """Save the object, or the list of what there is where it has gone."""
    collection = news.collection
    name = next((one for one in collection.needs if one in CONFIGURATION_SOURCES), "")
    if not name:
        return save_from_graph(
            "the list of who administers",
            "role-holders",
            news.object_id,
            *("roleManagement", "directory", "roleAssignments"),
        )
    source = CONFIGURATION_SOURCES[name]
    # Some items are a part of an object, or the sum of several: then the listing is what to save.
    is_object = news.item is not None and news.item.is_object
    identity = news.object_id if is_object else ""
    what = subject if is_object else f"all {collection.plural}"
    if source.service is Service.EXCHANGE:
        return save_from_exchange(
            what, collection.name, news.object_id, build_read_command(source, identity)
        )
    return save_from_graph(
        what, collection.name, news.object_id, *split_read_path(source, identity)
    )


def find_changes(news: WatchedNews) -> tuple[Step, ...]:
    """Who changed an object of Exchange, whose cmdlets are the names of its acts."""
    name = next((one for one in news.collection.needs if one in CONFIGURATION_SOURCES), "")
    if not name or CONFIGURATION_SOURCES[name].service is not Service.EXCHANGE:
        return (
            Step(
                "Find out who did it: Entra admin center > Monitoring > Audit logs has it with the "
                "address it came from."
            ),
        )
    noun = CONFIGURATION_SOURCES[name].read.removeprefix("Get-")
    return (find_actor("did it", *(f"{verb}-{noun}" for verb in ("New", "Set", "Remove"))),)
