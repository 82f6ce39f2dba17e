"""Taking back what was done, what differs between two moments, and a write that waits for the read models."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

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
    halted = last(owner.post("/api/sending/halt", {"reason": "a test"}))
    found = dict(statuses(undo(owner, {"events": [no, paid, halted] + said["events"][1:]})))
    owner.post("/api/sending/resume")
    assert found["contact.opted_out"] == found["contact.opted_in"] == "consent_stays"
    assert "not_undoable" in found.values() and "money_moved" in found.values()
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
    again = owner.send("PATCH", path, {"name": "U"}).json["events"][0]
    assert undo(owner, {"events": made["events"]}).json["changed_since"] == 1
    # What happened since has come to nothing: it is as it was made.
    assert undo(owner, {"events": [again]}).json["undone"] == 1
    assert undo(owner, {"events": made["events"]}).json["undone"] == 1


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


def workflow(name: str, tag: str) -> str:
    return f"name: {name}\ntrigger: manual\nsteps:\n  - add_tag: {tag}\n"


def last(answer) -> str:
    assert answer.status < 300, answer.text
    return answer.json["events"][-1]


def test_definitions_are_as_they_were(owner):
    everybody = {"field": "first_name", "op": "exists", "value": True}
    segment = owner.made("/api/segments", {"name": "S", "filter": everybody})["id"]
    address = f"{uuid.uuid4().hex}@example.com"
    cases = [
        ("campaigns", {"name": "A", "segment": segment, "body": "Hi"}, {"name": "B", "body": "Ho"}, "PATCH"),
        ("workflows", {"source": workflow("A", "x")}, {"source": workflow("B", "y")}, "PUT"),
        ("templates", {"name": "A", "channel": "sms", "body": "Hi"}, {"name": "B", "body": "Ho"}, "PUT"),
        ("roles", {"name": "A", "scopes": ["contacts:read"]}, {"name": "B", "scopes": ["messages:read"]}, "PATCH"),
        ("users", {"email": address, "name": "A", "role": "developer", "password": "correct horse battery"},
         {"name": "B", "role": "marketing_manager"}, "PATCH"),
        ("api-keys", {"name": "A", "scopes": ["contacts:read"]},
         {"name": "B", "scopes": ["messages:read"], "networks": ["10.0.0.0/8"],
          "rate_limit": {"per_minute": 5, "burst": 5}}, "PATCH"),
        ("webhook-endpoints", {"url": "https://example.com/a", "types": ["campaign.created"]},
         {"url": "https://example.com/b", "types": ["role.*"], "payload": "thin"}, "PATCH"),
        ("inbound-hooks", {"name": "A", "authentication": "secret_in_path", "action": "lead", "mapping": {"email": "e"}},
         {"name": "B", "mapping": {"phone": "p"}}, "PATCH"),
    ]
    moving = {"version", "updated_at", "latest_version", "versions", "position"}
    for name, body, change, verb in cases:
        made = owner.post(f"/api/{name}", body)
        path = f"/api/{name}/{made.json['id']}"

        def now(answer) -> dict:
            shown = owner.get(path + "?wait=10000", Min_Position=answer.headers["log-position"])
            assert shown.status == 200, f"{name}: {shown.text}"
            return {k: v for k, v in shown.json.items() if k not in moving}

        before = now(made)
        changed = owner.send(verb, path, change)
        assert now(changed) != before, f"{name}: {changed.text}"
        done = undo(owner, {"events": changed.json["events"]})
        assert {s for _, s in statuses(done)} == {"undone"}, f"{name}: {done.text}"
        assert now(done) == before, name
        # What was undone twice is undone once; what the last answer wrote is taken back in its turn.
        assert {s for _, s in statuses(undo(owner, {"events": changed.json["events"]}))} <= {"unchanged", "changed_since"}
        assert undo(owner, {"events": made.json["events"], "edited_since": "restore"}).json["undone"] >= 1
        head = owner.get("/api/events?after=now").json["next"]
        gone = owner.get(path + "?wait=10000", Min_Position=head)
        stays = {"users": ("active", False), "templates": ("archived", True)}
        if name in stays:
            field, value = stays[name]
            assert gone.json[field] is value, gone.text
        else:
            assert gone.status == 404, f"{name}: {gone.text}"


def test_a_deleted_segment_is_there_again_with_its_members(owner):
    tag = uuid.uuid4().hex
    contact(owner, tags=[tag])
    made = owner.made("/api/segments", {"name": "Back", "filter": {"field": "tags", "op": "contains", "value": tag}})
    path = f"/api/segments/{made['id']}"
    renamed = owner.send("PATCH", path, {"name": "Better"})
    before = owner.get(path + "?wait=10000", Min_Position=renamed.headers["log-position"]).json
    deleted = last(owner.send("DELETE", path))
    assert statuses(undo(owner, {"events": [last(renamed)]})) == [("segment.updated", "object_deleted")]
    done = undo(owner, {"events": [deleted]})
    assert statuses(done) == [("segment.deleted", "undone")]
    after = owner.get(path + "?wait=10000", Min_Position=done.headers["log-position"]).json
    same = ["id", "name", "filter", "created_at", "size"]
    assert [after[k] for k in same] == [before[k] for k in same]
    assert after["size"] == 1 and after["deleted"] is False
    gone = owner.get(f"{path}?as_of={deleted}")
    assert gone.status == 404, gone.text
    restored = done.json["events"][0]
    assert owner.get("/api/events/" + restored).json["type"] == "segment.restored"
    again = undo(owner, {"events": [restored]})
    assert statuses(again) == [("segment.restored", "undone")]
    assert owner.get(path + "?wait=10000", Min_Position=again.headers["log-position"]).status == 404


def test_an_undo_never_sets_going_what_was_stopped(owner):
    flow = f"/api/workflows/{owner.made('/api/workflows', {'source': workflow(uuid.uuid4().hex, 'x')})['id']}"
    hook = f"/api/webhook-endpoints/" + owner.made(
        "/api/webhook-endpoints", {"url": "https://example.com/x", "types": ["campaign.created"]})["id"]
    form = "/api/inbound-hooks/" + owner.made("/api/inbound-hooks", {
        "name": "F", "authentication": "secret_in_path", "action": "lead", "mapping": {"email": "e"}})["id"]
    for path, stop, go in [
        (flow, "pause", "resume"), (hook, "pause", "resume"), (form, "disable", "enable"),
    ]:
        stopped = last(owner.post(f"{path}/{stop}"))
        assert [s for _, s in statuses(undo(owner, {"events": [stopped]}))] == ["stop_stays"], path
        started = last(owner.post(f"{path}/{go}"))
        done = undo(owner, {"events": [started]})
        assert [s for _, s in statuses(done)] == ["undone"], path
        shown = owner.get(path + "?wait=10000", Min_Position=done.headers["log-position"]).json
        assert shown.get("paused") is True or shown.get("enabled") is False, shown


def test_a_secret_that_was_shown_and_a_launch_are_not_taken_back(new_account):
    owner = new_account("Undo refusals")[1]
    key = owner.made("/api/api-keys", {"name": "k", "scopes": ["contacts:read"]})
    rolled = last(owner.post(f"/api/api-keys/{key['id']}/roll", {"overlap_seconds": 0}))
    revoked = last(owner.send("DELETE", f"/api/api-keys/{key['id']}"))
    hook = owner.made("/api/webhook-endpoints", {"url": "https://example.com/x", "types": ["campaign.created"]})["id"]
    rotated = last(owner.post(f"/api/webhook-endpoints/{hook}/rotate-secret", {}))
    user = owner.made("/api/users", {
        "email": f"{uuid.uuid4().hex}@example.com", "name": "U", "role": "developer",
        "password": "correct horse battery"})["id"]
    password = last(owner.send("PATCH", f"/api/users/{user}", {"password": "correct horse batteries"}))
    found = undo(owner, {"events": [rolled, revoked, rotated, password]})
    assert {s for _, s in statuses(found)} == {"secret_stays"}, found.text
    contact(owner, phone="+12125550179", consents=[
        {"channel": "sms", "purpose": "marketing", "method": "web_form", "source": "f", "wording": "I agree"}])
    everybody = {"field": "first_name", "op": "exists", "value": True}
    segment = owner.made("/api/segments", {"name": "S", "filter": everybody})["id"]
    campaign = owner.made("/api/campaigns", {"name": "A", "segment": segment, "body": "Hi"})
    path = f"/api/campaigns/{campaign['id']}"
    changed = last(owner.send("PATCH", path, {"name": "B"}))
    launched = owner.post(path + "/launch").json["events"][0]
    found = undo(owner, {"events": [campaign["events"][0], changed, launched]})
    assert {s for _, s in statuses(found)} == {"launched"}, found.text


def test_an_address_that_went_from_one_to_another_goes_back(owner):
    one, other, address = contact(owner), contact(owner), f"{uuid.uuid4().hex}@example.com"
    changed(owner, one, email=address)
    events = [changed(owner, one, email=None), changed(owner, other, email=address)]
    done = undo(owner, {"events": events})
    assert done.status == 200 and done.json["undone"] == 2, done.text
    assert read(owner, one)["email"] == address and read(owner, other)["email"] != address
    # Both had it, one after the other: it cannot be both's again.
    events = [changed(owner, one, email=None)]
    changed(owner, other, email=address)
    events.append(changed(owner, other, email=None))
    assert undo(owner, {"events": events}).code == "duplicate_contact"
    assert [read(owner, who)["email"] for who in (one, other)] == [None, None]


def test_an_undo_gives_back_no_right_that_its_caller_lacks(owner):
    role = owner.made("/api/roles", {"name": uuid.uuid4().hex, "scopes": ["contacts:*"]})["id"]
    narrowed = last(owner.send("PATCH", f"/api/roles/{role}", {"scopes": ["contacts:read"]}))
    key = owner.made("/api/api-keys", {"name": "weak", "scopes": ["undo:write", "roles:write", "contacts:read"]})
    weak = owner.with_key(key["secret"])
    assert statuses(weak.post("/api/undo", {"events": [narrowed]})) == [("role.updated", "missing_scope")]
    assert statuses(undo(owner, {"events": [narrowed]})) == [("role.updated", "undone")]
    only = owner.get("/api/users").json["data"][0]
    assert only["role"] == "administrator"
    made = [e for e in owner.get(f"/api/users/{only['id']}/history").json["data"] if e["type"] == "user.created"]
    assert undo(owner, {"events": [made[0]["id"]], "edited_since": "restore"}).code == "last_administrator"
    held = owner.made("/api/roles", {"name": uuid.uuid4().hex, "scopes": ["contacts:read"]})
    user = owner.made("/api/users", {
        "email": f"{uuid.uuid4().hex}@example.com", "name": "U", "role": "developer",
        "password": "correct horse battery"})
    given = last(owner.send("PATCH", f"/api/users/{user['id']}", {"role": held["id"]}))
    refused = undo(owner, {"events": held["events"] + [narrowed]})
    assert refused.code == "role_in_use" and refused.json["error"]["param"] == "events"
    # What stands in the way, of all that was to be taken back.
    assert [d["message"] for d in refused.json["error"]["details"]] == held["events"]
    # Both together: first it is taken from whom it was given to, then it goes.
    assert undo(owner, {"events": held["events"] + [given]}).json["undone"] == 2


def test_an_undo_takes_the_right_to_what_it_does(owner):
    """Whoever may only change cannot take away by an undo, nor make."""
    hook = {"name": "H", "authentication": "secret_in_path", "action": "lead", "mapping": {"email": "e"}}
    made = {
        path: owner.made(f"/api/{path}", body) for path, body in {
            "contacts": {"first_name": "Una"}, "segments": {"name": "S", "filter": {"all": []}},
            "roles": {"name": uuid.uuid4().hex, "scopes": ["contacts:read"]}, "inbound-hooks": hook,
            "webhook-endpoints": {"url": "https://example.com/h", "types": ["*"]},
        }.items()
    }
    created = [each["events"][0] for each in made.values()]
    gone = owner.made("/api/segments", {"name": "Gone", "filter": {"all": []}})
    gone = last(owner.send("DELETE", f"/api/segments/{gone['id']}"))
    contact = f"/api/contacts/{owner.made('/api/contacts', {'first_name': 'Back'})['id']}"
    owner.send("DELETE", contact)
    back = last(owner.post(contact + "/restore"))
    wanted = {"events": [*created, gone, back]}
    resources = ["contacts", "segments", "roles", "webhooks"]

    def asked(*actions):
        scopes = [f"{resource}:{action}" for resource in resources for action in actions]
        key = owner.made("/api/api-keys", {"name": "U", "scopes": ["undo:write", "contacts:read", "events:read", *scopes]})
        return [status for _, status in statuses(owner.with_key(key["secret"]).post("/api/undo?dry_run=true", wanted))]

    assert asked("update") == ["missing_scope"] * 7
    assert sorted(asked("update", "delete")) == ["missing_scope"] + ["undone"] * 6
    assert asked("update", "delete", "create") == ["undone"] * 7


def test_an_undo_beside_other_writers_looks_again(owner):
    """Somebody else writes to the same contact all the time, other fields."""
    one = contact(owner)
    path, is_done = f"/api/contacts/{one['id']}", threading.Event()

    def write() -> None:
        number = 0
        while not is_done.is_set():
            number += 1
            assert owner.send("PATCH", path, {"custom": {"n": number}}).status == 200

    with ThreadPoolExecutor(2) as others:
        writer = others.submit(write)
        try:
            for number in range(40):
                event = changed(owner, one, company=f"Company {number}")
                done = undo(owner, {"events": [event]})
                assert statuses(done) == [("contact.updated", "undone")], done.text
        finally:
            is_done.set()
        writer.result()
    assert read(owner, one)["company"] is None


def test_the_same_undo_at_the_same_moment_is_one_and_answers_alike(owner):
    """Whoever comes second looked at the log when the first was done already: it is told what the first one was."""
    for _ in range(5):
        person = contact(owner)
        renamed = last(owner.send("PATCH", f"/api/contacts/{person['id']}", {"first_name": "Bea"}))
        key, start = str(uuid.uuid4()), threading.Barrier(12)

        def take_back(_):
            start.wait()
            while (answer := undo(owner, {"events": [renamed]}, Idempotency_Key=key)).status == 409:
                assert answer.code == "idempotency_in_progress"
            return answer

        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(take_back, range(12)))
        assert {statuses(a)[0] for a in answers} == {("contact.updated", "undone")}
        assert len({tuple(a.json["events"]) for a in answers}) == 1
