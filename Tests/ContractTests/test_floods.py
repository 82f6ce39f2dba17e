"""Bodies that are made to cost: each within its limits, and looked at in a moment."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

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
