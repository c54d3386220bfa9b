"""The name, the method and the address of each route: all that the function app registers.

What a route does is in `core.api.routes`, whose handlers bring in every view of the state. An
instance that was started for a timer needs none of them.
"""

from typing import NamedTuple


class Address(NamedTuple):
    """Where a route is."""

    name: str
    method: str
    path: str
    """The address below /api/, with {placeholders}."""

    @property
    def is_write(self) -> bool:
        """True when a request has an effect."""
        return self.method == "POST"


ADDRESSES = (
    Address("request-run", "POST", "guards/{guard}/run"),
    Address("request-exemption", "POST", "guards/{guard}/exemptions"),
    Address("request-exemption-end", "POST", "guards/{guard}/exemptions/end"),
    Address("request-undo", "POST", "changes/{guard}/{change}/undo"),
    Address("request-acknowledgement", "POST", "cases/{guard}/{case}/acknowledge"),
    Address("request-containment", "POST", "accounts/{account}/contain"),
    Address("request-containment-end", "POST", "accounts/{account}/uncontain"),
    Address("request-account-evidence", "POST", "accounts/{account}/evidence"),
    Address("request-account-impact", "POST", "accounts/{account}/impact"),
    Address("request-channel-test", "POST", "channels/test"),
    Address("perform-act", "POST", "act"),
    Address("confirm-several", "POST", "act/several/confirm"),
    Address("perform-several", "POST", "act/several"),
    Address("act-page", "GET", "act"),
    Address("status-page", "GET", "status"),
    Address("cases-page", "GET", "cases"),
    Address("object-page", "GET", "objects/{object}"),
    Address("requests-page", "GET", "requests"),
    Address("permissions-page", "GET", "permissions"),
    Address("coverage-page", "GET", "coverage"),
    Address("settings-page", "GET", "settings"),
    Address("status-json", "GET", "status.json"),
    Address("cases-json", "GET", "cases.json"),
    Address("cases-csv", "GET", "cases.csv"),
    Address("cases-jsonl", "GET", "cases.jsonl"),
    Address("case-json", "GET", "cases/{guard}/{case}.json"),
    Address("case-page", "GET", "cases/{guard}/{case}"),
    Address("export", "GET", "export"),
    Address("run-report", "GET", "runs/{guard}/{run}"),
    Address("request-report", "GET", "requests/{guard}/{request}"),
    Address("account-request-report", "GET", "account-requests/{request}"),
    Address("channel-test-report", "GET", "channel-tests/{request}"),
    Address("containments-json", "GET", "containments.json"),
    Address("containment-json", "GET", "containments/{containment}.json"),
    Address("containment-page", "GET", "containments/{containment}"),
    Address("account-bundle", "GET", "account-bundles/{bundle}"),
    Address("openapi", "GET", "openapi.json"),
)
ADDRESS = {address.name: address for address in ADDRESSES}
