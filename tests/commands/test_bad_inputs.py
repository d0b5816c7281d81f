"""A small part of `bad_inputs.py`: each input is read rightly or refused in a sentence."""

import json

from fixtures.commands import run_command


def test_bad_inputs_are_read_rightly_or_refused_in_sentences() -> None:
    done = run_command("benchmarks.robustness.bad_inputs", "--every", "16")
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["inputs"] >= 30
    assert report["faults"] == []
    assert report["read"] > 0
    assert report["refused"] > 0
