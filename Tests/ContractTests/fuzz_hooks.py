"""What schemathesis must not ask, what it must not judge, and what it judges beside its own checks."""

import os
from urllib.parse import urlencode

import jsonschema_rs
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


# By operation: what judges an answer in which nothing was left out; None where the document knows no others.
WHOLE_ANSWERS: dict[str, jsonschema_rs.Draft202012Validator | None] = {}


def whole_answer(operation) -> jsonschema_rs.Draft202012Validator | None:
    if operation.label not in WHOLE_ANSWERS:
        answer = operation.definition.raw["responses"].get("200", {})
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        whole, *partial = schema.get("anyOf", [{}])
        is_both = len(partial) == 1 and "/Partial" in partial[0].get("$ref", "")
        WHOLE_ANSWERS[operation.label] = jsonschema_rs.Draft202012Validator(
            whole | {"components": operation.schema.raw_schema["components"]}) if is_both else None
    return WHOLE_ANSWERS[operation.label]


@schemathesis.check
def what_was_not_asked_for_in_part_is_whole(context, response, case) -> None:
    """The document cannot say that an answer is a part of an object only where `fields` or `expand` asked for that."""
    asked = (case.query or {}) | as_object(case.body)
    if response.status_code != 200 or "fields" in asked or "expand" in asked:
        return
    validator = whole_answer(case.operation)
    if validator is not None and response.headers.get("content-type", [""])[0] == "application/json":
        fault = next(validator.iter_errors(response.json()), None)
        assert fault is None, f"{case.method} {case.operation.path}: {fault}"
