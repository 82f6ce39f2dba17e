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
    assert owner.get(path + "/dead-letters").json["data"][0]["reason"] == "gone"
    assert owner.post(path + "/test").code == "endpoint_disabled"
    subscriber.status = 200
    assert owner.post(path + "/enable").status == 200
    headers = [headers["webhook-id"] for headers, _ in subscriber.wait(3)]
    assert len(set(headers)) == 1
    # What was given up once can be asked for all together.
    assert owner.post(path + "/redeliver", {"failed": True}).status == 200
    assert subscriber.wait(4)[3][0]["webhook-id"] == headers[0]


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
