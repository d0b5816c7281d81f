"""Options that are numbers of bytes."""

from typing import Annotated

from cyclopts import Parameter
from pydantic import ByteSize, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from trainable.files import size_text

_LEAST = 10**6
"""Bytes that a number without a unit may mean; in a smaller one it was forgotten: `8` for `8GB`."""


def _size(value: object, read: ValidatorFunctionWrapHandler) -> ByteSize:
    try:
        size: ByteSize = read(value)
    except ValidationError as error:
        raise ValueError("must be a size such as 8GB or 500MB") from error
    if 0 < size < _LEAST and str(value).strip().isdecimal():
        raise ValueError("must have a unit, such as 8GB or 500MB")
    return size


Size = Annotated[ByteSize, WrapValidator(_size), Parameter(metavar="SIZE", show_default=size_text)]
"""Number of bytes, with or without a unit."""
