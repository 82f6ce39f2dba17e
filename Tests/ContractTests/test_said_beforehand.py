"""What the document says of a body beside the types of its fields is what the server refuses, and no more: which fields
go together, which words there are, what a text has to look like."""

import pytest
from jsonschema import Draft202012Validator

CONSENT = {"method": "verbal", "source": "a call", "wording": "May we?"}
CONTACT = "con_01jd3x0000000000000000000a"
TEMPLATE = "tpl_01jd3x0000000000000000000a"
EVENT = "evt_01jd3x0000000000000000000a"


def segment(filter) -> dict:
    return {"name": "S", "filter": filter}


def hook(**mapping: str) -> dict:
    return {"name": "H", "authentication": "secret_in_path", "action": "lead", "mapping": mapping}


# A path and bodies for it: what the document takes, then what it does not.
CASES = [
    ("/api/contacts", [
        {"first_name": "A"}, {"email": " a@b.example "}, {"phone": "+14155552671", "email": ""},
        {"email": "a@b.example", "consents": [CONSENT | {"channel": "email"}]}, {"company": "A\u00a0B"},
    ], [
        {}, {"tags": ["vip"]}, {"first_name": "\u2003\n"}, {"first_name": "A\x00"}, {"first_name": None},
        {"email": "a@b"}, {"email": "a@.b.c"}, {"email": "a b@c.example"}, {"email": "a@b@c.example"},
        {"first_name": "A", "consents": [CONSENT | {"channel": "email"}]},
        {"email": "a@b.example", "consents": [CONSENT | {"channel": "voice"}]},
        {"first_name": "A", "tags": [""]},
    ]),
    ("/api/leads/intake", [{"email": "a@b.example"}], [{}, {"first_name": "A"}, {"phone": " "}]),
    ("/api/templates", [
        {"channel": "sms", "name": "T", "body": "B"}, {"channel": "email", "name": "T", "body": "B", "subject": "S", "html": "H"},
        {"channel": "voice", "name": "T", "body": "B", "voicemail": "V"},
    ], [
        {"channel": "sms", "name": "T", "body": "B", "html": "H"}, {"channel": "email", "name": "T", "body": "B"},
        {"channel": "email", "name": "T", "body": "B", "subject": " "}, {"channel": "voice", "name": "T", "body": "B", "subject": "S"},
        {"channel": "email", "name": "T", "body": "B", "subject": "S", "voicemail": "V"}, {"channel": "sms", "name": " ", "body": "B"},
    ]),
    ("/api/messages", [
        {"contact": CONTACT, "body": "B"}, {"contact": CONTACT, "template": TEMPLATE}, {"contact": CONTACT, "media": ["https://a.example/a"]},
        {"contact": CONTACT, "channel": "email", "body": "B", "subject": "S"}, {"contact": CONTACT, "channel": "email", "template": TEMPLATE},
        {"contact": CONTACT, "channel": "voice", "body": "B", "record": True},
    ], [
        {"contact": CONTACT}, {"contact": CONTACT, "body": ""}, {"contact": CONTACT, "media": []}, {"contact": CONTACT, "media": ["a"]},
        {"contact": CONTACT, "body": "B", "subject": "S"}, {"contact": CONTACT, "channel": "email", "body": "B"},
        {"contact": CONTACT, "channel": "email", "body": "B", "subject": "S", "media": ["https://a.example/a"]},
        {"contact": CONTACT, "channel": "voice", "body": "B", "html": "H"}, {"contact": CONTACT, "body": "B", "record": True},
    ]),
    ("/api/segments", [
        segment({"all": []}), segment({"not": {"field": "tags", "op": "exists"}}), segment({"event": "message.received", "within": "30d"}),
        segment({"any": [{"field": "created_at", "op": "in_last", "value": "7d"}, {"field": "custom.plan", "op": "older_than", "value": "3h"}]}),
        segment({"field": "consent.sms", "op": "ne", "value": "none"}), segment({"field": "email", "op": "exists", "value": False}),
    ], [
        segment({}), segment({"field": "tags"}), segment({"field": "nobody", "op": "eq", "value": 1}), segment({"all": [], "any": []}),
        segment({"field": "consent.sms", "op": "eq", "value": "yes"}), segment({"field": "email", "op": "in_last", "value": "7d"}),
        segment({"field": "created_at", "op": "in_last", "value": "7"}), segment({"event": "nothing"}), segment({"not": []}),
        segment({"event": "message.received", "op": "contains"}), segment({"field": "tags", "op": "eq", "value": "vip"}),
    ]),
    ("/api/undo", [
        {"events": [EVENT]}, {"actor": "user:usr_1", "from": "1", "to": EVENT}, {"bulk_id": "job_01jd3x0000000000000000000a", "from": "2026-11-21T08:00:00+01:00"},
    ], [
        {}, {"events": [EVENT], "actor": "a"}, {"actor": "a"}, {"actor": "a", "from": "1"}, {"events": [EVENT], "from": "1"},
        {"actor": "a", "from": "yesterday", "to": "2"},
    ]),
    ("/api/audit/exports", [{"scope": "account"}, {"scope": "contact", "contact": CONTACT}, {"scope": "period", "from": "2026-11-21", "until": "2026-11-22"}], [
        {"scope": "contact"}, {"scope": "account", "contact": CONTACT}, {"scope": "number"}, {"scope": "period", "from": "2026-11-21"},
    ]),
    ("/api/inbound-hooks", [hook(email="a.b"), hook(phone="=+14155552671", **{"custom.plan": "c"})], [
        hook(), hook(first_name="a"), hook(email=" "), hook(email="="), hook(email="a", nobody="b"),
    ]),
    ("/api/roles", [{"name": "R", "scopes": ["contacts:read", "leads:*"]}], [{"name": "R", "scopes": ["contact:read"]}, {"name": " ", "scopes": ["*"]}]),
    ("/api/webhook-endpoints", [
        {"url": "https://example.com/h", "types": ["sms.*", "contact.created", "*"]},
        {"url": "https://a_b.example:65535?x", "types": ["*"]}, {"url": "https://m", "types": ["*"]},
        {"url": "https://m/a#b#c[]", "types": ["*"]}, {"url": "https://[2001:DB8::1:0]:8443/", "types": ["*"]},
        {"url": "https://[::]", "types": ["*"]}, {"url": "https://[1:2:3:4:5:6:7:8]", "types": ["*"]},
    ], [
        {"url": "https://[.]/", "types": ["*"]}, {"url": "https://[1:2:3:4:5:6:7]", "types": ["*"]},
        {"url": "https://[1::2::3]", "types": ["*"]}, {"url": "https://[1:2:3:4:5:6:7::8]", "types": ["*"]},
        {"url": "ftp://example.com/", "types": ["*"]}, {"url": "https://a.example:65536/", "types": ["*"]},
        {"url": "https://a.example:+80/", "types": ["*"]}, {"url": "https://a@b.example/", "types": ["*"]},
        {"url": "https://example.com/h", "types": ["contact.made"]}, {"url": "https://example.com/h", "types": []},
    ]),
    ("/api/suppressions", [
        {"channel": "email", "addresses": ["a@b.example"]}, {"channel": "sms", "addresses": ["+14155552671"], "list": "landline"},
    ], [
        {"channel": "email", "addresses": ["a@b"]}, {"channel": "sms", "addresses": ["+14155552671"] * 1001},
        {"channel": "email", "addresses": ["a@b.example"], "list": "landline"},
        {"channel": "voice", "addresses": ["+14155552671"], "list": "reassigned_number"},
    ]),
    ("/api/wallet/auto-recharge/configure", [{"amount": 500_000}, {"amount": {"amount": 20_000_000, "unit": "usd_micro"}}], [
        {"amount": 490_000}, {"amount": 500_001}, {"amount": {"amount": 500_001, "unit": "usd_micro"}},
    ]),
    ("/api/users", [{"email": "new@b.example", "name": "N", "role": "developer", "password": "correct horse battery"}], [
        {"email": "new@b.example", "name": "N", "role": "nobody", "password": "correct horse battery"},
    ]),
]


@pytest.fixture(scope="module")
def owner(new_account):
    return new_account("Said beforehand")[1]


@pytest.mark.parametrize(("path", "taken", "refused"), CASES, ids=[case[0] for case in CASES])
def test_the_document_says_what_is_refused(owner, document, path, taken, refused):
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    says = Draft202012Validator(schema | {"components": document["components"]})
    for body in taken:
        assert says.is_valid(body), body
        answer = owner.post(path + "?dry_run=true", body)
        # What it names there may not be; what it says is sound.
        assert answer.status in (200, 404), f"{body}: {answer.text}"
    for body in refused:
        assert not says.is_valid(body), body
        answer = owner.post(path + "?dry_run=true", body)
        assert answer.status == 400, f"{body}: {answer.text}"


def test_a_hook_is_tried_with_a_payload_or_a_form(owner, document):
    path = "/api/inbound-hooks/{id}/test"
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    says = Draft202012Validator(schema | {"components": document["components"]})
    made = owner.made("/api/inbound-hooks", hook(email="a.b"))
    for body, status in [
        ({"payload": {}}, 200), ({"form": "a=1"}, 200), ({}, 400), ({"payload": {}, "form": "a=1"}, 400),
    ]:
        assert says.is_valid(body) == (status == 200), body
        answer = owner.send("POST", path.replace("{id}", made["id"]), body)
        assert answer.status == status, f"{body}: {answer.text}"
