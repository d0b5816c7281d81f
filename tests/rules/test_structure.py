"""The structure that keeps a file quick to find and a function quick to read."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATHS = {
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path
    for folder in ("trainable", "search", "analysis")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
LONGEST_FUNCTION, MOST_PARAMETERS, LONGEST_CHAIN = 60, 8, 16


@functools.cache
def tree(module: str) -> ast.Module:
    return ast.parse(PATHS[module].read_text())


@functools.cache
def imported(module: str) -> frozenset[str]:
    """Our own modules that a module imports, also inside functions."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & PATHS.keys() or {str(node.module)} & PATHS.keys()
    return frozenset(found - {module})


@functools.cache
def chain(module: str) -> tuple[str, ...]:
    """The longest chain of imports from a module on; a circle would have no end."""
    chains = [chain(one) for one in sorted(imported(module))]
    return (module, *max(chains, key=len, default=()))


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for module in PATHS:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module}.{node.name}", node


def test_no_function_is_long_or_takes_many_parameters() -> None:
    found = {}
    for name, node in functions():
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        count = sum(one.arg not in ("self", "cls") for one in arguments)
        found[name] = ((node.end_lineno or 0) - node.lineno + 1, count)
    assert {name: one for name, one in found.items() if one[0] > LONGEST_FUNCTION} == {}
    assert {name: one for name, one in found.items() if one[1] > MOST_PARAMETERS} == {}


def test_no_chain_of_imports_is_long_and_none_is_a_circle() -> None:
    longest = max(map(chain, PATHS), key=len)
    assert len(longest) <= LONGEST_CHAIN, " > ".join(longest)
