"""The tables of docs/performance.md, written from docs/performance.json between their marks."""

from collections.abc import Sequence
from pathlib import Path

from bench.derived import (
    SWEEP,
    Line,
    lines,
    memory_growth,
    month,
    scaled,
    script,
    script_month,
    strict_month,
)
from bench.environment import ROOT
from bench.formatting import CLIENTS, HEAD, about, cells, ground, money
from bench.prices import (
    EXECUTION,
    FREE_EXECUTIONS,
    FREE_GB_SECONDS,
    GB_SECOND,
    INSTANCE_GB,
    LEAST_SECONDS,
)
from bench.results import FLOOR, FORWARDING, GATHER, LOOP, ORDINARY, WHOLE, Measurement, Results

DOCUMENT = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "docs" / "performance.json"
PICTURE = ROOT / "docs" / "performance.png"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    texts = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in texts
    )


def measured(results: Results) -> str:
    """Every line that `make bench` prints."""
    return table(HEAD, [cells(line) for line in lines(results)])


def grown(results: Results) -> list[tuple[str, list[Line]]]:
    """By client: what reading all inbox rules costs at each size."""

    def found(client: str, size: int) -> Measurement | None:
        if client in (LOOP, GATHER):
            return script(results, client)
        return results.find(client, WHOLE if client == FLOOR else ORDINARY, size)

    return [
        (client, [scaled(row, size) for size in results.sizes if (row := found(client, size))])
        for client in (FORWARDING, FLOOR, GATHER, LOOP)
    ]


def growth(results: Results) -> str:
    """Time, CPU and memory by size."""
    rows = [
        (
            f"{line.mailboxes:,}",
            CLIENTS[client],
            about(line, line.seconds),
            about(line, line.cpu_seconds),
            f"{line.row.cost.peak_mib:.0f}" + (" (of the sample)" if line.sample else ""),
        )
        for client, of_client in grown(results)
        for line in of_client
    ]
    rows.sort(key=lambda row: int(row[0].replace(",", "")))
    text = table(("mailboxes", "client", "time", "CPU", "peak MiB"), rows)
    factor = memory_growth(results)
    if factor is not None:
        few, many = results.sizes[-2:]
        text += (
            f"\n\nPeak memory of the guard at {many:,} mailboxes, to that at {few:,}: {factor:.2f}."
        )
    return text


def cost(results: Results) -> str:
    """US dollars a month by size."""
    rows = [
        (
            f"{size:,}",
            money(month(results, size)),
            money(strict_month(results, size)),
            money(script_month(results, size, GATHER)),
            money(script_month(results, size, LOOP)),
        )
        for size in results.sizes
    ]
    ours = ("all guards", "all guards, Graph takes 4 at once")
    text = table(("mailboxes", *ours, CLIENTS[GATHER], CLIENTS[LOOP]), rows)
    return f"{text}\n\n{assumed()}"


def assumed() -> str:
    """What the bills rest on."""
    hours = SWEEP.total_seconds() / 3600
    return (
        f"US dollars a month on Flex Consumption, pay as you go: {GB_SECOND * 1e6:g} for a million"
        f" GB-seconds beyond {FREE_GB_SECONDS:,}, {EXECUTION * 1e6:.2f} for a million executions"
        f" beyond {FREE_EXECUTIONS:,}, an instance of {INSTANCE_GB} GB, at least"
        f" {LEAST_SECONDS:g} s a run. Every guard runs at its default schedule for the time that"
        f" was measured; every {hours:g} hours forwarding takes as long as in its first run. A"
        " script would run as often as the forwarding guard; - means that it would still be"
        " running when it is to start again. Storage and monitoring are not in it."
    )


def sections(results: Results) -> dict[str, str]:
    """What stands between the marks, by the name in them."""
    return {
        "ground": f"Measured on {ground(results)}",
        "measured": measured(results),
        "growth": growth(results),
        "cost": cost(results),
    }


def written(text: str, results: Results) -> str:
    """The document with its tables as the results have them. Raises LookupError for no place."""
    for name, content in sections(results).items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not mark or not end:
            raise LookupError(f"no place for <!-- {name} --> ... <!-- end -->")
        text = f"{before}{mark}{content}\n{end}{after}"
    return text


def write(results: Results, path: Path = DOCUMENT) -> None:
    """Bring the document up to date."""
    path.write_text(written(path.read_text(encoding="utf-8"), results), encoding="utf-8")
