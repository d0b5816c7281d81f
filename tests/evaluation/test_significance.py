"""cxr-compare on the assignment's own tables, and on rows that do differ."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.commands import call_command
from scipy import stats

from analysis.counts import describe, read_counts
from trainable.errors import InputError
from trainable.evaluation.significance import differing_pairs, holm, wilson_f1_interval

CUTS = """cut,TP,FN,FP,TN
-1,12,18,47,201
1,14,16,43,205
2,8,22,29,219
20,9,21,29,219
None,19,11,45,203
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "table.csv"
    file.write_text(text)
    return file


def differing(table: pd.DataFrame) -> list[tuple[str, str, float]]:
    names = [str(name) for name in table.index]
    return differing_pairs(names, table["tp"].tolist(), (table["fn"] + table["fp"]).tolist())


def test_the_cuts_of_the_assignment_do_not_differ_by_more_than_chance(tmp_path: Path) -> None:
    table = read_counts(write(tmp_path, CUTS))
    assert table.index.tolist() == ["-1", "1", "2", "20", "None"]
    assert differing(table) == []
    lines = list(describe(table))
    assert lines[4].startswith("None  F1 0.404  95 % CI")
    assert "no two of the 5 rows differ by more than chance" in lines


def test_rows_that_differ_are_named_whatever_the_columns_are_called(tmp_path: Path) -> None:
    text = "tn,fp,Fn,Tp,net,size\n240,8,2,28,good,big\n200,48,20,10,bad,small\n199,49,20,10,bad,big"
    [first, second] = differing(read_counts(write(tmp_path, text + "\n")))
    assert first[:2] == ("good big", "bad small")
    assert second[:2] == ("good big", "bad big")
    assert max(first[2], second[2]) < 0.05


def test_the_table_may_be_one_of_any_kind(tmp_path: Path) -> None:
    table = read_counts(write(tmp_path, CUTS.replace(",", ";")))
    assert table.equals(read_counts(write(tmp_path, CUTS)))


def test_many_comparisons_of_equal_rows_raise_few_alarms(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(20):
        cells = rng.multinomial(278, [0.05, 0.06, 0.16, 0.73], size=6)
        rows = "\n".join(",".join(map(str, row)) for row in cells)
        alarms += bool(differing(read_counts(write(tmp_path, f"tp,fn,fp,tn\n{rows}\n"))))
    assert alarms <= 3


def test_the_interval_of_f1_holds_the_true_one_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([0.06, 0.05, 0.14, 0.75])
    truth = 2 * 0.06 / (2 * 0.06 + 0.05 + 0.14)
    held = []
    for tp, fn, fp, _ in rng.multinomial(278, shares, size=400):
        low, high = wilson_f1_interval(int(tp), int(fn + fp))
        held.append(low <= truth <= high)
    assert 0.92 < np.mean(held) < 0.98


def test_holm_s_correction_is_that_of_its_definition() -> None:
    chance = np.random.default_rng(0).random(20) ** 3
    corrected = holm(chance)
    order = np.argsort(chance)
    for place, test in enumerate(order):
        steps = [(20 - earlier) * chance[order[earlier]] for earlier in range(place + 1)]
        assert corrected[test] == pytest.approx(min(1, max(steps)))


def test_two_rows_are_compared_by_fisher_s_exact_test(tmp_path: Path) -> None:
    table = read_counts(write(tmp_path, "TP,FN,FP,TN\n25,5,10,238\n8,22,30,218\n"))
    [(_, _, chance)] = differing(table)
    assert chance == pytest.approx(stats.fisher_exact([[25, 15], [8, 52]]).pvalue)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TP,FN,FP\n1,2,3\n", "missing: TN; found: TP, FN, FP"),
        ("TP,FN,FP,TN\n1,2,x,4\n1,2,3,4\n", "wrong in: 1$"),
        ("row,TP,FN,FP,TN\na,1.5,2,3,4\nb,-1,2,3,4\n", "wrong in: a, b$"),
        ("row,TP,FN,FP,TN\na,0,0,3,4\n", "positive images .* none in: a$"),
    ],
)
def test_a_table_that_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_counts(write(tmp_path, text))


def test_the_command_prints_the_table_or_what_is_wrong(tmp_path: Path) -> None:
    done = call_command("analysis.compare", write(tmp_path, CUTS))
    assert done.stdout.count("95 % CI") == 5
    wrong = call_command("analysis.compare", tmp_path / "no.csv", code=2)
    assert "not found" in wrong.stderr
