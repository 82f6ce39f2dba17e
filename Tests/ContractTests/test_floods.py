"""Bodies that are made to cost: each within its limits, and looked at in a moment."""

import json
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from conftest import Client

COUNT = 80_000


@pytest.fixture(scope="module")
def owner(new_account):
    return new_account("Floods")[1]


@pytest.fixture(scope="module")
def hook(owner) -> str:
    made = owner.made(
        "/api/inbound-hooks",
        {
            "name": "Form", "authentication": "secret_in_path", "action": "contact",
            "mapping": {"email": "email", "tags": "t"},
        },
    )
    return "/" + made["url"].split("/", 3)[3] + "/" + made["secret"]


# Compared each with each, they would take minutes: the client gives up after half of one.


def test_a_body_of_unknown_fields_is_refused_with_the_first_hundred(owner):
    body = {f"k{index}": 1 for index in range(COUNT)}
    answer = owner.send("POST", "/api/contacts", body)
    assert (answer.status, answer.code) == (400, "unknown_parameter")
    assert len(answer.json["error"]["details"]) == 100


def test_a_list_of_wrong_elements_is_refused_with_the_first_hundred(owner):
    answer = owner.send("POST", "/api/contacts", {"first_name": "Ann", "tags": [1] * COUNT})
    assert answer.status == 400
    assert len(answer.json["error"]["details"]) <= 100


@pytest.mark.parametrize("names", [[f"k{index}" for index in range(COUNT)], ["t"] * COUNT])
def test_a_form_of_many_fields_is_read_once(owner, hook, names):
    email = f"{uuid.uuid4().hex}@example.com"
    form = "&".join(f"{name}=1" for name in names) + f"&email={email}"
    answer = owner.send(
        "POST", hook, form.encode(), Content_Type="application/x-www-form-urlencoded"
    )
    # Tags have a limit of their own.
    assert answer.status in (200, 400), answer.text[:300]


def test_a_hook_reads_an_object_of_many_fields_once(owner, hook):
    email = f"{uuid.uuid4().hex}@example.com"
    body = {f"k{index}": 1 for index in range(COUNT)} | {"email": email}
    assert owner.send("POST", hook, json.dumps(body).encode()).status == 200


def test_strangers_who_guess_passwords_keep_nobody_waiting_but_each_other(owner, nobody):
    def guess(_):
        body = {"email": f"{uuid.uuid4().hex}@example.com", "password": "correct horse"}
        return patient.send("POST", "/api/session", body)

    # The line before them takes as long as processors that do other things let it.
    patient = replace(nobody, timeout_seconds=300)
    with ThreadPoolExecutor(150) as strangers:
        guesses = [strangers.submit(guess, number) for number in range(150)]
        # On the threads that compare the passwords they would wait for longer than a client does.
        for _ in range(20):
            assert owner.get("/api/users").status == 200
        assert not all(guess.done() for guess in guesses)
        answers = [guess.result() for guess in guesses]
    assert {answer.status for answer in answers} == {401, 503}
    refused = next(answer for answer in answers if answer.status == 503)
    assert refused.code == "overloaded" and int(refused.headers["retry-after"]) > 0


def test_who_guesses_at_one_account_keeps_no_other_out(new_account, nobody):
    """From one machine's own address, where each email is somebody."""
    honest = [new_account(f"Honest {number}")[2] for number in range(3)]
    guess = {"email": f"{uuid.uuid4().hex}@example.com", "password": "correct horse"}
    with ThreadPoolExecutor(150) as strangers:
        guesses = [strangers.submit(nobody.send, "POST", "/api/session", guess) for _ in range(150)]
        for email, password in honest:
            nobody.sign_in(email, password)
        answers = [guess.result() for guess in guesses]
    assert {answer.status for answer in answers} <= {401, 429, 503}


def test_a_filter_of_very_many_conditions_is_refused(owner):
    part = {"field": "tags", "op": "contains", "value": "vip"}
    most, more = ({"any": [part] * count} for count in (999, 1_000))
    assert owner.send("POST", "/api/contacts/search", {"filter": most}).status == 200
    made = owner.made("/api/segments", {"name": "Most", "filter": most})
    for method, path, body in [
        ("POST", "/api/contacts/search", {"filter": more}),
        ("POST", "/api/segments", {"name": "More", "filter": more}),
        ("PATCH", f"/api/segments/{made['id']}", {"filter": more}),
        ("POST", "/api/segments", {"name": "Empty", "filter": {"any": [{"all": []}] * 20_000}}),
    ]:
        answer = owner.send(method, path, body)
        assert (answer.status, answer.code) == (400, "invalid_filter"), path
        assert "at most 1000" in answer.json["error"]["message"], path


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_the_reference_is_shared_and_not_copied_for_each_who_asks(nobody, path):
    first, second = nobody.get(path), nobody.get(path)
    assert first.status == 200 and first.text == second.text and len(first.text) > 500_000
    # In pieces that all answers share: a length would mean that each had its own.
    assert "content-length" not in first.headers


@pytest.fixture(scope="module")
def heavy(owner) -> str:
    """The list of forty campaigns to one segment, whose filter has a quarter of a megabyte."""
    conditions = [{"field": "company", "op": "eq", "value": f"{n:03}" + "x" * 210} for n in range(999)]
    segment = owner.made("/api/segments", {"name": "Heavy", "filter": {"any": conditions}})["id"]
    for number in range(40):
        made = owner.post(
            "/api/campaigns",
            {"name": f"C{number}", "segment": segment, "purpose": "marketing", "body": "Hi"},
        )
        assert made.status == 201, made.text
    path, position = "/api/campaigns?expand=segment", made.headers["log-position"]
    deadline = time.time() + 60
    while True:
        answer = owner.get(path + "&limit=1", Min_Position=position)
        if answer.status == 200 and isinstance(answer.json["data"][0]["segment"], dict):
            return path
        assert time.time() < deadline, answer.text[:300]


def test_an_answer_is_expanded_by_so_much_at_most(owner, heavy):
    refused = owner.get(heavy + "&limit=40")
    assert (refused.status, refused.code) == (400, "answer_too_large")
    assert refused.json["error"]["param"] == "expand"
    assert "smaller limit" in refused.json["error"]["message"]
    few = owner.get(heavy + "&limit=10")
    assert few.status == 200 and len(few.json["data"]) == 10
    assert all(len(campaign["segment"]["filter"]["any"]) == 999 for campaign in few.json["data"])


def test_lines_are_read_in_parts_that_are_small_enough(owner, heavy):
    answer = owner.get(heavy + "&limit=40", Accept="application/x-ndjson")
    assert answer.status == 200
    campaigns = [json.loads(line) for line in answer.text.splitlines()]
    assert all("id" in campaign for campaign in campaigns), campaigns[-1]
    assert len({campaign["id"] for campaign in campaigns}) == len(campaigns) == 40
    assert all(len(campaign["segment"]["filter"]["any"]) == 999 for campaign in campaigns)


class Reader:
    """Asks, and takes no more of the answer than its head."""

    def __init__(self, client: Client, path: str) -> None:
        address = urlsplit(client.base_url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.socket.settimeout(60)
        self.socket.connect((address.hostname, address.port))
        headers = "".join(f"{name}: {value}\r\n" for name, value in client.headers.items())
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        self.head = b""
        while b"\r\n\r\n" not in self.head:
            self.head += self.socket.recv(1_024)

    @property
    def status(self) -> int:
        return int(self.head.split()[1])


def test_whoever_does_not_read_keeps_so_much_at_most(owner, new_account, heavy):
    """Goal: answers that nobody takes hold a part of the room, for as long as their connections last. Method: readers who
    stop behind the head of an answer that is more than sockets hold."""
    _, other, _ = new_account("Reading")
    readers = [Reader(owner, heavy + "&limit=28") for _ in range(8)]
    statuses = [reader.status for reader in readers]
    # A quarter of 128 MiB, at 7.4 MB an answer.
    assert statuses == [200] * 4 + [503] * 4
    assert b"retry-after: " in readers[-1].head.lower()
    refused = owner.get(heavy + "&limit=20")
    assert (refused.status, refused.code) == (503, "overloaded")
    # What is small is served, and so are writes, and others.
    assert owner.get("/api/limits").status == 200
    made = owner.made("/api/contacts", {"first_name": "Small"})
    assert owner.send("DELETE", f"/api/contacts/{made['id']}").status == 200
    custom = {f"field_{number}": "x" * 2_000 for number in range(50)}
    wide = other.made("/api/contacts", {"first_name": "Wide", "custom": custom})["id"]
    assert other.get(f"/api/contacts/{wide}").status == 200
    for reader in readers:
        reader.socket.close()
    deadline = time.time() + 60
    while (answer := owner.get(heavy + "&limit=20")).status == 503 and time.time() < deadline:
        time.sleep(0.1)
    assert answer.status == 200


def test_an_account_has_its_share_of_the_long_polls(owner, new_account):
    _, other, _ = new_account("Polling")
    patient = replace(owner, timeout_seconds=300)

    def poll(_):
        # Whoever looks whether there is a place has it for a moment.
        while (answer := patient.get("/api/events?after=now&wait=60000&types=user.*")).status == 429:
            pass
        return answer

    with ThreadPoolExecutor(100) as callers:
        polls = [callers.submit(poll, number) for number in range(100)]
        deadline = time.time() + 30
        # Until all of them have come, there is a place.
        while (answer := owner.get("/api/events?after=now&wait=1")).status == 200:
            assert time.time() < deadline, "nobody is refused"
        assert (answer.status, answer.code) == (429, "rate_limited")
        assert int(answer.headers["retry-after"]) > 0
        assert other.get("/api/events?after=now&wait=1").status == 200
        # Who does not wait needs no place.
        assert owner.get("/api/events?limit=1").status == 200
        email = f"{uuid.uuid4().hex}@example.com"
        owner.made(
            "/api/users",
            {"email": email, "name": "Ann", "password": "a long password", "role": "developer"},
        )
        assert {poll.result().status for poll in polls} == {200}
    assert owner.get("/api/events?after=now&wait=1").status == 200


def clients_of(agency: Client, count: int) -> list[tuple[str, Client]]:
    made = [
        agency.made(
            "/api/accounts",
            {
                "name": f"Client {number}", "test": True,
                "owner": {
                    "email": f"{uuid.uuid4().hex}@example.com", "name": "Cora",
                    "password": "correct horse battery",
                },
            },
        )
        for number in range(count)
    ]
    return [(account["id"], agency.with_key(account["api_key"])) for account in made]


def test_the_long_polls_of_an_agency_are_its_own_and_not_its_clients(new_account):
    _, agency, _ = new_account("Polling Agency", kind="agency")
    clients = clients_of(agency, 2)
    patient = replace(agency, timeout_seconds=300)

    def poll(number):
        client = clients[number % 2][0]
        return patient.get("/api/events?after=now&wait=60000&types=contact.*", Account=client)

    with ThreadPoolExecutor(120) as callers:
        polls = []
        for number in range(120):
            polls.append(callers.submit(poll, number))
            # Each begins with a page, of which an account reads 32 at a time.
            time.sleep(0.05)
        deadline = time.time() + 30
        while sum(poll.done() for poll in polls) < 20:
            assert time.time() < deadline, "nobody is refused"
            time.sleep(0.05)
        for _, own in clients:
            assert own.get("/api/events?after=now&wait=1").status == 200
            own.made("/api/contacts", {"first_name": "Ann"})
        answers = [poll.result() for poll in polls]
    assert sorted(answer.status for answer in answers) == [200] * 100 + [429] * 20


def test_a_long_poll_whose_client_hangs_up_leaves_its_place(new_account):
    _, owner, _ = new_account("Hanging up")
    address = urlsplit(owner.base_url)
    headers = "".join(f"{name}: {value}\r\n" for name, value in owner.headers.items())
    polls = []
    for _ in range(100):
        poll = socket.create_connection((address.hostname, address.port))
        path = "/api/events?after=now&wait=60000"
        poll.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        polls.append(poll)
        # Each begins with a page, of which an account reads 32 at a time.
        time.sleep(0.05)
    deadline = time.time() + 30
    while owner.get("/api/events?after=now&wait=1").status == 200:
        assert time.time() < deadline, "nobody is refused"
    for poll in polls:
        poll.close()
    # Less than they would have waited for.
    deadline = time.time() + 30
    while (answer := owner.get("/api/events?after=now&wait=1")).status == 429:
        assert time.time() < deadline, "their places are not left"
        time.sleep(0.1)
    assert answer.status == 200
