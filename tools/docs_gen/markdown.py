"""Tables in Markdown."""

from collections.abc import Iterable


def format_row(*cells: str) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def format_table(head: tuple[str, ...], rows: Iterable[str]) -> str:
    """A Markdown table."""
    return "\n".join([format_row(*head), "|" + "---|" * len(head), *rows])
