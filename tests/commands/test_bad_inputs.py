"""A small part of `bad_inputs.py`: each input is read rightly or refused in a sentence."""

import json

from fixtures.warm import Warm


def test_bad_inputs_are_read_rightly_or_refused_in_sentences(warm: Warm) -> None:
    process = warm.start("benchmarks.robustness.bad_inputs", "--every", "16")
    assert process.wait() == 0, process.out + process.err
    report = json.loads(process.out.splitlines()[-1])
    assert report["inputs"] >= 30
    assert report["faults"] == []
    assert report["read"] > 0
    assert report["refused"] > 0
