"""One search from command line to winner: check everything, run the trials, say what was found."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from search.demo import demo
from search.options.options import SearchOptions
from search.plan.begin import NOTHING_MADE, begin, interruptible
from search.plan.begin import resume as resume_run
from search.plan.plan import SearchPlan
from search.rescored.growing import CurvePlan
from search.rescored.learning_curve import OPTION as CURVE
from search.results.search_result import SearchResult
from search.run.run_folder import RunFolder, resume_command
from search.terminal.display import (
    SearchDisplay,
)
from search.terminal.end import describe_end, say_winner
from search.terminal.growth import comparison_lines
from search.terminal.outcome import (
    describe_next,
    describe_test,
    mostly_failed,
    summarize,
)
from search.terminal.output import Line, Voice
from search.terminal.plan_lines import plan_lines
from search.tune.loggers import check_experiment, check_tools
from search.tune.tuner import run_trials
from search.winner.winner import choose_winner, look_at_test
from trainable.cohort.splits import rows_of
from trainable.commands.stop import stop_signals
from trainable.errors import InputError
from trainable.files import DiskError, as_typed, writing
from trainable.run.places import winner_file
from trainable.run.winner import TestLook, Winner, read_winner, save_winner

_MOST_OF_SEARCH = 0.1
"""Share of the time of a search for the trials that its learning curve fits again, unasked."""


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
                if why_ended in ("all", "budget"):
                    _say_growth(run, plan, winner, voice)
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


def _say_growth(run: RunFolder, plan: SearchPlan, winner: Winner, voice: Voice) -> None:
    """What more patients would be worth, unless nobody wants to know."""
    if plan.options.run.learning_curve == "auto":
        found = SearchResult(run, plan.options, plan.cohort, winner, run.log.table())
        line = growth_line(found, voice)
        if line is not None:
            voice.say(line)


def growth_line(result: SearchResult, voice: Voice) -> str | None:
    """What more patients would be worth, or what it costs to find out.

    A stop signal leaves the curve out. Nothing is said of a run that can have no curve, such as
    one of few patients: `cxr-report` says why.

    Args:
        result: What the search found, which is kept already.
        voice: Shows that something is being done.
    """
    command = f"cxr-report {as_typed(result.run)} {CURVE}"
    try:
        with voice.console.status("drawing the learning curve"), stop_signals.released():
            found = result.learning_curve
            if found is None:
                plan = _curve_plan(result)
                if plan is None:
                    return None
                if not plan.is_cheap:
                    return f"what more patients would be worth ({plan.cost}): {command}"
                found = plan.run()
    except KeyboardInterrupt:
        return f"{stop_signals.name} came before the learning curve; draw it with: {command}"
    except InputError as error:
        return f"no learning curve: {error}"
    return found.sentences[-1]


def _curve_plan(result: SearchResult) -> CurvePlan | None:
    try:
        return CurvePlan.of(result, most=_MOST_OF_SEARCH)
    except InputError:  # nobody asked for a curve
        return None


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
