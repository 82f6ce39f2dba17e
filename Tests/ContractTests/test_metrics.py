"""What Prometheus reads, and the dashboard that is drawn from it."""

import json
import re
from pathlib import Path

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana.json"
SAMPLE = re.compile(r"^([a-z_]+)(?:\{([^}]*)\})? (\S+)$")


def samples(operator) -> dict[str, float]:
    answer = operator.get("/metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for line in answer.text.splitlines():
        if line.startswith("#"):
            continue
        match = SAMPLE.match(line)
        assert match, line
        name = match[1] + ("{" + match[2] + "}" if match[2] else "")
        assert name not in found, f"{name} twice"
        found[name] = float(match[3])
    return found


def test_every_family_says_what_it_is(operator) -> None:
    text = operator.get("/metrics").text
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    helped = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    assert names == helped
    for line in text.splitlines():
        if not line.startswith("#"):
            base = re.sub(r"_(bucket|sum|count)$", "", re.split(r"[{ ]", line)[0])
            assert base in names or re.split(r"[{ ]", line)[0] in names, line


def test_the_dashboard_asks_for_metrics_that_there_are(operator) -> None:
    text = operator.get("/metrics").text
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    asked = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            asked |= set(re.findall(r"\b(?:daybook|process)_[a-z_]+", target["expr"]))
    assert len(asked) > 15
    assert {re.sub(r"_bucket$", "", name) for name in asked} <= families


def test_what_happens_is_counted(operator, new_account, nobody) -> None:
    _, owner, _ = new_account("Counted")
    before = samples(operator)
    contact = owner.made(
        "/api/contacts", {"phone": "+13125557777", "consents": [{
            "channel": "sms", "purpose": "marketing", "method": "web_form", "source": "form",
            "wording": "Yes, text me."}]})["id"]
    owner.made(f"/api/contacts/{contact}/opt-outs", {"channel": "sms", "method": "staff"}, status=200)
    refused = owner.post(
        "/api/messages", {"contact": contact, "body": "Hi", "purpose": "marketing"})
    assert refused.status == 422
    assert nobody.get("/api/contacts").status == 401
    after = samples(operator)

    def grew(name: str, by: int = 1) -> bool:
        return after[name] >= before.get(name, 0) + by

    assert grew("daybook_log_events_total", 3)
    assert grew('daybook_opt_outs_total{channel="sms"}')
    assert grew('daybook_messages_total{step="skipped"}')
    assert grew('daybook_messages_skipped_total{reason="revoked"}')
    assert grew('daybook_http_requests_total{status="2xx"}', 2)
    assert grew('daybook_http_requests_total{status="4xx"}', 2)
    assert grew("daybook_http_request_seconds_count", 4)
    assert after['daybook_http_request_seconds_bucket{le="+Inf"}'] == after[
        "daybook_http_request_seconds_count"]
    assert after["daybook_log_writable"] == 1
    assert after["process_resident_memory_bytes"] > 10_000_000
