"""Nobody comes by more than they were given: not by a secret, not by what an operation does besides."""

import uuid

from test_access import colleague


def key(client, **fields) -> dict:
    return client.made("/api/api-keys", {"name": "A test"} | fields)


def test_nobody_gets_a_secret_that_may_do_more_than_they(new_account, nobody):
    _, owner, (email, password) = new_account("Climbs")
    everything = key(owner, scopes=["*"], networks=["192.0.2.1"])
    smaller = key(owner, scopes=["contacts:read"])
    climber = nobody.with_key(key(owner, scopes=["api_keys:*", "users:*", "contacts:*"])["secret"])
    path = f"/api/api-keys/{everything['id']}"
    answers = [
        climber.post(path + "/roll"), climber.post(path + "/roll?dry_run=true"),
        climber.send("PATCH", path, {"networks": []}),
        climber.send("PATCH", path, {"expires_at": None}),
    ]
    people = {person["email"]: person["id"] for person in owner.get("/api/users").json["data"]}
    user = f"/api/users/{people[email]}"
    answers.append(climber.send("PATCH", user, {"password": "correct horse staple"}))
    assert {(answer.status, answer.code) for answer in answers} == {(403, "cannot_grant")}
    owner.sign_in(email, password)
    # Whom they could have made themselves, they may give a new secret.
    assert climber.post(f"/api/api-keys/{smaller['id']}/roll").status == 200
    helper = {"name": "Al", "email": f"{uuid.uuid4().hex}@example.com", "password": password}
    gone = owner.made("/api/users", helper | {"role": "administrator"})
    assert owner.send("DELETE", f"/api/users/{gone['id']}").status == 200
    back = climber.send("PATCH", f"/api/users/{gone['id']}", {"active": True})
    assert back.code == "cannot_grant"
    # What ends something takes no more than the right to.
    assert climber.send("DELETE", path).status == 200


def test_an_upsert_and_an_import_take_both_of_their_rights(new_account, nobody):
    _, owner, _ = new_account("Two Rights")
    path = "/api/contacts?key=email:ann@example.com"
    creates = nobody.with_key(key(owner, scopes=["contacts:create"])["secret"])
    changes = nobody.with_key(key(owner, scopes=["contacts:update"])["secret"])
    both = nobody.with_key(key(owner, scopes=["contacts:create", "contacts:update"])["secret"])
    for client in (creates, changes):
        answer = client.send("PUT", path, {"first_name": "Ann"})
        assert (answer.status, answer.code) == (403, "missing_scope")
        answer = client.post("/api/contacts/import", b"email\nann@example.com\n", Content_Type="text/csv")
        assert (answer.status, answer.code) == (403, "missing_scope")
    assert both.send("PUT", path, {"first_name": "Ann"}).status == 201
    answer = both.post("/api/contacts/import", b"email\nann@example.com\n", Content_Type="text/csv")
    assert answer.status == 200, answer.text


def test_nobody_connects_a_provider_who_may_not_write_what_it_tells(new_account, nobody):
    """Its secrets make STARTs and payments: they are worth more than the settings of the account."""
    _, owner, _ = new_account("Connects")
    sms = {"provider": "twilio", "base_url": "https://api.twilio.com",
           "options": {"from": "+12125550100", "account_sid": "AC" + "1" * 32}, "secrets": {"auth_token": "t"}}
    payment = {"provider": "stripe", "options": {"customer": "cus_1"},
               "secrets": {"api_key": "sk", "webhook_secret": "whsec"}}

    def answers(scopes):
        role = owner.made("/api/roles", {"name": uuid.uuid4().hex, "scopes": scopes})["id"]
        _, email, password = colleague(owner, role)
        session = nobody.sign_in(email, password)
        return [session.send("PUT", f"/api/providers/{service}", body).status
                for service, body in [("sms", sms), ("email", {}), ("payment", payment)]]

    assert answers(["account:*"]) == [403, 403, 403]
    assert answers(["account:*", "contacts:update"]) == [403, 403, 403]
    assert answers(["account:*", "wallet:write"])[:2] == [403, 403]
    assert 403 not in answers(["account:*", "contacts:*", "wallet:*"])
