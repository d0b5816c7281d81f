"""`cxr-search`: find the configuration with the best F1, and keep everything in a run folder."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import App, Parameter
from pydantic import ValidationError
from rich.console import Console

from search.settings import SearchOptions, explain
from trainable.errors import InputError

app = App(name="cxr-search", help_format="plaintext")
console = Console()
errors = Console(stderr=True, highlight=False, soft_wrap=True)


@app.default
def search(
    *,
    settings: Annotated[SearchOptions | None, Parameter(name="*")] = None,
    out: Path | None = None,
    resume: Path | None = None,
    print_space: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Find the configuration with the best F1 on labelled chest X-rays.

    Parameters
    ----------
    settings
        What to search.
    out
        Run folder to make; runs/NAME after the data if not given.
    resume
        Run folder to go on with; more --trials and --time-budget may be given.
    print_space
        Print the default search space, as a file that --space takes, and do nothing else.
    """
    if print_space:
        from search.space.files import default_text

        console.out(default_text(), end="", highlight=False)
        return 0
    # Ray and PyTorch take seconds to import: not before the command line is known to be right
    from search.tune.cluster import cluster

    with (
        cluster(settings.address if settings else None) as wait_for_cluster,
        sentences_for_problems(),
    ):
        from search.launch import launch

        return launch(settings, out, resume, console, wait_for_cluster)


def main() -> None:
    """Run the command."""
    with sentences_for_problems():
        sys.exit(app(exit_on_error=False, print_error=False))


@contextlib.contextmanager
def sentences_for_problems() -> Iterator[None]:
    """End the program with sentences and no traceback for what a user can fix."""
    try:
        yield
    except InputError as error:
        errors.print(str(error), style="red", markup=False)
        sys.exit(2)
    except cyclopts.CycloptsError as error:
        cause = error.__cause__
        every = InputError(*explain(cause)) if isinstance(cause, ValidationError) else error
        errors.print(str(every), style="red", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("stopped by Ctrl-C before the first trial")
        sys.exit(130)


if __name__ == "__main__":
    main()
