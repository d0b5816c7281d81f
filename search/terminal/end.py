"""What a search says at its end: what did not complete, its best trials, and its winner."""

from collections.abc import Iterator

from search.options.types import duration_text
from search.plan.plan import SearchPlan
from search.results.search_result import SearchResult
from search.run.run_folder import RunFolder, resume_command
from search.terminal.display import best_table, encoder_table, left_out_in_race
from search.terminal.experiments import describe_experiments
from search.terminal.outcome import describe_failures, describe_winner
from search.terminal.output import Line, Voice
from search.tune.scheduler import Ended
from trainable.commands.stop import stop_signals
from trainable.errors import num_of
from trainable.run.winner import Winner


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
