"""Files beside the Bicep: parameters, workbook, configuration, the service azd deploys."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.bicep_lint.parser import parse_bicep_file
from tools.bicep_lint.tree import BicepError, File, Text, walk_nodes

WORKBOOK_KINDS = {1: "text", 3: "query", 9: "parameters"}
INSIGHTS_TYPE = "microsoft.insights/components"
VARIABLE = re.compile(r"\$\{([A-Z][A-Za-z0-9_]*)(?:=([^}]*))?\}")


def check_documents(folder: Path) -> Iterator[str]:
    """Yields every mistake in these files."""
    try:
        main = parse_bicep_file(folder / "main.bicep")
    except (BicepError, OSError) as error:
        yield f"documents: main.bicep: {error}"
        return
    parts = (
        ("main.parameters.json", lambda said: check_parameters(said, main)),
        ("workbook.json", check_workbook),
        ("bicepconfig.json", lambda said: check_configuration(said, folder)),
    )
    for name, look in parts:
        try:
            said = json.loads((folder / name).read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            yield f"documents: {name}: {error}"
            continue
        yield from (f"documents: {name}: {text}" for text in look(said))
    for path in sorted((folder / "tests" / "plans").glob("*.bicepparam")):
        text = path.read_text(encoding="utf-8")
        yield from (f"documents: {path.name}: {said}" for said in check_plan(text, main))
    yield from check_service(folder)


def check_parameters(document: dict[str, Any], main: File) -> Iterator[str]:
    """Yields parameters that main.bicep lacks, that it requires, and that azd would overwrite."""
    given, params = document.get("parameters", {}), main.get_declarations("param")
    yield from (f"main.bicep has no parameter {name}" for name in given.keys() - params.keys())
    for name, param in params.items():
        if name not in given and param.value is None:
            yield f"{name} is not given"
        if param.secure and name in given:
            text = given[name].get("value", "")
            if not VARIABLE.fullmatch(str(text)) or "=" in str(text):
                yield f"{name} is a secret and may only be a variable without default"
    variables = {name for name, _ in VARIABLE.findall(json.dumps(given))}
    # azd stores outputs among its variables, so the next deployment would read them as parameters.
    for name in sorted(variables & main.get_declarations("output").keys()):
        yield f"{name} is an output too"


def check_plan(text: str, main: File) -> Iterator[str]:
    """Yields what a .bicepparam file gives wrongly."""
    if "using '../../main.bicep'" not in text:
        yield "uses no ../../main.bicep"
    given = set(re.findall(r"^param (\w+) = ", text, re.MULTILINE))
    params = main.get_declarations("param")
    yield from (f"main.bicep has no parameter {name}" for name in sorted(given - params.keys()))
    for name, param in params.items():
        if name not in given and param.value is None:
            yield f"{name} is not given"


def check_workbook(document: dict[str, Any]) -> Iterator[str]:
    """Yields parts of the workbook that Azure Monitor would not show."""
    if document.get("version") != "Notebook/1.0":
        yield "version is not Notebook/1.0"
    names = [item.get("name") for item in document.get("items", [])]
    if not names or len(set(names)) != len(names):
        yield "there are no items, or two of one name"
    for item in document.get("items", []):
        content = item.get("content", {})
        kind = WORKBOOK_KINDS.get(item.get("type"))
        if kind is None:
            yield f"{item.get('name')}: type {item.get('type')} is not known here"
        if kind == "query" and (
            content.get("resourceType") != INSIGHTS_TYPE
            or content.get("queryType") != 0
            or content.get("timeContextFromParameter") != "TimeRange"
        ):
            yield f"{item.get('name')}: does not ask {INSIGHTS_TYPE} over TimeRange"


def check_configuration(document: dict[str, Any], folder: Path) -> Iterator[str]:
    """Yields extensions that are used but not configured, or the reverse."""
    used: set[str] = set()
    for path in folder.glob("*.bicep"):
        try:
            used |= parse_bicep_file(path).get_declarations("extension").keys()
        except BicepError:
            continue  # `symbols` and `syntax` say so.
    known = document.get("extensions", {}).keys()
    yield from (f"extension {name} is used by no file" for name in known - used)
    yield from (f"there is no extension {name}" for name in used - known)


def check_service(folder: Path) -> Iterator[str]:
    """The app that azd would deploy to: tagged with the name of a service of azure.yaml."""
    plan = folder.parent / "azure.yaml"
    if not plan.is_file():
        return
    text = plan.read_text(encoding="utf-8")
    services = set(re.findall(r"^  (\w[\w-]*):$", text.partition("services:")[2], re.MULTILINE))
    tags: set[str] = set()
    for path in folder.glob("*.bicep"):
        try:
            file = parse_bicep_file(path)
        except BicepError:
            continue  # `symbols` and `syntax` say so.
        for entry in (node for each in file.declarations for node in walk_nodes(each)):
            key = getattr(entry, "key", None)
            value = getattr(entry, "value", None)
            if isinstance(key, Text) and key.plain == "azd-service-name":
                tags |= {value.plain or ""} if isinstance(value, Text) else {""}
    if not tags or not tags <= services:
        yield f"documents: azure.yaml has no service for {', '.join(sorted(tags)) or 'the app'}"
