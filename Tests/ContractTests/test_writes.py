"""What holds for every write alike: tried without a trace, repeated without a second, refused where it is stale."""

import concurrent.futures
import uuid

import pytest

from test_access import example, filled, guarded, one_of_each


@pytest.fixture(scope="module")
def made(new_account):
    organisation, owner, _ = new_account("Writes", kind="agency")
    extra = owner.made("/api/contacts", {"first_name": "Taken back"})["events"][0]
    return owner, one_of_each(owner) | {"accounts": organisation, "an event": extra}


def writes(operations):
    """Every write, those that take objects away last, with the names of its parameters."""
    found = [
        (method, path, operation, {p["name"] for p in operation.get("parameters", [])})
        for method, path, operation in guarded(operations)
        if method != "GET"
    ]
    return sorted(found, key=lambda write: (write[0] == "DELETE", "{id}" not in write[1]))


def order(method: str, path: str, operation: dict, ids: dict[str, str]):
    """A body that does something to the objects that are there."""
    bodies = {
        "POST /api/users": {
            "email": f"{uuid.uuid4().hex}@example.com", "name": "Ned", "role": "developer",
            "password": "correct horse battery",
        },
        "POST /api/contacts": {"first_name": "Zed"},
        "POST /api/messages": {
            "contact": ids["contacts"], "channel": "sms", "body": "Yo", "purpose": "transactional",
        },
        "POST /api/campaigns": {"name": "Autumn", "segment": ids["segments"], "body": "Hi"},
        "POST /api/workflows/{id}/runs": {"contact": ids["contacts"]},
        "POST /api/privacy/erasures": {"contact": ids["contacts"]},
        "POST /api/templates/{id}/preview": {"contact": ids["contacts"]},
        "POST /api/undo": {"events": [ids.get("an event", "evt_01jd3x00000000000000000001")]},
    }
    return bodies.get(f"{method} {path}", example(operation))


def place(path: str, ids: dict[str, str]) -> str:
    target = filled(path, ids).replace("{service}", "payment").replace("{resource}", "sms")
    target = target.replace("{name}", "contacts")
    return target + (f"?key=email:{uuid.uuid4().hex}@example.com" if path == "/api/contacts" else "")


# Nothing is written by these at all.
NO_WRITES = {
    "POST /api/templates/{id}/preview", "POST /api/inbound-hooks/{id}/test", "POST /api/contacts/search",
}


def test_every_write_can_be_tried_and_leaves_no_trace(made, operations):
    owner, ids = made
    before = owner.get("/api/events?after=now").json["next"]
    told = {}
    for method, path, operation, names in writes(operations):
        name = f"{method} {path}"
        if name in NO_WRITES:
            continue
        assert "dry_run" in names, name
        target = place(path, ids) if method == "PUT" else place(path, ids).split("?")[0]
        answer = owner.send(
            method, target + ("&" if "?" in target else "?") + "dry_run=true",
            order(method, path, operation, ids), Idempotency_Key=str(uuid.uuid4()),
        )
        assert str(answer.status) in operation["responses"], f"{name}: {answer.text[:300]}"
        if answer.status < 300:
            assert answer.status == 200 and answer.json.get("dry_run", True) is True, answer.text
        told[name] = answer.status
    assert sum(status == 200 for status in told.values()) > 60, told
    # What was refused is on record all the same.
    left = {event["type"] for event in owner.get(f"/api/events?after={before}").json["data"]}
    assert left <= {"org.access_refused"}


def test_a_trial_uses_no_key_up(made):
    owner, _ = made
    key, body = str(uuid.uuid4()), {"first_name": "Once"}
    assert owner.post("/api/contacts?dry_run=true", body, Idempotency_Key=key).status == 200
    done = owner.post("/api/contacts", body, Idempotency_Key=key)
    assert done.status == 201 and "idempotent-replayed" not in done.headers
    refused = str(uuid.uuid4())
    assert owner.post("/api/contacts", {"first_name": 1}, Idempotency_Key=refused).status == 400
    assert owner.post("/api/contacts", body, Idempotency_Key=refused).status == 201


def test_a_trial_of_what_was_done_under_its_key_tells_so(made):
    owner, ids = made
    contact = owner.made("/api/contacts", {"first_name": "Ann"})["id"]
    path, key, body = f"/api/contacts/{contact}", str(uuid.uuid4()), {"first_name": "Bea"}

    def tried(path, body, method="PATCH", **headers):
        return owner.send(method, path + "?dry_run=true", body, Idempotency_Key=key, **headers)

    assert len(tried(path, body).json["events"]) == 1
    assert owner.send("PATCH", path, body, Idempotency_Key=key, If_Match='"v1"').status == 200
    # Stale by now, and answered all the same: so is the request itself.
    for headers in ({}, {"If_Match": '"v1"'}):
        again = tried(path, body, **headers)
        assert (again.status, again.json["events"]) == (200, []), again.text
        assert again.headers["idempotent-replayed"] == "true"
        other = tried(path, {"first_name": "Cid"}, **headers)
        assert (other.status, other.code) == (409, "idempotency_mismatch")
    stale = owner.send("PATCH", path + "?dry_run=true", {"first_name": "Cid"}, If_Match='"v1"')
    assert (stale.status, stale.code) == (412, "version_mismatch")

    message = {
        "contact": ids["contacts"], "channel": "sms", "body": "Yo", "purpose": "transactional",
    }
    sent = owner.post("/api/messages", message, Idempotency_Key=key)
    assert sent.status in (201, 422), sent.text
    again = tried("/api/messages", message, "POST")
    assert (again.json["events"], again.headers["idempotent-replayed"]) == ([], "true")
    other = tried("/api/messages", message | {"body": "Ho"}, "POST")
    assert (other.status, other.code) == (409, "idempotency_mismatch")


# Shown once.
SECRETS = {"api_key", "secret", "signing_secret"}

# What these order is under way when they answer, and may be done when they answer again.
ORDERS = {
    "POST /api/audit/exports", "POST /api/privacy/erasures", "POST /api/workflows/{id}/runs",
    "POST /api/campaigns/{id}/launch",
}


def test_every_write_that_is_repeated_is_one(made, operations):
    owner, ids = made
    kept = 0
    for method, path, operation, names in writes(operations):
        name = f"{method} {path}"
        if "Idempotency-Key" not in names or name.startswith("POST /api/api-keys/{id}"):
            continue
        target = place(path, ids) if method == "PUT" else place(path, ids).split("?")[0]
        body, key = order(method, path, operation, ids), str(uuid.uuid4())
        first = owner.send(method, target, body, Idempotency_Key=key)
        if first.status >= 300:
            continue
        assert first.json.get("events"), f"{name}: a key is remembered with an event"
        head = owner.get("/api/events?after=now").json["next"]
        second = owner.send(method, target, body, Idempotency_Key=key)
        assert second.status == first.status, f"{name}: {second.text[:300]}"
        assert second.headers.get("idempotent-replayed") == "true", name
        assert not SECRETS & set(second.json), f"{name}: a secret is shown again"
        if name in ORDERS:
            assert second.json["id"] == first.json["id"], name
        else:
            assert without(second.json) == without(first.json), name
        types = [e["correlation"] for e in owner.get(f"/api/events?after={head}").json["data"]]
        assert second.headers["request-id"] not in types, name
        if isinstance(body, dict) and "name" in body:
            other = owner.send(method, target, body | {"name": "Else"}, Idempotency_Key=key)
            assert (other.status, other.code) == (409, "idempotency_mismatch"), name
        kept += 1
    assert kept > 40


def test_a_secret_is_shown_to_whom_it_was_made_for_alone(made):
    owner, _ = made
    hook = {"name": "F", "authentication": "secret_in_path", "action": "lead", "mapping": {"email": "e"}}
    endpoint = {"url": "https://example.com/h", "types": ["campaign.created"]}
    # Keys are the account's: who may less knows them too, from a log or a guess.
    keys = owner.made("/api/api-keys", {"name": "Other", "scopes": ["webhooks:*", "leads:*", "events:read"]})
    other = owner.with_key(keys["secret"])
    for path, body in [("/api/inbound-hooks", hook), ("/api/webhook-endpoints", endpoint)]:
        once = {"Idempotency_Key": uuid.uuid4().hex}
        first = owner.send("POST", path, body, **once)
        assert first.status == 201 and first.json["secret"], first.text
        own, changed = f"{path}/{first.json['id']}", {"Idempotency_Key": uuid.uuid4().hex}
        rotated = owner.send("POST", f"{own}/rotate-secret", **changed)
        assert rotated.json["secret"] != first.json["secret"]
        for caller in [owner, other]:
            again = caller.send("POST", path, body, **once)
            assert (again.status, again.headers["idempotent-replayed"]) == (201, "true"), again.text
            repeated = caller.send("POST", f"{own}/rotate-secret", **changed)
            assert (repeated.status, repeated.headers["idempotent-replayed"]) == (200, "true"), repeated.text
            assert "secret" not in again.json and "secret" not in repeated.json, path
    # Another way to sign has a secret of its own, which is shown as often.
    made_hook = owner.made("/api/inbound-hooks", hook)
    target, once = f"/api/inbound-hooks/{made_hook['id']}", {"Idempotency_Key": uuid.uuid4().hex}
    change = {"authentication": "standard_webhooks"}
    assert owner.send("PATCH", target, change, **once).json["secret"].startswith("whsec_")
    assert "secret" not in owner.send("PATCH", target, change, **once).json
    assert "secret" not in owner.send("PATCH", target, change).json


def test_a_key_with_a_bar_is_not_that_of_another_object(made):
    owner, _ = made
    contact = owner.made("/api/contacts", {"first_name": "Ann", "tags": ["x|y", "x"]})["id"]
    path = f"/api/contacts/{contact}/tags"
    first = owner.send("DELETE", f"{path}/x%7Cy", Idempotency_Key="k")
    second = owner.send("DELETE", f"{path}/x", Idempotency_Key="y|k")
    assert (first.status, second.status) == (200, 200), second.text
    assert "idempotent-replayed" not in second.headers
    assert owner.get(f"/api/contacts/{contact}", Min_Position=second.headers["log-position"]).json["tags"] == []
    for tag, key in [("x%7Cy", "k"), ("x", "y|k")]:
        again = owner.send("DELETE", f"{path}/{tag}", Idempotency_Key=key)
        assert again.headers["idempotent-replayed"] == "true"


def test_changes_of_one_moment_do_not_undo_each_other(made):
    owner, _ = made
    key = owner.made("/api/api-keys", {"name": "K", "scopes": ["contacts:read"]})["id"]
    endpoint = owner.made("/api/webhook-endpoints", {"url": "https://example.com/h", "types": ["campaign.created"]})
    hook = owner.made("/api/inbound-hooks", {
        "name": "F", "authentication": "secret_in_path", "action": "lead", "mapping": {"email": "e"}})["id"]
    ways = ["secret_in_path", "standard_webhooks", "hmac_sha256"]
    cents = 10_000
    rounds = [
        [
            ("PATCH", f"/api/api-keys/{key}", {"networks": [f"203.0.113.{n}"]}),
            ("PATCH", f"/api/api-keys/{key}", {"expires_at": f"2090-01-{n % 28 + 1:02}T00:00:00.000Z"}),
            ("PATCH", f"/api/webhook-endpoints/{endpoint['id']}", {"payload": ["thin", "full"][n % 2]}),
            ("PATCH", f"/api/webhook-endpoints/{endpoint['id']}", {"format": ["cloudevents", "standard"][n % 2]}),
            ("PATCH", f"/api/inbound-hooks/{hook}", {"authentication": ways[n % 3]}),
            ("PATCH", f"/api/inbound-hooks/{hook}", {"name": f"F{n}"}),
            ("POST", "/api/wallet/auto-recharge/configure", {"threshold": n * cents}),
            ("POST", "/api/wallet/auto-recharge/configure", {"monthly_cap": n * cents}),
        ]
        for n in range(1, 21)
    ]
    with concurrent.futures.ThreadPoolExecutor(len(rounds[0])) as pool:
        for changes in rounds:
            done = list(pool.map(lambda change: owner.send(*change), changes))
            for (_, path, body), answer in zip(changes, done):
                assert answer.status == 200, answer.text
                now = owner.get(path.replace("/configure", "")).json
                for name, value in body.items():
                    found = now[name]["amount"] if isinstance(now[name], dict) else now[name]
                    assert found == value, f"{path}: {name}"


def without(answer: dict) -> dict:
    return {name: value for name, value in answer.items() if name not in SECRETS}


def test_a_write_that_changes_nothing_changes_nothing_later(made):
    owner, _ = made
    contact = owner.made("/api/contacts", {"first_name": "Ann"})["id"]
    path, key = f"/api/contacts/{contact}", str(uuid.uuid4())
    first = owner.send("PATCH", path, {"first_name": "Ann"}, Idempotency_Key=key)
    assert (first.status, first.json["version"]) == (200, 1)
    renamed = owner.send("PATCH", path, {"first_name": "Bea"})
    assert (renamed.status, renamed.json["version"]) == (200, 2)
    again = owner.send("PATCH", path, {"first_name": "Ann"}, Idempotency_Key=key)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json == first.json and again.headers["etag"] == first.headers["etag"]
    assert owner.get(path, Min_Position=again.headers["log-position"]).json["first_name"] == "Bea"
    said = owner.get("/api/events?types=org.request_had_no_effect").json["data"]
    assert [e["data"]["subject"] for e in said if e["id"] in first.json["events"]] == [contact]


def test_a_repeated_yes_is_no_yes_after_a_stop(made):
    owner, _ = made
    contact = owner.made("/api/contacts", {"phone": "+12125550188"})["id"]
    path, key = f"/api/contacts/{contact}", str(uuid.uuid4())
    consent = {"channel": "sms", "method": "verbal", "source": "a call", "wording": "May we text you?"}
    assert owner.post(f"{path}/consents", consent).status == 200
    answers = [owner.post(f"{path}/consents", consent, Idempotency_Key=key)]
    stopped = owner.post(f"{path}/opt-outs", {"channel": "sms", "method": "call"})
    assert stopped.json["consent"]["sms"]["status"] == "opted_out"
    answers.append(owner.post(f"{path}/consents", consent, Idempotency_Key=key))
    assert [a.status for a in answers] == [200, 200] and answers[0].json == answers[1].json
    head = owner.get("/api/events?after=now").json["next"]
    assert owner.get(path + "?wait=5000", Min_Position=head).json["consent"] == stopped.json["consent"]


def test_a_key_is_of_one_order_whatever_part_of_the_request_says_it(made):
    owner, _ = made
    key, body = str(uuid.uuid4()), {"first_name": "Ann"}
    first, other = [f"/api/contacts?key=email:{uuid.uuid4().hex}@example.com" for _ in range(2)]
    assert owner.send("PUT", first, body, Idempotency_Key=key).status == 201
    assert owner.send("PUT", first, body, Idempotency_Key=key).headers["idempotent-replayed"] == "true"
    answer = owner.send("PUT", other, body, Idempotency_Key=key)
    assert (answer.status, answer.code) == (409, "idempotency_mismatch")
    listing = {"channel": "sms", "addresses": ["+12125550177"], "source": "a letter"}
    key = str(uuid.uuid4())
    answers = [owner.post("/api/suppressions", listing, Idempotency_Key=key).json for _ in range(2)]
    assert answers[0] == answers[1] and answers[0]["changed"] == 1


# What is no stream of events: a line of a log, and orders whose events are on another object.
WITHOUT_VERSION = {
    "/api/request-logs/{id}", "/api/audit/exports/{id}", "/api/privacy/erasures/{id}", "/api/events/{id}",
}


def test_every_object_says_what_it_is_and_of_which_version(new_account, operations):
    organisation, owner, _ = new_account("Tags", kind="agency")
    ids = one_of_each(owner) | {"accounts": organisation}
    client = owner.made("/api/accounts", {"name": "Client", "test": True})["id"]
    changes = {
        "contacts": ("PATCH", {"first_name": "Other"}), "users": ("PATCH", {"name": "Other"}),
        "api-keys": ("PATCH", {"name": "Other"}), "roles": ("PATCH", {"name": "Other"}),
        "segments": ("PATCH", {"name": "Other"}), "campaigns": ("PATCH", {"name": "Other"}),
        "templates": ("PUT", {"name": "Other", "body": "Hi you"}),
        "webhook-endpoints": ("PATCH", {"types": ["message.*"]}),
        "inbound-hooks": ("PATCH", {"name": "Other"}), "accounts": ("PATCH", {"name": "Other"}),
        "workflows": ("PUT", {"source": "name: Other\ntrigger: manual\nsteps:\n  - add_tag: x\n"}),
    }
    seen = 0
    for method, path, _ in guarded(operations):
        if method != "GET" or not path.endswith("/{id}") or path in WITHOUT_VERSION:
            continue
        resource = path.split("/")[2]
        if resource not in ids:
            continue
        target = filled(path, ids | {"accounts": client})
        head = owner.get("/api/events?after=now").json["next"]
        shown = owner.get(target + "?wait=10000", Min_Position=head)
        assert shown.status == 200, shown.text
        assert {"id", "object", "created_at", "updated_at", "version", "account"} <= set(shown.json), path
        etag = shown.headers["etag"]
        assert etag == f'"v{shown.json["version"]}"', path
        if resource in changes:
            verb, body = changes[resource]
            key = uuid.uuid4().hex
            changed = owner.send(verb, target, body, If_Match=etag, Idempotency_Key=key)
            assert changed.status == 200, f"{path}: {changed.text[:300]}"
            assert changed.headers["etag"] not in (None, etag), path
            # Its answer was lost: the version is stale because it was carried out.
            again = owner.send(verb, target, body, If_Match=etag, Idempotency_Key=key)
            assert again.status == 200, f"{path}: {again.text[:300]}"
            assert again.headers["idempotent-replayed"] == "true", path
            assert again.headers["etag"] == changed.headers["etag"], path
            for other in [{}, {"Idempotency_Key": uuid.uuid4().hex}]:
                stale = owner.send(verb, target, body, If_Match=etag, **other)
                assert (stale.status, stale.code) == (412, "version_mismatch"), path
        seen += 1
    assert seen >= 13


def account_count(operator) -> int:
    lines = operator.get("/metrics").text.splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("daybook_orgs "))


def test_the_operator_tries_every_order_and_leaves_no_trace(new_account, operator, operations):
    account, owner, _ = new_account("Tried")
    contact = owner.made("/api/contacts", {"first_name": "Ann", "email": "ann@tried.example"})["id"]
    orders = {
        "PATCH /api/operator/accounts/{id}": {"status": "past_due"},
        "POST /api/operator/accounts": {
            "name": "Never", "owner": {"email": f"{uuid.uuid4().hex}@tried.example", "name": "N", "password": "correct horse battery"},
        },
        "POST /api/operator/sending": {"halted": True, "account": account, "reason": "tried"},
        "POST /api/operator/erasures": {"account": account, "contact": contact},
        "POST /api/operator/audit-exports": {"account": account, "scope": "account"},
        "POST /api/operator/release": {},
    }
    known = {
        f"{method} {path}"
        for method, path, _ in operations if path.startswith("/api/operator/") and method != "GET"
    }
    assert known == set(orders)
    accounts = account_count(operator)
    before = owner.get("/api/events?after=now").json["next"]
    for name, body in orders.items():
        method, path = name.split(" ")
        answer = operator.send(method, path.replace("{id}", account) + "?dry_run=true", body)
        assert answer.status == 200, f"{name}: {answer.text[:300]}"
        assert answer.json["dry_run"] is True, answer.text
        if answer.json.get("object") == "dry_run":
            assert answer.json["events"], name
            if name == "POST /api/operator/accounts":
                # What it would be called is drawn anew by the order itself.
                assert {e["subject"]["id"] for e in answer.json["events"]} == {None}, answer.text
    assert owner.get(f"/api/events?after={before}").json["data"] == []
    assert owner.get(f"/api/accounts/{account}").json["status"] == "active"
    assert account_count(operator) == accounts
    # Nothing was taken: the same order without `dry_run` goes through.
    assert operator.send("POST", "/api/operator/accounts", orders["POST /api/operator/accounts"]).status == 201


def test_a_number_comes_back_as_it_was_given(made):
    owner, _ = made
    custom = {"size": 12, "weight": 12.5, "none": 0, "below": -3, "large": 9007199254740991}
    shown = '"custom":{' + ",".join(f'"{name}":{custom[name]}' for name in sorted(custom)) + "}"
    body, once = {"first_name": "Ann", "custom": custom}, str(uuid.uuid4())
    first = owner.post("/api/contacts", body, Idempotency_Key=once)
    assert first.status == 201 and shown in first.text, first.text
    again = owner.post("/api/contacts", body, Idempotency_Key=once)
    assert (again.text, again.headers["idempotent-replayed"]) == (first.text, "true")
    contact, position = first.json["id"], first.headers["log-position"]
    assert shown in owner.get(f"/api/contacts/{contact}", Min_Position=position).text
    assert shown in owner.get("/api/contacts?limit=1", Min_Position=position).text
    assert shown in owner.get(f"/api/contacts/{contact}/history").text
    changed = owner.send("PATCH", f"/api/contacts/{contact}", {"custom": {"size": 13.0}})
    assert '"size":13,' in changed.text, changed.text


def test_what_goes_in_comes_out_or_is_refused(made):
    owner, _ = made

    def sent(text: str):
        return owner.send("POST", "/api/contacts", ('{"first_name":"N",%s}' % text).encode(), Idempotency_Key=uuid.uuid4().hex)

    for given, shown in [
        ("12.0", "12"), ("-0", "0"), ("1e3", "1000"), ("0.1", "0.1"), ("5e-324", "5e-324"),
        ("0.30000000000000004", "0.30000000000000004"), ("0e5", "0"), ("-0.0e-9", "0"),
    ]:
        answer = sent(f'"custom":{{"n":{given}}}')
        assert answer.status == 201 and f'"n":{shown}}}' in answer.text, f"{given}: {answer.text}"
    for given in ["9007199254740993", "-9223372036854775808", "1e16", "1e300"]:
        answer = sent(f'"custom":{{"n":{given}}}')
        assert answer.json["error"]["param"] == "custom.n", f"{given}: {answer.text}"
    # Whatever is no JSON, or would come out as something else: where it stands.
    for given in ["1e-400", "-1e-400", "1e400", "NaN", "012", '"\\ud800"', '"a\x01"']:
        answer = sent(f'"custom":{{"n":{given}}}')
        assert answer.code == "invalid_json" and "column" in answer.json["error"]["message"], f"{given}: {answer.text}"
    assert "used before" in sent('"custom":{"n":1,"n":2}').text
    wrong = sent('"custom":{"n":[1]}').json["error"]["details"][0]["message"]
    assert wrong == "custom.n must be a string or a number or true or false, not an array."
    for name in ["Rene\u0301", "Ren\u00e9", "\u202eabc", "\U0001f469\u200d\U0001f467", "a\tb", "\uffff"]:
        answer = owner.post("/api/contacts", {"first_name": name})
        assert answer.json["first_name"] == name, repr(name)


def test_names_of_any_character_do_not_break_the_pages(new_account):
    owner = new_account("Odd names")[1]
    for name in ["a", "b\x1fc", "b\x1fd", "b\x1e", "z"]:
        written = owner.post("/api/contacts", {"first_name": name})
    seen, place = [], ""
    while place is not None:
        page = owner.get(f"/api/contacts?sort=name&limit=1{place}", Min_Position=written.headers["log-position"])
        assert page.status == 200, page.text
        seen += [c["first_name"] for c in page.json["data"]]
        place = f"&after={page.json['next']}" if page.json["next"] else None
    assert seen == ["a", "b\x1e", "b\x1fc", "b\x1fd", "z"]
