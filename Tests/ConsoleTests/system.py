"""The running system as the tests know it: its API and its sandbox, without the console."""

import itertools
import json
import random
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

# How phone numbers begin: in Chicago, and on Guam, where it is night while Chicago has noon. One
# after the other from a place of chance, so that no two are the same.
CHICAGO = "+13124"
GUAM = "+1671472"
PHONES = itertools.count(random.randrange(200_000, 1_000_000))
ZONE = ZoneInfo("America/Chicago")

CONSENT = {
    "channel": "sms",
    "purpose": "marketing",
    "method": "verbal",
    "source": "browser tests",
    "wording": "Yes, you may text me.",
}


@dataclass
class Contact:
    id: str
    name: str
    phone: str
    email: str


@dataclass
class System:
    base_url: str
    sandbox_url: str
    org: str
    api_key: str
    login: str
    password: str

    def call(self, method: str, path: str, body: object = None) -> dict:
        """One API call with the org's key. What a write changed can be read when it returns."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        # Read models are no part of the book, which alone could keep a key.
        if not path.startswith("/api/projections/"):
            headers["Idempotency-Key"] = str(uuid.uuid4())
        answer, position = send(method, self.base_url + path, body, headers)
        if position is not None:
            for read_model in ("contacts", "messages", "segments", "audit/events"):
                url = f"{self.base_url}/api/{read_model}?limit=1"
                send("GET", url, headers={**headers, "Min-Position": position})
        return answer

    def create_contact(self, place: str = CHICAGO, **fields: object) -> Contact:
        mark = uuid.uuid4().hex[:10]
        name = f"Test {mark}"
        digits = len("+13125550100") - len(place)
        phone = f"{place}{next(PHONES) % 10**digits:0{digits}d}"
        email = f"{mark}@example.com"
        created = self.call(
            "POST",
            "/api/contacts",
            {"first_name": "Test", "last_name": mark, "phone": phone, "email": email, **fields},
        )
        return Contact(created["id"], name, phone, email)

    def reply(self, contact: Contact, text: str) -> None:
        """The contact's phone answers the last text it got."""
        query = urllib.parse.urlencode({"to": contact.phone, "limit": 1})
        sent, _ = send("GET", f"{self.sandbox_url}/sandbox/messages?{query}")
        reply = {"from": contact.phone, "to": sent["data"][0]["from"], "body": text}
        send("POST", f"{self.sandbox_url}/sandbox/inbound", reply)

    def bring_daytime(self) -> None:
        """Moves the test org's clock on to an hour at which nobody's quiet hours hold a text back."""
        now = datetime.fromisoformat(self.call("GET", f"/api/accounts/{self.org}")["now"].replace("Z", "+00:00"))
        local = now.astimezone(ZONE)
        if 11 <= local.hour < 14:
            return
        noon = local.replace(hour=12, minute=0, second=0, microsecond=0)
        if noon <= local:
            noon += timedelta(days=1)
        seconds = int((noon - local).total_seconds())
        self.call("POST", "/api/test-clock/advance", {"seconds": seconds})


def send(
    method: str, url: str, body: object = None, headers: dict[str, str] | None = None
) -> tuple[dict, str | None]:
    """The answer and its Log-Position; an error status is an exception with the body in it."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = response.read()
            return json.loads(answer) if answer else {}, response.headers["Log-Position"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {url}: {error.code} {error.read().decode()}") from None
