"""What administrators should know, and that it goes away with its reason."""

import time

from conftest import Client
from test_webhooks import Subscriber


def kinds(owner: Client) -> dict[str, dict]:
    answer = owner.get("/api/notices")
    assert answer.status == 200, answer.text
    return {notice["kind"]: notice for notice in answer.json["data"]}


def words(owner: Client, kind: str) -> str:
    return kinds(owner).get(kind, {}).get("words", "")


def test_a_notice_comes_and_goes_with_its_reason(new_account) -> None:
    account, owner, _ = new_account("Noticed")
    before = kinds(owner)
    assert "sending_halted" not in before

    owner.made("/api/sending/halt", {"reason": "wrong list"}, status=200)
    assert kinds(owner)["sending_halted"]["subject"] == account
    owner.made("/api/sending/resume", {}, status=200)
    assert "sending_halted" not in kinds(owner)


def test_an_endpoint_that_is_gone_is_a_notice_until_it_is_enabled(new_account) -> None:
    _, owner, _ = new_account("Gone")
    subscriber = Subscriber()
    subscriber.status = 410
    endpoint = owner.made(
        "/api/webhook-endpoints", {"url": subscriber.url, "types": ["contact.created"]}
    )["id"]
    owner.made("/api/contacts", {"first_name": "Ann"})
    # The state is known a moment before its event is on disk, which says why.
    deadline = time.time() + 30
    while "410" not in words(owner, "webhook_disabled") and time.time() < deadline:
        time.sleep(0.1)
    assert "410" in words(owner, "webhook_disabled")
    assert kinds(owner)["webhook_disabled"]["subject"] == endpoint
    subscriber.status = 200
    owner.made(f"/api/webhook-endpoints/{endpoint}/enable", {}, status=200)
    assert "webhook_disabled" not in kinds(owner)
    subscriber.server.shutdown()
    subscriber.server.server_close()


def test_an_endpoint_is_named_by_its_address_to_those_who_may_read_it(new_account) -> None:
    _, owner, _ = new_account("Gone too")
    subscriber = Subscriber()
    subscriber.status = 410
    url = subscriber.url + "/a-secret-at-the-end"
    endpoint = owner.made("/api/webhook-endpoints", {"url": url, "types": ["contact.created"]})["id"]
    owner.made("/api/contacts", {"first_name": "Ann"})
    deadline = time.time() + 30
    while "410" not in words(owner, "webhook_disabled") and time.time() < deadline:
        time.sleep(0.1)
    assert url in words(owner, "webhook_disabled")
    key = owner.made("/api/api-keys", {"name": "Sales", "scopes": ["account:read"]})
    sales = owner.with_key(key["secret"])
    assert sales.get("/api/webhook-endpoints").status == 403
    seen = sales.get("/api/notices")
    assert endpoint in words(sales, "webhook_disabled") and "410" in words(sales, "webhook_disabled")
    assert "a-secret-at-the-end" not in seen.text
    subscriber.server.shutdown()
    subscriber.server.server_close()


def test_attempts_that_were_refused_are_one_notice(new_account, nobody: Client) -> None:
    _, owner, _ = new_account("Tried")
    key = owner.made("/api/api-keys", {"name": "curious", "scopes": ["contacts:read"]})
    curious = nobody.with_key(key["secret"])
    for path in ["/api/users", "/api/events", "/api/roles", "/api/messages"]:
        assert curious.get(path).status == 403
    deadline = time.time() + 30
    while "4 times" not in words(owner, "access_refused") and time.time() < deadline:
        time.sleep(0.1)
    found = [notice for notice in owner.get("/api/notices").json["data"]
             if notice["kind"] == "access_refused"]
    assert len(found) == 1 and found[0]["subject"] == key["id"]
    assert "4 times" in found[0]["words"]


def test_no_traffic_takes_a_notice_away(new_account, nobody: Client) -> None:
    _, owner, _ = new_account("Busy")
    key = owner.made("/api/api-keys", {"name": "curious", "scopes": ["contacts:read"]})
    assert nobody.with_key(key["secret"]).get("/api/users").status == 403
    owner.made("/api/sending/halt", {"reason": "wrong list"}, status=200)
    deadline = time.time() + 30
    while "once" not in words(owner, "access_refused") and time.time() < deadline:
        time.sleep(0.1)
    before = kinds(owner)
    assert before["access_refused"]["subject"] == key["id"]
    assert before["sending_halted"]["since"] is not None
    # Each is on record for its key, though it changes nothing.
    contact = owner.made("/api/contacts", {"first_name": "Ann"})["id"]
    for number in range(210):
        same = owner.send(
            "PATCH", f"/api/contacts/{contact}", {"first_name": "Ann"}, Idempotency_Key=f"n{number}"
        )
        assert same.status == 200, same.text
    assert len(owner.get("/api/events?types=org.request_had_no_effect&limit=200").json["data"]) == 200
    assert kinds(owner) == before


def test_no_traffic_takes_the_reason_of_a_notice_away(new_account) -> None:
    _, owner, _ = new_account("Gone and tried")
    subscriber = Subscriber()
    endpoint = owner.made(
        "/api/webhook-endpoints", {"url": subscriber.url, "types": ["contact.created"]}
    )["id"]
    subscriber.status = 410
    owner.made("/api/contacts", {"first_name": "Ann"})
    deadline = time.time() + 30
    while "410" not in words(owner, "webhook_disabled") and time.time() < deadline:
        time.sleep(0.1)
    assert "410" in words(owner, "webhook_disabled")
    for number in range(210):
        changed = owner.send(
            "PATCH", f"/api/webhook-endpoints/{endpoint}",
            {"types": ["contact.created", "contact.updated"][: 1 + number % 2]},
        )
        assert changed.status == 200, changed.text
    assert "410" in words(owner, "webhook_disabled")
    subscriber.server.shutdown()
    subscriber.server.server_close()


def test_a_user_who_is_locked_out_is_a_notice_until_unlocked(new_account, nobody: Client) -> None:
    _, owner, (email, password) = new_account("Locked")
    for _ in range(5):
        nobody.send("POST", "/api/session", {"email": email, "password": "a wrong guess"})
    # On record a moment after the answer.
    deadline = time.time() + 30
    while "user_locked" not in kinds(owner) and time.time() < deadline:
        time.sleep(0.1)
    user = kinds(owner)["user_locked"]["subject"]
    failed = owner.get("/api/events?types=user.sign_in_failed").json["data"]
    assert [event["data"]["address"] for event in failed] == ["127.0.0.1"] * 5
    assert {event["subject"]["id"] for event in failed} == {user}
    owner.made(f"/api/users/{user}/unlock", {}, status=200)
    assert "user_locked" not in kinds(owner)


def test_nobody_reads_the_notices_of_another_account(new_account, nobody: Client) -> None:
    account, owner, _ = new_account("Loud")
    _, other, _ = new_account("Quiet")
    owner.made("/api/sending/halt", {"reason": "ours alone"}, status=200)
    assert "sending_halted" not in kinds(other)
    assert nobody.get("/api/notices").status == 401
    owner.made("/api/sending/resume", {}, status=200)
