"""The API against its own document, with tools that are not ours, on a running system.

DAYBOOK_DEMO_JSON names the file with the system's `base_url` and `api_key` (as `daybook up` writes it).
DAYBOOK_FUZZ_EXAMPLES is how many inputs each operation gets: a longer run by hand takes 500, and
another DAYBOOK_FUZZ_SEED, so that it asks what was not asked before.
"""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

EXAMPLES = os.environ.get("DAYBOOK_FUZZ_EXAMPLES", "6")
SEED = os.environ.get("DAYBOOK_FUZZ_SEED", "20261121")
HERE = Path(__file__).parent


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def test_the_document_is_openapi_3_1(system: dict) -> None:
    document = json.loads(read(system["base_url"] + "/openapi.json"))
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_answer_has_an_example_that_fits(document: dict) -> None:
    seen = 0
    for path, item in document["paths"].items():
        for operation in item.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/json")
                if content is None or not status.startswith("2"):
                    continue
                schema = content["schema"] | {"components": document["components"]}
                faults = [e.message for e in Draft202012Validator(schema).iter_errors(content["example"])]
                assert not faults, f"{path} {status}: {faults}"
                seen += 1
    assert seen > 150


def test_every_operation_says_what_it_is_and_shows_a_body(document: dict) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            name = f"{method} {path}"
            assert operation["summary"] and operation["description"], name
            assert "\\" not in operation["description"], name
            if not path.startswith("/api"):
                continue
            for media, body in operation.get("requestBody", {}).get("content", {}).items():
                if media == "multipart/form-data":
                    continue
                assert "example" in body, f"{name} {media}"
                schema = body["schema"] | {"components": document["components"]}
                faults = [e.message for e in Draft202012Validator(schema).iter_errors(body["example"])]
                assert not faults, f"{name}: {faults}"


def test_the_reference_page_needs_nothing_from_elsewhere(system: dict) -> None:
    document = json.loads(read(system["base_url"] + "/openapi.json"))
    page = read(system["base_url"] + "/docs")
    assert not re.search(r"(src|href)=['\"]?(https?:)?//|@import|url\(", page)
    for item in document["paths"].values():
        for operation in item.values():
            assert f"id='{operation['operationId']}'" in page


def test_no_input_makes_the_server_contradict_its_document(
    system: dict, new_account, tmp_path: Path
) -> None:
    _, owner, _ = new_account("Fuzzed")
    key = owner.get("/api/api-keys").json["data"][0]["id"]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "fuzz_hooks", "PYTHONPATH": str(HERE), "DAYBOOK_FUZZ_KEY": key,
        "DAYBOOK_FUZZ_SEED": SEED,
    }
    run = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis", "run",
            system["base_url"] + "/openapi.json",
            "--header", f"Authorization: {owner.headers['Authorization']}",
            # fuzz_hooks.UNSAYABLE: with what the valid may be refused, and why.
            "--exclude-checks", "positive_data_acceptance",
            "--phases", "examples,coverage,fuzzing,stateful",
            "--seed", SEED, "--max-examples", EXAMPLES, "--max-failures", "20", "--request-timeout", "20",
            "--suppress-health-check", "all",
            # fuzz_hooks.TEXT_PATTERNS: no regular expression keeps it out.
            "--generation-allow-x00", "false",
        ],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
