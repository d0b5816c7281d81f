"""Every option of `cxr-export`; each value is checked."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from analysis.options import OUTPUT, ModelOptions


class ExportOptions(ModelOptions, frozen=True):
    """Where to write a team, and how its models are found or made."""

    out: Annotated[Path, Parameter(group=OUTPUT, metavar="FOLDER")]
    """Folder to make; it holds the models, what they need, a model card and model.onnx."""
    without_onnx: Annotated[bool, Parameter(group=OUTPUT)] = False
    """Leave out model.onnx, which needs the packages of the extra export."""
    keep_identifiers: Annotated[bool, Parameter(group=OUTPUT)] = False
    """Keep hashes of the training images and --patient-pattern, to check new labelled images."""
