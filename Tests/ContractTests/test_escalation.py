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


def test_a_narrow_right_shows_nothing_of_what_lies_beside(new_account, nobody):
    """Figures are no messages, a segment is no people, and a trial leaves nothing on record: what they show of others
    takes the right to those."""
    _, owner, _ = new_account("Narrow")
    owner.made("/api/wallet/add-funds", {"amount": 5_000_000})
    contact = owner.made("/api/contacts", {
        "first_name": "Ann", "company": "Secret & Sons", "phone": "+12125550123"})["id"]
    segment = owner.made("/api/segments", {"name": "All", "filter": {"all": []}})["id"]
    owner.made("/api/messages?wait=projection", {
        "contact": contact, "body": "For Ann alone", "purpose": "transactional"})
    rows = "/api/analytics/messages/rows?figure=planned"
    people = f"/api/segments/{segment}/contacts"

    def holder(*scopes):
        return nobody.with_key(key(owner, scopes=list(scopes))["secret"])

    for path, scope, other in [(rows, "analytics:read", "messages:read"), (people, "segments:read", "contacts:read")]:
        refused = holder(scope).get(path)
        assert (refused.status, refused.code) == (403, "missing_scope"), path
        assert other in refused.json["error"]["message"]
        lines = holder(scope).get(path, Accept="application/x-ndjson")
        assert (lines.status, lines.code) == (403, "missing_scope"), path
        assert len(holder(scope, other).get(path).json["data"]) == 1, path
    template = owner.made("/api/templates", {"channel": "sms", "name": "T", "body": "{{company}}"})["id"]
    shown = [holder(*scopes).post(f"/api/templates/{template}/preview", {"contact": contact})
             for scopes in (["messages:*"], ["messages:read", "contacts:read"])]
    assert [answer.status for answer in shown] == [403, 200] and "Secret & Sons" in shown[1].text
    assert holder("analytics:read").get("/api/analytics/messages").status == 200
    assert holder("segments:read").get(f"/api/segments/{segment}/members").status == 200
    path = f"/api/contacts/{contact}/timeline"
    seen = holder("contacts:read").get(path).json["data"]
    assert seen and all(each["message"] is None and each["body"] is None for each in seen)
    whole = holder("contacts:read", "messages:read").get(path).json["data"]
    assert "For Ann alone" in [each["body"] for each in whole]
    trial = {"contact": contact, "body": "{{company}} {{phone}}", "purpose": "transactional"}
    words = ["to", "subject", "body", "html"]
    for scopes in [["messages:create"], ["messages:*"], ["messages:create", "contacts:read"]]:
        told = holder(*scopes).post("/api/messages?dry_run=true", trial).json
        assert [told[name] for name in words] == [None] * 4, scopes
        # At night it would be held.
        assert told["verdict"]["outcome"] in ("allowed", "held")
    told = holder("messages:*", "contacts:read").post("/api/messages?dry_run=true", trial).json
    assert (told["to"], told["body"]) == ("+12125550123", "Secret & Sons +12125550123")


def test_a_read_model_is_rebuilt_by_who_reaches_every_account(new_account, nobody):
    """It is of the whole installation, in which there are others beside this account."""
    _, owner, _ = new_account("One of Many")
    for method, path in [("POST", "wallet/rebuild"), ("DELETE", "wallet/rebuild"), ("POST", "wallet/drain")]:
        for query in ["", "?dry_run=true"]:
            refused = owner.send(method, f"/api/projections/{path}{query}")
            assert (refused.status, refused.code) == (403, "operator_only"), refused.text
    assert owner.get("/api/projections").status == 200
