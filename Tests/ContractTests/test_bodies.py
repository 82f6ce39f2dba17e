"""What a request may bring depends on its operation and its caller, and is known from its head."""

import socket
import uuid
from urllib.parse import urlsplit

import pytest


def raw(base_url: str, head: list[str], pieces=()) -> int:
    """Sends a head and pieces of a body as they are; the status of the answer."""
    place = urlsplit(base_url)
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        lines = [*head, f"Host: {place.netloc}", "", ""]
        connection.sendall("\r\n".join(lines).encode())
        for piece in pieces:
            connection.sendall(piece)
        return int(connection.recv(4096).split(b" ")[1])


@pytest.fixture(scope="module")
def account(new_account):
    return new_account("Brings Much")[1]


@pytest.mark.parametrize("path", ["/api/session", "/api/contacts", "/api/contacts/import"])
def test_nobody_announces_a_large_body_without_a_key(nobody, path):
    head = [f"POST {path} HTTP/1.1", "Content-Type: application/json", "Content-Length: 62914560"]
    assert raw(nobody.base_url, head) == 413


def test_signing_in_takes_little(nobody):
    answer = nobody.send("POST", "/api/session", b'{"email": "%s"}' % (b"a" * 70_000))
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_a_body_in_chunks_is_refused_for_its_size(account):
    head = [
        "POST /api/contacts HTTP/1.1", f"Authorization: {account.headers['Authorization']}",
        "Content-Type: application/json", "Transfer-Encoding: chunked",
    ]
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    assert raw(account.base_url, head, [chunk] * 33 + [b"0\r\n\r\n"]) == 413


def test_who_may_import_brings_a_large_file(account):
    rows = b"first_name,note\n" + b"Pat," + b"x" * (5 << 20) + b"\n"
    head = {"Content_Type": "text/csv", "Idempotency_Key": str(uuid.uuid4())}
    answer = account.send("POST", "/api/contacts/import?dry_run=true", rows, **head)
    assert answer.status == 200, answer.text


def form(boundary: str, email: str) -> bytes:
    lines = [
        f"--{boundary}", 'Content-Disposition: form-data; name="file"; filename="people.csv"',
        "Content-Type: text/csv", "", f"email\n{email}\n", f"--{boundary}--", "",
    ]
    return "\r\n".join(lines).encode()


def test_a_file_that_is_sent_again_is_one_import_whatever_its_boundary(account):
    key, email = str(uuid.uuid4()), f"{uuid.uuid4().hex}@example.com"

    def send(boundary: str, email: str):
        return account.send(
            "POST", "/api/contacts/import", form(boundary, email), Idempotency_Key=key,
            Content_Type=f"multipart/form-data; boundary={boundary}")

    first, again = send("a" * 24, email), send("----WebKitFormBoundaryX9", email)
    assert (first.status, again.status) == (200, 200), again.text
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json["created"] == first.json["created"] == 1
    other = send("a" * 24, "x" + email)
    assert (other.status, other.code) == (409, "idempotency_mismatch")


def test_a_key_that_may_not_import_brings_no_large_file(account):
    key = account.made("/api/api-keys", {"name": "reads", "scopes": ["contacts:read"]})
    head = [
        "POST /api/contacts/import HTTP/1.1", f"Authorization: Bearer {key['secret']}",
        "Content-Type: text/csv", "Content-Length: 62914560",
    ]
    assert raw(account.base_url, head) == 413
