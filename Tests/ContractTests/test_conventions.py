"""What holds for every object alike."""

import json
import socket
import uuid

import jsonschema_rs
import pytest


@pytest.fixture(scope="module")
def owner(new_account):
    return new_account("Conventions")[1]


def fresh(answer) -> dict[str, str]:
    """The header with which a read waits for this write."""
    return {"Min_Position": answer.headers["log-position"]}


def test_the_same_key_and_request_is_one_write_and_one_answer(owner):
    key, body = str(uuid.uuid4()), {"first_name": "Once"}
    first = owner.post("/api/contacts", body, Idempotency_Key=key)
    second = owner.post("/api/contacts", body, Idempotency_Key=key)
    assert (first.status, second.status) == (201, 201)
    assert second.headers["idempotent-replayed"] == "true"
    assert first.json == second.json and len(first.json["events"]) == 1
    other = owner.post("/api/contacts", {"first_name": "Twice"}, Idempotency_Key=key)
    assert (other.status, other.code) == (409, "idempotency_mismatch")


def test_a_write_on_a_stale_version_is_refused(owner):
    path = f"/api/contacts/{owner.made('/api/contacts', {'first_name': 'A'})['id']}"
    changed = owner.send("PATCH", path, {"first_name": "B"}, If_Match='"v1"')
    assert changed.status == 200 and changed.headers["etag"] == '"v2"'
    stale = owner.send("PATCH", path, {"first_name": "C"}, If_Match='"v1"')
    assert (stale.status, stale.code) == (412, "version_mismatch")
    assert owner.post(path + "/tags", {"tags": ["x"]}, If_Match='"v1"').status == 412


def test_a_repeated_write_is_answered_whatever_became_of_the_version_since(owner):
    path = f"/api/contacts/{owner.made('/api/contacts', {'first_name': 'A'})['id']}"
    same = {"If_Match": '"v1"', "Idempotency_Key": uuid.uuid4().hex}
    assert owner.send("PATCH", path, {"first_name": "A"}, **same).headers["etag"] == '"v1"'
    assert owner.send("PATCH", path, {"first_name": "B"}).headers["etag"] == '"v2"'
    again = owner.send("PATCH", path, {"first_name": "A"}, **same)
    assert (again.status, again.headers["etag"]) == (200, '"v1"'), again.text
    assert again.headers["idempotent-replayed"] == "true"
    other = owner.send("PATCH", path, {"first_name": "C"}, **same)
    assert (other.status, other.code) == (409, "idempotency_mismatch")
    assert owner.get(path, Min_Position=again.headers["log-position"]).json["first_name"] == "B"


def test_a_dry_run_says_what_would_happen_and_does_nothing(owner):
    before = owner.get("/api/events?after=now").json["next"]
    tried = owner.post("/api/contacts?dry_run=true", {"first_name": "Maybe", "tags": ["t"]})
    assert tried.status == 200 and tried.json["dry_run"] is True
    assert [event["type"] for event in tried.json["events"]] == ["contact.created", "contact.tagged"]
    contact = owner.made("/api/contacts", {"first_name": "Stays"})
    gone = owner.post(f"/api/contacts/{contact['id']}/opt-outs?dry_run=true", {"channel": "sms"})
    assert gone.json["events"][0]["subject"]["id"] == contact["id"]
    types = [e["type"] for e in owner.get(f"/api/events?after={before}").json["data"]]
    assert types == ["contact.created"]


def test_an_object_has_its_history_and_its_differences(owner):
    path = f"/api/contacts/{owner.made('/api/contacts', {'first_name': 'Ann'})['id']}"
    owner.send("PATCH", path, {"first_name": "Anna"})
    owner.post(path + "/tags", {"tags": ["vip"]})
    events = owner.get(path + "/history").json["data"]
    assert [e["type"] for e in events] == ["contact.created", "contact.updated", "contact.tagged"]
    first = owner.get(path + "/history?limit=1").json
    page = owner.get(f"{path}/history?limit=1&after={first['next']}").json
    assert [e["type"] for e in page["data"]] == ["contact.updated"] and page["has_more"]
    changes = owner.get(path + "/diff?from=1&to=2").json["changes"]
    assert {"field": "first_name", "before": "Ann", "after": "Anna"} in changes
    assert "tags" in {change["field"] for change in owner.get(path + "/diff?from=2").json["changes"]}
    assert owner.get(path + "/diff?from=9").status == 400


def test_tags_are_changed_as_a_whole_or_one_by_one(owner):
    path = f"/api/contacts/{owner.made('/api/contacts', {'first_name': 'A', 'tags': ['a', 'b']})['id']}"
    changed = owner.send("PATCH", path, {"last_name": "Z", "tags": ["b", "c"]}, If_Match='"v3"')
    assert (changed.json["last_name"], changed.json["tags"]) == ("Z", ["b", "c"]), changed.text
    types = [event["type"] for event in owner.get(path + "/history").json["data"]][3:]
    assert types == ["contact.updated", "contact.untagged", "contact.tagged"]
    same = owner.send("PATCH", path, {"tags": ["c", "b"]})
    assert same.headers["etag"] == changed.headers["etag"]
    assert owner.send("PATCH", path, {"first_name": "A"}).json["tags"] == ["b", "c"]
    assert owner.send("PATCH", path, {"tags": []}).json["tags"] == []
    refused = owner.send("PATCH", path, {"last_name": "Y", "tags": ["x" * 101]})
    assert refused.status == 400 and owner.get(path).json["last_name"] == "Z"


def test_a_contact_is_put_by_what_identifies_it(owner):
    email = f"{uuid.uuid4().hex}@example.com"
    first = owner.send("PUT", f"/api/contacts?key=email:{email}", {"first_name": "New"})
    assert first.status == 201 and first.json["email"] == email
    second = owner.send("PUT", f"/api/contacts?key=email:{email}", {"last_name": "Lee", "tags": ["x"]})
    assert second.status == 200 and second.json["id"] == first.json["id"]
    assert (second.json["first_name"], second.json["last_name"]) == ("New", "Lee")
    assert owner.send("PUT", "/api/contacts?key=fax:1234567", {}).code == "invalid_key"


def test_fields_and_expand_shape_what_is_read(owner):
    segment = owner.post(
        "/api/segments",
        {"name": "All", "filter": {"field": "first_name", "op": "exists", "value": True}},
    )
    campaign = owner.post(
        "/api/campaigns", {"name": "C", "segment": segment.json["id"], "body": "Hi"}
    )
    path = f"/api/campaigns/{campaign.json['id']}?expand=segment&fields=id,segment"
    shaped = owner.get(path, **fresh(campaign)).json
    assert set(shaped) == {"id", "segment"} and shaped["segment"]["name"] == "All"
    assert owner.get("/api/campaigns?fields=nonsense").code == "invalid_value"
    assert owner.get("/api/campaigns?expand=nonsense").code == "unknown_parameter"


def test_what_is_read_in_part_or_with_more_is_what_the_document_says(new_account, document):
    """Every list, with some of its fields, with all that can be put in the place of ids, and whole."""
    owner = new_account("Parts")[1]
    owner.made("/api/contacts", {"first_name": "Ann", "email": f"{uuid.uuid4().hex}@example.com", "tags": ["vip"]})
    segment = owner.made("/api/segments?wait=projection", {
        "name": "S", "filter": {"field": "tags", "op": "contains", "value": "vip"}})
    owner.made("/api/campaigns", {
        "name": "C", "segment": segment["id"], "purpose": "marketing", "body": "Hi"})
    owner.made("/api/webhook-endpoints", {"url": "https://example.com/", "types": ["segment.*"], "payload": "thin"})
    owner.made("/api/templates?wait=projection", {"name": "T", "channel": "sms", "body": "Hi"})
    shaped = 0
    for path, item in document["paths"].items():
        parameters = {p["name"]: p for p in item.get("get", {}).get("parameters", [])}
        if "{" in path or "fields" not in parameters or parameters.get("figure") or "from" in parameters:
            continue
        names = parameters["fields"]["schema"]["items"]["enum"]
        schema = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        whole, partial = schema["anyOf"]
        for query, said in [
            ("", whole), (f"fields={','.join(names[1::2] or names)}", partial),
            (f"expand={','.join(names[:20])}", partial),
            (f"fields={','.join(names[:3])}&expand={','.join(names[:3])}", partial),
        ]:
            answer = owner.get(f"{path}?limit=3&{query}" if "limit" in parameters else f"{path}?{query}")
            if answer.status in (401, 404):
                continue  # a session's own, and what the account has not got
            assert answer.status == 200, answer.text
            judge = jsonschema_rs.Draft202012Validator(said | {"components": document["components"]})
            fault = next(judge.iter_errors(answer.json), None)
            assert fault is None, f"{path} {query}: {fault}"
            shaped += 1
    assert shaped > 60



def test_a_list_streams_as_lines_over_all_its_pages(new_account):
    _, owner, _ = new_account("Streaming")
    for number in range(5):
        last = owner.post("/api/contacts", {"first_name": f"Person {number}"})
    answer = owner.get("/api/contacts?limit=2", Accept="application/x-ndjson", **fresh(last))
    assert answer.headers["content-type"] == "application/x-ndjson"
    names = {json.loads(line)["first_name"] for line in answer.text.splitlines()}
    assert names == {f"Person {number}" for number in range(5)}


def test_every_answer_says_its_version_and_takes_no_other(owner):
    answer = owner.get("/api/contacts")
    version = answer.headers["api-version"]
    assert owner.get("/api/contacts", Api_Version=version).status == 200
    assert owner.get("/api/contacts", Api_Version="2020-01-01").status == 400


def test_all_faults_come_at_once_and_point_to_the_reference(owner, nobody):
    answer = owner.post("/api/contacts", {"first_name": 1, "consents": [{}], "nonsense": 2})
    places = {detail["param"] for detail in answer.json["error"]["details"]}
    assert {"first_name", "consents[0].channel", "nonsense"} <= places
    page = nobody.get(answer.json["error"]["doc_url"].split("#")[0])
    assert f"id='{answer.json['error']['doc_url'].split('#')[1]}'" in page.text


def test_what_two_readers_may_read_differently_is_refused(owner):
    """Each header that is there twice, and a body that is not what it says."""
    host, port = owner.base_url.removeprefix("http://").split(":")

    def status(path: str, *lines: str, body: str = "") -> tuple[int, str]:
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            length = f"Content-Length: {len(body)}"
            head = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", length, *lines]
            connection.sendall(("\r\n".join(head) + "\r\n\r\n" + body).encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        return int(answer.split(" ")[1]), json.loads(answer.split("\r\n\r\n")[1])

    secret, contact = f"Authorization: {owner.headers['Authorization']}", '{"first_name":"Ann"}'
    path = "/api/contacts?dry_run=true"
    assert status(path, secret, body=contact)[0] == 200
    assert status(path, secret, "Authorization: Bearer x", body=contact)[0] == 401
    key = secret.removeprefix("Authorization: Bearer ")
    assert status(path, f"authorization:  bEARER   {key} ", body=contact)[0] == 200
    for other in [f"Bearer {key} x", f"Bearer{key}", f"Basic {key}", key, "Bearer", "Bearer ", ""]:
        assert status(path, f"Authorization: {other}", body=contact)[0] == 401
    own = f"Account: {owner.get('/api/accounts').json['data'][0]['id']}"
    assert status(path, secret, own, body=contact)[0] == 200
    assert status(path, secret, own, own, body=contact)[0] == 403
    for name in ["Idempotency-Key", "X-Actor-Reason", "Api-Version"]:
        answer = status(path, secret, f"{name}: a", f"{name}: b", body=contact)
        assert answer[0] == 400
        details = {(detail["param"], detail["code"]) for detail in answer[1]["error"]["details"]}
        assert (name, "repeated_parameter") in details
    assert status(path, secret, "Content-Encoding: gzip", body=contact)[0] == 415
    assert status(path, secret, body='{"first_name":"Ann","first_name":"Ben"}')[0] == 400


def test_what_is_deleted_is_gone_and_stays_on_record(owner):
    segment = owner.made(
        "/api/segments",
        {"name": "S", "filter": {"field": "first_name", "op": "exists", "value": True}},
    )["id"]
    made = {
        "segments": segment,
        "campaigns": owner.made(
            "/api/campaigns", {"name": "Gone", "segment": segment, "body": "Hi"}
        )["id"],
        "workflows": owner.made(
            "/api/workflows", {"source": "name: Gone\ntrigger: manual\nsteps:\n  - add_tag: x\n"}
        )["id"],
    }
    for name in ["campaigns", "workflows", "segments"]:
        path = f"/api/{name}/{made[name]}"
        assert owner.send("DELETE", path, If_Match='"v9"').status == 412
        gone = owner.send("DELETE", path)
        assert gone.status == 200 and gone.json["deleted"] is True, gone.text
        assert owner.get(path, **fresh(gone)).status == 404
        listed = owner.get(f"/api/{name}?limit=200", **fresh(gone)).json["data"]
        assert made[name] not in {item["id"] for item in listed}
        types = [event["type"] for event in owner.get(path + "/history").json["data"]]
        assert types[-1].endswith(".deleted")
        assert owner.send("DELETE", path).status in (200, 404)
        assert len(owner.get(path + "/history").json["data"]) == len(types)
    contact = owner.made("/api/contacts", {"first_name": "Late"})["id"]
    runs = f"/api/workflows/{made['workflows']}/runs"
    assert owner.post(runs, {"contact": contact}).status == 404


def test_a_draft_changes_and_a_workflow_has_its_next_version(owner):
    segment = owner.made(
        "/api/segments",
        {"name": "S", "filter": {"field": "first_name", "op": "exists", "value": True}},
    )["id"]
    path = f"/api/campaigns/{owner.made('/api/campaigns', {'name': 'A', 'segment': segment, 'body': 'Hi'})['id']}"
    changed = owner.send("PATCH", path, {"name": "B"})
    assert (changed.json["name"], changed.json["body"]) == ("B", "Hi")
    assert owner.get(path, **fresh(changed)).json["name"] == "B"
    assert owner.send("PATCH", path, {"segment": "seg_01jd3x0000000000000000000a"}).status == 400
    source = "name: {}\ntrigger: manual\nsteps:\n  - add_tag: seen\n"
    one = owner.made("/api/workflows", {"source": source.format("One")})["id"]
    owner.made("/api/workflows", {"source": source.format("Two")})
    next_version = owner.send("PUT", f"/api/workflows/{one}", {"source": source.format("Uno")})
    assert (next_version.json["name"], next_version.json["latest_version"]) == ("Uno", 2)
    taken = owner.send("PUT", f"/api/workflows/{one}", {"source": source.format("Two")})
    assert (taken.status, taken.code) == (400, "name_taken")


def test_objects_answer_as_they_were(owner):
    user = {"email": f"{uuid.uuid4().hex}@example.com", "name": "Old", "role": "developer",
            "password": "correct horse battery"}
    made = owner.post("/api/users", user)
    path = f"/api/users/{made.json['id']}"
    owner.send("PATCH", path, {"name": "New"})
    then = made.headers["log-position"]
    assert owner.get(path).json["name"] == "New"
    assert owner.get(f"{path}?as_of={then}").json["name"] == "Old"
    assert owner.get(f"{path}?as_of={int(then) - 1}").status == 404


def test_a_put_keeps_the_key_that_it_found_somebody_by(owner):
    mine, other = (f"{uuid.uuid4().hex}@example.com" for _ in range(2))
    path = f"/api/contacts?key=email:{mine}"
    # Neither where nobody has it, nor where somebody does.
    for _ in range(2):
        for email in (other, None):
            answer = owner.send("PUT", path, {"first_name": "Ann", "email": email})
            assert (answer.status, answer.code) == (400, "key_mismatch"), answer.text
        assert owner.send("PUT", path, {"email": mine.upper(), "first_name": "Ann"}).status in (200, 201)
    owner.made("/api/contacts", {"first_name": "Bea", "email": other, "phone": "+14155550177"})
    taken = owner.send("PUT", path, {"phone": "(415) 555-0177"})
    assert (taken.status, taken.code) == (409, "duplicate_contact")


@pytest.mark.parametrize("charset", ["latin-1", "iso-8859-1", "utf-16", '"UTF-16LE"', ""])
def test_json_is_utf_8(owner, charset):
    media = f"application/json; charset={charset}"
    answer = owner.send("POST", "/api/contacts", b'{"first_name": "Zo\xc3\xab"}', Content_Type=media)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"'])
def test_json_may_say_that_it_is_utf_8(owner, charset):
    media = f"application/json; charset={charset}; profile=x"
    answer = owner.send("POST", "/api/contacts", b'{"first_name": "Zo\xc3\xab"}', Content_Type=media)
    assert answer.status == 201 and answer.json["first_name"] == "Zoë"


def test_every_read_says_where_the_log_was(owner):
    made = owner.post("/api/contacts", {"first_name": "Ann"})
    written = int(made.headers["log-position"])
    for path in (f"/api/contacts/{made.json['id']}", "/api/contacts", "/api/users", "/api/limits"):
        answer = owner.get(path, Min_Position=str(written))
        assert int(answer.headers["log-position"]) >= written, path
        assert owner.get(path, Min_Position=answer.headers["log-position"]).status == 200


def test_the_request_log_names_the_fields_at_fault_and_nothing_that_callers_wrote(owner):
    body = {"first_name": 1, "custom": {"ann@example.com": {}}, "zenobia@example.com": 1}
    answer = owner.post("/api/contacts", body)
    assert answer.status == 400
    entry = owner.get(f"/api/request-logs/{answer.headers['request-id']}").json
    assert entry["fields"] == ["custom", "first_name"] and entry["keyed"] is True
    assert "example.com" not in str(entry)
