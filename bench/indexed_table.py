"""A table service that finds rows by key, as Table Storage does and its emulator does not.

Azurite walks through a whole table for every query and every write, so what it takes over 100,000
rows says nothing about Table Storage, which keeps a partition sorted (Microsoft Learn: "Azure
storage table design guide"). This one holds its tables in memory, sorted by key, and speaks as much
of the protocol as the state table needs: tables, rows, ranges of one partition in pages of 1,000,
and transactions that all succeed or all fail.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import web

from sandbox.functions_host.azurite import ACCOUNT, ACCOUNT_KEY

HOST = "127.0.0.1"
PAGE_SIZE = 1_000
CRLF = b"\r\n"
ROW_PATH = re.compile(r"^/[^/]+/(\w+)\(PartitionKey='(.*)',RowKey='(.*)'\)$")
TABLE_PATH = re.compile(r"^/[^/]+/(\w+)(\(\))?$")
CONDITION = re.compile(r"(\w+) (eq|ne|ge|gt|le|lt) '((?:[^']|'')*)'")
OPERATION = re.compile(
    rb"(PUT|POST|PATCH|MERGE|DELETE) (\S+) HTTP/1\.1\r\n(.*?)\r\n\r\n(.*)", re.DOTALL
)
# What the service calls each refusal (Microsoft Learn: "Table service error codes").
STATUS_BY_CODE = {
    "TableNotFound": 404,
    "ResourceNotFound": 404,
    "TableAlreadyExists": 409,
    "EntityAlreadyExists": 409,
    "UpdateConditionNotSatisfied": 412,
    "NotImplemented": 501,
}


class TableRefusal(Exception):
    """The service refuses a request, by one of its own codes."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class SortedRows:
    """The rows of one table by their keys, which are kept in order."""

    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    etags: dict[tuple[str, str], str] = field(default_factory=dict)
    keys: list[tuple[str, str]] = field(default_factory=list)
    written: int = 0

    def put(self, row: Mapping[str, Any]) -> str:
        """Store a row in place of the one with its keys; returns its ETag."""
        key = (row["PartitionKey"], row["RowKey"])
        if key not in self.rows:
            self.keys.insert(bisect_left(self.keys, key), key)
        self.written += 1
        self.rows[key] = dict(row)
        self.etags[key] = f"W/\"datetime'{self.written:09d}'\""
        return self.etags[key]

    def put_many(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Store rows that are not there yet, and sort once."""
        for row in rows:
            key = (row["PartitionKey"], row["RowKey"])
            self.keys.append(key)
            self.rows[key] = dict(row)
            self.etags[key] = "W/\"datetime'000000000'\""
        self.keys.sort()

    def remove(self, key: tuple[str, str]) -> None:
        """Delete a row."""
        del self.rows[key], self.etags[key], self.keys[bisect_left(self.keys, key)]

    def check(self, key: tuple[str, str], match: str) -> None:
        """Raise TableRefusal unless a row is as a request expects it; `match` is its ETag, `*` or
        empty.
        """
        if match and key not in self.rows:
            raise TableRefusal("ResourceNotFound")
        if match not in ("", "*", self.etags.get(key)):
            raise TableRefusal("UpdateConditionNotSatisfied")

    def iter_range(self, wanted: str, after: tuple[str, str]) -> Iterator[dict[str, Any]]:
        """The rows that meet a filter, in order, from a key on."""
        conditions = [
            (name, operator, value.replace("''", "'"))
            for name, operator, value in CONDITION.findall(wanted)
        ]
        bounds = {(name, operator): value for name, operator, value in conditions}
        partition = bounds.get(("PartitionKey", "eq"), "")
        first = (partition, bounds.get(("RowKey", "ge"), ""))
        for key in self.keys[bisect_left(self.keys, max(first, after)) :]:
            row = self.rows[key]
            if partition and key[0] > partition:
                return
            if ("RowKey", "lt") in bounds and key[1] >= bounds["RowKey", "lt"]:
                return
            if all(compare(str(row.get(name, "")), how, value) for name, how, value in conditions):
                yield row


def compare(value: str, operator: str, other: str) -> bool:
    """Whether a value meets a condition."""
    order = (value > other) - (value < other)
    return (
        order
        in {
            "eq": (0,),
            "ne": (-1, 1),
            "ge": (0, 1),
            "gt": (1,),
            "le": (-1, 0),
            "lt": (-1,),
        }[operator]
    )


@dataclass(slots=True)
class IndexedTables:
    """The service, as an async context manager; `connection_string` leads to it."""

    tables: dict[str, SortedRows] = field(default_factory=dict)
    runner: web.ServerRunner | None = None
    base: str = ""

    async def __aenter__(self) -> Self:
        server = web.Server(self.handle_request, access_log=None)
        self.runner = web.ServerRunner(server)
        await self.runner.setup()
        await web.TCPSite(self.runner, HOST, 0).start()
        self.base = f"http://{HOST}:{self.runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.runner:
            await self.runner.cleanup()

    @property
    def connection_string(self) -> str:
        """The address with the emulators' well-known account: no request is checked."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"TableEndpoint={self.base}/{ACCOUNT};"
        )

    async def handle_request(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        body = await request.read()
        try:
            if request.path.endswith("/$batch"):
                return self.answer_transaction(body)
            if request.path.endswith("/Tables"):
                return self.create_table(json.loads(body))
            return self.answer_request(request, body)
        except TableRefusal as refusal:
            return build_refusal(refusal.code)

    def create_table(self, asked: Mapping[str, str]) -> web.Response:
        """Create a table."""
        if asked["TableName"] in self.tables:
            raise TableRefusal("TableAlreadyExists")
        self.tables[asked["TableName"]] = SortedRows()
        return web.json_response({"TableName": asked["TableName"]}, status=201)

    def find_table(self, name: str) -> SortedRows:
        """A table by its name. Raises TableRefusal."""
        if name not in self.tables:
            raise TableRefusal("TableNotFound")
        return self.tables[name]

    def answer_request(self, request: web.BaseRequest, body: bytes) -> web.Response:
        """Read a row or a range, or write a row."""
        if found := ROW_PATH.match(request.path):
            if request.method == "GET":
                return self.read_row(found)
            etag = self.write(
                request.method, request.path, request.headers.get("If-Match", ""), body
            )
            return web.Response(status=204, headers={"ETag": etag} if etag else {})
        listed = TABLE_PATH.match(request.path)
        if listed is None:
            raise TableRefusal("NotImplemented")
        if request.method == "POST":
            etag = self.write("POST", request.path, "", body)
            return web.Response(status=204, headers={"ETag": etag})
        return self.read_range(self.find_table(listed[1]), request.query)

    def read_row(self, found: re.Match[str]) -> web.Response:
        """One row by its keys."""
        table, key = self.find_table(found[1]), (unquote(found[2]), unquote(found[3]))
        if key not in table.rows:
            raise TableRefusal("ResourceNotFound")
        etag = table.etags[key]
        return web.json_response({"odata.etag": etag, **table.rows[key]}, headers={"ETag": etag})

    def read_range(self, table: SortedRows, query: Mapping[str, str]) -> web.Response:
        """A page of the rows that meet a filter."""
        after = (query.get("NextPartitionKey", ""), query.get("NextRowKey", ""))
        size = min(int(query.get("$top", PAGE_SIZE)), PAGE_SIZE)
        names = set(filter(None, query.get("$select", "").split(",")))
        page: list[dict[str, Any]] = []
        headers: dict[str, str] = {}
        for row in table.iter_range(query.get("$filter", ""), after):
            if len(page) == size:
                headers = {
                    "x-ms-continuation-NextPartitionKey": row["PartitionKey"],
                    "x-ms-continuation-NextRowKey": row["RowKey"],
                }
                break
            etag = table.etags[row["PartitionKey"], row["RowKey"]]
            shown = {name: value for name, value in row.items() if not names or name in names}
            page.append({"odata.etag": etag, **shown})
        return web.json_response({"value": page}, headers=headers)

    def write(self, method: str, path: str, match: str, body: bytes) -> str:
        """Write or delete one row; returns its new ETag. Raises TableRefusal."""
        if found := ROW_PATH.match(path):
            table, key = self.find_table(found[1]), (unquote(found[2]), unquote(found[3]))
            table.check(key, match)
            if method == "DELETE":
                if key not in table.rows:
                    raise TableRefusal("ResourceNotFound")
                table.remove(key)
                return ""
            return table.put({**json.loads(body), "PartitionKey": key[0], "RowKey": key[1]})
        listed = TABLE_PATH.match(path)
        if listed is None:
            raise TableRefusal("NotImplemented")
        table, row = self.find_table(listed[1]), json.loads(body)
        if (row["PartitionKey"], row["RowKey"]) in table.rows:
            raise TableRefusal("EntityAlreadyExists")
        return table.put(row)

    def answer_transaction(self, body: bytes) -> web.Response:
        """Make all writes of a transaction, or none."""
        operations = list(parse_transaction(body))
        for _, path, _, _ in operations:
            target = ROW_PATH.match(path) or TABLE_PATH.match(path)
            self.find_table(target[1] if target else "")
        try:
            self.check_transaction(operations)
        except TableRefusal as refusal:
            return wrap_answers([build_error_part(refusal.code)])
        answers = []
        for method, path, match, content in operations:
            etag = self.write(method, path, match, content)
            line = f"ETag: {etag}\r\n" if etag else ""
            answers.append(f"HTTP/1.1 204 No Content\r\n{line}\r\n".encode())
        return wrap_answers(answers)

    def check_transaction(self, operations: Iterable[tuple[str, str, str, bytes]]) -> None:
        """Raise TableRefusal for the first write that would be refused."""
        for method, path, match, content in operations:
            if found := ROW_PATH.match(path):
                key = (unquote(found[2]), unquote(found[3]))
                self.find_table(found[1]).check(key, match or ("*" if method == "DELETE" else ""))
            elif listed := TABLE_PATH.match(path):
                row = json.loads(content)
                if (row["PartitionKey"], row["RowKey"]) in self.find_table(listed[1]).rows:
                    raise TableRefusal("EntityAlreadyExists")


def parse_transaction(body: bytes) -> Iterator[tuple[str, str, str, bytes]]:
    """The method, path, ETag and content of each write in the body of a transaction."""
    boundary = re.search(rb"boundary=(changeset_[\w-]+)", body)
    if boundary is None:
        raise TableRefusal("NotImplemented")
    for part in body.split(b"--" + boundary[1])[1:-1]:
        found = OPERATION.search(part)
        if found is None:
            raise TableRefusal("NotImplemented")
        method, address, head, content = found.groups()
        path = re.sub(r"^https?://[^/]+", "", address.decode()).partition("?")[0]
        match = re.search(rb"^If-Match: (.*?)\r?$", head, re.MULTILINE | re.IGNORECASE)
        yield method.decode(), unquote(path), match[1].decode() if match else "", content.strip()


def build_refusal(code: str) -> web.Response:
    """The response that refuses a request."""
    return web.json_response(
        describe_refusal(code), status=STATUS_BY_CODE[code], headers={"x-ms-error-code": code}
    )


def describe_refusal(code: str) -> dict[str, Any]:
    """The body of a refusal."""
    return {"odata.error": {"code": code, "message": {"lang": "en-US", "value": f"0:{code}"}}}


def build_error_part(code: str) -> bytes:
    """The answer to a transaction that is refused as a whole."""
    text = json.dumps(describe_refusal(code))
    return (
        f"HTTP/1.1 {STATUS_BY_CODE[code]} Refused\r\nContent-Type: application/json\r\n"
        f"x-ms-error-code: {code}\r\n\r\n{text}\r\n"
    ).encode()


def wrap_answers(answers: Iterable[bytes]) -> web.Response:
    """The answers to a transaction as one response."""
    part = (
        b"--changesetresponse_1\r\nContent-Type: application/http\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\n"
    )
    inner = b"".join(part + answer + CRLF for answer in answers) + b"--changesetresponse_1--\r\n"
    body = (
        b"--batchresponse_1\r\n"
        b"Content-Type: multipart/mixed; boundary=changesetresponse_1\r\n\r\n"
        + inner
        + b"--batchresponse_1--\r\n"
    )
    kind = "multipart/mixed; boundary=batchresponse_1"
    return web.Response(status=202, body=body, headers={"Content-Type": kind})
