"""Accounts, their providers and prices: made, read, changed, taken away."""

import base64
import hashlib
import hmac
import time
import uuid
from urllib.parse import urlencode

import pytest

from conftest import Client

TWILIO = {"provider": "twilio", "options": {"from": "+13125558000"}}


@pytest.fixture(scope="module")
def agency(new_account):
    return new_account("Harbor Agency", kind="agency")


def client_of(keeper: Client, **more) -> tuple[str, Client]:
    email = f"{uuid.uuid4().hex}@example.com"
    owner = {"email": email, "name": "Cora Client", "password": "correct horse battery"}
    made = keeper.made("/api/accounts", {"name": "Northwind", "test": True, "owner": owner} | more)
    return made["id"], keeper.with_key(made["api_key"])


# --- accounts


def test_an_agency_makes_changes_and_archives_its_clients(agency) -> None:
    id, keeper, _ = agency
    client, own = client_of(keeper, time_zone="America/Chicago")
    account = keeper.get(f"/api/accounts/{client}").json
    assert (account["kind"], account["agency"]) == ("client", id)
    assert account["time_zone"] == "America/Chicago"

    changed = own.send("PATCH", f"/api/accounts/{client}", {"name": "Northwind West"})
    assert changed.status == 200 and changed.json["name"] == "Northwind West"
    assert len(changed.json["events"]) == 1
    again = own.send("PATCH", f"/api/accounts/{client}", {"name": "Northwind West"})
    assert again.json["events"] == []
    # One commit or nothing.
    both = {"name": "Other", "time_zone": "Mars/Base"}
    refused = own.send("PATCH", f"/api/accounts/{client}", both)
    assert (refused.status, refused.code) == (400, "unknown_time_zone")
    assert keeper.get(f"/api/accounts/{client}").json["name"] == "Northwind West"

    # Its standing is the agency's business.
    for status in ["paused", "active"]:
        mine = own.send("PATCH", f"/api/accounts/{client}", {"status": status})
        assert (mine.status, mine.code) == (403, "agency_only")
    assert own.send("DELETE", f"/api/accounts/{client}").code == "agency_only"
    assert keeper.send("DELETE", f"/api/accounts/{client}").json["status"] == "archived"
    assert own.get("/api/contacts").code == "account_archived"
    assert own.post("/api/contacts", {"first_name": "Ann"}).code == "account_archived"
    assert keeper.get("/api/contacts", Account=client).status == 200
    back = keeper.send("PATCH", f"/api/accounts/{client}", {"status": "active"})
    assert back.json["status"] == "active"
    assert own.get("/api/contacts").status == 200
    events = own.get("/api/events?types=org.status_changed,org.details_changed").json["data"]
    assert [event["data"].get("status") for event in events] == [None, "archived", "active"]
    assert events[-1]["actor"].endswith(f" for:{id}")


def test_nobody_makes_or_changes_what_is_not_theirs(agency, new_account) -> None:
    _, keeper, _ = agency
    client, own = client_of(keeper)
    stranger, other, _ = new_account("Stranger")
    assert other.post("/api/accounts", {"name": "X"}).code == "agency_only"
    assert own.post("/api/accounts", {"name": "X"}).code == "agency_only"
    for method, body in [("PATCH", {"name": "Mine"}), ("DELETE", None)]:
        assert other.send(method, f"/api/accounts/{client}", body).status == 404
        assert keeper.send(method, f"/api/accounts/{stranger}", body).status == 404
    limited = keeper.made(
        "/api/api-keys", {"name": "Limited", "scopes": ["account:*"]})["secret"]
    refused = keeper.with_key(limited).post("/api/accounts", {"name": "X"})
    assert (refused.status, refused.code) == (403, "cannot_grant")


def test_an_account_whose_administrator_cannot_be_is_not_made(agency) -> None:
    _, keeper, (email, _) = agency
    before = keeper.get("/api/accounts?count=exact").json["total"]
    owner = {"email": email, "name": "Twice", "password": "correct horse battery"}
    taken = keeper.post("/api/accounts", {"name": "Twice", "owner": owner})
    assert (taken.status, taken.code) == (409, "email_taken")
    owner |= {"email": f"{uuid.uuid4().hex}@example.com", "role": "emperor"}
    assert keeper.post("/api/accounts", {"name": "Twice", "owner": owner}).status == 400
    assert keeper.get("/api/accounts?count=exact").json["total"] == before


def test_the_operator_sets_the_standing_of_an_account(new_account, operator) -> None:
    account, owner, _ = new_account("Debtor")
    set = operator.send("PATCH", f"/api/operator/accounts/{account}", {"status": "past_due"})
    assert set.status == 200 and set.json["status"] == "past_due"
    contact = owner.made(
        "/api/contacts",
        {"first_name": "Ann", "phone": f"+1312555{int(time.time()) % 10_000:04}"})["id"]
    owner.made("/api/wallet/add-funds", {"amount": 5_000_000})
    message = {"contact": contact, "body": "Your code is 1.", "purpose": "transactional"}
    assert owner.post("/api/messages", message).code == "paused"
    assert owner.send("PATCH", f"/api/operator/accounts/{account}", {"status": "active"}).status == 401


def test_the_same_order_makes_one_client(agency) -> None:
    id, keeper, _ = agency
    count = keeper.get("/api/accounts?count=exact").json["total"]
    body = {"name": "Once", "test": True}
    assert keeper.send("POST", "/api/accounts?dry_run=true", body).json["object"] == "dry_run"
    assert keeper.get("/api/accounts?count=exact").json["total"] == count
    key = uuid.uuid4().hex
    first = keeper.send("POST", "/api/accounts", body, Idempotency_Key=key)
    again = keeper.send("POST", "/api/accounts", body, Idempotency_Key=key)
    assert (first.status, again.status) == (201, 201)
    assert first.json["id"] == again.json["id"] and first.json["agency"] == id
    assert "api_key" in first.json and "api_key" not in again.json
    assert again.headers["idempotent-replayed"] == "true"
    other = keeper.send("POST", "/api/accounts", {"name": "Twice"}, Idempotency_Key=key)
    assert other.code == "idempotency_mismatch"
    assert keeper.get("/api/accounts?count=exact").json["total"] == count + 1


# --- providers


def twilio(account_sid: str, token: str, system: dict) -> dict:
    options = {"from": "+13125558000", "account_sid": account_sid}
    return {
        "provider": "twilio", "base_url": system["sandbox_url"], "options": options,
        "secrets": {"auth_token": token},
    }


def says_stop(nobody: Client, account: str, token: str, sender: str, to: str) -> int:
    """A STOP as the provider posts it; the status of the answer."""
    path = f"/webhooks/twilio/{account}/messages"
    form = {
        "MessageSid": "SM" + uuid.uuid4().hex, "AccountSid": "AC1", "From": sender, "To": to,
        "Body": "STOP", "NumMedia": "0", "NumSegments": "1",
    }
    text = nobody.base_url + path + "".join(key + form[key] for key in sorted(form))
    code = base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest())
    return nobody.send(
        "POST", path, urlencode(form).encode(), X_Twilio_Signature=code.decode(),
        Content_Type="application/x-www-form-urlencoded",
    ).status


def consent(owner: Client, contact: str) -> str:
    return owner.get(f"/api/contacts/{contact}").json["consent"]["sms"]["status"]


def test_a_stop_to_a_removed_provider_counts(new_account, nobody, system) -> None:
    account, owner, _ = new_account("Mover")
    owner.send("PUT", "/api/providers/sms", twilio("ACold", "old-token", system))
    digits = uuid.uuid4().int % 10_000
    yes = [{"channel": "sms", "purpose": "marketing", "method": "web_form", "source": "form",
            "wording": "Yes, text me."}]
    first, second, third = [
        (f"+1312{prefix}{digits:04}",
         owner.made("/api/contacts", {"phone": f"+1312{prefix}{digits:04}", "consents": yes})["id"])
        for prefix in (555, 556, 557)
    ]
    gone = owner.send("DELETE", "/api/providers/sms")
    assert gone.status == 200 and gone.json["forgotten"] is False
    shown = owner.get("/api/providers").json["data"]
    assert [(it["service"], it["status"]) for it in shown] == [
        ("sms", "former"), ("sms", "former")]
    refused = owner.post("/api/messages", {"contact": first[1], "body": "Hi", "purpose": "marketing"})
    assert (refused.status, refused.code) == (422, "sms_not_configured")

    assert says_stop(nobody, account, "old-token", first[0], "+13125558000") == 200
    assert consent(owner, first[1]) == "opted_out"
    # A new provider changes nothing in that, nor do new credentials of the same account for some days: the provider signs
    # with the old ones until the new ones are promoted there.
    owner.send("PUT", "/api/providers/sms", twilio("ACnew", "new-token", system))
    assert says_stop(nobody, account, "old-token", second[0], "+13125558000") == 200
    assert consent(owner, second[1]) == "opted_out"
    owner.send("PUT", "/api/providers/sms", twilio("ACnew", "newer-token", system))
    assert says_stop(nobody, account, "new-token", third[0], "+13125558000") == 200
    assert consent(owner, third[1]) == "opted_out"
    assert says_stop(nobody, account, "old-token", third[0], "+13125558000") == 200
    assert says_stop(nobody, account, "no-token", third[0], "+13125558000") == 403

    assert owner.send("DELETE", "/api/providers/sms?forget=true").json["forgotten"] is True
    assert owner.get("/api/providers").json["data"] == []
    for token in ("old-token", "new-token", "newer-token"):
        assert says_stop(nobody, account, token, third[0], "+13125558000") == 403
    assert owner.send("DELETE", "/api/providers/sms").status == 404
    assert owner.send("DELETE", "/api/providers/fax").status == 404
    # The number is back, and with it the no.
    owner.send("PUT", "/api/providers/sms", twilio("ACnew", "newest-token", system))
    again = owner.post("/api/messages", {"contact": first[1], "body": "Hi", "purpose": "marketing"})
    assert (again.status, again.code) == (422, "revoked")


def test_a_provider_that_something_waits_for_stays(new_account, system) -> None:
    _, owner, _ = new_account("Waiting")
    owner.made("/api/wallet/add-funds", {"amount": 5_000_000})
    owner.made("/api/sending/halt", {"reason": "wait"}, status=200)
    contact = owner.made(
        "/api/contacts", {"phone": f"+1312558{uuid.uuid4().int % 10_000:04}"})["id"]
    body = {"contact": contact, "body": "Your code is 1.", "purpose": "transactional"}
    message = owner.made("/api/messages", body)["id"]
    refused = owner.send("DELETE", "/api/providers/sms")
    assert (refused.status, refused.code) == (409, "provider_in_use")
    owner.made(f"/api/messages/{message}/cancel", {}, status=200)
    assert owner.send("DELETE", "/api/providers/sms").status == 200


# --- prices


def price(owner: Client, resource: str) -> int:
    data = owner.get("/api/wallet/prices").json["data"]
    return next(it["price"]["amount"] for it in data if it["resource"] == resource)


def test_a_markup_is_taken_back(agency) -> None:
    _, keeper, _ = agency
    client, own = client_of(keeper)
    listed = price(own, "mms")
    keeper.made("/api/agency/prices", {"resource": "mms", "markup_percent": 60}, status=200)
    body = {"resource": "mms", "markup_percent": 100}
    assert keeper.send("POST", "/api/wallet/prices", body, Account=client).status == 200
    assert price(own, "mms") == 40_000

    assert own.send("DELETE", "/api/wallet/prices/mms").code == "agency_only"
    taken = keeper.send("DELETE", "/api/wallet/prices/mms", Account=client)
    assert taken.status == 200
    assert [it["markup_percent"] for it in taken.json["markups"]] == [60, 100, None]
    assert price(own, "mms") == 32_000
    # Of all clients: those there are, and those to come.
    assert keeper.send("DELETE", "/api/agency/prices/mms").json["clients"] >= 1
    assert price(own, "mms") == listed
    _, later = client_of(keeper)
    assert price(later, "mms") == listed
    assert keeper.send("DELETE", "/api/wallet/prices/fax", Account=client).status == 404


# --- templates


def test_an_archived_template_is_taken_back(new_account) -> None:
    _, owner, _ = new_account("Writer")
    template = owner.made(
        "/api/templates", {"name": "Hi", "channel": "sms", "body": "Hi {{first_name|you}}"})["id"]
    path = f"/api/templates/{template}"
    assert owner.send("DELETE", path).json["archived"] is True
    contact = owner.made("/api/contacts", {"first_name": "Ann"})["id"]
    assert owner.post(path + "/preview", {"contact": contact}).code == "archived"
    restored = owner.post(path + "/restore")
    assert restored.status == 200 and restored.json["archived"] is False
    assert len(restored.json["events"]) == 1
    assert owner.send("POST", path + "/restore").json["events"] == []
    # Under a key it is remembered, and the template is as it was.
    assert owner.post(path + "/restore").headers["etag"] == restored.headers["etag"]
    assert owner.send("PUT", path, {"name": "Hi", "body": "Hello"}).json["latest_version"] == 2


def test_an_account_has_its_version_everywhere_and_its_history(agency) -> None:
    keeper = agency[1]
    made = keeper.post("/api/accounts", {"name": "Versioned"})
    assert made.json["version"] >= 1 and made.json["updated_at"] and made.json["account"]
    client = made.json["id"]
    path = f"/api/accounts/{client}"
    renamed = keeper.send("PATCH", path, {"name": "Renamed"}).json
    read = keeper.get(path).json
    listed = [item for item in keeper.get("/api/accounts").json["data"] if item["id"] == client]
    assert listed[0]["version"] == read["version"] == renamed["version"] > made.json["version"]
    assert listed[0]["updated_at"] == read["updated_at"]
    story = keeper.get(path + "/history").json["data"]
    assert story[0]["type"] == "org.created" and story[-1]["subject"]["version"] == read["version"]
    diff = keeper.get(f"{path}/diff?from={read['version'] - 1}").json["changes"]
    assert {"field": "name", "before": "Versioned", "after": "Renamed"} in diff
    # Of others there is none, and it takes the right to the book.
    own = keeper.with_key(made.json["api_key"])
    assert own.get(f"/api/accounts/{agency[0]}/history").status == 404
    assert own.get(path + "/history").status == 200
    key = own.made("/api/api-keys", {"name": "Sees little", "scopes": ["account:read"]})
    assert own.with_key(key["secret"]).get(path + "/history").status == 403


def test_an_archived_account_takes_nothing_in_by_its_hooks_but_a_no(agency) -> None:
    keeper = agency[1]
    client, own = client_of(keeper)

    def hook(action: str) -> str:
        made = own.made(
            "/api/inbound-hooks",
            {
                "name": "Form", "authentication": "secret_in_path", "action": action,
                "mapping": {"email": "email"},
            },
        )
        return "/" + made["url"].split("/", 3)[3] + "/" + made["secret"]

    lead, put, no = (hook(action) for action in ("lead", "contact", "opt_out"))
    person = {"email": "ann@example.com"}
    known = keeper.send("POST", lead, person).json["contact"]
    assert keeper.send("DELETE", f"/api/accounts/{client}").status == 200
    for path in (lead, put):
        told = keeper.send("POST", path, {"email": "bea@example.com"})
        assert (told.status, told.code) == (403, "account_archived")
        # Who does not know the secret is not told how the account stands.
        assert keeper.send("POST", path + "x", person).code == "invalid_signature"
    assert keeper.send("POST", no, person).status == 200
    contact = keeper.get(f"/api/contacts/{known}", Account=client).json
    assert contact["consent"]["email"]["status"] == "opted_out"
