"""`cxr-search`: find the configuration with the best F1, and keep everything in a run folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, cast

from cyclopts import Parameter
from rich.console import Console

from search.options.options import OUTPUT, RUN, SPACE, SearchOptions
from search.terminal.output import Amount, Voice
from trainable.commands.cli import new_app, sentences
from trainable.defaults import COMMON
from trainable.errors import InputError, flag

app = new_app("cxr-search")
console = Console()


@app.default
def search(
    *,
    options: Annotated[SearchOptions | None, Parameter(name="*")] = None,
    out: Annotated[Path | None, COMMON, Parameter(group=RUN, metavar="FOLDER")] = None,
    resume: Annotated[Path | None, COMMON, Parameter(group=RUN, metavar="FOLDER")] = None,
    print_space: Annotated[bool, Parameter(group=SPACE)] = False,
    quiet: Annotated[bool, COMMON, Parameter(group=OUTPUT)] = False,
    verbose: Annotated[bool, Parameter(group=OUTPUT)] = False,
    json: Annotated[bool, Parameter(group=OUTPUT)] = False,
    events: Annotated[bool, Parameter(group=OUTPUT)] = False,
) -> int:
    """Find the configuration with the best F1 on labelled chest X-rays; try --data demo.

    Args:
        options: What to search.
        out: Run folder to make; runs/NAME if not given.
        resume: Run folder to continue; --trials may be larger.
        print_space: Print the default search space and exit; --space reads such a file.
        quiet: Print only the winner and what went wrong.
        verbose: Print every metric and setting of each trial when it ends.
        json: End with one line of JSON: the run folder, why it ended, the winner.
        events: Print one line of JSON per event, for a program, and nothing else.
    """
    if print_space:
        from search.space.files import default_text

        console.out(default_text(), end="", highlight=False)
        return 0
    asked_for = {"quiet": quiet, "verbose": verbose, "events": events}
    amounts = [name for name, is_asked in asked_for.items() if is_asked]
    if len(amounts) > 1:
        raise InputError(
            f"{' and '.join(map(flag, amounts))} exclude each other: drop all but one of them"
        )
    amount = cast("Amount", [*amounts, "normal"][0])
    voice = Voice(console, amount, as_json=json)
    asked = options or SearchOptions()
    # Ray and PyTorch take seconds to import: not before the command line is known to be right
    from search.tune.cluster import cluster

    where = asked.compute
    with (
        _refusals(voice),
        cluster(where.address, where.without_token, voice.say) as wait_for_cluster,
        sentences(),
        _refusals(voice),
    ):
        from search.launch import launch

        return launch(asked, out, resume, voice, wait_for_cluster)


@contextlib.contextmanager
def _refusals(voice: Voice) -> Iterator[None]:
    """Give a program the problems one by one."""
    try:
        yield
    except InputError as error:
        voice.refuse(error.problems)
        raise
