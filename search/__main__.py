"""`cxr-search`: find the configuration with the best F1, and keep everything in a run folder."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import App, Group, Parameter
from pydantic import ValidationError
from rich.console import Console

from search.options import RUN, SPACE, SearchOptions
from trainable.errors import InputError, explain, flag


def _default_text(value: object) -> str | None:
    """A default as a person writes it; none for what is not given."""
    return None if value is None or value is False or value == () else str(value)


app = App(
    name="cxr-search",
    help_format="plaintext",
    group_commands=Group("Help", sort_key=9),
    default_parameter=Parameter(negative=(), show_default=_default_text),
)
console = Console()
errors = Console(stderr=True, highlight=False, soft_wrap=True)


@app.default
def search(
    *,
    options: Annotated[SearchOptions | None, Parameter(name="*")] = None,
    out: Annotated[Path | None, Parameter(group=RUN, metavar="FOLDER")] = None,
    resume: Annotated[Path | None, Parameter(group=RUN, metavar="FOLDER")] = None,
    print_space: Annotated[bool, Parameter(group=SPACE)] = False,
) -> int:
    """Find the configuration with the best F1 on labelled chest X-rays.

    Args:
        options: What to search.
        out: Run folder to make; runs/NAME, after the data, if not given.
        resume: Run folder to continue; --trials and --time-budget may be larger.
        print_space: Print the default search space and exit; --space reads such a file.
    """
    if print_space:
        from search.space.files import default_text

        console.out(default_text(), end="", highlight=False)
        return 0
    asked = options or SearchOptions()
    # Ray and PyTorch take seconds to import: not before the command line is known to be right
    from search.tune.cluster import cluster

    with cluster(asked.compute.address) as wait_for_cluster, sentences_for_problems():
        from search.launch import launch

        return launch(asked, out, resume, console, wait_for_cluster)


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
        every = InputError(*explain(cause, flag)) if isinstance(cause, ValidationError) else error
        errors.print(str(every), style="red", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("stopped by Ctrl-C before the first trial")
        sys.exit(130)


if __name__ == "__main__":
    main()
