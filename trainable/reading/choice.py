"""Names that the user lists in one option, with commas between them."""

from collections.abc import Callable, Sequence

from trainable.errors import Checks, did_you_mean


def choose(
    text: str, names: Sequence[str], plain: Callable[[str], str] = str.strip
) -> tuple[list[str], list[str]]:
    """The names in a text with commas between them, and what is none; a name may have commas.

    >>> choose("Mass,Lung, left,Mas,", ["Mass", "Lung, left"])
    (['Mass', 'Lung, left'], ['Mas', ''])
    """
    of = {plain(name): name for name in reversed(names)}
    parts, found, unknown = text.split(","), [], []
    while parts:
        lengths = range(len(parts), 0, -1)
        length = next((n for n in lengths if plain(",".join(parts[:n])) in of), 0)
        if length:
            found.append(of[plain(",".join(parts[:length]))])
        else:
            unknown.append(parts[0].strip())
        parts = parts[length or 1 :]
    return [*dict.fromkeys(found)], [*dict.fromkeys(unknown)]


def refuse_unknown(
    option: str, text: str, unknown: Sequence[str], names: Sequence[str], checks: Checks
) -> None:
    """Keep a problem for each part of a list that is no name, and one for commas too many.

    Args:
        option: The option, and what its names are, as in `--label-column must be a column`.
        text: The list as the user wrote it.
        unknown: As `choose` found them.
        names: All that may be chosen.
        checks: Given the problems.
    """
    for name in filter(None, unknown):
        checks.add(f"{option}; {name!r} is not; {did_you_mean(name, names)}")
    if "" in unknown:
        flag = option.split(maxsplit=1)[0]
        checks.add(
            f"{flag} must have a name before and after each comma; {text!r} has a comma too many: "
            "drop it"
        )
