"""`benchmarks.gpu` runs small on a CPU, so that it is whole when a GPU is at hand."""

import json
import sys

import pytest
from fixtures.forks import forks

from benchmarks.gpu import __main__ as command
from benchmarks.gpu.checks import Line


@pytest.mark.timeout(240)
def test_all_parts_run_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks.gpu", "--device", "cpu"])
    monkeypatch.setattr(command, "get_context", lambda _: forks())
    with pytest.raises(SystemExit) as ended:
        command.main()
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("not looked at without a GPU")
    summary = json.loads(last)
    assert summary["wrong"] == []
    assert ended.value.code == 0
    parts = {line["part"] for line in summary["lines"]}
    assert parts == {"peak", "features", "head", "precision", "training", "sharing"}


def test_a_figure_keeps_its_limits() -> None:
    assert Line("part", "what", 0.9, "of all", most=1).holds
    assert not Line("part", "what", 1.1, "of all", most=1).holds
    assert not Line("part", "what", 0.9, "of all", least=0.95).holds
