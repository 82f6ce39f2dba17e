"""Taking back what was done, what differs between two moments, and a write that waits for the read models."""

import uuid

import pytest


@pytest.fixture(scope="module")
def owner(new_account):
    return new_account("Undo")[1]


def undo(owner, body: dict, **headers):
    return owner.post("/api/undo", body, **headers)


def statuses(answer) -> list[tuple[str, str]]:
    assert answer.status == 200, answer.text
    return [(r["type"], r["reason"] or r["status"]) for r in answer.json["results"]]


def contact(owner, **more) -> dict:
    return owner.made("/api/contacts", {"first_name": "Ann", "email": f"{uuid.uuid4().hex}@example.com"} | more)


def changed(owner, made: dict, **fields) -> str:
    answer = owner.send("PATCH", f"/api/contacts/{made['id']}", fields)
    assert answer.status == 200, answer.text
    return answer.json["events"][0]


def read(owner, made: dict) -> dict:
    return owner.get(f"/api/contacts/{made['id']}").json


def test_an_edit_is_taken_back_and_stays_in_the_history(owner):
    made = contact(owner, company="Acme")
    event = changed(owner, made, first_name="Bob", company=None)
    tried = undo(owner, {"events": [event], "dry_run": True})
    assert tried.json["dry_run"] is True and tried.json["undone"] == 1
    assert [e["type"] for e in tried.json["events"]] == ["contact.updated"]
    assert read(owner, made)["first_name"] == "Bob"
    key = str(uuid.uuid4())
    done = undo(owner, {"events": [event]}, Idempotency_Key=key, X_Actor_Reason="by mistake")
    assert statuses(done) == [("contact.updated", "undone")] and len(done.json["events"]) == 1
    now = read(owner, made)
    assert (now["first_name"], now["company"], now["version"]) == ("Ann", "Acme", 3)
    last = owner.get(f"/api/contacts/{made['id']}/history").json["data"][-1]
    assert last["id"] == done.json["events"][0] and last["data"]["actor_reason"] == "by mistake"
    caused = owner.get(f"/api/events/{event}").json
    assert last["cause"] == caused["position"]
    # The same once more: the same answer, and nothing is written, whatever happened since.
    changed(owner, made, first_name="Cy")
    again = undo(owner, {"events": [event]}, Idempotency_Key=key, X_Actor_Reason="by mistake")
    assert again.headers["idempotent-replayed"] == "true" and again.json == done.json
    assert undo(owner, {"events": [event], "edited_since": "restore"}, Idempotency_Key=key).code == (
        "idempotency_mismatch")
    assert read(owner, made)["first_name"] == "Cy"


def test_what_was_edited_since_is_kept_or_restored(owner):
    made = contact(owner, company="Acme", last_name="A")
    first = changed(owner, made, first_name="Bob", last_name="B", company="Beta")
    changed(owner, made, first_name="Cy", company="Acme")
    kept = undo(owner, {"events": [first]}).json
    assert kept["results"][0]["status"] == "undone" and kept["results"][0]["kept"] == ["first_name"]
    assert [read(owner, made)[n] for n in ["first_name", "last_name", "company"]] == ["Cy", "A", "Acme"]
    assert statuses(undo(owner, {"events": [first]})) == [("contact.updated", "changed_since")]
    restored = undo(owner, {"events": [first], "edited_since": "restore"})
    assert restored.json["undone"] == 1 and read(owner, made)["first_name"] == "Ann"
    assert statuses(undo(owner, {"events": [first]})) == [("contact.updated", "unchanged")]


def test_two_edits_of_one_thing_are_taken_back_together(owner):
    made = contact(owner)
    events = [changed(owner, made, first_name="Bob"), changed(owner, made, first_name="Cy")]
    assert undo(owner, {"events": events}).json["undone"] == 2
    assert read(owner, made)["first_name"] == "Ann"


def test_tags_archiving_and_creation(owner):
    made = contact(owner, tags=["a"])
    path = f"/api/contacts/{made['id']}"
    tagged = owner.made(path + "/tags", {"tags": ["b"]}, 200)["events"][0]
    untagged = owner.send("DELETE", path + "/tags/a").json["events"][0]
    assert undo(owner, {"events": [tagged, untagged]}).json["undone"] == 2
    assert read(owner, made)["tags"] == ["a"]
    archived = owner.send("DELETE", path).json["events"][0]
    assert undo(owner, {"events": [archived]}).json["undone"] == 1 and read(owner, made)["archived"] is False
    assert statuses(undo(owner, {"events": [made["events"][0]]})) == [("contact.created", "changed_since")]
    fresh = contact(owner, tags=["x"])
    assert undo(owner, {"events": fresh["events"]}).json["undone"] == 2
    assert read(owner, fresh)["archived"] is True


def test_an_import_is_taken_back(owner):
    old = contact(owner)
    csv = f"first_name,last_name,email,tags\nNew,One,{uuid.uuid4().hex}@example.com,vip\n,Filled,{old['email']},\n"
    job = owner.send(
        "POST", "/api/contacts/import", csv.encode(), Content_Type="text/csv", Idempotency_Key=str(uuid.uuid4())).json
    assert (job["created"], job["updated"]) == (1, 1), job
    assert read(owner, old)["last_name"] == "Filled"
    done = undo(owner, {"bulk_id": job["id"]})
    assert sorted(statuses(done)) == [
        ("contact.created", "undone"), ("contact.tagged", "undone"), ("contact.updated", "undone"),
        ("import.completed", "not_undoable"), ("import.started", "not_undoable")]
    assert done.json["next"] is None and read(owner, old)["last_name"] is None
    assert owner.get("/api/contacts?q=one", Min_Position=done.headers["log-position"]).json["data"] == []


def test_a_large_import_is_taken_back_in_stretches_and_leaves_nobody(new_account):
    owner = new_account("Undo large")[1]
    rows = "".join(f"N{n},{uuid.uuid4().hex}@example.com,vip\n" for n in range(1_100))
    job = owner.send(
        "POST", "/api/contacts/import", ("first_name,email,tags\n" + rows).encode(), Content_Type="text/csv",
        Idempotency_Key=str(uuid.uuid4())).json
    assert job["created"] == 1_100
    place, undone = {}, 0
    while place is not None:
        body = {"bulk_id": job["id"]} | place
        tried = undo(owner, body | {"dry_run": True}).json
        done = undo(owner, body)
        assert done.status == 200 and done.json["undone"] == tried["undone"], done.text[:300]
        assert done.json["changed_since"] == 0
        undone += done.json["undone"]
        place = {"to": done.json["next"]} if done.json["next"] else None
    assert undone == 2_200
    left = owner.get("/api/contacts?count=exact", Min_Position=done.headers["log-position"]).json
    assert left["total"] == 0


def test_who_is_as_they_were_created_is_taken_back(owner):
    made = contact(owner)
    tagged = owner.made(f"/api/contacts/{made['id']}/tags", {"tags": ["t"]}, 200)["events"][0]
    assert statuses(undo(owner, {"events": [made["events"][0]]})) == [("contact.created", "changed_since")]
    assert undo(owner, {"events": [tagged]}).json["undone"] == 1
    assert undo(owner, {"events": [made["events"][0]]}).json["undone"] == 1
    assert read(owner, made)["archived"] is True


def test_all_that_a_key_did_in_a_stretch(owner):
    key = owner.made("/api/api-keys", {"name": "k", "scopes": ["contacts:*"]})
    other = owner.with_key(key["secret"])
    before = owner.get("/api/events?after=now").json["next"]
    made = contact(other)
    changed(owner, made, last_name="Mine")
    changed(other, made, first_name="Bob")
    after = owner.get("/api/events?after=now").json["next"]
    body = {"actor": f"key:{key['id']}", "from": before, "to": after}
    assert other.post("/api/undo", body).code == "missing_scope"
    done = undo(owner, body)
    # The owner changed the new contact, so that it stays; its name is as it was.
    assert statuses(done) == [("contact.updated", "undone"), ("contact.created", "changed_since")]
    now = read(owner, made)
    assert (now["first_name"], now["last_name"], now["archived"]) == ("Ann", "Mine", False)
    weak = owner.made("/api/api-keys", {"name": "w", "scopes": ["undo:write", "contacts:read"]})
    assert statuses(owner.with_key(weak["secret"]).post("/api/undo", body)) == [
        ("contact.updated", "missing_scope"), ("contact.created", "missing_scope")]


def test_what_cannot_be_said_to_be_otherwise_stays_with_its_reason(owner):
    said = contact(owner, phone="+12125550177", consents=[
        {"channel": "sms", "purpose": "marketing", "method": "web_form", "source": "form", "wording": "I agree"}])
    path = f"/api/contacts/{said['id']}"
    no = owner.made(path + "/opt-outs", {"channel": "sms", "method": "staff"}, 200)["events"][-1]
    paid = owner.made("/api/wallet/add-funds", {"amount": 5_000_000})["events"][-1]
    role = owner.made("/api/roles", {"name": uuid.uuid4().hex, "scopes": ["contacts:read"]})["events"][0]
    found = dict(statuses(undo(owner, {"events": [no, paid, role] + said["events"][1:]})))
    assert found["contact.opted_out"] == found["contact.opted_in"] == "consent_stays"
    assert found["role.created"] == "not_undoable" and "money_moved" in found.values()
    gone = contact(owner)
    owner.made("/api/privacy/erasures", {"contact": gone["id"], "reason": "person_asked"}, 202)
    assert statuses(undo(owner, {"events": gone["events"]})) == [("contact.created", "erased")]


def test_a_segment_is_as_it_was(owner):
    tagged = {"field": "tags", "op": "contains", "value": "a"}
    made = owner.made("/api/segments", {"name": "S", "filter": tagged})
    path = f"/api/segments/{made['id']}"
    event = owner.send("PATCH", path, {"name": "T"}).json["events"][0]
    assert undo(owner, {"events": [event]}).json["undone"] == 1
    history = owner.get(path + "/history").json["data"]
    assert history[-1]["data"]["name"] == "S"
    assert undo(owner, {"events": made["events"]}).json["changed_since"] == 1


def test_a_bad_order_is_refused_with_all_that_is_wrong(owner, new_account):
    def params(body) -> set:
        answer = undo(owner, body)
        assert answer.status == 400, answer.text
        return {d["param"] for d in answer.json["error"]["details"]}

    assert params({}) == {"events"}
    assert params({"actor": "user:usr_x"}) == {"from", "to"}
    assert params({"actor": "x", "from": "never", "to": "99999999999", "edited_since": "maybe"}) == {
        "from", "to", "edited_since"}
    event = contact(owner)["events"][0]
    assert params({"events": [event], "bulk_id": "job_01jd3x00000000000000000001", "from": "1"}) >= {"events"}
    assert owner.send("POST", "/api/undo", {"events": [event]}).code == "idempotency_key_required"
    stranger = new_account("Undo stranger")[1]
    assert stranger.post("/api/undo", {"events": [event]}).status == 404
    assert stranger.post("/api/undo", {"bulk_id": "job_01jd3x00000000000000000001"}).status == 404


def test_a_diff_is_between_versions_positions_events_and_times(owner):
    made = contact(owner)
    created = owner.get(f"/api/events/{made['events'][0]}").json
    updated = changed(owner, made, first_name="Bob")
    changed(owner, made, last_name="X")

    def names(query: str) -> dict:
        answer = owner.get(f"/api/diff?id={made['id']}&{query}")
        assert answer.status == 200, answer.text
        return {c["field"]: (c["before"], c["after"]) for d in answer.json["data"] for c in d["changes"]}

    assert names("from=v1&to=v2")["first_name"] == ("Ann", "Bob") and "last_name" not in names("from=v1&to=v2")
    assert names(f"from={created['position']}&to={updated}") == names("from=v1&to=v2")
    assert set(names("from=v1")) == {"first_name", "last_name", "updated_at", "version"}
    assert names(f"from={created['recorded_at'][:-5]}Z")["first_name"][1] == "Bob"
    assert names("from=v3&to=v3") == {}
    assert names("from=v0&to=v1")["id"] == (None, made["id"])
    assert owner.get(f"/api/diff?id={made['id']}&from=v9").code == "out_of_range"
    assert owner.get(f"/api/diff?id={made['id']}&from=soon").code == "invalid_as_of"
    assert owner.get("/api/diff?from=v1").code == "invalid_as_of"
    assert owner.get("/api/diff?id=con_01jd3x00000000000000000001&from=v1").status == 404


def test_a_diff_of_the_account_names_each_object_once(new_account):
    owner = new_account("Diffs")[1]
    before = owner.get("/api/events?after=now").json["next"]
    old = contact(owner)
    middle = owner.get("/api/events?after=now").json["next"]
    changed(owner, old, first_name="Bob")
    new = contact(owner)
    changed(owner, old, last_name="Z")
    owner.send("DELETE", f"/api/contacts/{old['id']}")
    seen, place = [], ""
    while True:
        page = owner.get(f"/api/diff?from={middle}&limit=1{place}").json
        seen += page["data"]
        if page["next"] is None:
            break
        place = f"&after={page['next']}"
    assert [d["id"] for d in seen] == [old["id"], new["id"]]
    assert (seen[0]["from"], seen[0]["to"], seen[1]["from"]) == (1, 4, 0)
    assert {c["field"] for c in seen[0]["changes"]} == {"first_name", "last_name", "archived", "version", "updated_at"}
    assert [d["id"] for d in owner.get(f"/api/diff?from={before}&to={middle}").json["data"]] == [old["id"]]
    assert owner.get(f"/api/diff?from={middle}&to={middle}").json["data"] == []
    weak = owner.made("/api/api-keys", {"name": "w", "scopes": ["events:read"]})
    blind = owner.with_key(weak["secret"])
    assert blind.get(f"/api/diff?from={middle}").json["data"] == []
    assert blind.get(f"/api/diff?id={old['id']}&from=v1").code == "missing_scope"


def test_a_write_waits_for_the_read_models(owner):
    for number in range(5):
        name = f"w{uuid.uuid4().hex}"
        done = owner.post("/api/contacts?wait=projection", {"first_name": name})
        assert done.status == 201
        assert int(done.headers["read-position"]) >= int(done.headers["log-position"])
        assert [c["first_name"] for c in owner.get(f"/api/contacts?q={name}").json["data"]] == [name]
    key = str(uuid.uuid4())
    first = owner.send("POST", "/api/contacts", {"first_name": "Once"}, Idempotency_Key=key)
    again = owner.send("POST", "/api/contacts?wait=projection", {"first_name": "Once"}, Idempotency_Key=key)
    assert again.json == first.json and again.headers["idempotent-replayed"] == "true"
    assert owner.post("/api/contacts?wait=500", {"first_name": "No"}).code == "invalid_value"
    tried = owner.post("/api/contacts?wait=projection&dry_run=true", {"first_name": "No"})
    assert tried.status == 200 and "read-position" not in tried.headers
