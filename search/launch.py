"""One search from command line to winner: check everything, run the trials, say what was found."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from search.demo import demo
from search.options.options import SearchOptions
from search.options.types import duration_text
from search.plan.begin import NOTHING_MADE, begin, interruptible, resume_command
from search.plan.begin import resume as resume_run
from search.plan.plan import SearchPlan
from search.results.search_result import SearchResult
from search.run.run_folder import RunFolder
from search.terminal.display import (
    SearchDisplay,
    best_table,
    encoder_table,
    left_out_in_race,
)
from search.terminal.experiments import describe_experiments
from search.terminal.growth import comparison_lines
from search.terminal.outcome import (
    describe_failures,
    describe_next,
    describe_test,
    describe_winner,
    mostly_failed,
    summarize,
)
from search.terminal.output import Line, Voice
from search.terminal.plan_lines import plan_lines
from search.tune.loggers import check_experiment, check_tools
from search.tune.scheduler import Ended
from search.tune.tuner import run_trials
from search.winner.winner import choose_winner, look_at_test
from trainable.cohort.splits import rows_of
from trainable.commands.stop import stop_signals
from trainable.errors import InputError, num_of
from trainable.files import DiskError, writing
from trainable.run.places import winner_file
from trainable.run.winner import TestLook, Winner, read_winner, save_winner


def launch(
    asked: SearchOptions,
    out: Path | None,
    resume: Path | None,
    voice: Voice,
    wait_for_cluster: Callable[[], None],
) -> int:
    """Run or resume a search on the cluster that is being started or joined.

    Returns:
        Exit status: 0 with a winner; 1 if no trial completed, most trials failed, or an error of
        Ray or of the machine ended the search; 128 and the number of a stop signal after one, as
        130 after Ctrl-C.

    Raises:
        InputError: Before anything is trained, naming every problem found.
        KeyboardInterrupt: At a stop signal before the run folder is written or opened.
    """
    with stop_signals.held():
        with voice.console.status("reading images and weights"):
            check_tools(asked.tools)
            if resume is None:
                run, plan = begin(asked, out)
            else:
                run, plan = resume_run(asked, out, resume)
                check_tools(plan.options.tools)
            with _discarding(run if resume is None else None):
                check_experiment(plan.options.tools, run)
        for text in plan_lines(plan):
            voice.say(text)
        with voice.console.status("waiting for Ray"):
            _start_ray(run, wait_for_cluster, is_new=resume is None)
        voice.say(f"run folder: {run.path}")
        with _held(run), _writing(run):
            looks = _looks_so_far(run, plan)
            why_ended = run_trials(plan, run, SearchDisplay(run, plan, voice))
            winner, is_stopped = _choose(run, plan, voice)
            for line in describe_end(run, plan, why_ended):
                voice.announce(*line)
            if is_stopped:
                voice.announce("a stop signal came before the winner was chosen; choose it with:")
                voice.announce(resume_command(run), 1)
            elif winner is None:
                voice.announce("no trial completed, so there is no winner")
            else:
                winner = winner.model_copy(update={"test_looks": looks})
                save_winner(winner, run.path)
                say_winner(run, plan, winner, voice)
                for line in _describe_rest(run, plan, winner):
                    voice.say(*line)
    trials = run.log.table()
    is_sound = winner is not None and not mostly_failed(trials)
    status = int(not is_sound or why_ended in ("error", "machine"))
    if stop_signals.received:
        status = stop_signals.status
    voice.conclude(summarize(run.path, trials, why_ended, status))
    return status


@contextlib.contextmanager
def _discarding(new: RunFolder | None) -> Iterator[None]:
    """Leave no new run folder of a search that is refused or stopped before it trains."""
    try:
        yield
    except (InputError, KeyboardInterrupt):
        if new is not None:
            new.discard()
        raise


def _start_ray(run: RunFolder, wait_for_cluster: Callable[[], None], *, is_new: bool) -> None:
    """Wait for Ray; where it does not start, a resume goes on with the images that are ready.

    Raises:
        InputError: If there is no such cluster.
        KeyboardInterrupt: At a stop signal.
        OSError: If Ray does not start.
    """
    go_on = f"go on with: {resume_command(run)}"
    kept = NOTHING_MADE if is_new else f"{run.path} is as it was; {go_on}"
    try:
        with _discarding(run if is_new else None), interruptible(kept):
            wait_for_cluster()
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; {go_on}") from error


@contextlib.contextmanager
def _held(run: RunFolder) -> Iterator[None]:
    """Give the run folder back at the end, however it comes."""
    try:
        yield
    finally:
        run.release()


@contextlib.contextmanager
def _writing(run: RunFolder) -> Iterator[None]:
    """Refuse a disk that takes no more in a sentence that says how to go on."""
    try:
        with writing(run.path, "--out"):
            yield
    except DiskError as error:
        raise DiskError(f"{error}. Then go on with: {resume_command(run)}") from error


def _looks_so_far(run: RunFolder, plan: SearchPlan) -> tuple[TestLook, ...]:
    """Looks at the test rows by earlier choices of this run.

    Raises:
        InputError: If the file that has them cannot be read.
    """
    if not len(rows_of(plan.cohort, "test")) or not winner_file(run.path).is_file():
        return ()
    try:
        return read_winner(run.path).test_looks
    except InputError as error:
        raise InputError(
            f"{winner_file(run.path)} holds each look at the test images and cannot be read: put "
            "it back from a copy, or remove it and start a new search for a new test"
        ) from error


def _choose(run: RunFolder, plan: SearchPlan, voice: Voice) -> tuple[Winner | None, bool]:
    """The winner, and whether a stop signal ended the choice; not one that ended the trials."""
    try:
        with voice.console.status("choosing the winner"), stop_signals.released(anew=True):
            return choose_winner(run, plan), False
    except KeyboardInterrupt:
        return None, True


def _describe_rest(run: RunFolder, plan: SearchPlan, winner: Winner) -> Iterator[Line]:
    """What the winner does on test rows, what was possible, and how to go on, a line each."""
    if plan.warm_start is not None:
        yield from (
            Line(text, 1)
            for text in comparison_lines(plan.warm_start, plan.cohort, winner, run.path)
        )
    # test rows are looked at when there is no more to choose, and each look is kept
    if run.log.num_ended() >= plan.num_trials and len(rows_of(plan.cohort, "test")):
        yield from _evaluate(run, plan, winner)
    if plan.options.is_demo:
        yield from map(Line, demo.describe_best_possible(run.path, plan.options.data))
    yield Line("")
    yield from describe_next(winner, run.path)


def _evaluate(run: RunFolder, plan: SearchPlan, winner: Winner) -> Iterator[Line]:
    """Evaluate the winner on the test rows; a stop signal ends that, and leaves the winner."""
    if winner.own_look is not None:
        yield from describe_test(winner)
        return
    try:
        with stop_signals.released():
            look = look_at_test(plan, winner)
    except KeyboardInterrupt:
        name = stop_signals.name
        yield Line(f"{name} came before the winner was evaluated on test rows; go on with:")
        yield Line(resume_command(run), 1)
        return
    judged = winner.model_copy(update={"test_looks": (*winner.test_looks, look)})
    save_winner(judged, run.path)
    yield from describe_test(judged)


def describe_end(run: RunFolder, plan: SearchPlan, why_ended: Ended) -> Iterator[Line]:
    """What did not complete, and how to go on, a line each."""
    ended = run.log.num_ended()
    yield from map(Line, describe_failures(run.log.table(), run.log.errors))
    lost = run.log.errors / "mlflow.txt"
    if lost.exists():
        yield Line(f"MLflow no longer took what it was sent, and lacks some trials; see {lost}")
    if ended < plan.num_trials:
        trials = num_of(plan.num_trials, "trial")
        why = {
            "interrupt": stop_signals.name,
            "budget": f"the time budget of {duration_text(plan.options.run.time_budget)}",
            "all": "errors of the machine",
            "machine": "errors of the machine",
            "error": f"an error (see {run.log.errors}/search.txt)",
        }[why_ended]
        yield Line(f"{why} ended the search after {ended} of {trials}; go on with:")
        yield Line(resume_command(run), 1)


def say_winner(run: RunFolder, plan: SearchPlan, winner: Winner, voice: Voice) -> None:
    """Show the best trials, or the tables of experiments, and what the winner is."""
    trials, rows = run.log.table(), plan.space.experiments.rows
    voice.say()
    if rows:
        for text in describe_experiments(run, plan):
            voice.say(text)
    else:
        voice.show(best_table(trials))
        encoders = SearchResult(run, plan.options, plan.cohort, winner, trials).encoders
        if len(encoders) > 1:
            voice.say()
            voice.say("best trial of each encoder (tied: with the best); costs of all its trials:")
            voice.show(encoder_table(encoders))
            left = left_out_in_race(trials)
            if left:
                voice.say(f"behind in the race, and never run on all images: {', '.join(left)}")
    voice.say()
    first, *others = describe_winner(winner, trials, is_sampled=not rows)
    voice.announce(*first)
    for line in others:
        voice.say(*line)
