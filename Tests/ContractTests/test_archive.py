"""Archiving a contact takes it out of lists, segments and sends; nothing is forgotten, and it comes back."""

import json
import uuid
from urllib.parse import quote

import pytest


@pytest.fixture(scope="module")
def owner(new_account):
    return new_account("Archive")[1]


def person(owner, **more) -> dict:
    return owner.made("/api/contacts", {"first_name": "Ann", "email": f"{uuid.uuid4().hex}@example.com"} | more)


def listed(owner, query: str, at) -> set[str]:
    page = owner.get(f"/api/contacts?limit=200&{query}", Min_Position=at)
    assert page.status == 200, page.text
    return {item["id"] for item in page.json["data"]}


def test_who_is_archived_is_in_no_list_and_no_segment(owner):
    segment = owner.made("/api/segments", {
        "name": "VIPs", "filter": {"field": "tags", "op": "contains", "value": "vip"}})["id"]
    contact = person(owner, tags=["vip"])
    path = "/api/contacts/" + contact["id"]
    archived = owner.send("DELETE", path)
    assert archived.status == 200 and archived.json["archived"] is True
    at = archived.headers["log-position"]
    assert contact["id"] not in listed(owner, "", at)
    assert contact["id"] not in listed(owner, "tag=vip", at)
    some = quote(json.dumps({"field": "tags", "op": "contains", "value": "vip"}))
    assert contact["id"] not in listed(owner, f"filter={some}", at)
    assert listed(owner, f"archived=true&filter={some}", at) == {contact["id"]}
    members = f"/api/segments/{segment}/contacts"
    assert owner.get(members, Min_Position=at).json["data"] == []
    assert owner.get(f"/api/segments/{segment}", Min_Position=at).json["size"] == 0
    # By its id it can still be read, with all that was known.
    assert owner.get(path).json["tags"] == ["vip"]
    types = [event["type"] for event in owner.get(path + "/history").json["data"]]
    assert types[-1] == "contact.archived"
    # Twice is once.
    assert owner.send("DELETE", path).json["events"] == []

    restored = owner.post(path + "/restore")
    assert restored.status == 200 and restored.json["archived"] is False
    at = restored.headers["log-position"]
    assert contact["id"] in listed(owner, "", at)
    assert [c["id"] for c in owner.get(members, Min_Position=at).json["data"]] == [contact["id"]]
    assert listed(owner, "archived=true", at) == set()


def test_who_is_archived_is_not_written_to(owner):
    owner.made("/api/wallet/add-funds", {"amount": 5_000_000})
    contact = person(owner, phone="+13125550142")
    owner.send("DELETE", "/api/contacts/" + contact["id"])
    text = {"contact": contact["id"], "body": "Your order is here.", "purpose": "transactional"}
    refused = owner.post("/api/messages", text)
    assert refused.status == 422 and refused.code == "suppressed"
    owner.post(f"/api/contacts/{contact['id']}/restore")
    assert owner.post("/api/messages", text).status == 201


def test_who_is_put_in_again_is_there_again(owner):
    contact = person(owner)
    path = "/api/contacts/" + contact["id"]
    for again in [
        lambda: owner.send("PUT", f"/api/contacts?key=email:{contact['email']}", {"company": "Northwind"}),
        lambda: owner.post("/api/leads/intake", {"email": contact["email"], "source": "form"}),
        lambda: owner.send("POST", "/api/contacts/import", f"email\n{contact['email']}\n".encode(),
                           Content_Type="text/csv", Idempotency_Key=uuid.uuid4().hex),
    ]:
        assert owner.send("DELETE", path).json["archived"] is True
        answer = again()
        assert answer.status == 200, answer.text
        assert owner.get(path).json["archived"] is False
    # Another contact with its address cannot be made: it is still theirs.
    owner.send("DELETE", path)
    refused = owner.post("/api/contacts", {"email": contact["email"]})
    assert refused.status == 409 and refused.code == "duplicate_contact"


def test_archiving_moves_nobody_between_two_pages(new_account):
    owner = new_account("Pages")[1]
    people = [person(owner)["id"] for _ in range(4)]
    head = owner.get("/api/events?after=now").json["next"]
    first = owner.get("/api/contacts?limit=1", Min_Position=head).json
    assert first["data"][0]["id"] == people[3]
    owner.send("DELETE", "/api/contacts/" + people[2])
    owner.send("DELETE", "/api/contacts/" + people[1])
    at = owner.post(f"/api/contacts/{people[1]}/restore").headers["log-position"]
    rest = owner.get(f"/api/contacts?limit=200&after={first['next']}", Min_Position=at).json
    assert [item["id"] for item in rest["data"]] == [people[2], people[1], people[0]]
    assert [i["id"] for i in owner.get("/api/contacts", Min_Position=at).json["data"]] == [
        people[3], people[1], people[0]]
    before = owner.get(f"/api/contacts?as_of={head}", Min_Position=at).json["data"]
    assert [item["id"] for item in before] == people[::-1]


def test_archiving_can_be_tried_and_is_refused_where_it_changed_since(owner):
    contact = person(owner)
    path = "/api/contacts/" + contact["id"]
    tried = owner.send("DELETE", path + "?dry_run=true").json
    assert [event["type"] for event in tried["events"]] == ["contact.archived"]
    stale = owner.send("DELETE", path, If_Match='"v9"')
    assert stale.status == 412 and stale.code == "version_mismatch"
    assert owner.send("DELETE", path, If_Match='"v1"').status == 200


def test_what_is_listed_can_be_read_back(owner):
    owner.post("/api/suppressions", {"channel": "sms", "addresses": ["+12125550123"], "source": "letter"})
    entries = owner.get("/api/suppressions").json["data"]
    assert entries == [{"object": "suppression", "list": "suppression", "channel": "sms", "address": "+12125550123"}]
    report = owner.send("POST", "/api/contacts/import", b"first_name,email\nEve,eve@example.com\nBob,nowhere\n",
                        Content_Type="text/csv", Idempotency_Key=uuid.uuid4().hex).json
    job = owner.get("/api/imports/" + report["id"]).json
    assert (job["status"], job["rows"], job["created"], job["failed"]) == ("completed", 2, 1, 1)
    assert report["id"] in [entry["id"] for entry in owner.get("/api/imports").json["data"]]
