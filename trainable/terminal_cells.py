"""How wide a text is in a terminal, where a Chinese letter takes two cells."""

import unicodedata


def cell_len(text: str) -> int:
    """Number of cells that a text takes.

    >>> cell_len("lung"), cell_len("肺炎")
    (4, 4)
    """
    return sum(_cells(letter) for letter in text)


def fitted(text: str, cells: int) -> str:
    """The text with blanks behind it, or cut with a mark, so that it takes so many cells.

    >>> fitted("lung", 6), fitted("effusion", 6), fitted("肺炎", 3)
    ('lung  ', 'effus…', '肺…')
    """
    if cell_len(text) > cells:
        while text and cell_len(text) >= cells:
            text = text[:-1]
        text += "…"
    return text + " " * (cells - cell_len(text))


def _cells(letter: str) -> int:
    return (
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
    )
