"""Budgets are those of whoever a key was given to: nobody else spends them."""

import time
import uuid

from test_access import key


def test_a_secret_without_its_address_takes_nothing_from_the_budget(new_account, nobody):
    _, owner, _ = new_account("Leaked")
    budget = {"per_minute": 1, "burst": 3}
    made = key(owner, scopes=["contacts:read"], networks=["203.0.113.0/24"], rate_limit=budget)
    client = nobody.with_key(made["secret"])
    refused = [client.get("/api/contacts") for _ in range(5)]
    # A flood is bounded, on a budget of its own.
    assert [answer.status for answer in refused] == [403, 403, 403, 429, 429]
    assert refused[0].headers["ratelimit-remaining"] == "2" and refused[3].code == "rate_limited"
    here = {"networks": ["127.0.0.1", "::1"]}
    assert owner.send("PATCH", f"/api/api-keys/{made['id']}", here).status == 200
    answers = [client.get("/api/contacts") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]


def test_secrets_without_their_addresses_take_nothing_from_the_account(new_account, nobody):
    _, owner, _ = new_account("All Leaked", rate_limit={"per_minute": 1, "burst": 10})
    for _ in range(3):
        made = key(owner, scopes=["contacts:read"], networks=["203.0.113.0/24"])
        refused = [nobody.with_key(made["secret"]).get("/api/contacts").status for _ in range(11)]
        assert refused[:10] == [403] * 10
    assert owner.get("/api/limits").status == 200


def test_a_secret_without_its_signature_takes_nothing_from_the_budget(new_account, nobody):
    _, owner, _ = new_account("Signing Budget")
    budget = {"per_minute": 1, "burst": 3}
    made = key(owner, scopes=["contacts:read"], signed=True, rate_limit=budget)
    client, secret = nobody.with_key(made["secret"]), made["signing_secret"]
    path, nonce = "/api/contacts?limit=1", uuid.uuid4().hex
    assert client.signed("GET", path, secret, nonce).status == 200
    refused = [client.get(path).status, client.signed("GET", path, "another", uuid.uuid4().hex).status]
    # A copy of what was sent is as good as none.
    refused += [client.signed("GET", path, secret, nonce).status for _ in range(3)]
    assert refused == [401, 401, 401, 429, 429]
    answers = [client.signed("GET", path, secret, uuid.uuid4().hex) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]


def test_a_signed_request_beyond_the_budget_can_be_sent_again(new_account, nobody):
    _, owner, _ = new_account("Signing Budget")
    made = key(
        owner, scopes=["contacts:read"], signed=True, rate_limit={"per_minute": 60, "burst": 1}
    )
    client, secret = nobody.with_key(made["secret"]), made["signing_secret"]
    path, nonce, now = "/api/contacts?limit=1", uuid.uuid4().hex, int(time.time())
    # One of two that come at once is beyond it, unless the machine took a second for them.
    for _ in range(20):
        if client.signed("GET", path, secret, uuid.uuid4().hex).status == 429:
            break
    answer = client.signed("GET", path, secret, nonce, at=now)
    while answer.status == 429:
        time.sleep(0.2)
        answer = client.signed("GET", path, secret, nonce, at=now)
    assert answer.status == 200, answer.text
    again = client.signed("GET", path, secret, nonce, at=now)
    while again.status == 429:
        time.sleep(0.2)
        again = client.signed("GET", path, secret, nonce, at=now)
    assert again.code == "signature_replayed"
