"""The README names the folders and commands that exist."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_code_map_names_every_folder_and_no_other() -> None:
    tree = README.split("<!-- code map -->")[1].split("```")[1]
    named = {line.split()[0] for line in tree.strip().splitlines()}
    packages = {
        f"{path.parent.relative_to(ROOT)}/"
        for folder in ("trainable", "search", "analysis")
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert named == packages


def test_it_names_every_command_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(re.findall(r"\bcxr-[a-z]+", README)) == set(project["scripts"])
