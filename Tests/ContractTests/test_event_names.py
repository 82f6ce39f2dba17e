"""Events asked for by the names of the catalogue that integrations are written against, and by ours."""

import json
import random
import time
import uuid
from datetime import datetime, timedelta

import pytest

from conftest import Client
from test_revocation import Tail
from test_webhooks import subscribe, subscriber  # noqa: F401

# Appendix C.1, as far as its objects are there.
CATALOGUE = [
    "org.created", "person.created", "person.updated", "person.deleted", "email.sent", "email.received", "sms.sent",
    "sms.received", "call.started", "call.ended", "lead.created", "integration.connected", "integration.disconnected",
]


@pytest.fixture(scope="module")
def owner(new_account, system):
    number, sid = f"+1312555{random.randrange(10_000):04}", f"AC{uuid.uuid4().hex}"
    keys = {"account_sid": sid, "auth_token": "token"}
    registered = Client(system["sandbox_url"]).send(
        "POST", "/sandbox/accounts", keys | {"numbers": [{"phone": number}]})
    assert registered.status < 300, registered.text
    sms = {"from": number, "base_url": system["sandbox_url"]} | keys
    owner = new_account("Event names", sms=sms)[1]
    # Noon in New York: nothing waits for the morning.
    now = datetime.fromisoformat(owner.get("/api/accounts").json["data"][0]["now"])
    noon = now.replace(hour=17, minute=0) + timedelta(days=now.hour >= 17)
    owner.made("/api/test-clock/advance", {"seconds": int((noon - now).total_seconds())}, 200)
    owner.made("/api/wallet/add-funds", {"amount": 5_000_000})
    return owner


@pytest.fixture(scope="module")
def contact(owner):
    return owner.made("/api/contacts", {
        "first_name": "Ann", "phone": "+12125550188", "email": "ann@catalogue.example"})["id"]


def message(owner, contact: str, channel: str) -> str:
    return owner.made("/api/messages", {
        "contact": contact, "channel": channel, "body": "Your table is ready.", "purpose": "transactional"})["id"]


def until(owner, types: str, *subjects: str) -> list[dict]:
    """The events of these types, once all of the subjects have one."""
    deadline = time.time() + 30
    while time.time() < deadline:
        found = owner.get(f"/api/events?types={types}&limit=200").json["data"]
        if set(subjects) <= {e["subject"]["id"] for e in found}:
            return found
        time.sleep(0.1)
    raise AssertionError(f"no {types} of {subjects}")


@pytest.fixture(scope="module")
def messages(owner, contact) -> dict[str, str]:
    made = {channel: message(owner, contact, channel) for channel in ["sms", "voice"]}
    until(owner, "message.sent,message.delivered", made["sms"])
    until(owner, "message.dispatched", made["voice"])
    return made


def test_every_name_of_the_catalogue_can_be_subscribed_to(owner, subscriber):
    endpoint = subscribe(owner, subscriber, types=CATALOGUE)
    assert endpoint["types"] == CATALOGUE, "it is shown as it was asked for"
    for family in ["person.*", "sms.*", "email.*", "call.*", "integration.*"]:
        assert owner.get(f"/api/events?types={family}&limit=1").status == 200
    assert owner.send("DELETE", f"/api/webhook-endpoints/{endpoint['id']}").status == 200


def test_a_name_of_a_channel_is_of_that_channel_alone(owner, messages):
    assert {e["subject"]["id"] for e in until(owner, "sms.sent", messages["sms"])} == {messages["sms"]}
    started = until(owner, "call.started", messages["voice"])
    assert {(e["type"], e["subject"]["id"]) for e in started} == {("message.dispatched", messages["voice"])}
    assert owner.get("/api/events?types=email.*").json["data"] == []
    both = until(owner, "sms.sent,message.dispatched", messages["sms"], messages["voice"])
    assert {e["subject"]["id"] for e in both if e["type"] == "message.dispatched"} == set(messages.values())
    everything = owner.get("/api/events?types=sms.sent,message.*&limit=200").json["data"]
    assert everything == owner.get("/api/events?types=message.*&limit=200").json["data"]
    lines = owner.get("/api/events?types=sms.*", Accept="application/x-ndjson").text.splitlines()
    assert {json.loads(line)["subject"]["id"] for line in lines} == {messages["sms"]}


def test_person_and_lead_are_contacts_here(owner, contact):
    created = owner.get("/api/events?types=person.created").json["data"]
    assert (created[0]["type"], created[0]["subject"]["id"]) == ("contact.created", contact)
    owner.send("PATCH", f"/api/contacts/{contact}", {"company": "Northwind"})
    gone = owner.made("/api/contacts", {"first_name": "Gone"})["id"]
    assert owner.send("DELETE", f"/api/contacts/{gone}").status == 200
    found = owner.get("/api/events?types=person.*").json["data"]
    assert [e["type"] for e in found if e["subject"]["id"] == gone] == ["contact.created", "contact.archived"]
    assert "contact.updated" in {e["type"] for e in found}
    connected = owner.get("/api/events?types=integration.connected").json["data"]
    assert [e["type"] for e in connected] == ["org.sms_configured"]


def test_a_webhook_of_a_channel_gets_that_channel_alone_by_our_name(owner, contact, messages, subscriber):
    subscribe(owner, subscriber, types=["sms.sent", "call.started"])
    tail = Tail(owner, "/api/events?after=now&types=sms.sent,call.*", "text/event-stream")
    assert tail.until("tail of the log")
    spoken, written = message(owner, contact, "voice"), message(owner, contact, "sms")
    until(owner, "message.sent", written)
    received = [json.loads(body) for _, body in subscriber.wait(2)]
    assert {(m["type"], m["data"]["subject"]["id"]) for m in received} == {
        ("message.dispatched", spoken), ("message.sent", written)}
    assert tail.until(written) and tail.until(spoken)
    # The text was dispatched too: nobody asked for that.
    told = [line for line in tail.text.splitlines() if line.startswith("event: ")]
    assert told.count("event: message.dispatched") == 1 and "event: message.queued" not in told


def test_an_unknown_name_is_refused_with_the_nearest(owner):
    def refused(answer) -> str:
        assert (answer.status, answer.code) == (400, "unknown_event_type"), answer.text
        return answer.json["error"]["details"][0]["message"]

    body = {"url": "https://example.com/hook", "types": ["message.sent", "sms.snet"]}
    assert "sms.sent" in refused(owner.post("/api/webhook-endpoints", body))
    assert "contact.created" in refused(owner.get("/api/events?types=message.*,contact.craeted"))
    assert "contact.*" in refused(owner.get("/api/events?types=contacts.*"))
    assert "message.sent" in refused(owner.get("/api/audit/events?type=mesage.sent"))
    # Of the catalogue, but nothing of the kind could come.
    assert "no deals" in refused(owner.get("/api/events?types=deal.won"))
    assert "message.received" in refused(owner.get("/api/audit/events?type=sms.received"))
