"""What is one's own: for whoever is signed in, whatever their role, and for no key."""

import pytest

from test_access import about_oneself, ask, colleague, key


@pytest.fixture(scope="module")
def account(new_account):
    return new_account("Oneself")


def test_every_operation_says_who_may_ask(operations):
    """Else one of them would be in none of the matrices here."""
    known = [[], [{"api_key": []}, {"session": []}], [{"session": []}], [{"operator": []}]]
    assert [(method, path) for method, path, o in operations if o["security"] not in known] == []
    assert [(method, path) for method, path, _ in about_oneself(operations)] == [
        ("GET", "/api/session"), ("POST", "/api/session/password"),
    ]


def test_whoever_is_signed_in_has_what_is_theirs_whatever_their_role(account, nobody):
    _, owner, _ = account
    own = owner.made("/api/roles", {"name": "Writes leads", "scopes": ["leads:write"]})["id"]
    built_in = [
        "administrator", "marketing_manager", "developer", "sales_representative",
        "compliance_officer",
    ]
    for role in [own, *built_in]:
        user, email, password = colleague(owner, role)
        session = nobody.sign_in(email, password)
        seen = session.get("/api/session")
        assert (seen.status, seen.json["user"]["id"]) == (200, user), role
        assert seen.json["user"]["scopes"] == owner.get(f"/api/roles/{role}").json["scopes"], role
        assert session.get("/api/session?fields=user").status == 200, role
        change = {"current_password": password, "new_password": "correct horse battery two"}
        tried = session.send("POST", "/api/session/password?dry_run=true", change)
        assert [event["type"] for event in tried.json["events"]] == ["user.password_changed"], role
        assert session.send("POST", "/api/session/password", change).status == 204, role
        again = nobody.sign_in(email, change["new_password"])
        assert again.send("DELETE", "/api/session").status == 204, role
        assert again.get("/api/session").status == 401, role
    for path in ["/api/limits", f"/api/users/{user}"]:
        _, email, password = colleague(owner, own)
        answer = nobody.sign_in(email, password).get(path)
        assert (answer.status, answer.code) == (403, "missing_scope")


def test_a_key_is_nobodys_self(account, nobody, operations):
    _, owner, _ = account
    for scopes in [["*"], ["account:read"], ["leads:*"]]:
        client = nobody.with_key(key(owner, scopes=scopes)["secret"])
        for method, path, operation in about_oneself(operations):
            answer = ask(client, method, path, operation)
            assert (answer.status, answer.code) == (401, "unauthorized"), f"{method} {path} {scopes}"
