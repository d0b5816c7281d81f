"""Names that the user lists in one option, with commas between them."""

from collections.abc import Callable, Sequence


def choose(
    text: str, names: Sequence[str], plain: Callable[[str], str] = str.strip
) -> tuple[list[str], list[str]]:
    """The names in a text with commas between them, and what is none; a name may have commas.

    >>> choose("Mass,Lung, left,Mas", ["Mass", "Lung, left"])
    (['Mass', 'Lung, left'], ['Mas'])
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
    return [*dict.fromkeys(found)], unknown
