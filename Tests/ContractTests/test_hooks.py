"""Inbound hooks: nobody has one do what they may not do themselves."""

import uuid

import pytest

RIGHTS = {
    "lead": {"leads:create"},
    "contact": {"contacts:create", "contacts:update"},
    "opt_out": {"contacts:update"},
}


def hook(action: str) -> dict:
    return {
        "name": "Form", "authentication": "secret_in_path", "action": action,
        "mapping": {"email": "email"},
    }


@pytest.fixture(scope="module")
def account(new_account):
    return new_account("Hooks")


@pytest.fixture(scope="module")
def owner(account):
    return account[1]


def caller(owner, scopes):
    key = owner.made("/api/api-keys", {"name": "A test", "scopes": sorted(scopes)})
    return owner.with_key(key["secret"])


@pytest.mark.parametrize("action", RIGHTS)
@pytest.mark.parametrize(
    "scopes",
    [
        {"webhooks:*"},
        {"webhooks:*", "contacts:read"},
        {"webhooks:*", "leads:create"},
        {"webhooks:*", "contacts:create"},
        {"webhooks:*", "contacts:update"},
        {"webhooks:*", "contacts:create", "contacts:update"},
        {"webhooks:*", "contacts:write", "leads:write"},
        {"*"},
    ],
    ids=lambda scopes: " ".join(sorted(scopes)),
)
def test_a_hook_takes_the_rights_of_what_it_does(owner, action, scopes):
    held = set(scopes)
    if "contacts:write" in held or "*" in held:
        held |= set().union(*RIGHTS.values())
    may = RIGHTS[action] <= held
    client = caller(owner, scopes)
    made = client.post("/api/inbound-hooks", hook(action))
    own = owner.made("/api/inbound-hooks", hook(action))
    assert set(own["rights"]) == RIGHTS[action]
    path = f"/api/inbound-hooks/{own['id']}"
    tried = client.post(path + "/test", {"payload": {"email": "ann@example.com"}})
    answers = [
        made, client.post("/api/inbound-hooks?dry_run=true", hook(action)),
        client.send("PATCH", path, {"mapping": {"phone": "phone"}}),
        client.send("PATCH", path, {"name": "Other"}), client.post(path + "/rotate-secret"),
        client.post(path + "/enable"), tried,
    ]
    if may:
        assert [answer.status for answer in answers] == [201, 200, 200, 200, 200, 200, 200]
    else:
        assert {(answer.status, answer.code) for answer in answers} == {(403, "cannot_grant")}
        assert "secret" not in "".join(answer.text for answer in answers)
        assert owner.get(path).json["version"] == 1
    # Whoever sees to hooks may always end one.
    assert client.post(path + "/disable").status == 200
    assert client.send("DELETE", path).status == 200


def test_a_hook_cannot_be_made_to_do_more_than_who_changes_it_may(owner):
    client = caller(owner, {"webhooks:*", "leads:create"})
    made = client.made("/api/inbound-hooks", hook("lead"))
    path = f"/api/inbound-hooks/{made['id']}"
    assert client.send("PATCH", path, {"action": "contact"}).code == "cannot_grant"
    assert client.send("PATCH", path, {"action": "opt_out"}).code == "cannot_grant"
    assert owner.send("PATCH", path, {"action": "contact"}).status == 200
    assert client.post(path + "/rotate-secret").code == "cannot_grant"
    # Down to what they may do, it may be changed.
    assert client.send("PATCH", path, {"action": "lead"}).status == 200


@pytest.mark.parametrize(
    ("role", "status"), [("administrator", 201), ("developer", 403), ("marketing_manager", 403)]
)
def test_a_role_that_writes_no_contacts_makes_no_hook(owner, role, status):
    email = f"{uuid.uuid4().hex}@example.com"
    password = "correct horse battery"
    owner.made("/api/users", {"name": "Al", "email": email, "password": password, "role": role})
    session = owner.sign_in(email, password)
    assert session.post("/api/inbound-hooks", hook("contact")).status == status


def test_a_hook_outlives_who_made_it_and_says_who_that_was(owner):
    key = owner.made(
        "/api/api-keys", {"name": "Maker", "scopes": ["webhooks:*", "leads:create"]}
    )
    client = owner.with_key(key["secret"])
    made = client.made("/api/inbound-hooks", hook("lead"))
    assert owner.send("DELETE", f"/api/api-keys/{key['id']}").status == 200
    path = made["url"].split("/", 3)[3]
    told = owner.send("POST", f"/{path}/{made['secret']}", {"email": "ann@example.com"})
    assert told.status == 200, told.text
    story = owner.get(f"/api/inbound-hooks/{made['id']}/history").json["data"]
    assert story[0]["actor"]["id"] == key["id"] if isinstance(story[0]["actor"], dict) else (
        story[0]["actor"] == f"key:{key['id']}"
    )
    event = owner.get(f"/api/events/{told.json['events'][0]}").json
    assert made["id"] in str(event["actor"])
