"""Requests of keys that take signed ones only."""

import time
import uuid

import pytest

from test_access import key


@pytest.fixture(scope="module")
def account(new_account):
    return new_account("Signing")


def test_signed_requests_are_good_once_and_now(account, nobody):
    _, owner, _ = account
    made = key(owner, scopes=["*"], signed=True)
    client, secret = nobody.with_key(made["secret"]), made["signing_secret"]
    path, nonce = "/api/contacts?limit=1", uuid.uuid4().hex
    assert client.get(path).code == "signature_required"
    assert client.signed("GET", path, "another", uuid.uuid4().hex).code == "invalid_signature"
    assert client.signed("GET", path, secret, nonce).status == 200
    assert client.signed("GET", path, secret, nonce).code == "signature_replayed"
    late = int(time.time()) - 301
    assert client.signed("GET", path, secret, uuid.uuid4().hex, at=late).code == "signature_expired"


def test_a_signature_covers_whom_the_request_is_for(new_account, nobody, operator):
    agency, boss, _ = new_account("Signing agency", kind="agency")
    client, _, _ = new_account("Signed client", kind="client", agency=agency)
    made = key(boss, scopes=["*"], signed=True)
    caller, secret = nobody.with_key(made["secret"]), made["signing_secret"]
    path = "/api/contacts?limit=1"

    def ask(method="GET", body=b"", **more):
        target = path if method == "GET" else "/api/contacts"
        return caller.signed(method, target, secret, uuid.uuid4().hex, body=body, **more)

    assert ask().status == ask(Account=client).status == 200
    assert ask(version=1).status == 200
    # Neither added on its way, nor taken away, nor exchanged; and the old form cannot tell.
    assert ask(Account=client, covered={}).code == "invalid_signature"
    assert ask(covered={"Account": client}).code == "invalid_signature"
    assert ask(Account=agency, covered={"Account": client}).code == "invalid_signature"
    assert ask(Account=client, version=1).code == "signature_too_old"
    new = {"method": "POST", "body": b'{"first_name": "Ann"}'}
    assert ask(**new, Idempotency_Key="mine", Account=client).status == 201
    assert ask(**new, Idempotency_Key="theirs", covered={"Idempotency_Key": "mine"}).code == "invalid_signature"


def test_a_refused_signature_says_what_is_wrong(account, nobody):
    _, owner, _ = account
    made = key(owner, scopes=["contacts:read"], signed=True)
    client, secret = nobody.with_key(made["secret"]), made["signing_secret"]
    path, nonce = "/api/contacts?limit=1", uuid.uuid4().hex
    assert client.signed("GET", path, secret, nonce).status == 200
    replayed = client.signed("GET", path, secret, nonce)
    expired = client.signed("GET", path, secret, uuid.uuid4().hex, at=int(time.time()) - 400)
    wrong = client.signed("GET", path, "sig_wrong", uuid.uuid4().hex)
    said = {answer.code: answer.json["error"]["message"] for answer in [replayed, expired, wrong]}
    assert "Daybook-Nonce" in said["signature_replayed"]
    assert "clock" in said["signature_expired"]
    assert "Daybook-Signature" in said["invalid_signature"]
