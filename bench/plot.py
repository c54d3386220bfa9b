"""Plots how cost grows with the tenant: time, CPU and memory on logarithmic axes."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.derived import ReportLine
from bench.formatting import CLIENT_NAMES
from bench.report import collect_growth
from bench.results import BARE_CLIENT, FORWARDING, SDK_GATHER, SDK_LOOP, Results

CLIENT_COLOURS = {
    FORWARDING: "#0f6cbd",
    BARE_CLIENT: "#767676",
    SDK_GATHER: "#c19c00",
    SDK_LOOP: "#a4262c",
}
PANELS: tuple[tuple[str, Callable[[ReportLine], float]], ...] = (
    ("seconds for one scan", lambda line: line.seconds),
    ("CPU seconds for one scan", lambda line: line.cpu_seconds),
    ("peak memory, MiB", lambda line: line.row.cost.peak_mib),
)
MEMORY_PANEL = PANELS[2][0]


def draw_plot(results: Results, path: Path) -> None:
    """Draws the three panels into a PNG file."""
    # Only `make bench` installs matplotlib, so the module must be importable without it.
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    plot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = plot.subplots(1, len(PANELS), figsize=(13, 4.4), layout="constrained")
    for axis, (title, value) in zip(axes, PANELS, strict=True):
        for client, of_client in collect_growth(results):
            kept = [line for line in of_client if title != MEMORY_PANEL or not line.sample]
            if kept:
                draw_client_line(axis, client, kept, value)
        axis.set(xscale="log", yscale="log", title=title, xlabel="mailboxes")
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_major_formatter("{x:,g}")
        axis.grid(which="major", color="#e0e0e0", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    axes[2].set_ylim(bottom=10)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plot.close(figure)


def draw_client_line(
    axis: Any, client: str, client_lines: list[ReportLine], value: Callable[[ReportLine], float]
) -> None:
    """Draws one client's line; its extrapolated part is dashed."""
    guessed = any(line.sample for line in client_lines)
    axis.plot(
        [line.mailboxes for line in client_lines],
        [value(line) for line in client_lines],
        label=CLIENT_NAMES[client] + (" (extrapolated)" if guessed else ""),
        color=CLIENT_COLOURS[client],
        linestyle="--" if guessed else "-",
        marker="o",
        markersize=4,
        linewidth=2.4 if client == FORWARDING else 1.6,
    )
