"""What a request says is heeded or refused, never passed over: its body, its version, its key, its place in time."""

import datetime
import uuid

import pytest

from test_access import filled, guarded


@pytest.fixture(scope="module")
def owner(new_account):
    return new_account("Strict", kind="agency")[1]


def named(operation: dict) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", [])}


def test_nothing_is_done_without_the_body_that_it_needs(owner, operations):
    needing = 0
    for method, path, operation in guarded(operations):
        if not operation.get("requestBody", {}).get("required"):
            continue
        target = filled(path).replace("{service}", "email").replace("{resource}", "sms")
        target += "?key=email:nobody@example.com" if path == "/api/contacts" and method == "PUT" else ""
        headers = {"Idempotency_Key": uuid.uuid4().hex} if "Idempotency-Key" in named(operation) else {}
        refused = owner.send(method, target, **headers)
        assert refused.status == 400, f"{method} {path}: {refused.text[:200]}"
        assert (refused.code, refused.json["error"]["param"]) == ("required", "body"), f"{method} {path}"
        needing += 1
    assert needing >= 30


def test_an_empty_order_takes_no_limit_away(owner):
    rules = {"frequency_cap": {"count": 2, "hours": 24}}
    assert owner.send("PUT", "/api/sending/rules", rules).status == 200
    assert owner.send("PUT", "/api/sending/rules").status == 400
    assert owner.get("/api/sending").json["rules"]["frequency_cap"] == rules["frequency_cap"]


def test_an_action_that_is_a_whole_order_needs_no_body(owner, operations):
    free = {
        path for method, path, operation in guarded(operations)
        if method == "POST" and operation.get("requestBody", {}).get("required") is False
    }
    assert {"/api/campaigns/{id}/launch", "/api/api-keys/{id}/roll"} <= free
    key = owner.made("/api/api-keys", {"name": "Rolled", "scopes": ["contacts:read"]})["id"]
    assert owner.post(f"/api/api-keys/{key}/roll").status == 200


@pytest.mark.parametrize("path", ["/api/contacts", "/api/wallet/balance", "/api/contacts/{id}"])
def test_nobody_knows_how_it_will_have_been(owner, path):
    contact = owner.made("/api/contacts", {"first_name": "Now"})["id"]
    path = path.replace("{id}", contact)
    ahead = owner.get(path + "?as_of=2100-01-01T00:00:00Z")
    assert (ahead.status, ahead.code) == (400, "invalid_as_of")
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    assert owner.get(f"{path}?as_of={now:%Y-%m-%dT%H:%M:%S}Z").status == 200


def test_a_test_account_ahead_of_us_asks_by_its_own_clock(new_account):
    owner = new_account("Ahead")[1]
    now = owner.made("/api/test-clock/advance", {"seconds": 86_400}, 200)["now"]
    assert owner.get(f"/api/contacts?as_of={now}").status == 200


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", "application/x-ndjson"])
def test_nobody_follows_the_log_from_beyond_its_end(owner, accept):
    for where, headers, name in [
        ("?after=999999999", {}, "after"), ("", {"Last_Event_ID": "999999999"}, "Last-Event-ID"),
    ]:
        refused = owner.get("/api/events" + where, Accept=accept, **headers)
        assert (refused.status, refused.code) == (400, "position_in_future"), refused.text[:200]
        assert refused.json["error"]["param"] == name
    bad = owner.get("/api/events", Accept=accept, Last_Event_ID="soon")
    assert (bad.code, bad.json["error"]["param"]) == ("invalid_position", "Last-Event-ID")
    # Also where the header wins.
    bad = owner.get("/api/events?after=soon", Accept=accept, Last_Event_ID="1")
    assert (bad.code, bad.json["error"]["param"]) == ("invalid_position", "after")


def test_a_put_by_key_is_refused_where_the_contact_changed_since(owner):
    email = f"{uuid.uuid4().hex}@example.com"
    path = f"/api/contacts?key=email:{email}"
    for version in ['"v1"', "*"]:
        absent = owner.send("PUT", path, {"first_name": "A"}, If_Match=version)
        assert (absent.status, absent.code) == (412, "version_mismatch"), absent.text
    made = owner.send("PUT", path, {"first_name": "A"})
    changed = owner.send("PUT", path, {"first_name": "B"}, If_Match=made.headers["etag"])
    assert changed.status == 200
    stale = owner.send("PUT", path, {"first_name": "C"}, If_Match=made.headers["etag"])
    assert (stale.status, stale.code) == (412, "version_mismatch")
    assert owner.get(f"/api/contacts/{made.json['id']}").json["first_name"] == "B"


def test_settings_are_refused_where_they_changed_since(owner):
    etag = owner.get("/api/sending").headers["etag"]
    changed = owner.send("PUT", "/api/sending/rules", {"duplicate_hours": 3}, If_Match=etag)
    assert changed.status == 200 and changed.headers["etag"] not in (None, etag)
    for method, path, body in [
        ("PUT", "/api/sending/rules", {"duplicate_hours": 4}),
        ("POST", "/api/sending/halt", {"reason": "stale"}), ("POST", "/api/sending/resume", None),
    ]:
        stale = owner.send(method, path, body, If_Match=etag)
        assert (stale.status, stale.code) == (412, "version_mismatch"), path
    assert owner.get("/api/sending").json["rules"]["duplicate_hours"] == 3


def test_a_header_that_cannot_be_heeded_is_refused(owner, operations):
    refused = 0
    for method, path, operation in guarded(operations):
        if method == "GET" or "If-Match" in named(operation):
            continue
        answer = owner.send(method, filled(path), If_Match='"v1"')
        assert answer.status == 400, f"{method} {path}: {answer.text[:200]}"
        assert "unsupported_header" in {d["code"] for d in answer.json["error"]["details"]}, path
        refused += 1
    assert refused >= 10
    drained = owner.send("POST", "/api/projections/contacts/drain", Idempotency_Key="once")
    assert (drained.status, drained.code) == (400, "unsupported_header")


def test_an_order_of_the_operator_is_carried_out_once(operator, new_account):
    email = f"{uuid.uuid4().hex}@example.com"
    order = {
        "name": "Once", "owner": {"email": email, "name": "O", "password": "correct horse battery"},
    }
    key = uuid.uuid4().hex
    first, again = (
        operator.send("POST", "/api/operator/accounts", order, Idempotency_Key=key) for _ in range(2)
    )
    assert (first.status, again.status) == (201, 201), again.text
    assert again.json["id"] == first.json["id"] and again.headers["idempotent-replayed"] == "true"
    assert "api_key" in first.json and "api_key" not in again.json
    other = operator.send("POST", "/api/operator/accounts", order | {"name": "Twice"}, Idempotency_Key=key)
    assert (other.status, other.code) == (409, "idempotency_mismatch")

    account, owner, _ = new_account("Kept")
    contact = owner.made("/api/contacts", {"first_name": "Ann"})["id"]
    for method, path, body, counter in [
        ("POST", "/api/operator/sending", {"halted": True, "account": account}, {"halted": False}),
        ("PATCH", f"/api/operator/accounts/{account}", {"status": "paused"}, {"status": "active"}),
    ]:
        key = uuid.uuid4().hex
        done = operator.send(method, path, body, Idempotency_Key=key)
        assert done.status == 200, done.text
        assert operator.send(method, path, body | counter).status == 200
        again = operator.send(method, path, body, Idempotency_Key=key)
        assert (again.status, again.headers["idempotent-replayed"]) == (200, "true"), again.text
        assert operator.send(method, path, body | counter, Idempotency_Key=key).status == 409
    assert owner.get("/api/sending").json["halted_by"] == []
    assert owner.get(f"/api/accounts/{account}").json["status"] == "active"
    for path, body, status, name in [
        ("audit-exports", {"account": account, "scope": "account"}, 201, "export"),
        ("erasures", {"account": account, "contact": contact}, 202, "id"),
    ]:
        key = uuid.uuid4().hex
        answers = [
            operator.send("POST", f"/api/operator/{path}", body, Idempotency_Key=key) for _ in range(2)
        ]
        assert [answer.status for answer in answers] == [status] * 2, answers[1].text
        assert answers[0].json[name] == answers[1].json[name]
        assert answers[0].json["events"] == answers[1].json["events"] != []
        assert answers[1].headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("number", [9007199254740993, -9007199254740993, 2**70])
def test_no_other_number_is_kept_than_the_one_given(owner, number):
    for method, path in [
        ("POST", "/api/contacts"),
        ("PATCH", f"/api/contacts/{owner.made('/api/contacts', {'first_name': 'N'})['id']}"),
    ]:
        refused = owner.send(method, path, {"first_name": "N", "custom": {"order_id": number}})
        assert (refused.status, refused.code) == (400, "out_of_range"), refused.text
        assert refused.json["error"]["param"] == "custom.order_id"


def test_a_contact_has_so_many_fields_of_its_own(owner):
    contact = f"/api/contacts/{owner.made('/api/contacts', {'first_name': 'Wide'})['id']}"
    wide = owner.send("PATCH", contact, {"custom": {f"f{n}": n for n in range(200)}})
    assert wide.status == 200
    more = owner.send("PATCH", contact, {"custom": {"one_more": 1}})
    assert (more.code, more.json["error"]["param"]) == ("too_many", "custom")
    told = owner.get("/api/audit/events?type=contact.updated", Min_Position=wide.headers["log-position"])
    assert told.json["data"][0]["summary"].endswith(" … and 180 more")


def test_what_webhooks_name_can_be_read(owner, new_account):
    event = owner.made("/api/contacts", {"first_name": "Ann"})["events"][0]
    shown = owner.get(f"/api/events/{event}")
    assert (shown.status, shown.json["id"], shown.json["type"]) == (200, event, "contact.created")
    assert new_account("Other")[1].get(f"/api/events/{event}").status == 404


@pytest.mark.parametrize("path", ["/api/contacts/", "/api//contacts", "/api/contacts//"])
def test_a_path_that_the_document_lacks_is_not_found(owner, path):
    assert owner.get(path).status == 404
    # Under its key the same order would be carried out once for each way to write the path.
    assert owner.send("POST", path, {"first_name": "Twice"}, Idempotency_Key=uuid.uuid4().hex).status == 404


def test_a_query_that_is_no_text_is_refused(owner):
    for query in ["q=%zz", "q=%ff"]:
        refused = owner.get("/api/contacts?" + query)
        assert (refused.status, refused.code) == (400, "malformed_request"), refused.text


def test_json_is_sent_to_whom_likes_it_better(owner):
    for accept, lines in [("application/json, application/x-ndjson;q=0.1", False), ("application/x-ndjson", True)]:
        answer = owner.get("/api/contacts", Accept=accept)
        assert ("ndjson" in answer.headers["content-type"]) == lines, accept


def test_a_search_is_the_list_with_its_parameters_as_a_body(new_account):
    owner = new_account("Searched")[1]
    for number in range(5):
        made = owner.post("/api/contacts", {"first_name": f"P{number}", "tags": ["vip"] if number else []})
    conditions = [{"field": "tags", "op": "contains", "value": "vip"}] * 90
    body = {"filter": {"all": conditions}, "sort": "created_at", "limit": 2, "count": "exact"}
    found, after = [], {}
    while True:
        page = owner.post("/api/contacts/search", body | after, Min_Position=made.headers["log-position"])
        assert page.status == 200 and page.json["total"] == 4, page.text
        found += [contact["first_name"] for contact in page.json["data"]]
        if not page.json["has_more"]:
            break
        after = {"after": page.json["next"]}
    assert found == ["P1", "P2", "P3", "P4"]
    assert owner.post("/api/contacts/search", {"filter": {"field": "x", "op": "??"}}).code == "invalid_filter"
    assert owner.post("/api/contacts/search", {"colour": 1}).code == "unknown_parameter"


def test_a_trial_tells_its_events_and_what_is_special_to_it(new_account):
    owner = new_account("Trials")[1]
    owner.made("/api/wallet/add-funds", {"amount": 5_000_000})
    consent = {"channel": "sms", "method": "verbal", "source": "a call", "wording": "May we?"}
    people = [
        {"first_name": "Yes", "phone": "+14155552671", "consents": [consent]},
        {"first_name": "No", "phone": "+14155552672"},
    ]
    contacts = [owner.made("/api/contacts", person)["id"] for person in people]
    segment = owner.made(
        "/api/segments", {"name": "All", "filter": {"field": "first_name", "op": "exists", "value": True}}
    )["id"]
    campaign = owner.made("/api/campaigns", {"name": "S", "segment": segment, "body": "Hi"})["id"]
    before = owner.get("/api/events?after=now").json["next"]
    text = {"contact": contacts[0], "body": "Hi", "purpose": "transactional"}
    trials = {
        "message": owner.post("/api/messages?dry_run=true", text),
        "launch": owner.post(f"/api/campaigns/{campaign}/launch?dry_run=true"),
        "erasure": owner.post("/api/privacy/erasures?dry_run=true", {"contact": contacts[1]}),
        "import": owner.send(
            "POST", "/api/contacts/import?dry_run=true", b"first_name,email,tags\nA,a@x.io,vip\nB,b@x.io,\n",
            Content_Type="text/csv", Idempotency_Key=uuid.uuid4().hex,
        ),
    }
    for name, trial in trials.items():
        assert trial.status == 200, trial.text
        told = trial.json
        assert (told["object"], told["dry_run"]) == ("dry_run", True), name
        assert told["events"] and all({"type", "id"} == set(e["subject"]) for e in told["events"]), told
        assert "id" not in told, name
    launch = trials["launch"].json
    assert launch["planned"] == launch["judged"] == 2 and launch["is_whole"] is True
    assert launch["allowed"] + sum(launch["held"].values()) == 1, launch
    assert launch["skipped"] == {"no_consent": 1} and launch["cost"]["amount"] > 0
    counts = {event["type"]: event["count"] for event in trials["import"].json["events"]}
    assert counts == {
        "import.started": 1, "contact.created": 2, "contact.tagged": 1, "import.completed": 1,
    }
    assert owner.get(f"/api/events?after={before}").json["data"] == []


def test_a_whole_number_may_be_written_as_any_number_is(owner):
    key = owner.made("/api/api-keys", {"name": "Paced", "scopes": ["contacts:read"]})["id"]
    for amount in (60.0, 6e1):
        limit = {"per_minute": amount, "burst": 120.0}
        told = owner.send("PATCH", f"/api/api-keys/{key}", {"rate_limit": limit})
        assert told.status == 200, told.text
        assert told.json["rate_limit"] == {"per_minute": 60, "burst": 120}
    for amount in (60.5, 1e300):
        refused = owner.send("PATCH", f"/api/api-keys/{key}", {"rate_limit": {"per_minute": amount, "burst": 120}})
        assert refused.status == 400, refused.text


def test_a_version_is_an_etag_and_nothing_near_it(owner):
    contact = owner.made("/api/contacts", {"first_name": "Etag"})["id"]
    for tag in ('"v1"', "v2", "*"):
        changed = owner.send("PATCH", f"/api/contacts/{contact}", {"company": tag}, **{"If_Match": tag})
        assert changed.status == 200, f"{tag}: {changed.text}"
    for tag in ('"v4', 'v4"', '""v4""', "v+4", "4", "v", 'W/v4', "v99999999999999999999", ",", '*, "v4"', '"v4" "v5"'):
        refused = owner.send("PATCH", f"/api/contacts/{contact}", {"company": "No"}, **{"If_Match": tag})
        assert (refused.status, refused.code) == (400, "invalid_version"), f"{tag}: {refused.text}"


def test_a_write_is_done_where_one_of_several_versions_is_the_present_one(owner):
    """RFC 9110, 13.1.1: any of a list; a weak tag is none that anything could be compared with."""
    path = f"/api/contacts/{owner.made('/api/contacts', {'first_name': 'Etag'})['id']}"
    for version, tags in enumerate(['"v1", "v7"', '"v9" ,\t"v2"', 'W/"v3", "v3"', ',"v4",'], 1):
        changed = owner.send("PATCH", path, {"company": str(version)}, If_Match=tags)
        assert (changed.status, changed.json["version"]) == (200, version + 1), f"{tags}: {changed.text}"
    for tags in ('"v1", "v2"', 'W/"v5"', 'W/"v5", "v4"'):
        refused = owner.send("PATCH", path, {"company": "No"}, If_Match=tags)
        assert (refused.status, refused.code) == (412, "version_mismatch"), f"{tags}: {refused.text}"
    key = uuid.uuid4().hex
    for _ in range(2):
        again = owner.send("PATCH", path, {"company": "E"}, If_Match='"v5", "v8"', Idempotency_Key=key)
        assert (again.status, again.json["version"]) == (200, 6), again.text


@pytest.mark.parametrize("path", [".contact", "contact.", "contact..id", "nobody", "contact.a.b.c.d"])
def test_a_path_through_objects_has_names_and_no_gaps(owner, path):
    refused = owner.get(f"/api/messages?expand={path}")
    assert refused.status == 400, refused.text
    assert owner.get("/api/messages?expand=contact,campaign.segment").status == 200


def test_what_is_too_long_is_refused_as_every_operation_says(owner, operations):
    for method, path, operation in operations:
        assert {"414", "431"} <= operation["responses"].keys(), f"{method} {path}"
    refused = owner.get("/api/contacts?after=" + "x" * 9_000)
    assert (refused.status, refused.code) == (414, "target_too_long"), refused.text


def test_no_write_ignores_on_what_condition_it_is_to_be_done(owner, operations):
    """RFC 9110: `If-None-Match: *` is a write that is not to be done where there is something already."""
    for header in ("If_None_Match", "Content_Range"):
        for method, path, operation in operations:
            if method == "GET" or {"api_key": []} not in operation["security"]:
                continue
            target = path.replace("{id}", "con_01jd3x0000000000000000000a")
            refused = owner.send(method, target, {}, **{header: "*"})
            told = {d["code"] for d in refused.json["error"]["details"]}
            assert refused.status == 400 and "unsupported_header" in told, f"{method} {path} {refused.text}"


def test_a_text_is_as_long_as_its_characters(owner):
    """What the document says of a length is said in characters, of whatever script."""
    name = "\u0416" * 200
    made = owner.made("/api/roles", {"name": name, "scopes": ["contacts:read"]})
    assert made["name"] == name
    refused = owner.post("/api/roles", {"name": name + "\u0416", "scopes": ["contacts:read"]})
    assert refused.json["error"]["details"][0]["code"] == "too_long"


def test_a_write_that_is_tried_and_reads_takes_wait_as_every_write(owner):
    contact = owner.made("/api/contacts", {"first_name": "Tried"})["id"]
    tried = owner.post("/api/privacy/erasures?wait=projection&dry_run=true", {"contact": contact})
    assert (tried.status, tried.json["object"]) == (200, "dry_run"), tried.text


def test_an_import_is_waited_for_as_every_write(owner):
    made = owner.post(
        "/api/contacts/import?wait=projection", b"first_name\nWaited\n", Content_Type="text/csv")
    assert made.status == 200 and int(made.headers["read-position"]) >= made.json["position"], made.text


def test_who_is_made_with_a_password_can_sign_in_with_it(owner):
    """One length in characters, wherever a password is given."""
    body = {"name": "Long", "role": "developer"}
    longest = "\u5bc6" * 1_000
    for password in ["\u5bc6" * 350, longest]:
        email = f"{uuid.uuid4().hex}@example.com"
        owner.made("/api/users", body | {"email": email, "password": password})
        signed_in = owner.sign_in(email, password)
        changed = signed_in.send(
            "POST", "/api/session/password", {"current_password": password, "new_password": longest})
        assert changed.status == 204, changed.text
        owner.sign_in(email, longest)
    refused = owner.post("/api/users", body | {"email": "too-long@example.com", "password": longest + "\u5bc6"})
    assert [d["param"] for d in refused.json["error"]["details"]] == ["password"], refused.text
    assert refused.json["error"]["details"][0]["code"] == "too_long"


def test_texts_take_as_many_characters_as_the_document_says(owner):
    letter = "\u5b57"
    contact = owner.made("/api/contacts", {"first_name": "Long", "phone": "+14155552671", "source": letter * 200})
    owner.made("/api/segments", {"name": letter * 200, "filter": {"all": []}})
    owner.made("/api/templates", {"channel": "email", "name": "Long", "subject": "S", "body": letter * 500_000})
    consent = {"channel": "sms", "method": "verbal", "source": letter * 500, "wording": letter * 5_000}
    owner.made(f"/api/contacts/{contact['id']}/consents", consent, 200)
    refused = owner.post(f"/api/contacts/{contact['id']}/consents", consent | {"wording": letter * 5_001})
    assert [(d["param"], d["code"]) for d in refused.json["error"]["details"]] == [("wording", "too_long")]
