"""What a pattern of a user, or of somebody else's run, finds in the names of images."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence

from trainable.errors import InputError
from trainable.reading import pattern_process

_SECONDS, _SECONDS_PER_NAME = 10.0, 1e-4
"""Time that a search may take; usual patterns need 1e-5 s per name."""


def find_in_names(pattern: str, names: Sequence[str], what: str) -> list[str]:
    """What a regular expression finds in each name; see `find_in_name`.

    A pattern with a repeat inside a repeat can take years on one name, and nothing but the end of
    its process stops it. So the search is in a process of its own, which may take some seconds.

    Args:
        pattern: Regular expression of Python's `re`.
        names: Names of images.
        what: What the pattern is called in a refusal.

    Raises:
        InputError: If it is no regular expression, or takes too long.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise InputError(f"{what} must be a regular expression; {pattern!r}: {error}") from error
    seconds = _SECONDS + _SECONDS_PER_NAME * len(names)
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", pattern_process.__file__],
            input=json.dumps([pattern, list(names)]),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{what} must find something in all names within {seconds:.0f} s; {pattern!r} takes "
            "longer. Write it without a repeat inside a repeat, as in '(a+)+'"
        ) from error
    found: list[str] = json.loads(done.stdout)
    return found
