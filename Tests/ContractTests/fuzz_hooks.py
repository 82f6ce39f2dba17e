"""What schemathesis must not ask, what it must not judge, and what it judges beside its own checks."""

import os
import re
from collections import Counter
from copy import deepcopy
from functools import cache
from random import Random
from urllib.parse import urlencode

import jsonschema_rs
import schemathesis
from schemathesis.engine import observations

from error_codes import unnamed

# A longer request line is answered by HTTP itself (414), whatever the operation: tested elsewhere.
TARGET_LIMIT = 6_000

# The most that a case may wait for something to happen.
PATIENCE_MILLIS = 1_000

# A run that revokes its own key learns nothing any more.
OWN_KEY = os.environ.get("DAYBOOK_FUZZ_KEY")


# The document as it is. The cases are made from one in which what is the same everywhere stands in some places alone;
# `what_is_valid_...` judges by this one.
DOCUMENT: dict = {}

# Parameters that so many operations have are read in one place. A case has all parameters of its operation: with another
# account's id, a cursor of nothing, a position of the future or a key that others had, hardly any would reach what it is
# about. One operation in so many has each of them.
MANY = 40
ONE_IN = 8

# Every word of an enumeration is a case by itself.
LONGEST_ENUMERATION = 40
WORDS_ASKED = 6

# Texts without NUL, and those that are not blank too: by a regular expression half a million characters are made one by
# one. No case has a NUL (`--generation-allow-x00 false`); what is blank where it must not be judges `is_valid`.
TEXT_PATTERNS = (r"^[^\x00]*$", r"^[^\x00]*[^\x00")
LONGEST_BY_PATTERN = 100

RANDOM = Random(os.environ.get("DAYBOOK_FUZZ_SEED"))


same_origin_path = observations._same_origin_path


def path_of_what_is_a_url(value, origin):
    """Every text of an answer that begins like a URL is taken apart, and those that are none end the run."""
    try:
        return same_origin_path(value, origin)
    except ValueError:
        return None


observations._same_origin_path = path_of_what_is_a_url


@schemathesis.hook
def before_load_schema(context, raw_schema) -> None:
    DOCUMENT.update(deepcopy(raw_schema))
    thin_parameters(raw_schema["paths"])
    end_filters(raw_schema["components"]["schemas"])
    simplify(raw_schema)


def thin_parameters(paths: dict) -> None:
    operations = [operation for item in paths.values() for operation in item.values()]
    seen = Counter(str(p) for operation in operations for p in operation.get("parameters", []))
    for operation in operations:
        operation["parameters"] = [
            p for p in operation.get("parameters", [])
            if p["in"] == "path" or p["required"] or seen[str(p)] < MANY or RANDOM.randrange(ONE_IN) == 0
        ]


def end_filters(schemas: dict) -> None:
    """A filter inside of a filter is a condition: the cases of every part of the grammar are made once for each."""
    for name in ("ContactFilter", "ListFilter"):
        itself = {"$ref": f"#/components/schemas/{name}"}
        forms = schemas[name]["then"]["oneOf"]
        conditions = [form for form in forms if "field" in form["properties"]]
        for form in forms:
            for part in form["properties"].values():
                if part == itself:
                    part.clear()
                    part.update(deepcopy(conditions[0]))
                elif part.get("items") == itself:
                    part["items"] = deepcopy(conditions[-1])


def simplify(part) -> None:
    if isinstance(part, list):
        for element in part:
            simplify(element)
    if not isinstance(part, dict):
        return
    for value in part.values():
        simplify(value)
    if isinstance(part.get("enum"), list) and len(part["enum"]) > LONGEST_ENUMERATION:
        part["enum"] = RANDOM.sample(part["enum"], WORDS_ASKED)
    pattern = part.get("pattern")
    if not isinstance(pattern, str):
        return
    if pattern.startswith(TEXT_PATTERNS):
        if pattern == TEXT_PATTERNS[0] or part.get("maxLength", 0) > LONGEST_BY_PATTERN:
            del part["pattern"]
    else:
        # Few texts of a length fit such a one too, and many are made until one does.
        part.pop("minLength", None)
        part.pop("maxLength", None)


def waits(case) -> bool:
    """A long poll in which nothing comes is answered when its time is over: no hang, and no news."""
    text = str((case.query or {}).get("wait", ""))
    return text.isdecimal() and PATIENCE_MILLIS < int(text) <= 60_000


@schemathesis.hook
def filter_case(context, case) -> bool:
    # A header that nobody knows is no error in HTTP: proxies and clients add their own.
    headers = case.headers or {}
    if OWN_KEY is not None and (case.path_parameters or {}).get("id") == OWN_KEY:
        return False
    if len(urlencode(case.query or {})) > TARGET_LIMIT:
        return False
    if case.operation.path == "/api/events" and waits(case):
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


# Codes with which a request that is valid by the document may still be refused: where (a regular expression of the
# operation and the field at fault) and why no schema can say so. What follows from what there is (402, 404, 409, 412)
# and from a rule of the account (422) is no part of it, nor what HTTP itself answers.
UNSAYABLE = [
    ("invalid_cursor", ".*", "a cursor is of one list with its filters and its order, and either `after` or `before`"),
    ("cursor_expired", ".*", "the position of a cursor may be one that the log no longer has"),
    ("position_in_future", ".*", "where the log ends changes with every event"),
    ("invalid_position", ".* /api/diff .*", "the same"),
    ("invalid_as_of", ".*", "the same, and what the time is now; no pattern knows the days of February"),
    ("invalid_time", ".*", "the days of February again"),
    ("out_of_range", ".*/diff (from|to)", "which versions an object has"),
    ("out_of_range", ".* (from|to|until)", "one value is before another, or not before now"),
    ("out_of_range", "POST /api/messages (send_at|expires_at)", "the same"),
    ("unknown_segment", ".*", "an id that nothing has"),
    ("unknown_role", ".*", "the same"),
    ("not_found", ".*", "the same, of several ids"),
    ("unknown_time_zone", ".*", "the zones of the database of this machine"),
    ("invalid_phone", ".*", "the numbering plans of all countries"),
    ("invalid_email", ".*", "an accent on an @ or a dot makes another character of it; 254 bytes of UTF-8 at most"),
    ("too_long", ".*", "bytes of UTF-8, and characters as people count them"),
    ("too_many", ".*", "lists that are one, between commas; calls play one recording"),
    ("invalid_value", ".* (tags|custom.*)", "bytes of UTF-8"),
    ("invalid_tag", ".*", "the same"),
    ("unknown_field", "(POST|PATCH) /api/inbound-hooks.*", "the same, of a field of one's own"),
    ("invalid_merge_field", ".*", "the grammar of merge fields and blocks inside of a text"),
    ("deceptive_subject", ".*", "what a subject pretends"),
    ("unsupported_field", "PUT /api/templates/{id} .*", "the channel of the template that there is"),
    ("required", "PUT /api/templates/{id} subject", "the same"),
    ("unsupported_field", "PATCH /api/campaigns/{id} .*", "the channel of the campaign that there is"),
    ("required", "PATCH /api/campaigns/{id} .*", "the same"),
    ("invalid_workflow", ".*", "a document of YAML inside of a text"),
    ("invalid_filter", ".*", "which fields the objects of a list have, with which values; a window of ten years at most"),
    ("invalid_json", "POST /api/contacts/import .*", "a document of JSON inside of a part"),
    ("repeated_parameter", "POST /api/contacts/import .*", "what is a part is no parameter as well"),
    ("csv_[a-z_]+|unknown_column|field_twice", "POST /api/contacts/import .*", "a CSV inside of a text"),
    ("required|invalid_[a-z]+|no_address|nothing_to_identify", "POST /api/contacts/import .*", "what its parts hold"),
    ("no_address", "POST /api/contacts/{id}/consents .*", "which addresses the contact has"),
    ("nothing_to_identify", "(PATCH|PUT) /api/contacts.*", "what the contact has"),
    ("invalid_key", "PUT /api/contacts key", "a phone number or an email again"),
    ("balance_limit_exceeded", ".*", "what the wallet holds"),
    ("limit_exceeds_account", ".*", "what the account may"),
    ("other_channel", "POST /api/messages template", "the channel of the template that there is"),
    ("unknown_parameter", ".* expand", "which fields the objects inside of objects have"),
    ("invalid_value", ".* sort", "`id` and `-id` are one key"),
    (
        "unknown_provider|unknown_parameter|required|reply_to_foreign|https_required|invalid_phone",
        "PUT /api/providers/{service} .*", "the services have other adapters, and each has options of its own",
    ),
    ("invalid_network", ".*", "addresses of both kinds with the length of a prefix"),
]


def may_be_refused(label: str, code: str, param: str | None) -> bool:
    return any(
        re.fullmatch(known, code) and re.fullmatch(where, f"{label} {param or ''}")
        for known, where, _ in UNSAYABLE
    )


@cache
def body_validator(path: str, method: str, media_type: str) -> jsonschema_rs.Draft202012Validator:
    content = DOCUMENT["paths"][path][method]["requestBody"]["content"]
    return jsonschema_rs.Draft202012Validator(content[media_type]["schema"] | {"components": DOCUMENT["components"]})


def is_valid(case) -> bool:
    """By the whole document: the cases are made from a simpler one."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return False
    if case.media_type != "application/json":
        return True
    return body_validator(case.operation.path, case.method.lower(), case.media_type).is_valid(case.body)


@schemathesis.check
def what_is_valid_is_refused_only_for_what_no_schema_can_say(context, response, case) -> None:
    """In place of schemathesis's own `positive_data_acceptance`, which knows no reasons."""
    if response.status_code not in (400, 413, 415) or not is_valid(case):
        return
    error = response.json()["error"]
    for fault in error["details"] or [error]:
        named = (case.operation.label, fault["code"], fault["param"])
        assert may_be_refused(*named), f"valid by the document, and refused: {named} {fault['message']}"


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
