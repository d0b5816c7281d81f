"""Drafts for a paper, as Markdown: the items of reporting guidelines, and a self-assessment."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

_CHECKLISTS, _ASSESSMENT = (
    Path(__file__).with_name(name) for name in ("checklists.yaml", "assessment.yaml")
)
_OPEN = "to be written by the authors"
NOT_KNOWN = "not known"


def checklist_markdown(facts: Mapping[str, object]) -> str:
    """All items of all guidelines.

    Args:
        facts: Values of the names in braces of `checklists.yaml`.
    """
    return "\n".join(_checklists(facts))


def _checklists(facts: Mapping[str, object]) -> Iterator[str]:
    for guideline, items in _read(_CHECKLISTS).items():
        texts = [" ".join(item.get("fill", "").format(**facts).split()) for item in items]
        in_part = sum(
            bool(text) and "rest" in item for item, text in zip(items, texts, strict=True)
        )
        yield f"### {guideline}"
        yield ""
        yield (
            f"{sum(map(bool, texts))} of the {len(items)} items below are filled in, {in_part} of "
            "them in part."
        )
        yield ""
        for item, text in zip(items, texts, strict=True):
            yield f"- {item['item']}. {item['topic']}: {text or _open(item)}{_rest(item, text)}"
        yield ""


def _open(item: Mapping[str, Any]) -> str:
    """Who fills an item that a run does not; and where another run would, how."""
    return f"{_OPEN} ({item['how']})" if "how" in item else _OPEN


def _rest(item: Mapping[str, Any], text: str) -> str:
    return f" {_OPEN.capitalize()}: {item['rest']}." if text and "rest" in item else ""


def assessment_markdown(answers: Mapping[str, str]) -> str:
    """All questions of the self-assessment, each with its answer.

    Args:
        answers: By the names in `assessment.yaml`: an answer and why; `NOT_KNOWN` where a run
            cannot know.
    """
    return "\n".join(_assessment(answers))


def _assessment(answers: Mapping[str, str]) -> Iterator[str]:
    for title, parts in _read(_ASSESSMENT).items():
        yield f"### {title}"
        yield ""
        given = [
            answers.get(item.get("answer", ""), NOT_KNOWN)
            for domains in parts.values()
            for items in domains.values()
            for item in items
        ]
        counts = {
            one: sum(text.startswith(one) for text in given)
            for one in ("yes", "probably yes", "no:", "does not apply", NOT_KNOWN)
        }
        said = ", ".join(f"{count} {one.rstrip(':')}" for one, count in counts.items() if count)
        yield f"Of {len(given)} questions, in our own words: {said}."
        yield ""
        left = iter(given)
        for part, domains in parts.items():
            for number, (domain, items) in enumerate(domains.items(), start=1):
                yield f"{part.capitalize()}, {domain}"
                yield ""
                for place, item in enumerate(items, start=1):
                    text = next(left)
                    if text == NOT_KNOWN:
                        text = f"{NOT_KNOWN}: {item['tell']}"
                    yield f"- {number}.{place}. {item['asks']} {text[:1].upper()}{text[1:]}."
                yield ""


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found
