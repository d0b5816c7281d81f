"""`cxr-search`: find the configuration with the best F1, and keep everything in a run folder."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from search.options.options import OUTPUT, RUN, SPACE, SearchOptions
from trainable.commands.cli import new_app, sentences
from trainable.defaults import COMMON
from trainable.errors import InputError

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
    """
    if print_space:
        from search.space.files import default_text

        console.out(default_text(), end="", highlight=False)
        return 0
    if quiet and verbose:
        raise InputError("--quiet and --verbose exclude each other: drop one of them")
    asked = options or SearchOptions()
    # Ray and PyTorch take seconds to import: not before the command line is known to be right
    from search.tune.cluster import cluster

    where = asked.compute
    every_cpu = where.cpus_per_trial == 1 and asked.advanced.max_concurrent is None
    with cluster(where.address, where.without_token, every_cpu) as wait_for_cluster, sentences():
        from search.launch import launch
        from search.terminal.output import Voice

        amount: Literal["quiet", "verbose", "normal"] = (
            "quiet" if quiet else "verbose" if verbose else "normal"
        )
        voice = Voice(console, amount, as_json=json)
        return launch(asked, out, resume, voice, wait_for_cluster)
