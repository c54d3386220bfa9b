"""A local page to look at after the demonstration: what each run saw, and the cards, as HTML."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from html import escape
from typing import Any

from aiohttp import web

from core.text import plain
from sandbox.server import Sandbox

STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #777; --red: #c4314b; --green: #237b4b;
  --yellow: #8a6100 }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.5rem }
table { border-collapse: collapse; width: 100%; font-size: 14px }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere }
.card { border: 1px solid var(--line); border-left: 6px solid var(--red); border-radius: 6px;
  padding: .5rem 1.25rem; margin: 1rem 0 }
.card.good { border-left-color: var(--green) } .card.warning { border-left-color: var(--yellow) }
.card p { margin: .25rem 0; white-space: pre-line; overflow-wrap: anywhere }
.card dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: .25rem 0 }
.card dt { color: var(--dim) } .card dd { margin: 0; overflow-wrap: anywhere }
.apart { border-top: 1px solid var(--line); margin-top: .75rem; padding-top: .5rem }
.subtle { color: var(--dim); font-size: 13px } .critical, .high { color: var(--red) }
@media (prefers-color-scheme: dark) { :root { --red: #ff7b8f; --green: #6fd39c; --yellow: #f0c35a;
  --dim: #aaa } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
UNESCAPE = str.maketrans({"\\": None})
SHOWN = 200


def words(markdown: str) -> str:
    """A card's text without its markdown, for HTML."""
    return escape(
        plain(markdown.replace("**", "").translate(UNESCAPE), 2000).replace("\\u000a", "\n")
    )


def element(item: Mapping[str, Any]) -> str:
    """One text, or one table of facts."""
    if item["type"] == "FactSet":
        rows = "".join(
            f"<dt>{words(fact['title'])}</dt><dd>{words(fact['value'])}</dd>"
            for fact in item["facts"]
        )
        return f"<dl>{rows}</dl>"
    subtle = ' class="subtle"' if item.get("isSubtle") else ""
    bold = item.get("weight") == "Bolder"
    text = f"<strong>{words(item['text'])}</strong>" if bold else words(item["text"])
    return f"<p{subtle}>{text}</p>"


def card(message: Mapping[str, Any]) -> str:
    """One card."""
    content = message["attachments"][0]["content"]
    lines = []
    for block in content["body"]:
        lines.append('<section class="apart">' if block.get("separator") else "<section>")
        for item in block.get("items", [block]):
            lines.append(element(item))
        lines.append("</section>")
    style = escape(str(content["body"][0].get("style", "")), quote=True)
    return f'<article class="card {style}">{"".join(lines)}</article>'


def run(report: Mapping[str, Any]) -> str:
    """One run with its findings."""
    rows = "".join(
        f'<tr><td class="{row["severity"]}">{row["severity"]}</td><td>{escape(row["verdict"])}</td>'
        f"<td>{escape(plain(row['summary']))}</td>"
        f"<td>{escape('; '.join(plain(fact) for fact in row['facts'][:4]))}</td></tr>"
        for row in report["findings"][:SHOWN]
    )
    return (
        f"<h3>{escape(report['guard'])} · {escape(report['mode'])} · "
        f"{escape(report['started'][:19])}</h3><p>{escape(report['coverage'])}. "
        f"{len(report['changes'])} changes, {report['news']} news.</p>"
        f"<table><thead><tr><th>severity<th>verdict<th>what<th>evidence</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def html(reports: Sequence[Mapping[str, Any]], cards: Sequence[Mapping[str, Any]]) -> str:
    """The whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Exoguard, demonstration</title><style>{STYLE}</style></head><body><main>"
        "<h1>Exoguard: what the guards saw, did and said</h1>"
        f"<h2>{len(cards)} cards in the Teams channel</h2>{''.join(card(row) for row in cards)}"
        f"<h2>{len(reports)} runs</h2>{''.join(run(row) for row in reports)}"
        "</main></body></html>"
    )


@asynccontextmanager
async def page(reports: Sequence[Mapping[str, Any]], box: Sandbox) -> AsyncIterator[str]:
    """Serve the page on loopback; yields its address."""

    async def show(request: web.BaseRequest) -> web.Response:
        text = html(reports, box.cards)
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    runner = web.ServerRunner(web.Server(show, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/"
    finally:
        await runner.cleanup()
