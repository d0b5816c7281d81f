"""`trainable/` works without Ray, Optuna and all that only a search or an analysis needs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

RAY_FILE = "ray_worker.py"
COMMANDS = "commands"
ROOT = Path(__file__).parents[2]
NOT_ITS_OWN = ("ray", "optuna", "cyclopts", "rich", "safetensors", "sqlalchemy")
ALLOWED = {
    *sys.stdlib_module_names,
    *("torch", "torchvision", "numpy", "pandas", "sklearn", "scipy", "PIL", "pydantic"),
    "threadpoolctl",  # scikit-learn itself depends on it
    "filelock",  # PyTorch itself depends on it
    *("pydantic_core", "typing_extensions"),  # pydantic itself depends on them
    "trainable",
}
MODULES = {
    folder: sorted((ROOT / folder).rglob("*.py")) for folder in ("trainable", "search", "analysis")
}


def imports(path: Path) -> set[str]:
    """Packages that a file imports anywhere in it, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            assert name not in ("import_module", "__import__"), f"{path}: an import in disguise"
    return found


def modules(path: Path) -> set[str]:
    """Modules that a file imports from anywhere in it."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_there_are_modules_to_look_at() -> None:
    assert all(len(paths) > 4 for paths in MODULES.values())


@pytest.mark.parametrize("path", MODULES["trainable"], ids=lambda path: str(path.relative_to(ROOT)))
def test_trainable_imports_only_what_training_needs(path: Path) -> None:
    also = {"ray"} if path.name == RAY_FILE else set()
    if path.parent.name == COMMANDS:
        also = {"cyclopts", "rich", "docstring_parser"}
    if path.parent.name == "report":
        also = {"matplotlib", "jinja2", "markupsafe"}  # Jinja itself depends on MarkupSafe
    # imported where they are needed
    also |= {
        "dicom.py": {"pydicom"},
        "heat_map.py": {"captum"},
        "state_files.py": {"safetensors"},
        "perceptual_hash.py": {"imagehash"},
        "timm_networks.py": {"timm", "huggingface_hub"},
        "timm_stages.py": {"timm"},
    }.get(path.name, set())
    assert imports(path) <= ALLOWED | also


def test_ray_is_known_to_one_file_of_trainable() -> None:
    assert [path.name for path in MODULES["trainable"] if "ray" in imports(path)] == [RAY_FILE]


def test_no_other_file_of_trainable_imports_the_one_that_knows_ray() -> None:
    for path in MODULES["trainable"]:
        assert "trainable.trial.ray_worker" not in modules(path)


def test_no_other_room_of_trainable_imports_its_commands() -> None:
    for path in MODULES["trainable"]:
        if path.parent.name != COMMANDS:
            assert not any(name.startswith("trainable.commands") for name in modules(path))


@pytest.mark.parametrize(
    ("folder", "other"),
    [
        ("search", "analysis"),
        ("analysis", "search"),
        ("trainable", "search"),
        ("trainable", "analysis"),
    ],
)
def test_one_folder_does_not_import_the_other(folder: str, other: str) -> None:
    assert [path for path in MODULES[folder] if other in imports(path)] == []


def test_ray_tune_and_optuna_stay_in_the_room_of_the_study() -> None:
    rooms = {
        package: {
            path.relative_to(ROOT / "search").parent.as_posix()
            for path in MODULES["search"]
            if package in imports(path)
        }
        for package in ("ray", "optuna")
    }
    # a space asks Optuna's trial for each value
    assert rooms == {"ray": {"tune"}, "optuna": {"tune", "space"}}
    assert [path for path in MODULES["analysis"] if imports(path) & {"ray", "optuna"}] == []


PROGRAM = f"""
import importlib, importlib.abc, sys
from pathlib import Path

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {NOT_ITS_OWN!r}:
            raise ImportError(name + " is not installed")

sys.meta_path.insert(0, Absent())
for path in sorted(Path("trainable").rglob("*.py")):
    if path.stem not in ("ray_worker", "__init__") and path.parent.name != "commands":
        importlib.import_module(".".join(path.with_suffix("").parts))

import numpy as np
import torch
from PIL import Image
from trainable.images.preprocessing import PixelStatistics
from trainable.trial.task import TrainingData
from trainable.config import TrialConfig
from trainable.trial.cross_validation import cross_validate
from trainable.trial.task import Task
from trainable.cohort.findings import Findings
from trainable.cohort.splits import Fold
from trainable.store.arrays import ArrayStore
from trainable.evaluation.scoring import Scoring
from trainable.backbones.weights import find_weights

folder, rows = Path(sys.argv[1]), np.arange(8)
for row in rows:
    Image.new("L", (32, 32), 20 * int(row)).save(folder / f"{{row}}.png")
task = Task(
    TrainingData(
        tuple(str(folder / f"{{row}}.png") for row in rows), tuple(map(str, rows)), rows[:, None],
        rows[:, None] % 2, Findings(("positive",)), PixelStatistics(0.5, 0.2),
    ),
    (Fold(rows[:4], rows[4:]), Fold(rows[4:], rows[:4])),
    find_weights("none", ["squeezenet1_0"]), folder / "cache", 2**30,
    Scoring(), 0,
)
config = TrialConfig(image_size=32, batch_size=4, epochs=1, unfreeze=1)
*_, last = cross_validate(config, task, torch.device("cpu"), ArrayStore(task.cache))
print(last.fold, np.isfinite(last.scores).sum())
try:
    import trainable.trial.ray_worker
except ImportError as error:
    print(error)
"""


def test_a_trial_is_cross_validated_where_nothing_of_a_search_is_installed(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""
    assert run.stdout.splitlines() == ["2 8", "ray is not installed"]
    assert run.returncode == 0
