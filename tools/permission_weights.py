"""Weighs the permissions of Microsoft's APIs: `python -m tools.permission_weights [GRAPH.csv]`.

It applies the rules of `core/microsoft365/permission_rules.py` to every row of
`core/microsoft365/permission_weights.csv` and writes the file again; what changed is reviewed like
code. With a list of Graph's permissions (columns `name`, `kind` and `id`, as made from
`permissions/new/provisioningInfo.json` of microsoftgraph/microsoft-graph-devx-content), rows that
it has and the file has not are added; none is taken away, since old grants remain.
"""

import csv
import io
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from core.microsoft365.permission_rules import PermissionKind, match_rule
from core.microsoft365.permission_weights import (
    COLUMNS,
    GRAPH_API,
    WEIGHTS_FILE,
    PermissionWeight,
    PublishedPermission,
    read_published_permissions,
)


def weigh_again(permission: PublishedPermission) -> PublishedPermission:
    """A permission with the weight that the rules give it now."""
    rule = match_rule(permission.name, permission.kind)
    return PublishedPermission(
        permission.api,
        permission.kind,
        permission.name,
        permission.id,
        PermissionWeight(rule.risk, rule.concerns),
    )


def parse_graph_row(row: Mapping[str, str]) -> PublishedPermission:
    """A row of a list of Graph's permissions, not weighed yet."""
    kind = PermissionKind(row["kind"])
    rule = match_rule(row["name"], kind)
    weight = PermissionWeight(rule.risk, rule.concerns)
    return PublishedPermission(GRAPH_API, kind, row["name"], row["id"].lower(), weight)


def format_row(one: PublishedPermission) -> tuple[str, ...]:
    """A row of the file."""
    weight = one.weight
    return (one.api, one.kind.value, one.name, one.id, weight.risk.name.lower(), weight.concerns)


def format_weights(permissions: Iterable[PublishedPermission]) -> str:
    """The file: sorted, so that a change of one row is a change of one line."""
    rows = sorted({format_row(weigh_again(one)) for one in permissions})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue()


def main(arguments: list[str], path: Path = WEIGHTS_FILE) -> None:
    """Writes the file, and says how many rows it has."""
    found = list(read_published_permissions(path))
    for name in arguments:
        with Path(name).open(encoding="utf-8", newline="") as lines:
            found += map(parse_graph_row, csv.DictReader(lines))
    text = format_weights(found)
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}: {text.count(chr(10)) - 1} permissions")


if __name__ == "__main__":
    main(sys.argv[1:])
