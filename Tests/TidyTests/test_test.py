"""tools/test itself: what it forgives, and what it tells. The Swift tests are a script that says what is put into a file."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PASSED = '✔ Test "a rule" passed after 0.1 seconds.\n✔ Test run with 2 tests in 1 suite passed after 0.1 seconds.\n'


def failed(cause):
    return (
        f'✘ Test "a rule" recorded an issue at Some.swift:1:1: {cause}\n✘ Test "a rule" failed after 0.1 seconds with 1 issue.\n'
        "✘ Test run with 2 tests in 1 suite failed after 0.1 seconds with 1 issue.\n"
    )


def run(folder, *outputs):
    """Of a tree with one target, whose first run says the first of `outputs`, and so on."""
    tests = folder / "Tests" / "EventLogTests"
    tests.mkdir(parents=True)
    (tests / "Some.swift").write_text("@Test func some() {}\n")
    for number, output in enumerate(outputs):
        (folder / f"output.{number}").write_text(output)
    bundle = folder / "bundle"
    bundle.write_text(
        f"""#!/bin/bash
        cd {folder}
        echo "$DAYBOOK_TEST_SEED" >>seeds
        cat "output.$(($(wc -l <seeds) - 1))"
        ! grep -q '✘' "output.$(($(wc -l <seeds) - 1))"
        """
    )
    bundle.chmod(0o755)
    script = f"""
        source "{ROOT}/tools/test"
        cd "{folder}"
        beside=(EventLogTests)
        bundle="{bundle}"
        stage 'swift tests' swift_tests
        finish
    """
    environment = {name: value for name, value in os.environ.items() if name != "DAYBOOK_TEST_SEED"}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=60, env=environment)
    return done.returncode, done.stdout, (folder / "seeds").read_text().split()


def test_what_passes_alone_is_forgiven_and_told(tmp_path):
    code, said, seeds = run(tmp_path, failed("Caught error: timed out"), PASSED)
    assert code == 0
    assert "UNSTABLE" in said and "2 passed, 0 failed" in said
    assert len(seeds) == 2 and len(set(seeds)) == 1


def test_a_broken_promise_is_not_tried_again(tmp_path):
    cause = "Caught error: BROKEN: cycle 3 of seed 7: c1-2 was acknowledged at 812 and is not there"
    code, said, seeds = run(tmp_path, failed(cause), PASSED)
    assert code == 1
    assert len(seeds) == 1
    assert "is not there" in said and "1 passed, 1 failed" in said


def test_what_names_its_seed_is_not_tried_again(tmp_path):
    code, _, seeds = run(tmp_path, failed("Expectation failed: 1 == 2\n↳ seed 4711: the model differs"), PASSED)
    assert code == 1
    assert len(seeds) == 1


def test_what_was_left_out_is_told_with_its_reason(tmp_path):
    code, said, _ = run(tmp_path, '➜ Suite VectorTests skipped: "no vectors here"\n' + PASSED)
    assert code == 0
    assert 'EventLogTests: ➜ Suite VectorTests skipped: "no vectors here"' in said.split("== summary")[0]
    assert "1 tests or suites were not run here" in said
