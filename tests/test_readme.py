"""What the README says of the files and commands is so."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_tree_names_every_module_and_no_other() -> None:
    tree = README.split("<!-- tree -->")[1].split("```")[1]
    named, folder = set(), ""
    for line in tree.strip().splitlines():
        name = line.split()[0]
        if name.endswith("/"):
            folder = name
        else:
            named.add(folder + name)
    folders = ("trainable", "search", "analysis")
    files = {f"{f}/{p.name}" for f in folders for p in (ROOT / f).glob("*.py")}
    assert named == {name for name in files if not name.endswith("__init__.py")}


def test_every_command_and_picture_that_it_names_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(re.findall(r"\bcxr-[a-z]+", README)) == set(project["scripts"])
    for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / target).is_file()
