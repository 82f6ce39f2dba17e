"""A client of the API, and accounts of the running system to try it with."""

import functools
import hashlib
import hmac
import json
import os
import re
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from error_codes import unnamed

DEMO_JSON = os.environ.get("DAYBOOK_DEMO_JSON")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if DEMO_JSON is None:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="DAYBOOK_DEMO_JSON is not set: no system"))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> dict:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return self.json["error"]["code"]


@dataclass
class Client:
    """Sends as one caller: a key, a session, or nobody."""

    base_url: str
    headers: dict[str, str] = field(default_factory=dict)
    timeout_seconds: int = 30

    def send(self, method: str, path: str, body=None, **headers: str) -> Answer:
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        request = Request(self.base_url + path, data=data, method=method, headers=sent)
        try:
            with urlopen(request, timeout=self.timeout_seconds) as answer:
                return Answer(answer.status, lowered(answer.headers), read(answer))
        except HTTPError as refusal:
            with refusal:
                answer = Answer(refusal.code, lowered(refusal.headers), read(refusal))
            require_named_codes(self.base_url, method, path, answer)
            return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, **headers)

    def post(self, path: str, body=None, **headers: str) -> Answer:
        headers.setdefault("Idempotency_Key", str(uuid.uuid4()))
        return self.send("POST", path, body, **headers)

    def made(self, path: str, body, status: int = 201) -> dict:
        answer = self.post(path, body)
        assert answer.status == status, answer.text
        return answer.json

    def with_key(self, secret: str) -> "Client":
        return Client(self.base_url, {"Authorization": f"Bearer {secret}"})

    def sign_in(self, email: str, password: str) -> "Client":
        answer = Client(self.base_url).send(
            "POST", "/api/session", {"email": email, "password": password}
        )
        assert answer.status == 200, answer.text
        cookie = answer.headers["set-cookie"].split(";")[0]
        return Client(self.base_url, {"Cookie": cookie, "X-CSRF-Token": answer.json["csrf_token"]})

    def signed(
        self, method: str, path: str, secret: str, nonce: str, at: int | None = None, version: int = 2,
        covered: dict[str, str] | None = None, body: bytes = b"", **headers: str,
    ) -> Answer:
        """A request under a key that takes signed ones only; `covered`: what is signed in place of `headers`."""
        stamp = str(int(time.time()) if at is None else at)
        digest = hashlib.sha256(body).hexdigest()
        content = f"{stamp}.{nonce}.{method}.{path}.{digest}"
        if version == 2:
            signed = headers if covered is None else covered
            values = [signed.get(name, "") for name in ["Account", "Idempotency_Key", "If_Match"]]
            content = "\n".join(["v2", stamp, nonce, method, path, digest, *values])
        code = hmac.new(secret.encode(), content.encode(), hashlib.sha256).hexdigest()
        return self.send(
            method, path, body or None, Daybook_Timestamp=stamp, Daybook_Nonce=nonce,
            Daybook_Signature=f"v{version}={code}", **headers,
        )


@functools.cache
def definitions(base_url: str) -> list[tuple[str, re.Pattern, dict]]:
    """The operations with what their paths look like, those with fewer placeholders first."""
    with urlopen(base_url + "/openapi.json", timeout=30) as answer:
        paths = json.loads(read(answer))["paths"]
    ordered = sorted(paths.items(), key=lambda item: item[0].count("{"))
    return [
        (method.upper(), re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)), operation)
        for path, item in ordered
        for method, operation in item.items()
    ]


def require_named_codes(base_url: str, method: str, target: str, refusal: Answer) -> None:
    """Every code that anybody is refused with is one that the document names for the operation and the status."""
    path = target.partition("?")[0]
    if path.startswith("/sandbox/"):
        return
    operation = next(
        (o for m, shape, o in definitions(base_url) if m == method and shape.fullmatch(path)), None
    )
    if operation is None or not refusal.text.startswith('{"error"'):
        return
    missing = unnamed(operation, refusal.status, refusal.json["error"])
    assert not missing, f"{method} {path}: {refusal.status} {missing} is not named in the document"


def lowered(headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def read(answer) -> str:
    return answer.read().decode("utf-8", "replace")


@pytest.fixture(scope="session")
def system() -> dict:
    return json.loads(Path(DEMO_JSON).read_text())


@pytest.fixture(scope="session")
def nobody(system: dict) -> Client:
    return Client(system["base_url"])


@pytest.fixture(scope="session")
def operator(system: dict) -> Client:
    token = Path(DEMO_JSON).parent / "operator.token"
    return Client(system["base_url"], {"Authorization": f"Bearer {token.read_text().strip()}"})


@pytest.fixture(scope="session")
def new_account(operator: Client, system: dict):
    """Makes an account: its id, its administrator's client, and how the administrator signs in."""
    sandbox = {"account_sid": "AC1", "auth_token": "t", "base_url": system["sandbox_url"]}

    def make(name: str, **more) -> tuple[str, Client, tuple[str, str]]:
        email, password = f"{uuid.uuid4().hex}@example.com", "correct horse battery"
        made = operator.made(
            "/api/operator/accounts",
            {
                "name": name, "test": True,
                "rate_limit": {"per_minute": 1_000_000, "burst": 2_000_000},
                "owner": {"email": email, "name": "Olive Owner", "password": password},
                "sms": {"from": "+13125558000"} | sandbox,
            } | more,
        )
        return made["id"], operator.with_key(made["api_key"]), (email, password)

    return make


@pytest.fixture(scope="session")
def document(nobody: Client) -> dict:
    return nobody.get("/openapi.json").json


@pytest.fixture(scope="session")
def operations(document: dict) -> list[tuple[str, str, dict]]:
    """Every operation as method, path, definition."""
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
