"""Options that are numbers of bytes."""

from typing import Annotated

from cyclopts import Parameter
from pydantic import ByteSize, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from trainable.disk import size_text


def _size(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(value)
    except ValidationError as error:
        raise ValueError("must be a size such as 8GB or 500MB") from error


Size = Annotated[ByteSize, WrapValidator(_size), Parameter(metavar="SIZE", show_default=size_text)]
"""Number of bytes, with or without a unit."""
