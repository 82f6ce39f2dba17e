"""One answer names every field that is wrong, each once: what its type is, what it means, and what a rule says of it."""

import pytest

from test_access import one_of_each

LONG_AGO, FAR_AHEAD = "2001-01-01T00:00:00Z", "2126-01-01T00:00:00Z"

# Each with several faults at once: of the shape, and of what would only be seen by whoever carries it out. In the answer's
# order: the shape's first, as the document has the fields, then those of the meaning.
FAULTY = [
    (
        "POST", "/api/contacts", {"email": "nope", "phne": 1, "tags": [3]},
        ["tags[0]", "phne", "email"],
    ),
    (
        "POST", "/api/contacts",
        {
            "email": "a@b@c.com", "phone": "12", "first_name": 7, "tags": ["x" * 101],
            "custom": {"size": [1], "note": "ü" * 1_500},
            "consents": [
                {"channel": "fax", "method": "verbal", "source": "a call", "wording": " "},
                {"channel": "sms", "method": "verbal", "source": "a call"},
            ],
        },
        [
            "first_name", "custom.size", "tags[0]", "consents[0].channel", "consents[1].wording", "email",
            "phone", "consents[0].wording", "custom.note",
        ],
    ),
    (
        "POST", "/api/contacts",
        {
            "first_name": "Ann",
            "consents": [
                {"channel": "sms", "method": "verbal", "source": "a call", "wording": " "},
            ], "extra": 1,
        },
        ["extra", "consents[0].wording"],
    ),
    ("POST", "/api/contacts", {"email": "nope", "phone": "12"}, ["email", "phone"]),
    ("POST", "/api/contacts", {"phne": "+13055550123"}, ["phne", "first_name"]),
    (
        "PUT", "/api/contacts?key=email:ann@example.com",
        {"email": "nope", "phone": "12", "source": 3}, ["source", "email", "phone"],
    ),
    (
        "PATCH", "/api/contacts/{contacts}", {"email": "", "phone": "12", "custom": 3},
        ["custom", "email", "phone"],
    ),
    (
        "POST", "/api/contacts/{contacts}/consents",
        {"channel": "sms", "method": "guess", "source": "a call", "wording": " "},
        ["method", "wording"],
    ),
    ("POST", "/api/contacts/{contacts}/tags", {"tags": ["ü" * 90], "tag": "x"}, ["tag", "tags"]),
    (
        "POST", "/api/leads/intake",
        {"email": "nope", "phone": "12", "utm": {"sauce": "x"}, "consents": [{"wording": " "}]},
        ["utm.sauce", "consents[0].channel", "email", "phone", "consents[0].wording"],
    ),
    ("POST", "/api/leads/intake", {"first_name": "Ann", "page": 3}, ["page", "phone"]),
    (
        "POST", "/api/messages",
        {
            "contact": "con_x", "channel": "email", "subject": " ", "body": "Hi {{nick}}",
            "html": "{{first_name", "expires_at": LONG_AGO, "send_at": FAR_AHEAD, "urgent": True,
        },
        ["contact", "urgent", "send_at", "expires_at", "body", "subject", "html"],
    ),
    (
        # What a channel that is none would have taken is not known to be wrong.
        "POST", "/api/messages",
        {"contact": "con_x", "channel": "fax", "subject": "Hi", "body": "Hi", "send_at": FAR_AHEAD},
        ["contact", "channel", "send_at"],
    ),
    (
        "POST", "/api/campaigns",
        {
            "name": " ", "segment": "seg_x", "channel": "email", "subject": "Re: your order",
            "body": "{{nick}}", "html": "{{first_name", "holdout_percent": 51,
        },
        ["segment", "holdout_percent", "name", "subject", "body", "html"],
    ),
    (
        "PATCH", "/api/campaigns/{campaigns}", {"name": " ", "body": "{{nick}}", "sgment": 1},
        ["sgment", "name", "body"],
    ),
    (
        "POST", "/api/templates",
        {"name": " ", "channel": "sms", "body": "{{nick}}", "subject": "Hi", "voicemail": 3},
        ["voicemail", "name", "subject", "body"],
    ),
    (
        "PUT", "/api/templates/{templates}", {"name": " ", "body": "{{nick}}", "nme": 1},
        ["nme", "name", "body"],
    ),
    (
        "POST", "/api/segments",
        {"name": " ", "filter": {"field": "created_at", "op": "gt", "value": "soon"}, "x": 1},
        ["x", "name", "filter"],
    ),
    (
        "POST", "/api/workflows", {"source": "name: X\ntrigger: nothing\n", "x": 1},
        ["x", "line 2, column 10"],
    ),
    (
        "POST", "/api/inbound-hooks",
        {
            "name": " ", "authentication": "none", "action": "lead",
            "mapping": {"shoe_size": "a", "company": "=", "tags": 3},
        },
        [
            "authentication", "mapping.tags", "name", "mapping.shoe_size", "mapping.company",
        ],
    ),
    (
        "POST", "/api/webhook-endpoints",
        {"url": "ftp://example.com", "types": ["contact.sneezed"], "payload": "huge"},
        ["payload", "url", "types"],
    ),
    (
        "POST", "/api/users",
        {"email": "nope", "name": " ", "role": "king", "password": "short"},
        ["password", "name", "role", "email"],
    ),
    ("PATCH", "/api/users/{users}", {"name": " ", "active": "yes"}, ["active", "name"]),
    ("POST", "/api/roles", {"name": " ", "scopes": ["everything"], "x": 1}, ["x", "name", "scopes"]),
    (
        "POST", "/api/api-keys",
        {
            "name": " ", "scopes": ["everything"], "networks": ["nowhere"], "expires_at": "soon",
            "rate_limit": {"per_minute": 0, "burst": 1},
        },
        ["expires_at", "rate_limit.per_minute", "name", "scopes", "networks"],
    ),
    (
        "POST", "/api/accounts",
        {"name": " ", "time_zone": "Mars/Olympus", "sms": {"from": "12", "account_sid": "AC1"}},
        ["sms.auth_token", "name", "time_zone", "sms.from"],
    ),
    (
        "PATCH", "/api/accounts/{accounts}", {"time_zone": "Mars/Olympus", "status": "merry"},
        ["status", "time_zone"],
    ),
    (
        "PUT", "/api/sending/rules",
        {
            "advertisement_notice": " ", "help_text": " ", "daily_budget": -1,
            "keywords": {"opt_out": ["HELP"], "help": [3]},
        },
        [
            "daily_budget", "keywords.help[0]", "keywords.opt_out", "help_text",
            "advertisement_notice",
        ],
    ),
    (
        "POST", "/api/suppressions",
        {"channel": "sms", "addresses": ["12", "+13055550123", "abc", 3], "list": "naughty"},
        ["list", "addresses[3]", "addresses[0]", "addresses[2]"],
    ),
    (
        "POST", "/api/agency/prices", {"resource": "smoke", "markup_percent": 1, "from": LONG_AGO},
        ["resource", "from"],
    ),
    ("PUT", "/api/account/postal-address", {"postal_address": " ", "x": 1}, ["x", "postal_address"]),
    (
        "POST", "/api/wallet/add-funds", {"amount": {"amount": 0}, "x": 1},
        ["amount.amount", "amount.unit", "x"],
    ),
    (
        "POST", "/api/wallet/auto-recharge/configure",
        {"amount": 500_001, "threshold": "much", "enabled": 1}, ["enabled", "threshold", "amount"],
    ),
    (
        "POST", "/api/audit/exports", {"scope": "number", "number": "12", "since": LONG_AGO},
        ["since", "number"],
    ),
]

# One fault each, of those that a rule tells along: the command says the same by itself.
ALONE = [
    ("POST", "/api/contacts", {"email": "nope"}, "email", "invalid_email"),
    ("POST", "/api/contacts", {"email": "a@\u0301x.com"}, "email", "invalid_email"),
    ("POST", "/api/contacts", {"phone": "12"}, "phone", "invalid_phone"),
    ("POST", "/api/contacts", {"company": " "}, "first_name", "nothing_to_identify"),
    ("POST", "/api/contacts", {"company": "X", "tags": ["x" * 101]}, "tags[0]", "too_long"),
    (
        "POST", "/api/contacts", {"company": "X", "custom": {"note": "ü" * 1_500}}, "custom.note",
        "invalid_value",
    ),
    (
        "POST", "/api/contacts",
        {
            "company": "X",
            "consents": [{"channel": "sms", "method": "verbal", "source": "x", "wording": "Yes"}],
        },
        "consents", "no_address",
    ),
    (
        "POST", "/api/contacts",
        {
            "email": "ann.a@example.com",
            "consents": [{"channel": "email", "method": "verbal", "source": "x", "wording": " "}],
        },
        "consents[0].wording", "required",
    ),
    ("PATCH", "/api/contacts/{contacts}", {"email": ""}, "email", "invalid_email"),
    ("POST", "/api/leads/intake", {"first_name": "Ann"}, "phone", "required"),
    ("POST", "/api/templates", {"name": "T", "channel": "email", "body": "x"}, "subject", "required"),
    ("POST", "/api/segments", {"name": " ", "filter": {"all": []}}, "name", "required"),
    ("POST", "/api/users", {
        "email": "x@example.com", "name": "X", "role": "king", "password": "correct horse battery",
    }, "role", "unknown_role"),
    ("POST", "/api/roles", {"name": " ", "scopes": ["*"]}, "name", "required"),
    ("POST", "/api/api-keys", {"name": " ", "scopes": ["*"]}, "name", "required"),
    ("POST", "/api/accounts", {"name": " "}, "name", "required"),
    ("PATCH", "/api/accounts/{accounts}", {"time_zone": "Mars"}, "time_zone", "unknown_time_zone"),
    ("POST", "/api/agency/prices", {
        "resource": "sms", "markup_percent": 1, "from": LONG_AGO,
    }, "from", "out_of_range"),
    ("PUT", "/api/sending/rules", {"help_text": " "}, "help_text", "out_of_range"),
    ("PUT", "/api/sending/rules", {"keywords": {"help": ["STOP"]}}, "keywords.help", "out_of_range"),
    ("POST", "/api/suppressions", {"channel": "sms", "addresses": ["12"]}, "addresses[0]", "invalid_phone"),
    ("PUT", "/api/account/postal-address", {"postal_address": " "}, "postal_address", "required"),
    ("POST", "/api/inbound-hooks", {
        "name": "H", "authentication": "hmac_sha256", "action": "lead", "mapping": {"tags": "a"},
    }, "mapping", "required"),
    ("POST", "/api/webhook-endpoints", {"url": "https://exa mple.com", "types": ["*"]}, "url", "invalid_url"),
    ("POST", "/api/messages", {
        "contact": "{contacts}", "purpose": "transactional", "body": "{{nick}}",
    }, "body", "invalid_merge_field"),
    ("POST", "/api/messages", {"contact": "{contacts}", "body": "x", "send_at": FAR_AHEAD}, "send_at", "out_of_range"),
    ("POST", "/api/campaigns", {
        "name": "C", "segment": "{segments}", "channel": "email", "subject": "Fwd: x", "body": "x",
    }, "subject", "deceptive_subject"),
    ("POST", "/api/campaigns", {
        "name": "C", "segment": "{segments}", "body": "x" * 1_601,
    }, "body", "too_long"),
]


@pytest.fixture(scope="module")
def made(new_account):
    organisation, owner, _ = new_account("Field errors", kind="agency")
    return owner, one_of_each(owner) | {"accounts": organisation}


def placed(value, ids):
    """The same with the ids of what is there."""
    if isinstance(value, dict):
        return {name: placed(part, ids) for name, part in value.items()}
    if not isinstance(value, str):
        return value
    for name, known in ids.items():
        value = value.replace(f"{{{name}}}", str(known))
    return value


def details(answer):
    assert answer.status == 400, answer.text
    error = answer.json["error"]
    assert error["param"] == error["details"][0]["param"]
    assert error["code"] in (error["details"][0]["code"], "invalid_workflow")
    return error["details"]


@pytest.mark.parametrize(("method", "path", "body", "expected"), FAULTY)
def test_every_fault_of_a_body_is_told_at_once(made, method, path, body, expected):
    owner, ids = made
    answer = owner.send(method, placed(path, ids), placed(body, ids), Idempotency_Key="faulty")
    assert [detail["param"] for detail in details(answer)] == expected, answer.text


@pytest.mark.parametrize(("method", "path", "body", "param", "code"), ALONE)
def test_what_is_told_along_is_refused_alone(made, method, path, body, param, code):
    owner, ids = made
    answer = owner.send(method, placed(path, ids), placed(body, ids), Idempotency_Key="alone")
    assert [(d["param"], d["code"]) for d in details(answer)] == [(param, code)], answer.text


def resolved(schema: dict, document: dict) -> dict:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def shapes(schema: dict, document: dict) -> list[dict]:
    schema = resolved(schema, document)
    parts = schema.get("anyOf", schema.get("oneOf"))
    return [schema] if parts is None else [s for part in parts for s in shapes(part, document)]


def of_another_kind(schema: dict, document: dict):
    """A value that nobody could take for one of the schema's; None where it takes any."""
    kinds: set[str] = set()
    for shape in shapes(schema, document):
        kind = shape.get("type", "string" if "enum" in shape or "const" in shape else None)
        if kind is None:
            return None
        kinds |= {kind} if isinstance(kind, str) else set(kind)
    others = {"object": {"zz": 1}, "array": [1], "boolean": True, "string": "\0", "number": 1.5}
    return next((value for kind, value in others.items() if kind not in kinds), None)


def test_every_bad_field_of_every_body_is_named_once(made, document, operations):
    """Each write, with all its fields wrong, with every second one wrong, and always with one too many."""
    owner, ids = made
    seen = 0
    for method, path, operation in operations:
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if method == "GET" or body is None or not path.startswith("/api/") or "/operator/" in path:
            continue
        if operation["security"] == [{"session": []}]:
            # For whoever is signed in: a key is told 401, whatever it sends.
            continue
        resource = path.split("/")[2]
        target = path.replace("{id}", str(ids.get(resource, ""))).replace("{service}", "payment")
        if "{" in target or "//" in target or target.endswith("/"):
            continue
        fields = next((s["properties"] for s in shapes(body["schema"], document) if "properties" in s), {})
        wrong = {n: v for n, s in fields.items() if (v := of_another_kind(s, document)) is not None}
        for chosen in [list(wrong), list(wrong)[::2], list(wrong)[1::2]]:
            sent = body.get("example", {}) | {name: wrong[name] for name in chosen} | {"zz": 1}
            query = "?key=email:nobody@example.com" if (method, path) == ("PUT", "/api/contacts") else ""
            answer = owner.send(method, target + query, sent, Idempotency_Key="generated")
            assert answer.status == 400, f"{method} {path}: {answer.status} {answer.text[:300]}"
            params = [detail["param"] for detail in answer.json["error"]["details"]]
            assert len(params) == len(set(params)), f"{method} {path}: {params}"
            tops = {param.split(".")[0].split("[")[0] for param in params}
            assert tops >= {*chosen, "zz"}, f"{method} {path}: {set(chosen) - tops} of {params}"
            seen += 1
    assert seen > 120
