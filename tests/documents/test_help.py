"""Every help screen is plain, fits its terminal, and is shown before anything slow is imported."""

import functools
import io
import re
import subprocess
import sys

import pytest
from cyclopts import Argument
from fixtures.commands import environment
from rich.console import Console

from analysis.command import app as predict
from analysis.compare import app as compare
from analysis.export.command import app as export
from search.command import app as search
from search.page.command import app as report
from trainable.commands.cache import app as cache
from trainable.commands.cli import Command, run
from trainable.commands.model import app as model
from trainable.commands.sort import app as sort

APPS = (search, predict, report, export, model, sort, compare, cache)
MODULES = {
    "cxr-search": "search.command",
    "cxr-predict": "analysis.command",
    "cxr-export": "analysis.export.command",
    "cxr-model": "trainable.commands.model",
    "cxr-sort": "trainable.commands.sort",
    "cxr-compare": "analysis.compare",
    "cxr-report": "search.page.command",
    "cxr-cache": "trainable.commands.cache",
}
OF_PYTHON = (
    r"\bNone\b|\bFalse\b|\bTrue\b|\(\)|--empty-|--no-|`"
    r"|\b(STR|INT|FLOAT|BOOL|TIMEDELTA|BYTESIZE|LITERAL|UNION)\b"
)
MANY = 10
SLOW = ("torch", "ray", "sklearn", "scipy", "matplotlib", "optuna", "pandas")

ONE_SCREEN = range(24, 51)
"""Lines of a terminal."""

every_command = pytest.mark.parametrize("app", APPS, ids=lambda app: app.name[0])


def screen(app: Command, width: int) -> str:
    """All options."""
    return _screen(APPS.index(app), width)


@functools.cache
def _screen(number: int, width: int) -> str:
    text = io.StringIO()
    APPS[number].print_all_help(Console(file=text, width=width))
    return text.getvalue()


def options_of(app: Command) -> list[Argument]:
    """Options and arguments that are values."""
    return _options(APPS.index(app))


@functools.cache
def _options(number: int) -> list[Argument]:
    found = APPS[number].assemble_argument_collection(parse_docstring=True)
    return [one for one in found if not one.children]


def arguments_in(text: str) -> list[str]:
    """Options, and RUN, in the order of a screen."""
    return re.findall(r"^│[ *]+(--(?!help|version)[a-z-]+|RUN)", text, re.MULTILINE)


@pytest.mark.parametrize(("app", "count"), [(search, 20), (predict, 11)])
def test_the_first_help_screen_is_one_screen_and_names_the_second(app: Command, count: int) -> None:
    text = io.StringIO()
    app.help_print([], console=Console(file=text, width=80))
    first, every = text.getvalue(), screen(app, 80)
    assert len(first.splitlines()) in ONE_SCREEN
    assert "--help-all" in first
    assert len(arguments_in(first)) == count
    shown = set(arguments_in(first))
    assert [one for one in arguments_in(every) if one in shown] == arguments_in(first)
    assert len(arguments_in(every)) > count


def test_help_on_all_options_may_stand_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(predict, ["run", "--help-all"])
    assert not end.value.code
    assert "--operating-point" in capsys.readouterr().out


@every_command
def test_an_argument_has_no_option_of_its_name(app: Command) -> None:
    assert not re.search(r"\b(RUN|FILE|ACTION|BACKBONE) --", screen(app, 80))


@every_command
@pytest.mark.parametrize("width", [80, 120])
def test_a_help_screen_fits_and_has_no_words_of_python(app: Command, width: int) -> None:
    text = screen(app, width)
    assert max(map(len, text.splitlines())) <= width
    assert re.findall(OF_PYTHON, text) == []
    assert "…" not in text
    for panel in text.split("╭─")[1:]:
        continued = {len(blank) for blank in re.findall(r"^│( {6,})\S", panel, re.MULTILINE)}
        assert len(continued) <= 1, panel


@every_command
def test_every_option_is_one_short_sentence(app: Command) -> None:
    for argument in options_of(app):
        sentence = argument.parameter.help or ""
        assert re.fullmatch(r"[A-Z](?:[^.]|\.(?!\s))*\.", sentence, re.DOTALL), argument.name
        assert len(sentence.split()) <= 25, argument.name


@every_command
def test_many_options_are_in_named_panels(app: Command) -> None:
    titles = re.findall(r"╭─ (.+?) ─", screen(app, 80))
    assert "Parameters" not in titles
    assert len(titles) > 2 or len(options_of(app)) <= MANY


def test_help_imports_nothing_slow() -> None:
    program = f"""
import importlib, sys
for name, module in {MODULES!r}.items():
    importlib.import_module(module).app(["--help"], result_action="return_value")
    print(name, sorted(set(sys.modules) & set({SLOW!r})), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    assert all(f"Usage: {name} " in done.stdout for name in MODULES)
    assert done.stderr.splitlines() == [f"{name} []" for name in MODULES]


@pytest.mark.parametrize(
    ("app", "arguments", "sentence"),
    [
        (search, ["--trials", "0"], "--trials must be at least 1 (got 0)"),
        (search, ["--trails", "9"], "Unknown option: --trails. Did you mean --trials?"),
        (predict, [], "2 problems to fix:\n  - RUN is missing\n  - --images is missing"),
        (predict, ["--images=x"], "RUN is missing"),
        (predict, ["run"], "--images is missing"),
        (predict, ["run", "--images", "x", "--seeds", "0"], "--seeds must be at least 1 (got 0)"),
        (
            predict,
            ["run", "--images", "x", "--operating-point", "2"],
            "--operating-point must be at most 1 (got 2)",
        ),
        (model, ["resnet18", "--image-size", "8"], "--image-size must be 32 to 2048 (got 8)"),
        (sort, ["--data", "x"], "--out is missing"),
        (compare, [], "FILE is missing"),
        (cache, ["--keep", "1GB"], "--keep needs the action clear (got list)"),
        (
            cache,
            ["drop"],
            'Invalid value "drop" for ACTION. Choose from: "list", "verify", "clear".',
        ),
        (compare, ["no.csv"], "FILE must be a table; not found: no.csv"),
    ],
    ids=lambda value: value.name[0] if isinstance(value, Command) else "",
)
def test_wrong_input_is_one_sentence(
    capsys: pytest.CaptureFixture[str], app: Command, arguments: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as end:
        run(app, arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err == sentence + "\n"
