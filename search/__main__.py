"""`cxr-search`: find the configuration with the best F1, and keep everything in a run folder."""

import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import App, Parameter
from pydantic import ValidationError
from rich.console import Console

from search.settings import SearchSettings, explain
from trainable.problems import InputProblemsError

app = App(name="cxr-search", help_format="plaintext")
console = Console()
errors = Console(stderr=True, highlight=False, soft_wrap=True)


@app.default
def search(
    *,
    settings: Annotated[SearchSettings | None, Parameter(name="*")] = None,
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
        from search.space_file import default_text

        console.out(default_text(), end="", highlight=False)
        return 0
    # Ray and PyTorch take seconds to import: not before the command line is known to be right
    from search.launch import launch

    return launch(settings, out, resume, console)


def main() -> None:
    """Run the command, with problems as sentences and no traceback for what a user can mend."""
    try:
        code = app(exit_on_error=False, print_error=False)
    except InputProblemsError as error:
        errors.print(str(error), style="red", markup=False)
        code = 2
    except cyclopts.CycloptsError as error:
        errors.print(str(sentences(error)), style="red", markup=False)
        code = 2
    except KeyboardInterrupt:
        errors.print("stopped by Ctrl-C before the first trial")
        code = 130
    sys.exit(code)


def sentences(error: cyclopts.CycloptsError) -> object:
    """What is wrong with the command line, all of it."""
    if isinstance(error.__cause__, ValidationError):
        return InputProblemsError(explain(error.__cause__))
    return error


if __name__ == "__main__":
    main()
