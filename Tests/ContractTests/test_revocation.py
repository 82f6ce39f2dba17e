"""What was taken away is gone at once: also from whoever listens already, and from a copied cookie."""

import http.client
import threading
import uuid
from urllib.parse import urlsplit

import pytest

PERSON = {"first_name": "Pat"}


class Tail:
    """An answer of `GET /api/events` that stays open."""

    def __init__(self, client, path: str, accept: str):
        place = urlsplit(client.base_url)
        self.connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
        self.connection.request("GET", path, headers=client.headers | {"Accept": accept})
        self.answer = self.connection.getresponse()
        self.text = ""

    def until(self, text: str) -> bool:
        """Whether the text comes; false where the stream ends first."""
        while text not in self.text:
            piece = self.answer.read1(65536)
            if not piece:
                return False
            self.text += piece.decode()
        return True

    def ends(self) -> bool:
        return not self.until("\x00 nobody sends this")


@pytest.fixture
def account(new_account):
    return new_account("Takes Away")


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/api/events?types=contact.*", "text/event-stream"),
        ("/api/events?types=contact.*&follow=true", "application/x-ndjson"),
    ],
)
def test_a_tail_ends_with_its_key(account, path, accept):
    owner = account[1]
    key = owner.made("/api/api-keys", {"name": "tail", "scopes": ["events:read"]})
    tail = Tail(owner.with_key(key["secret"]), path, accept)
    first = owner.made("/api/contacts", PERSON)["id"]
    assert tail.until(first)
    # What changes elsewhere ends nothing.
    owner.made("/api/api-keys", {"name": "another", "scopes": ["events:read"]})
    second = owner.made("/api/contacts", PERSON)["id"]
    assert tail.until(second)
    assert owner.send("DELETE", f"/api/api-keys/{key['id']}").status == 200
    third = owner.made("/api/contacts", PERSON)["id"]
    assert tail.ends()
    assert third not in tail.text


def test_a_tail_ends_with_the_rights_of_its_key(account):
    owner = account[1]
    key = owner.made("/api/api-keys", {"name": "tail", "scopes": ["events:read"]})
    tail = Tail(owner.with_key(key["secret"]), "/api/events?after=now", "text/event-stream")
    changed = owner.send("PATCH", f"/api/api-keys/{key['id']}", {"scopes": ["contacts:read"]})
    assert changed.status == 200, changed.text
    assert tail.ends()


def test_a_tail_ends_with_its_user(account):
    owner = account[1]
    email = f"{uuid.uuid4().hex}@example.com"
    person = {"name": "Al", "email": email, "password": "correct horse battery"}
    user = owner.made("/api/users", person | {"role": "administrator"})
    session = owner.sign_in(person["email"], person["password"])
    tail = Tail(session, "/api/events?after=now", "text/event-stream")
    assert tail.until("tail of the log")
    assert owner.send("DELETE", f"/api/users/{user['id']}").status in (200, 204)
    assert tail.ends()


@pytest.mark.parametrize(
    ("scopes", "refusal"), [(None, (401, "unauthorized")), (["contacts:read"], (403, "missing_scope"))])
def test_a_long_poll_ends_with_its_key_or_the_right(account, scopes, refusal):
    owner = account[1]
    key = owner.made("/api/api-keys", {"name": "poll", "scopes": ["events:read"]})
    answers = []
    poll = threading.Thread(
        target=lambda: answers.append(
            owner.with_key(key["secret"]).get("/api/events?after=now&wait=20000&types=contact.*")
        )
    )
    poll.start()
    threading.Event().wait(0.5)
    path = f"/api/api-keys/{key['id']}"
    taken = owner.send("PATCH", path, {"scopes": scopes}) if scopes else owner.send("DELETE", path)
    assert taken.status == 200
    owner.made("/api/contacts", PERSON)
    poll.join()
    assert (answers[0].status, answers[0].code) == refusal


def test_signing_out_ends_the_session_itself(account):
    owner, (email, password) = account[1], account[2]
    session = owner.sign_in(email, password)
    other = owner.sign_in(email, password)
    tail = Tail(session, "/api/events?after=now", "text/event-stream")
    assert tail.until("tail of the log")
    assert session.send("DELETE", "/api/session").status == 204
    assert session.get("/api/session").status == 401
    assert session.post("/api/contacts", PERSON).status == 401
    assert tail.ends()
    # Twice is once, and the user's other sessions go on.
    assert session.send("DELETE", "/api/session").status == 204
    assert other.get("/api/session").status == 200
    types = [event["type"] for event in owner.get("/api/events?types=user.*").json["data"]]
    assert types.count("user.signed_out") == 1
