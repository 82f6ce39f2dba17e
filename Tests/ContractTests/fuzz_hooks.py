"""What schemathesis must not ask, what it must not judge, and what it judges beside its own checks."""

import os
from urllib.parse import urlencode

import schemathesis

from error_codes import unnamed

# A longer request line is answered by HTTP itself (414), whatever the operation: tested elsewhere.
TARGET_LIMIT = 6_000

# A run that revokes its own key learns nothing any more.
OWN_KEY = os.environ.get("DAYBOOK_FUZZ_KEY")


@schemathesis.hook
def filter_case(context, case) -> bool:
    # A header that nobody knows is no error in HTTP: proxies and clients add their own.
    headers = case.headers or {}
    if (case.path_parameters or {}).get("id") == OWN_KEY:
        return False
    if len(urlencode(case.query or {})) > TARGET_LIMIT:
        return False
    # With `fields` the answer lacks what the schema requires: on purpose, and tested elsewhere.
    if "fields" in (case.query or {}):
        return False
    if case.operation.path.endswith("/search") and "fields" in as_object(case.body):
        return False
    return not any(name.lower().startswith("x-schemathesis-unknown") for name in headers)


def as_object(body) -> dict:
    return body if isinstance(body, dict) else {}


@schemathesis.check
def error_code_is_documented(context, response, case) -> None:
    """A refusal's code, and those of its field errors, are among the `x-error-codes` of the operation's status."""
    if response.status_code < 400 or not response.content.startswith(b'{"error"'):
        return
    error = response.json()["error"]
    strangers = unnamed(case.operation.definition.raw, response.status_code, error)
    assert not strangers, (
        f"{case.method} {case.operation.path} refuses with {response.status_code} {sorted(strangers)}, "
        "which the document does not name there"
    )
