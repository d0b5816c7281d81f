"""What a search says of several findings so far."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from search.options.options import SearchOptions
from search.plan.planner import plan_search
from trainable.errors import InputError


def test_a_search_for_several_findings_is_refused_in_one_sentence(
    tmp_path: Path, write_images: Callable[[Path, Iterable[str]], None]
) -> None:
    write_images(tmp_path / "images", [f"{n}.png" for n in range(12)])
    rows = [f"{n}.png,{n % 2},{n // 2 % 2},{int(n == 0)}" for n in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(["image,mass,nodule,rare", *rows]))
    options = SearchOptions.of(
        data=tmp_path / "t.csv", label_column="mass,nodule,rare", cache=tmp_path, weights="none"
    )
    with pytest.raises(InputError) as refusal:
        plan_search(options)
    [problem] = refusal.value.problems
    assert "one finding so far, and 3 findings were read: ask for one with" in problem
