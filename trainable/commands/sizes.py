"""Options that are numbers of bytes."""

from typing import Annotated

from cyclopts import Parameter
from pydantic import ByteSize

from trainable.disk import size_text

Size = Annotated[ByteSize, Parameter(metavar="SIZE", show_default=size_text)]
"""Number of bytes, with or without a unit."""
