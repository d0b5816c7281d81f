"""A stop signal at any moment ends a command in order: nothing lost, nothing left, no traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

import pytest
from fixtures.commands import call_command, command, environment
from fixtures.processes import listening_at, num_rows, ray_folder, wait_until
from fixtures.warm import Warm

from search.demo.phantoms import write_demo
from search.tune.reaper import writing_to
from search.winner.selection import select
from trainable.commands.stop import StopSignals

pytestmark = pytest.mark.timeout(240)

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}
"""127.0.0.1, of version 4 and mapped to version 6."""


def run_program(program: str) -> subprocess.CompletedProcess[str]:
    """Run a text of Python to its end."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )


@pytest.mark.parametrize("module", ["search", "analysis"])
@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGUSR1, "SIGUSR1")]
)
def test_a_signal_during_the_first_imports_is_a_sentence(
    module: str, number: signal.Signals, name: str
) -> None:
    # -X importtime writes a line per module, so that the moment is known
    shown = [sys.executable, "-X", "importtime", *command(module, "--help")[1:]]
    with subprocess.Popen(
        shown, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stderr
        assert any("rich.console" in line for line in process.stderr)
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == 128 + number
    said = [line for line in rest.splitlines() if not line.startswith("import time:")]
    assert said == [f"Stopped by {name}."]


def test_signals_that_come_again_until_the_end_do_not_change_the_exit_status() -> None:
    program = """
import os, signal, threading
from trainable.commands.cli import new_app, run
app = new_app("cxr-test")
@app.default
def command() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()
class Late:
    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
late = Late()
late.itself = late  # collected when Python ends, after its handlers
run(app, [])
"""
    done = run_program(program)
    assert (done.returncode, done.stdout) == (143, "")
    assert done.stderr == "SIGTERM: stopping ...\nStopped by SIGTERM.\n"


def test_a_signal_that_is_blocked_at_the_start_ends_a_command_all_the_same() -> None:
    program = """
import os, signal, threading
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # as slurm.sh does, for Ray
from trainable.commands.stop import stop_signals
stop_signals.listen()
os.kill(os.getpid(), signal.SIGTERM)
threading.Event().wait(20)
"""
    done = run_program(program)
    assert (done.returncode, done.stderr) == (143, "Stopped by SIGTERM.\n")


def test_signals_to_the_group_leave_the_winner_so_far_and_nothing_else(
    tmp_path: Path, warm: Warm
) -> None:
    write_demo(tmp_path / "demo", num_patients=60, num_test_patients=2, size=64, seed=1)
    run = tmp_path / "run"
    options = (
        *("--data", tmp_path / "demo" / "train.csv", "--out", run, "--cache", tmp_path / "cache"),
        *("--weights", "none", "--backbones", "squeezenet1_1", "--unfreeze", "none"),
        *("--image-size", 48, "--epochs", 1, "--folds", 2, "--trials", 500),
        *("--max-concurrent", 1),
    )
    process = warm.start("search", *options)  # in a group of its own
    wait_until(lambda: process.poll() is not None or num_rows(run) > 1)
    folder = ray_folder(process.pid)
    processes = list(writing_to(folder))
    assert len(processes) > 4
    assert listening_at([process.pid, *processes]) == LOOPBACK
    os.killpg(process.pid, signal.SIGUSR1)  # as Slurm warns, and ends a job
    wait_until(lambda: process.poll() is not None or (run / "winner.json").exists())
    os.killpg(process.pid, signal.SIGTERM)
    status, out, err = process.wait(), process.out, process.err
    assert status == 128 + signal.SIGUSR1, out + err
    assert err.splitlines()[-1] == "SIGUSR1: stopping ..."
    assert "SIGUSR1 ended the search after" in out
    assert f"cxr-search --resume {run}" in out
    assert "winner: " in out
    assert not folder.exists()
    assert not list(writing_to(folder))


@pytest.mark.usefixtures("ray_of_tests")
def test_a_signal_during_the_choice_ends_it_and_a_resume_chooses(tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", num_patients=60, num_test_patients=2, size=32, seed=1)
    run = tmp_path / "run"
    options = (
        *("--data", tmp_path / "demo" / "train.csv", "--out", run, "--cache", tmp_path / "cache"),
        *("--weights", "none", "--backbones", "squeezenet1_1", "--unfreeze", "none"),
        *("--image-size", 32, "--epochs", 1, "--folds", 2, "--trials", 1),
    )

    def interrupt(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is select.__code__:
            os.kill(os.getpid(), signal.SIGINT)

    sys.setprofile(interrupt)
    try:
        stopped = call_command("search", *options, code=130)
    finally:
        sys.setprofile(None)
    assert "winner: " not in stopped.stdout
    assert stopped.stdout.endswith(
        f"a stop signal came before the winner was chosen; choose it with:\n"
        f"  cxr-search --resume {run}\n"
    )
    assert not (run / "winner.json").exists()
    assert num_rows(run) == 1
    assert "winner: " in call_command("search", "--resume", run).stdout


def test_only_a_signal_that_is_new_ends_what_comes_after_the_trials() -> None:
    signals = StopSignals()
    signals.received = signal.SIGTERM
    with signals.held(), signals.released(anew=True):
        pass
    with pytest.raises(KeyboardInterrupt), signals.held(), signals.released():
        raise AssertionError("the signal came before")
