"""`cxr-report`: write the page of a run."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from search.options.types import HeatMaps
from trainable.commands.cli import new_app

app = new_app("cxr-report")
console = Console(highlight=False, soft_wrap=True)


@app.default
def report(
    run: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    heat_maps: HeatMaps = "auto",
    labelled_images: Annotated[Path | None, Parameter(metavar="FOLDER")] = None,
    for_sharing: bool = False,
) -> None:
    """Write what a search found as a self-contained HTML report.

    Args:
        run: Run folder of a search that has a winner.
        out: File to write; report.html in the run folder if not given.
        heat_maps: Add heat maps of a few X-rays; auto: only if that takes seconds.
        labelled_images: Folder of the search's labelled images, for the heat maps, if they have
            moved.
        for_sharing: Leave out X-rays, names of images, and names of folders.
    """
    # SciPy and matplotlib take seconds to import: not before the command line is known to be right
    from search.page.page import write_report

    page, private = write_report(run, out, heat_maps, labelled_images, for_sharing=for_sharing)
    console.print(f"report: {page}")
    if private:
        console.print(f"note: it shows {private}; leave them out with --for-sharing")
