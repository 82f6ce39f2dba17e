"""Webhooks as their subscribers see them, checked without any code of ours."""

import base64
import hashlib
import hmac
import json
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Subscriber:
    """Keeps what it was sent and answers with `status`."""

    def __init__(self) -> None:
        self.status, self.headers, self.received = 200, {}, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.received.append((headers, body))
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count: int) -> list:
        deadline = time.time() + 30
        while len(self.received) < count and time.time() < deadline:
            time.sleep(0.05)
        assert len(self.received) >= count, f"{len(self.received)} of {count} deliveries"
        return self.received


def signature(secret: str, headers: dict, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


@pytest.fixture
def subscriber():
    subscriber = Subscriber()
    yield subscriber
    subscriber.server.shutdown()
    subscriber.server.server_close()


@pytest.fixture(scope="module")
def owner(new_account):
    return new_account("Webhooks")[1]


def subscribe(owner, subscriber, **more) -> dict:
    return owner.made(
        "/api/webhook-endpoints", {"url": subscriber.url, "types": ["contact.created"]} | more
    )


def test_a_delivery_is_signed_and_both_secrets_sign_while_they_overlap(owner, subscriber):
    endpoint = subscribe(owner, subscriber)
    contact = owner.made("/api/contacts", {"first_name": "Ann"})
    headers, body = subscriber.wait(1)[0]
    assert headers["webhook-signature"] == signature(endpoint["secret"], headers, body)
    assert headers["webhook-id"] == contact["events"][0]
    message = json.loads(body)
    assert message["type"] == "contact.created" and message["data"]["subject"]["id"] == contact["id"]
    path = f"/api/webhook-endpoints/{endpoint['id']}"
    rotated = owner.made(path + "/rotate-secret", {"overlap_seconds": 3600}, 200)
    owner.made("/api/contacts", {"first_name": "Ben"})
    headers, body = subscriber.wait(2)[1]
    assert set(headers["webhook-signature"].split(" ")) == {
        signature(rotated["secret"], headers, body), signature(endpoint["secret"], headers, body),
    }
    last = owner.made(path + "/rotate-secret", {"overlap_seconds": 0}, 200)
    owner.made("/api/contacts", {"first_name": "Cam"})
    headers, body = subscriber.wait(3)[2]
    assert headers["webhook-signature"] == signature(last["secret"], headers, body)


def test_thin_payloads_and_cloud_events(owner, subscriber):
    endpoint = subscribe(owner, subscriber, payload="thin", format="cloudevents")
    contact = owner.made("/api/contacts", {"first_name": "Secret name"})
    headers, body = subscriber.wait(1)[0]
    event = json.loads(body)
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["webhook-signature"] == signature(endpoint["secret"], headers, body)
    assert event["specversion"] == "1.0" and event["id"] == contact["events"][0]
    assert event["subject"] == contact["id"] and event["type"] == "contact.created"
    assert b"Secret name" not in body and event["data"]["subject"]["id"] == contact["id"]


def test_a_test_event_comes_whatever_was_subscribed(owner, subscriber):
    endpoint = subscribe(owner, subscriber)
    assert owner.post(f"/api/webhook-endpoints/{endpoint['id']}/test").status == 200
    _, body = subscriber.wait(1)[0]
    assert json.loads(body)["type"] == "webhook_endpoint.tested"


def test_what_was_delivered_comes_again_under_the_same_id_when_asked(owner, subscriber):
    endpoint = subscribe(owner, subscriber)
    path = f"/api/webhook-endpoints/{endpoint['id']}"
    contact = owner.made("/api/contacts", {"first_name": "Again"})
    subscriber.wait(1)
    assert owner.post(path + "/redeliver", {"events": contact["events"]}).status == 200
    first, second = [headers["webhook-id"] for headers, _ in subscriber.wait(2)[:2]]
    assert first == second == contact["events"][0]
    position = owner.get(f"/api/contacts/{contact['id']}/history").json["data"][0]["position"]
    assert owner.post(path + "/redeliver", {"from": position}).status == 200
    assert subscriber.wait(3)[2][0]["webhook-id"] == first
    stretch = {"from": position, "to": position}
    assert owner.post(path + "/redeliver", stretch).status == 200
    assert subscriber.wait(4)[3][0]["webhook-id"] == first
    assert owner.post(path + "/redeliver", {}).status == 400
    assert owner.post(path + "/redeliver", {"from": position, "to": position - 1}).status == 400
    log = owner.get(path + "/deliveries").json["data"]
    assert [entry["redelivery"] for entry in log] == [True, True, True, False]
    assert {entry["status"] for entry in log} == {200} and log[0]["response"] == "ok"


def test_a_failure_is_seen_and_a_410_ends_it(owner, subscriber):
    subscriber.status = 500
    endpoint = subscribe(owner, subscriber)
    path = f"/api/webhook-endpoints/{endpoint['id']}"
    owner.made("/api/contacts", {"first_name": "Fails"})
    subscriber.wait(1)
    deadline = time.time() + 20
    while owner.get(path).json["failures"] == 0 and time.time() < deadline:
        time.sleep(0.1)
    seen = owner.get(path).json
    assert seen["failures"] == 1 and seen["retry_at"] is not None and seen["enabled"]
    subscriber.status = 410
    subscriber.wait(2)
    while owner.get(path).json["enabled"] and time.time() < deadline + 20:
        time.sleep(0.1)
    assert owner.get(path).json["enabled"] is False
    # With the endpoint nothing was given up: once enabled it goes on with this very event.
    assert owner.get(path + "/dead-letters").json["data"] == []
    assert owner.post(path + "/test").code == "endpoint_disabled"
    subscriber.status = 200
    assert owner.post(path + "/enable").status == 200
    headers = [headers["webhook-id"] for headers, _ in subscriber.wait(3)]
    assert len(set(headers)) == 1
    # What was taken in the end is not asked for with what was given up.
    assert owner.post(path + "/redeliver", {"failed": True}).status == 200
    owner.made("/api/contacts", {"first_name": "Next"})
    assert subscriber.wait(4)[3][0]["webhook-id"] != headers[0]


def test_a_redirect_is_a_failure_and_the_subscriber_says_when_to_come_again(owner, subscriber):
    subscriber.status, subscriber.headers = 302, {"Location": subscriber.url, "Retry-After": "3600"}
    endpoint = subscribe(owner, subscriber)
    path = f"/api/webhook-endpoints/{endpoint['id']}"
    owner.made("/api/contacts", {"first_name": "Moved"})
    deadline = time.time() + 20
    while owner.get(path).json["failures"] == 0 and time.time() < deadline:
        time.sleep(0.1)
    seen = owner.get(path).json
    assert seen["failures"] == 1 and len(subscriber.received) == 1
    retry = datetime.fromisoformat(seen["retry_at"]).timestamp()
    assert retry - time.time() > 3000


def names(subscriber) -> list[str]:
    """Who was told of, in order."""
    return [json.loads(body)["data"]["data"]["first_name"] for _, body in subscriber.received]


def test_what_happens_while_an_endpoint_is_paused_comes_once_it_is_resumed(owner, subscriber):
    endpoint = subscribe(owner, subscriber)
    path = f"/api/webhook-endpoints/{endpoint['id']}"
    owner.made("/api/contacts", {"first_name": "Before"})
    subscriber.wait(1)
    paused = owner.made(path + "/pause", None, 200)
    assert paused["paused"] is True and paused["enabled"] is True
    assert owner.made(path + "/pause", None, 200)["version"] == paused["version"]
    contact = owner.made("/api/contacts", {"first_name": "During"})
    assert owner.post(path + "/test").code == "endpoint_paused"
    assert owner.post(path + "/redeliver", {"from": 1}).code == "endpoint_paused"
    # Nobody is told of a failure: this is how somebody wants it.
    subjects = [notice["subject"] for notice in owner.get("/api/notices").json["data"]]
    assert endpoint["id"] not in subjects
    time.sleep(1)
    assert len(subscriber.received) == 1
    assert owner.made(path + "/resume", None, 200)["paused"] is False
    headers, _ = subscriber.wait(2)[1]
    assert headers["webhook-id"] == contact["events"][0]
    owner.made("/api/contacts", {"first_name": "After"})
    subscriber.wait(3)
    assert names(subscriber) == ["Before", "During", "After"]
    log = owner.get(path + "/deliveries").json["data"]
    assert [entry["backfill"] for entry in log] == [False, True, False]
    types = [event["type"] for event in owner.get(path + "/history").json["data"]]
    assert types[-2:] == ["webhook_endpoint.paused", "webhook_endpoint.resumed"]


def test_a_resumed_endpoint_does_not_wait_for_the_hour_of_another_attempt(owner, subscriber):
    subscriber.status, subscriber.headers = 503, {"Retry-After": "3600"}
    endpoint = subscribe(owner, subscriber)
    path = f"/api/webhook-endpoints/{endpoint['id']}"
    contact = owner.made("/api/contacts", {"first_name": "Ann"})["id"]
    deadline = time.time() + 20
    while owner.get(path).json["failures"] == 0 and time.time() < deadline:
        time.sleep(0.1)
    assert owner.send("PATCH", path, {"types": ["contact.*"]}).status == 200
    assert owner.send("PATCH", f"/api/contacts/{contact}", {"first_name": "Bea"}).status == 200
    assert owner.post(path + "/pause").status == 200
    subscriber.status, subscriber.headers = 200, {}
    assert owner.post(path + "/resume").status == 200
    subscriber.wait(3)
    types = [json.loads(body)["type"] for _, body in subscriber.received]
    assert types == ["contact.created", "contact.created", "contact.updated"]
    assert [entry["attempt"] for entry in owner.get(path + "/deliveries").json["data"]] == [1, 2, 1]


def test_a_redelivery_names_one_thing(owner, subscriber):
    path = f"/api/webhook-endpoints/{subscribe(owner, subscriber)['id']}/redeliver"
    event = owner.made("/api/contacts", {"first_name": "Ann"})["events"][0]
    for body in (
        {"events": [event], "from": 1}, {"from": 1, "failed": True},
        {"events": [event], "failed": True}, {"events": [event], "to": 1},
    ):
        answer = owner.post(path, body)
        assert (answer.status, answer.code) == (400, "ambiguous"), body


def test_the_delivery_log_shows_what_was_sent_and_forgets_with_the_person(owner, subscriber):
    endpoint = subscribe(owner, subscriber)
    path = f"/api/webhook-endpoints/{endpoint['id']}/deliveries"
    contact = owner.made("/api/contacts", {"first_name": "Zenobia"})["id"]
    headers, body = subscriber.wait(1)[0]
    other = owner.made("/api/contacts", {"first_name": "Bea"})["id"]
    subscriber.wait(2)
    deadline = time.time() + 20
    while len(owner.get(path).json["data"]) < 2 and time.time() < deadline:
        time.sleep(0.1)
    number = {entry["number"]: entry for entry in owner.get(path).json["data"]}
    assert sorted(number) == [1, 2]
    shown = owner.get(f"{path}/1").json
    assert shown["request"]["body"].encode() == body and shown["request"]["as_sent"] is True
    for name, value in shown["request"]["headers"].items():
        assert headers[name] == value
    assert owner.get(f"{path}/3").status == owner.get(f"{path}/first").status == 404

    # Whoever may not read events is shown none.
    key = owner.made("/api/api-keys", {"name": "Support", "scopes": ["webhooks:read"]})
    support = owner.with_key(key["secret"])
    assert support.get(f"{path}/1").json["request"]["body"] is None
    thin = owner.send("PATCH", path.removesuffix("/deliveries"), {"payload": "thin"})
    assert thin.status == 200
    owner.made("/api/contacts", {"first_name": "Cam"})
    subscriber.wait(3)
    while len(owner.get(path).json["data"]) < 3 and time.time() < deadline:
        time.sleep(0.1)
    assert json.loads(support.get(f"{path}/3").json["request"]["body"])["type"] == "contact.created"
    # The style of then, not of now.
    assert owner.get(f"{path}/1").json["request"]["body"].encode() == body

    order = owner.made("/api/privacy/erasures", {"contact": contact, "reason": "person_asked"}, 202)
    while (
        owner.get(f"/api/privacy/erasures/{order['id']}").json["status"]
        not in ("rewritten", "rows_purged", "erased")
        and time.time() < deadline + 60
    ):
        time.sleep(0.2)
    shown = owner.get(f"{path}/1").json
    assert shown["response"] == "" and shown["request"]["as_sent"] is False
    assert "Zenobia" not in shown["request"]["body"]
    assert owner.get(f"{path}/2").json["response"] == "ok" and other


def test_nothing_goes_out_of_an_archived_account_until_it_is_active_again(new_account, subscriber):
    keeper = new_account("Keeps Still", kind="agency")[1]
    made = keeper.made("/api/accounts", {"name": "Still", "test": True})
    client, own = made["id"], keeper.with_key(made["api_key"])
    subscribe(own, subscriber)
    own.made("/api/contacts", {"first_name": "Before"})
    subscriber.wait(1)
    assert keeper.send("DELETE", f"/api/accounts/{client}").status == 200
    written = keeper.send("POST", "/api/contacts", {"first_name": "During"}, Account=client)
    assert written.status == 201
    time.sleep(1)
    assert names(subscriber) == ["Before"]
    back = keeper.send("PATCH", f"/api/accounts/{client}", {"status": "active"})
    assert back.status == 200
    subscriber.wait(2)
    assert names(subscriber) == ["Before", "During"]
