"""Whatever a user can fix ends a command with sentences on stderr, never a traceback."""

import subprocess
import sys
from typing import Annotated, Literal

import pytest
from cyclopts import Parameter
from fixtures.commands import environment
from pydantic import BaseModel, Field

from trainable.commands.cli import new_app, run
from trainable.errors import InputError


class Options(BaseModel, frozen=True):
    trials: int = Field(50, ge=1)
    share: float = Field(0.5, gt=0, lt=1)
    average: Literal["binary", "macro"] = "binary"


DEFAULTS = Options()


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """What a command of these options says when it is given these arguments."""
    app = new_app("cxr-test")

    @app.default
    def command(
        name: str,
        /,
        *,
        options: Annotated[Options, Parameter(name="*")] = DEFAULTS,
        seed: int = 0,
        dry: bool = False,
    ) -> None:
        if name == "several":
            raise InputError("--a must be b", "--c must be d")
        if name == "stop":
            raise KeyboardInterrupt("Stopped; kept: a.csv.")
        if name == "full":
            raise OSError(28, "No space left on device", "a.csv")
        Options(trials=0)

    with pytest.raises(SystemExit) as end:
        run(app, arguments)
    assert end.value.code == code
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["x", "--trials", "0"], "--trials must be at least 1 (got 0)"),
        (["x", "--trials", "many"], "--trials must be a whole number (got many)"),
        (["x", "--share", "1"], "--share must be less than 1 (got 1)"),
        (["x", "--average", "binry"], "--average must be 'binary' or 'macro' (got binry)"),
        (["x", "--trails", "3"], "Unknown option: --trails. Did you mean --trials?"),
        (["x", "--trials"], "--trials needs a value"),
        (["x", "--trials", "--share", "0.5"], "--trials needs a value"),
        (["x", "--seed", "two"], "--seed must be a whole number (got two)"),
        (["x", "--dry=maybe"], "--dry takes no value (got maybe)"),
        ([], "NAME is missing"),
        (["x", "y"], "Unexpected argument: y"),
        (["x"], "--trials must be at least 1 (got 0)"),
    ],
)
def test_one_problem_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert refusal(capsys, *arguments) == sentence


def test_all_wrong_options_are_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, "x", "--trials", "0", "--share", "half")
    assert said.splitlines() == [
        "2 problems to fix:",
        "  - --trials must be at least 1 (got 0)",
        "  - --share must be a number (got half)",
    ]


def test_problems_that_a_command_finds_are_named_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = refusal(capsys, "several")
    assert said.splitlines()[1:] == ["  - --a must be b", "  - --c must be d"]


def test_an_interrupt_says_what_the_command_says_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, "stop", code=130) == "Stopped; kept: a.csv."


def test_a_user_without_a_home_is_told_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert refusal(capsys, "stop", code=130) == "Stopped; kept: a.csv."
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    assert refusal(capsys, "stop").startswith("HOME must be set")


def test_a_full_disk_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, "full", code=1) == "No space left on device: a.csv"


def test_a_reader_that_has_gone_is_no_error() -> None:
    program = """
from trainable.commands.cli import new_app, run
app = new_app("cxr-test")
@app.default
def command() -> None:
    for _ in range(100_000):
        print("a line")
run(app)
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == b"a line\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
