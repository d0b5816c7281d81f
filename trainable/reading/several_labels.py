"""Several findings that can stand together: in a column each, or several in a cell."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pandas as pd

from trainable.cohort.cohort import LABEL_OF
from trainable.cohort.label_rule import REST, UNCERTAIN, Judged, LabelRule
from trainable.cohort.words import NO, UNKNOWN_WORDS, YES, only_say_yes_or_no, same_value
from trainable.errors import Checks, listing, num_of
from trainable.reading.cells import findings_in_cells, says_no_finding
from trainable.reading.choice import choose, refuse_unknown
from trainable.reading.labels import (
    Labels,
    Marks,
    check_left_out,
    find_marks,
    find_rule,
    may_say_survival,
    plain_values,
    read_labels,
)
from trainable.reading.options import ALL, DataOptions


def read_asked(
    raw: pd.DataFrame,
    images: pd.Series,
    options: DataOptions,
    checks: Checks,
    *,
    several_rows: bool = False,
) -> Labels | None:
    """Read one column of labels, or several; None (and a problem kept) if that cannot be decided.

    Args:
        raw: The columns of labels, as text.
        images: The name of the image of each row, for the messages.
        options: What the user said of the labels; with findings, one column has several in a cell.
        checks: Given all that cannot be decided.
        several_rows: Of the rules.
    """
    if raw.shape[1] > 1:
        return _read_columns(raw, options, checks, several_rows=several_rows)
    [column] = (raw[name] for name in raw)
    read: Callable[..., Labels | None] = read_labels if options.findings is None else _read_cells
    return read(column, images, options, checks, several_rows=several_rows)


def _read_cells(
    raw: pd.Series,
    images: pd.Series,
    options: DataOptions,
    checks: Checks,
    *,
    several_rows: bool,
) -> Labels | None:
    """Read several findings in a cell: each is negative where it is not named."""
    if options.positive is not None or options.negative is not None:
        checks.add(
            "--findings asks for findings beside each other, and --positive and --negative for one "
            "alone: drop one of them"
        )
        return None
    marks = find_marks(raw, options)
    known = raw[~marks.is_missing]
    there = findings_in_cells(known)
    if not there or all(map(str.isdigit, there)) or _say_yes_and_no(there):
        checks.add(
            f"--findings reads names of findings in the cells of a column; {raw.name} has "
            f"{listing(sorted(set(raw)))}. Name another one with --label-column, or drop --findings"
        )
        return None
    # a word for no finding is one if it is asked for by name
    without = [cell for cell in sorted(set(known)) if says_no_finding(same_value(cell))]
    names, unknown = there, list[str]()
    if options.findings != ALL:
        names, unknown = choose(str(options.findings), [*there, *without], same_value)
    rule = f"--findings must be findings in {raw.name}"
    refuse_unknown(rule, str(options.findings), unknown, there, checks)
    if unknown:
        return None
    if len(names) == 1:
        alone = options.model_copy(update={"positive": names[0], "negative": REST})
        return read_labels(raw, images, alone, checks, several_rows=several_rows)
    rules = [
        LabelRule((REST, name), missing=options.missing, several_rows=several_rows, finding=name)
        for name in names
    ]
    check_left_out(images, marks, options, checks)
    said = [f"{len(names)} findings in the cells of {raw.name}"]
    if none := [word for word in without if word not in names]:
        said.append(f"{listing(none)}: none of them")
    judged = [rule.judge(raw) for rule in rules]
    remarks, unused = rules[0].remarks(judged[0]), rules[0].unused(judged[0])
    return _labels(rules, judged, [*said, *remarks], unused)


def _say_yes_and_no(names: Sequence[str]) -> bool:
    """Whether some of them say yes and some no, as labels of one finding do."""
    plain = set(map(same_value, names))
    return bool(plain & YES and plain & NO)


def _read_columns(
    raw: pd.DataFrame, options: DataOptions, checks: Checks, *, several_rows: bool
) -> Labels | None:
    """Read a column per finding."""
    # all columns together, since one of them may have one value alone
    pool = pd.concat([pd.Series(raw[name].unique()) for name in raw], ignore_index=True)
    pooled, shared = find_marks(pool, options, _may_be_uncertain(pool)), None
    if not any(map(may_say_survival, raw)):  # where yes may mean no
        shared = find_rule(pool, pooled, options, Checks(), several_rows, may_be_classes=False)
    rules, marks = list[LabelRule](), dict[str, Marks]()
    for name in map(str, raw):
        found, own = shared, Checks()
        marks[name] = find_marks(raw[name], options, pooled.may_be_uncertain if shared else None)
        if found is None:
            found = find_rule(raw[name], marks[name], options, own, several_rows, False)
            advice = "or write its labels as 1 and 0"
            checks.add(*(f"{name}: {problem}; {advice}" for problem in own.problems))
        if found is not None:
            rules.append(dataclasses.replace(found, finding=name))
    _check_left_out_of(marks, options, checks)
    if len(rules) < len(marks):
        return None
    judged = [rule.judge(raw[rule.finding]) for rule in rules]
    positives = listing(sorted({rule.classes[1] for rule in rules}))
    note = f"{len(rules)} findings, a column each; positive is {positives}"
    remarks = [*_remarks(rules, judged, raw)]
    unused = [text for text, is_unused in remarks if is_unused]
    return _labels(rules, judged, [note, *(text for text, _ in remarks)], unused)


def _may_be_uncertain(pool: pd.Series) -> bool | None:
    """Whether -1 is uncertain beside words for yes and no, or not known from that."""
    values = set(plain_values(pool)) - UNKNOWN_WORDS
    others = values - {UNCERTAIN}
    is_beside = others & YES and others & NO and only_say_yes_or_no(others)
    return True if UNCERTAIN in values and is_beside else None


def _labels(
    rules: Sequence[LabelRule],
    judged: Sequence[Judged],
    said: Iterable[str],
    unused: Iterable[str],
) -> Labels:
    values = {LABEL_OF + str(r.finding): one.values for r, one in zip(rules, judged, strict=True)}
    return Labels(pd.DataFrame(values), tuple(rules), "; ".join(said), tuple(unused))


def _remarks(
    rules: Sequence[LabelRule], judged: Sequence[Judged], raw: pd.DataFrame
) -> Iterator[tuple[str, bool]]:
    """What became of labels that are not 1 or 0 in columns of their own, and if they are unused."""
    for what, uses, rows in (
        ("missing", [rule.missing for rule in rules], [one.is_missing for one in judged]),
        ("uncertain", [rule.uncertain for rule in rules], [one.is_uncertain for one in judged]),
    ):
        total, use = sum(int(row.sum()) for row in rows), next(filter(None, uses), None)
        if total and use:  # else it is a problem
            done = "left out of their finding alone" if use == "drop" else f"counted as {use}"
            yield f"{num_of(total, f'{what} label')} {done}", use == "drop"
    others = [raw.loc[one.is_other, rule.finding] for rule, one in zip(rules, judged, strict=True)]
    if total := sum(map(len, others)):
        names = listing(sorted({value for values in others for value in values}))
        yield f"{total:,} of other labels left out of their finding alone: {names}", True


def _check_left_out_of(marks: Mapping[str, Marks], options: DataOptions, checks: Checks) -> None:
    """Ask for the use of labels that say nothing certain, of all findings together."""
    missing = {name: int(found.is_missing.sum()) for name, found in marks.items()}
    uncertain = {name: int(found.is_uncertain.sum()) for name, found in marks.items()}
    if any(missing.values()) and options.missing is None:
        checks.add(
            f"every image must have a label of each finding; without: {_counted(missing)}. Add the "
            "labels, leave the images out of that finding alone with --missing drop, or count them "
            "as negative with --missing negative"
        )
    if any(uncertain.values()) and options.uncertain is None:
        checks.add(
            f"a label must be certain; -1 (uncertain): {_counted(uncertain)}. Say with --uncertain "
            "positive, negative or drop (out of that finding alone) what they count as"
        )


def _counted(counts: Mapping[str, int]) -> str:
    return listing((f"{name} ({count})" for name, count in counts.items() if count), 14)
