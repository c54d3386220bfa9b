"""The queries of the alerts and the workbook, by the Kusto language service in Node."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NODE = ROOT / ".venv/bin/node"
SERVICE = ROOT / ".tools/infra/node_modules/@kusto/language-service-next"
SCRIPT = Path(__file__).with_name("kusto.js")
TIMEOUT_SECONDS = 60


def check_kusto(folder: Path) -> Iterator[str]:
    """Everything the language service says of the queries of a folder."""
    for needed in (NODE, SERVICE / "Kusto.Language.Bridge.min.js"):
        if not needed.is_file():
            yield f"kusto: {needed.relative_to(ROOT)} is missing: make setup"
            return
    queries = collect_queries(folder)
    asked = [{"name": name, "query": text} for name, text in queries.items()]
    if not asked:
        yield "kusto: there are no queries"
        return
    for name, query in queries.items():
        if name.startswith("queries/"):
            yield from (f"kusto: {name}: {problem}" for problem in find_refused_operators(query))
    run = subprocess.run(
        [NODE, SCRIPT, SERVICE],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    if run.returncode:
        yield f"kusto: the language service failed: {run.stderr.strip()[-400:]}"
        return
    for answer in json.loads(run.stdout):
        yield from (f"kusto: {answer['name']}: {problem}" for problem in answer["problems"])


def find_refused_operators(query: str) -> Iterator[str]:
    """Operators that Azure Monitor takes in a search and not in a log alert rule.

    Source: Microsoft Learn, "Create or edit a log search alert rule" and "Troubleshoot log search
    alerts": no `search`, no `union` but across resources; no bag_unpack, pivot, narrow.
    """
    code = re.sub(r'//[^\n]*|"[^"\n]*"', "", query)
    for word in re.findall(r"\b(search|union|bag_unpack|pivot|narrow)\b", code):
        yield f"a log alert rule may refuse {word}"


def collect_queries(folder: Path) -> dict[str, str]:
    """All queries by name: one a file, and those of the workbook."""
    found = {
        f"queries/{path.name}": path.read_text(encoding="utf-8")
        for path in sorted((folder / "queries").glob("*.kql"))
    }
    workbook = folder / "workbook.json"
    if workbook.is_file():
        try:
            items = json.loads(workbook.read_text(encoding="utf-8"))["items"]
        except (ValueError, KeyError):
            return found  # `documents` says so.
        found |= {
            f"workbook.json: {item['name']}": item["content"]["query"]
            for item in items
            if "query" in item.get("content", {})
        }
    return found
