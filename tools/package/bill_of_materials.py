"""The bill of materials of the package: CycloneDX 1.6 as JSON.

Source of the format: https://cyclonedx.org/docs/1.6/json/. It says no time and no place of its
making, so that the same package has the same bill.
"""

import email
import hashlib
import re
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from email.message import Message
from pathlib import Path

from tools.package.wheels import normalize_name

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
APP_NAME = "exoguard"


def build_bill_of_materials(wheels: Sequence[Path], digest: str) -> dict[str, object]:
    """The bill of a package; `digest` is that of its contents and stands for its version."""
    documents = [(wheel, read_metadata(wheel)) for wheel in wheels]
    known = {normalize_name(str(document["Name"])): get_purl(document) for _, document in documents}
    app = f"pkg:generic/{APP_NAME}@{digest[:12]}"
    return {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": app,
                "name": APP_NAME,
                "version": digest[:12],
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
        },
        "components": [describe_wheel(wheel, document) for wheel, document in documents],
        "dependencies": [
            {"ref": app, "dependsOn": sorted(known.values())},
            *(
                {
                    "ref": get_purl(document),
                    "dependsOn": sorted({known[name] for name in list_needs(document, set(known))}),
                }
                for _, document in documents
            ),
        ],
    }


def read_metadata(wheel: Path) -> Message:
    """The METADATA of a wheel (core metadata of Python packages)."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        return email.message_from_bytes(archive.read(name))


def get_purl(document: Message) -> str:
    """The package URL of a project on PyPI."""
    return f"pkg:pypi/{normalize_name(str(document['Name']))}@{document['Version']}"


def describe_wheel(wheel: Path, document: Message) -> dict[str, object]:
    """One component, with the digest of the very file that was packed."""
    found: dict[str, object] = {
        "type": "library",
        "bom-ref": get_purl(document),
        "name": str(document["Name"]),
        "version": str(document["Version"]),
        "purl": get_purl(document),
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}],
        "properties": [{"name": "exoguard:wheel", "value": wheel.name}],
    }
    if document["License-Expression"]:
        found["licenses"] = [{"expression": str(document["License-Expression"])}]
    elif license_name := find_license_name(document):
        found["licenses"] = [{"license": {"name": license_name}}]
    return found


def find_license_name(document: Message) -> str:
    """The licence as the project names it: its classifier, or one line of its own."""
    for classifier in document.get_all("Classifier", []):
        parts = str(classifier).split(" :: ")
        if parts[0] == "License" and len(parts) > 1 and parts[-1] != "OSI Approved":
            return parts[-1]
    said = str(document["License"] or "").strip()
    return said if "\n" not in said and len(said) <= 100 else ""


def list_needs(document: Message, known: set[str]) -> Iterator[str]:
    """The packed projects that a project needs, extras left out."""
    for requirement in document.get_all("Requires-Dist", []):
        name, _, marker = str(requirement).partition(";")
        match = re.match(r"[A-Za-z0-9][\w.-]*", name.strip())
        if match and "extra" not in marker and normalize_name(match[0]) in known:
            yield normalize_name(match[0])
