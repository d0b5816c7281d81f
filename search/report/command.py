"""`cxr-report`: write the page of a run."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from trainable.commands.door import new_app, run

app = new_app("cxr-report")
console = Console(highlight=False, soft_wrap=True)


@app.default
def report(run: Path, /, *, out: Annotated[Path | None, Parameter(metavar="FILE")] = None) -> None:
    """Write what a search found as one page of HTML, which asks no host for anything.

    Args:
        run: Run folder of a search that has a winner.
        out: File to write; report.html in the run folder if not given.
    """
    # SciPy and matplotlib take seconds to import: not before the command line is known to be right
    from search.report.run_page import write_report

    console.print(f"report: {write_report(run, out)}")


def main() -> None:
    """Run the command."""
    run(app)


if __name__ == "__main__":
    main()
