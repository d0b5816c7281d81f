"""Reporting guidelines, filled in where a run knows the answer, as Markdown to copy."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

_FILE = Path(__file__).with_name("checklists.yaml")
_OPEN = "to be written by the authors"


def checklist_markdown(facts: Mapping[str, object]) -> str:
    """All items of all guidelines.

    Args:
        facts: Values of the names in braces of `checklists.yaml`.
    """
    return "\n".join(_lines(facts))


def _lines(facts: Mapping[str, object]) -> Iterator[str]:
    for guideline, items in yaml.safe_load(_FILE.read_text()).items():
        texts = [item.get("fill", "").format(**facts) for item in items]
        yield f"### {guideline}"
        yield ""
        yield f"{sum(map(bool, texts))} of the {len(items)} items below are filled in."
        yield ""
        for item, text in zip(items, texts, strict=True):
            yield f"- {item['item']}. {item['topic']}: {text or _OPEN}"
        yield ""
