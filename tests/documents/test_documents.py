"""Links in the documents resolve, and the options that the documents name exist."""

import re
import tomllib
from pathlib import Path

import pytest
from fixtures.commands import call_command

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
OF_OTHER_PROGRAMS = {"--extra", "--generate", "--logdir", "--no-deps", "--node-ip-address"}
OF_OTHER_PROGRAMS |= {
    "--backend-store-uri",
    "--build-arg",
    "--exclusive",
    "--gpus",
    "--mem",
    "--no-kill",
    "--nv",
    "--read-only",
    "--rm",
    "--shm-size",
    "--signal",
    "--time",
    "--tmpfs",
    "--user",
}
"""Options of uv, Ray, TensorBoard, Docker, Slurm and Apptainer."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def options() -> set[str]:
    """Options of all commands, by their help, and of the benchmarks."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    texts = [file.read_text() for file in (ROOT / "benchmarks").rglob("*.py")]
    texts += [call_command(one, "--help-all", columns=200).stdout for one in scripts.values()]
    return set(re.findall(r"--[a-z][a-z-]+", "\n".join(texts)))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_resolves(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    relative = [link for link in links if "://" not in link]
    assert [link for link in relative if not (page.parent / link).exists()] == []


def test_every_option_of_the_documents_exists(options: set[str]) -> None:
    past = ROOT / "CHANGELOG.md"
    for page in (page for page in PAGES if page != past):
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text()))
        assert named - options - OF_OTHER_PROGRAMS == set(), name(page)
