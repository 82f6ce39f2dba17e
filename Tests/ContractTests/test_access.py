"""Who may do what: every operation with every wrong credential, and every id of another account."""

import os
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Client


def guarded(operations):
    """The operations that need a key or a session."""
    return [
        (method, path, operation)
        for method, path, operation in operations
        if {"api_key": []} in operation["security"]
    ]


def about_oneself(operations):
    """The operations that a session alone suffices for, whatever its user's role."""
    return [
        (method, path, operation)
        for method, path, operation in operations
        if operation["security"] == [{"session": []}]
    ]


def example(operation: dict):
    content = operation.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("example")


def filled(path: str, ids: dict[str, str] | None = None) -> str:
    """The path with an id at every placeholder: of the resource, or one that nobody has."""
    resource = path.split("/")[2]
    identifier = (ids or {}).get(resource, "con_01jd3x0000000000000000000a")
    return path.replace("{id}", identifier).replace("{tag}", "vip").replace("{from}", "1").replace("{number}", "1")


def ask(client: Client, method: str, path: str, operation: dict, **headers: str):
    body = example(operation)
    needed = [p for p in operation.get("parameters", []) if p["in"] == "query" and p["required"]]
    if needed:
        path += "?" + "&".join(f"{parameter['name']}=1" for parameter in needed)
    return client.send(method, path, body, Idempotency_Key=str(uuid.uuid4()), **headers)


@pytest.fixture(scope="module")
def account(new_account):
    return new_account("Access")


def key(client: Client, **fields) -> dict:
    return client.made("/api/api-keys", {"name": "A test", "scopes": ["contacts:*"]} | fields)


@pytest.mark.parametrize(
    "credential", ["none", "unknown key", "revoked key", "expired key", "forged session", "basic"]
)
def test_no_operation_is_open_to_whom_nobody_knows(credential, account, nobody, operations):
    _, owner, _ = account
    if credential == "none":
        client = nobody
    elif credential == "unknown key":
        client = nobody.with_key("sk_test_invented")
    elif credential == "revoked key":
        made = key(owner, scopes=["*"])
        assert owner.send("DELETE", f"/api/api-keys/{made['id']}").status == 200
        client = nobody.with_key(made["secret"])
    elif credential == "expired key":
        client = nobody.with_key(key(owner, scopes=["*"], expires_at="2020-01-01T00:00:00Z")["secret"])
    elif credential == "forged session":
        client = Client(nobody.base_url, {"Cookie": "daybook_session=usr_0.9999999999.ab.cd"})
    else:
        client = Client(nobody.base_url, {"Authorization": "Basic YTpi"})
    for method, path, operation in guarded(operations) + about_oneself(operations):
        answer = ask(client, method, filled(path), operation)
        assert answer.status == 401, f"{method} {path}: {answer.status} {answer.text[:200]}"


def test_a_key_without_the_right_is_refused_everywhere(account, nobody, operations):
    _, owner, _ = account
    leads = nobody.with_key(key(owner, scopes=["leads:*"])["secret"])
    others = nobody.with_key(key(owner, scopes=["wallet:*"])["secret"])
    for method, path, operation in guarded(operations):
        client = others if "`leads:" in operation["description"] else leads
        answer = ask(client, method, filled(path), operation)
        assert (answer.status, answer.code) == (403, "missing_scope"), f"{method} {path}"


def test_nobody_is_sent_what_they_may_not_read(new_account, nobody):
    _, owner, _ = new_account("Sends Itself")
    client = nobody.with_key(key(owner, scopes=["webhooks:*"])["secret"])
    path, wanted = "/api/webhook-endpoints", {"url": "https://example.com/h", "types": ["contact.*"]}
    for payload in [{}, {"payload": "full"}]:
        assert client.post(path, wanted | payload).code == "cannot_grant"
    thin = client.made(path, wanted | {"payload": "thin"})
    assert client.send("PATCH", f"{path}/{thin['id']}", {"types": ["message.*"]}).status == 200
    assert client.send("PATCH", f"{path}/{thin['id']}", {"payload": "full"}).code == "cannot_grant"
    assert client.post(f"{path}/{thin['id']}/redeliver", {"from": 1}).status == 200
    full = owner.made(path, wanted)
    change = {"url": "https://example.com/mine"}
    assert client.send("PATCH", f"{path}/{full['id']}", change).code == "cannot_grant"
    assert client.post(f"{path}/{full['id']}/redeliver", {"from": 1}).code == "cannot_grant"
    reader = nobody.with_key(key(owner, scopes=["webhooks:*", "events:read"])["secret"])
    assert reader.send("PATCH", f"{path}/{full['id']}", {"types": ["message.*"]}).status == 200


@pytest.mark.parametrize(
    ("scope", "meant"),
    [("contact:read", "contacts:read"), ("contacts:raed", "contacts:read"), ("frogs:read", None),
     ("wallets:*", "wallet:*"), ("events:write", None), ("events:delete", None)],
)
@pytest.mark.parametrize("path", ["/api/api-keys", "/api/roles"])
def test_a_right_that_no_operation_asks_for_is_a_slip(account, path, scope, meant):
    _, owner, _ = account
    answer = owner.post(path, {"name": "Slip", "scopes": ["contacts:*", scope]})
    assert (answer.status, answer.json["error"]["details"][0]["code"]) == (400, "unknown_scope")
    if meant:
        assert f"Did you mean {meant}?" in answer.text


def test_a_key_that_reads_writes_nothing(account, nobody, operations):
    _, owner, _ = account
    scopes = {operation["description"].rsplit("`", 2)[1] for _, _, operation in guarded(operations)}
    reading = sorted(scope for scope in scopes if scope.endswith(":read"))
    client = nobody.with_key(key(owner, scopes=reading)["secret"])
    for method, path, operation in guarded(operations):
        if method != "GET" and ":write`" in operation["description"]:
            answer = ask(client, method, filled(path), operation)
            assert (answer.status, answer.code) == (403, "missing_scope"), f"{method} {path}"


def test_a_key_from_another_address_is_refused_everywhere(account, nobody, operations):
    _, owner, _ = account
    client = nobody.with_key(key(owner, scopes=["*"], networks=["203.0.113.0/24"])["secret"])
    for method, path, operation in guarded(operations):
        answer = ask(client, method, filled(path), operation)
        assert (answer.status, answer.code) == (403, "address_not_allowed"), f"{method} {path}"


@pytest.mark.parametrize("header", ["X_Forwarded_For", "X_Real_IP", "Forwarded", "True_Client_IP"])
def test_nobody_says_themselves_where_they_come_from(header, account, nobody):
    _, owner, _ = account
    client = nobody.with_key(key(owner, scopes=["*"], networks=["203.0.113.0/24"])["secret"])
    said = "for=203.0.113.5" if header == "Forwarded" else "203.0.113.5"
    answer = client.get("/api/contacts", **{header: said})
    assert (answer.status, answer.code) == (403, "address_not_allowed")


def test_a_session_writes_nothing_without_its_token(account, nobody, operations):
    session = nobody.sign_in(*account[2])
    cookie = Client(nobody.base_url, {"Cookie": session.headers["Cookie"]})
    for method, path, operation in guarded(operations) + about_oneself(operations):
        if method != "GET":
            answer = ask(cookie, method, filled(path), operation)
            assert (answer.status, answer.code) == (403, "csrf_token_required"), f"{method} {path}"
            forged = ask(cookie, method, filled(path), operation, X_CSRF_Token="0" * 64)
            assert forged.code == "csrf_token_required", f"{method} {path}"


def test_no_account_acts_on_another(account, new_account, operations):
    _, owner, _ = account
    stranger, _, _ = new_account("Stranger")
    for method, path, operation in guarded(operations):
        answer = ask(owner, method, filled(path), operation, Account=stranger)
        assert (answer.status, answer.code) == (403, "account_not_reachable"), f"{method} {path}"


# Paths with a placeholder that is no id of an account's object, and why.
WITHOUT_IDS = {
    "providers": "sms, email and payment are words",
    "projections": "names of read models, the same for everybody",
    "payments": "nobody pays here: without a provider there is none",
    "wallet": "what has a price is a word",
    "agency": "the same",
}


def test_no_id_of_another_account_means_anything(account, new_account, operations):
    organisation, owner, _ = account
    ids = one_of_each(owner) | {"accounts": organisation, "privacy": erased(owner)}
    _, stranger, _ = new_account("Curious")
    before = owner.get("/api/events?after=now").json["next"]
    for method, path, operation in guarded(operations):
        if "{" not in path:
            continue
        resource = path.split("/")[2]
        if resource in WITHOUT_IDS:
            continue
        assert resource in ids, f"{path}: make one of these in one_of_each"
        answer = ask(stranger, method, filled(path, ids), operation)
        assert answer.status == 404, f"{method} {path}: {answer.status} {answer.text[:200]}"
    after = owner.get(f"/api/events?after={before}").json["data"]
    assert [event["type"] for event in after] == []


INVENTED = "01jd3x0000000000000000000z"


def id_fields(schema: dict, document: dict, path: tuple = ()):
    """Where the schema of a body takes an id, and of which kind: ("filter", "segment"), "seg"."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].split("/")[-1]]
    if match := re.match(r"\^([a-z]+)_\[", schema.get("pattern", "")):
        yield path, match[1]
    for name, inner in schema.get("properties", {}).items():
        yield from id_fields(inner, document, path + (name,))
    if "items" in schema:
        yield from id_fields(schema["items"], document, path + (0,))
    for inner in schema.get("anyOf", []) + schema.get("oneOf", []):
        yield from id_fields(inner, document, path)


def with_value(body, path: tuple, value):
    """The body with `value` at `path`."""
    if not path:
        return value
    if path[0] == 0:
        inner = body[0] if isinstance(body, list) and body else None
        return [with_value(inner, path[1:], value)]
    whole = dict(body) if isinstance(body, dict) else {}
    whole[path[0]] = with_value(whole.get(path[0]), path[1:], value)
    return whole


def test_no_id_of_another_account_in_a_body_means_anything(new_account, operations, document):
    _, owner, _ = new_account("Own")
    ids = {made.split("_")[0]: made for made in one_of_each(owner).values()}
    _, stranger, _ = new_account("Curious of bodies")
    own = one_of_each(stranger)
    tried, wrong = 0, []
    for method, path, operation in guarded(operations):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        for place, kind in set(id_fields(content["schema"], document)):
            if kind not in ids or ("{" in path and path.split("/")[2] not in own):
                continue
            answers = [
                stranger.send(
                    method, filled(path, own) + "?dry_run=true",
                    with_value(example(operation), place, identifier),
                    Idempotency_Key=str(uuid.uuid4()),
                )
                for identifier in (ids[kind], f"{kind}_{INVENTED}")
            ]
            told = [(answer.status, answer.status >= 400 and answer.code) for answer in answers]
            if told[0] != told[1] or told[0][0] < 400:
                wrong.append(f"{method} {path} {place}: {told} {answers[0].text[:200]}")
            tried += 1
    assert tried > 10 and not wrong, "\n".join(wrong)


def erased(owner: Client) -> str:
    """An erasure that is over: nothing of it happens later."""
    contact = owner.made("/api/contacts", {"first_name": "Gone"})["id"]
    erasure = owner.made("/api/privacy/erasures", {"contact": contact}, 202)
    deadline = time.time() + 60
    while erasure["status"] != "erased":
        assert time.time() < deadline, erasure
        time.sleep(0.1)
        erasure = owner.get(f"/api/privacy/erasures/{erasure['id']}").json
    return erasure["id"]


def one_of_each(owner: Client) -> dict[str, str]:
    consent = {"channel": "sms", "method": "verbal", "source": "a call", "wording": "May we?"}
    created = owner.post(
        "/api/contacts",
        {"first_name": "Ann", "tags": ["vip"], "phone": "+14155552671", "consents": [consent]},
    )
    assert created.status == 201, created.text
    contact = created.json["id"]
    owner.made("/api/wallet/add-funds", {"amount": 5_000_000})
    segment = owner.made(
        "/api/segments",
        {"name": "All", "filter": {"field": "first_name", "op": "exists", "value": True}},
    )["id"]
    workflow = owner.made(
        "/api/workflows", {"source": "name: Tagging\ntrigger: manual\nsteps:\n  - add_tag: seen\n"}
    )["id"]
    # Nothing happens to it by itself then.
    owner.made("/api/sending/halt", {"reason": "a test"}, 200)
    text = {"contact": contact, "channel": "sms", "body": "Hi", "purpose": "transactional"}
    return {
        "contacts": contact,
        "suspected-opt-outs": contact,
        "events": created.json["events"][0],
        "request-logs": created.headers["request-id"],
        "messages": owner.made("/api/messages", text)["id"],
        "templates": owner.made(
            "/api/templates", {"name": "Hello", "channel": "sms", "body": "Hi"}
        )["id"],
        "audit": owner.made("/api/audit/exports", {"scope": "account"}, 202)["id"],
        "imports": owner.send(
            "POST", "/api/contacts/import", f"email\n{uuid.uuid4().hex}@example.com\n".encode(),
            Content_Type="text/csv", Idempotency_Key=str(uuid.uuid4()),
        ).json["id"],
        "segments": segment,
        "campaigns": owner.made(
            "/api/campaigns", {"name": "Spring", "segment": segment, "body": "Hi"}
        )["id"],
        "workflows": workflow,
        "runs": owner.made(f"/api/workflows/{workflow}/runs", {"contact": contact})["id"],
        "inbound-hooks": owner.made(
            "/api/inbound-hooks",
            {
                "name": "Form", "authentication": "secret_in_path", "action": "lead",
                "mapping": {"email": "data.email"},
            },
        )["id"],
        "webhook-endpoints": owner.made(
            "/api/webhook-endpoints", {"url": "https://example.com/h", "types": ["campaign.created"]}
        )["id"],
        "users": owner.made(
            "/api/users",
            {
                "email": f"{uuid.uuid4().hex}@example.com", "name": "Ben",
                "role": "developer", "password": "correct horse battery",
            },
        )["id"],
        "roles": owner.made("/api/roles", {"name": "Reader", "scopes": ["contacts:read"]})["id"],
        "api-keys": key(owner)["id"],
    }


def colleague(owner: Client, role: str) -> tuple[str, str, str]:
    email, password = f"{uuid.uuid4().hex}@example.com", "correct horse battery"
    made = owner.made(
        "/api/users", {"email": email, "name": "Cam", "role": role, "password": password}
    )
    return made["id"], email, password


def test_each_built_in_role_may_do_its_own_and_no_more(account, nobody):
    _, owner, _ = account
    contact = {"first_name": "Role"}
    may = {
        "marketing_manager": (201, 200, 403), "developer": (403, 200, 403),
        "sales_representative": (201, 403, 403), "compliance_officer": (403, 200, 200),
        "administrator": (201, 200, 200),
    }
    for role, (writes_contacts, reads_campaigns, reads_users) in may.items():
        _, email, password = colleague(owner, role)
        session = nobody.sign_in(email, password)
        assert session.post("/api/contacts", contact).status == writes_contacts, role
        assert session.get("/api/campaigns").status == reads_campaigns, role
        assert session.get("/api/users").status == reads_users, role


def test_a_compliance_officer_changes_nothing(account, nobody, operations):
    _, owner, _ = account
    _, email, password = colleague(owner, "compliance_officer")
    session = nobody.sign_in(email, password)
    for method, path, operation in guarded(operations):
        if method != "GET" and ":write`" in operation["description"]:
            assert ask(session, method, filled(path), operation).status == 403, f"{method} {path}"


def test_a_changed_role_counts_from_the_next_request(account, nobody):
    _, owner, _ = account
    user, email, password = colleague(owner, "administrator")
    session = nobody.sign_in(email, password)
    assert session.get("/api/users").status == 200
    role = owner.made("/api/roles", {"name": "Creator", "scopes": ["contacts:create"]})["id"]
    assert owner.send("PATCH", f"/api/users/{user}", {"role": role}).status == 200
    assert session.get("/api/users").status == 403
    created = session.post("/api/contacts", {"first_name": "One"})
    assert created.status == 201
    path = f"/api/contacts/{created.json['id']}"
    assert session.send("PATCH", path, {"first_name": "Two"}).status == 403
    change = {"scopes": ["contacts:update"]}
    assert owner.send("PATCH", f"/api/roles/{role}", change).status == 200
    assert session.send("PATCH", path, {"first_name": "Two"}).status == 200
    assert session.post("/api/contacts", {"first_name": "Three"}).status == 403
    assert owner.send("DELETE", f"/api/users/{user}").status == 200
    assert session.send("PATCH", path, {"first_name": "Four"}).status == 401


def test_nobody_gives_what_they_lack(account, nobody):
    _, owner, _ = account
    made = key(owner, scopes=["api_keys:*", "users:*", "roles:*"])
    client = nobody.with_key(made["secret"])
    asked = {"name": "More", "scopes": ["contacts:read"]}
    for path in ["/api/api-keys", "/api/roles"]:
        answer = client.post(path, asked)
        assert (answer.status, answer.code) == (403, "cannot_grant")
    own = client.send("PATCH", f"/api/api-keys/{made['id']}", {"scopes": ["*"]})
    assert (own.status, own.code) == (403, "cannot_grant")
    user = {"email": "x@example.com", "name": "X", "role": "administrator", "password": "a" * 12}
    assert client.post("/api/users", user).code == "cannot_grant"


def test_an_account_keeps_an_administrator(new_account, nobody):
    _, owner, _ = new_account("Lonely")
    user = owner.get("/api/users").json["data"][0]["id"]
    for method, body in [("DELETE", None), ("PATCH", {"role": "developer"})]:
        answer = owner.send(method, f"/api/users/{user}", body)
        assert (answer.status, answer.code) == (409, "last_administrator")


def test_wrong_passwords_lock_the_user_out_and_an_administrator_lets_in(account, nobody):
    _, owner, _ = account
    user, email, password = colleague(owner, "developer")
    wrong = {"email": email, "password": "wrong"}
    for _ in range(5):
        assert nobody.send("POST", "/api/session", wrong).status == 401
    locked = nobody.send("POST", "/api/session", {"email": email, "password": password})
    assert (locked.status, locked.code) == (429, "locked_out")
    assert int(locked.headers["retry-after"]) > 600
    # On record a moment after the answer.
    deadline = time.time() + 30
    while not owner.get(f"/api/users/{user}").json["locked_until"] and time.time() < deadline:
        time.sleep(0.1)
    assert owner.post(f"/api/users/{user}/unlock").status == 200
    nobody.sign_in(email, password)


def test_many_guesses_at_once_are_no_more_than_some(account, nobody):
    """A lockout that is looked at before the slow part alone would let all of them through."""
    _, owner, _ = account
    _, email, _ = colleague(owner, "developer")
    count = 5 + 8 * (os.cpu_count() or 1)
    with ThreadPoolExecutor(count) as threads:
        answers = list(
            threads.map(
                lambda number: nobody.send(
                    "POST", "/api/session", {"email": email, "password": f"guess {number}"}
                ),
                range(count),
            )
        )
    assert {answer.status for answer in answers} == {401, 429}
    assert {answer.code for answer in answers if answer.status == 429} == {"locked_out"}


def test_a_new_password_ends_every_session(account, nobody):
    _, owner, _ = account
    _, email, password = colleague(owner, "developer")
    first, second = nobody.sign_in(email, password), nobody.sign_in(email, password)
    change = {"current_password": password, "new_password": "another long one"}
    assert first.send("POST", "/api/session/password", change).status == 204
    assert first.get("/api/session").status == second.get("/api/session").status == 401
    nobody.sign_in(email, "another long one")


def test_a_session_of_before_a_deactivation_does_not_come_back(account, nobody):
    _, owner, _ = account
    user, email, password = colleague(owner, "developer")
    session = nobody.sign_in(email, password)
    assert session.get("/api/session").status == 200
    assert owner.send("DELETE", f"/api/users/{user}").status == 200
    assert session.get("/api/session").status == 401
    assert owner.send("PATCH", f"/api/users/{user}", {"active": True}).status == 200
    assert session.get("/api/session").status == 401
    assert nobody.sign_in(email, password).get("/api/session").status == 200


def test_a_rolled_key_works_along_the_new_one_for_a_while(account, nobody):
    _, owner, _ = account
    made = key(owner, scopes=["contacts:read"])
    old = nobody.with_key(made["secret"])
    rolled = owner.made(f"/api/api-keys/{made['id']}/roll", {"overlap_seconds": 3600}, 200)
    assert old.get("/api/contacts").status == 200
    assert nobody.with_key(rolled["secret"]).get("/api/contacts").status == 200
    again = owner.made(f"/api/api-keys/{made['id']}/roll", {"overlap_seconds": 0}, 200)
    assert old.get("/api/contacts").status == 401
    assert nobody.with_key(rolled["secret"]).get("/api/contacts").status == 401
    assert nobody.with_key(again["secret"]).get("/api/contacts").status == 200


def test_a_key_has_its_budget_and_is_told(new_account, nobody, operator):
    _, owner, _ = new_account("Thrifty", rate_limit={"per_minute": 600, "burst": 1200})
    made = key(owner, scopes=["contacts:read"], rate_limit={"per_minute": 6, "burst": 3})
    client = nobody.with_key(made["secret"])
    answers = [client.get("/api/contacts") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit-limit"] == "3"
    assert answers[0].headers["ratelimit-remaining"] == "2"
    assert answers[3].code == "rate_limited"
    assert 1 <= int(answers[3].headers["retry-after"]) <= 10
    more = {"rate_limit": {"per_minute": 601, "burst": 3}}
    assert owner.send("PATCH", f"/api/api-keys/{made['id']}", more).code == "limit_exceeds_account"


def test_a_limit_can_be_read_and_set(new_account, nobody, operator):
    account, owner, _ = new_account("Ordinary", rate_limit={"per_minute": 60, "burst": 120})
    answer = owner.get("/api/limits")
    assert answer.json["account"] == answer.json["key"] == {"per_minute": 60, "burst": 120}
    assert answer.json["all_keys"] == {"per_minute": 120, "burst": 240}
    assert answer.headers["ratelimit-limit"] == "120"
    more = {"rate_limit": {"per_minute": 600, "burst": 1200}}
    made = key(owner, scopes=["account:read"])
    path = f"/api/api-keys/{made['id']}"
    assert owner.send("PATCH", path, more).code == "limit_exceeds_account"
    assert operator.send("PATCH", f"/api/operator/accounts/{account}", more).status == 200
    assert owner.get("/api/limits").json["account"] == more["rate_limit"]
    less = {"rate_limit": {"per_minute": 1, "burst": 2}}
    assert owner.send("PATCH", path, less).json["rate_limit"] == less["rate_limit"]
    client = nobody.with_key(made["secret"])
    assert client.get("/api/limits").json["key"] == less["rate_limit"]
    assert client.get("/api/limits").status == 200
    last = client.get("/api/limits")
    assert (last.status, last.headers["ratelimit-remaining"]) == (429, "0")
    assert last.json["error"]["retry_after_ms"] == int(last.headers["retry-after"]) * 1000
    types = [e["type"] for e in owner.get("/api/events?types=org.*,api_key.*").json["data"]]
    assert types.count("org.rate_limit_set") == 2 and "api_key.limit_set" in types


def test_the_keys_of_an_account_have_a_budget_together(new_account, nobody):
    _, owner, _ = new_account("Many Keys", rate_limit={"per_minute": 1, "burst": 20})
    keys = [key(owner, scopes=["contacts:read"])["secret"] for _ in range(4)]
    answers = [nobody.with_key(made).get("/api/contacts") for made in keys for _ in range(15)]
    statuses = [answer.status for answer in answers]
    # Twenty each, forty together, four of which made the keys; a token a minute may have come meanwhile.
    assert 36 <= statuses.count(200) <= 38, statuses
    assert set(statuses[:15]) == {200}
    assert answers[-1].code == "rate_limited"
    assert answers[-1].headers["ratelimit-limit"] == "40"


def test_an_agency_sets_the_limit_of_its_client_and_nobody_their_own(new_account):
    agency, keeper, _ = new_account("Limiting", kind="agency")
    client = keeper.made("/api/accounts", {"name": "Limited", "test": True})
    set = {"rate_limit": {"per_minute": 90, "burst": 180}}
    assert keeper.send("PATCH", f"/api/accounts/{client['id']}", set).status == 200
    assert keeper.get("/api/limits", Account=client["id"]).json["account"] == set["rate_limit"]
    own = keeper.with_key(client["api_key"])
    for caller, account in [(own, client["id"]), (keeper, agency)]:
        assert caller.send("PATCH", f"/api/accounts/{account}", set).code == "agency_only"


def test_what_was_refused_is_on_record(new_account, nobody):
    _, owner, _ = new_account("Watchful")
    made = key(owner, scopes=["contacts:read"])
    assert nobody.with_key(made["secret"]).post("/api/contacts", {"first_name": "A"}).status == 403
    deadline = time.time() + 20
    found = []
    while not found and time.time() < deadline:
        found = owner.get("/api/events?types=org.access_refused").json["data"]
    assert found[0]["data"] == {
        "actor": f"key:{made['id']}", "operation": "POST /api/contacts", "reason": "missing_scope",
        "address": "127.0.0.1",
    }


def test_every_change_of_rights_is_an_event_without_secrets(new_account):
    _, owner, _ = new_account("Booked")
    user, _, _ = colleague(owner, "developer")
    made = key(owner, scopes=["contacts:read"], signed=True)
    owner.send("PATCH", f"/api/users/{user}", {"role": "sales_representative"})
    owner.send("PATCH", f"/api/api-keys/{made['id']}", {"scopes": ["contacts:*"]})
    owner.send("DELETE", f"/api/api-keys/{made['id']}")
    text = owner.get("/api/events?types=user.*,api_key.*,role.*&limit=200").text
    for kind in ["user.created", "user.role_changed", "api_key.restricted", "api_key.scopes_changed",
                 "api_key.revoked"]:
        assert f'"{kind}"' in text
    assert "scrypt" not in text and made["secret"] not in text
    assert made["signing_secret"] not in text and "secret_hash" not in text


def test_an_agency_acts_under_both_names(new_account, operator):
    agency, keeper, _ = new_account("Agency", kind="agency")
    client, _, _ = new_account("Client", kind="client", agency=agency)
    made = keeper.send("POST", "/api/contacts", {"first_name": "Ann"}, Account=client)
    assert made.status == 201 and made.json["account"] == client
    events = keeper.get("/api/events?types=contact.created", Account=client).json["data"]
    assert events[-1]["actor"].startswith("key:") and events[-1]["actor"].endswith(f" for:{agency}")


def test_refusals_raise_the_alarm(nobody, operator):
    def count(code: str) -> int:
        lines = operator.get("/metrics").text.splitlines()
        found = [line for line in lines if f'refused_total{{code="{code}"}}' in line]
        return int(found[0].split()[-1]) if found else 0

    before = count("invalid_api_key")
    nobody.with_key("sk_test_invented").get("/api/contacts")
    assert count("invalid_api_key") > before


def test_nobody_finds_out_by_guessing_which_emails_are_known(new_account, nobody):
    _, _, (known, _) = new_account("Guessed")
    guesses = {"email": None, "password": "a wrong guess"}
    for email in [known, f"{uuid.uuid4().hex}@example.com"]:
        answers = [nobody.send("POST", "/api/session", guesses | {"email": email}) for _ in range(7)]
        assert [answer.status for answer in answers] == [401] * 5 + [429] * 2, email
        assert answers[5].code == "locked_out"
        assert 0 < int(answers[5].headers["retry-after"]) <= 900
