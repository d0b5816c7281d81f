"""Search names for a pattern: a program of the standard library alone, for a process of its own."""

import json
import re
import sys


def find_in_name(pattern: re.Pattern[str], name: str) -> str:
    """What a pattern finds in the name of an image: in its last part first, then in its folders.

    It is "" where nothing is found, and what the first group finds where the pattern has one.
    """
    for text in (name.replace("\\", "/").rsplit("/", 1)[-1], name):
        match = pattern.search(text)
        found = match and match.group(1 if pattern.groups else 0)
        if found:
            return found
    return ""


if __name__ == "__main__":
    pattern, names = json.load(sys.stdin)
    regex = re.compile(pattern)
    json.dump([find_in_name(regex, name) for name in names], sys.stdout)
