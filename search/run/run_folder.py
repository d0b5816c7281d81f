"""The run folder: all that a search was asked, did and found; analysis reads it."""

import contextlib
import itertools
import json
import shutil
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from search.options.options import SearchOptions
from search.run.trial_log import ReportLog, TrialLog
from search.run.warm_start import WARM_SCORES, WARM_START, WarmStart
from trainable.cohort.cohort import Cohort
from trainable.cohort.left_out import FILE as LEFT_OUT
from trainable.errors import InputError, explain
from trainable.files import as_typed, drop_partial_line, remove_partial, write_text, writing

FORMAT = 6
"""Version of `settings.json`. Folders of another version cannot be resumed."""


_BEGINNING = (
    "demo",
    "space.yaml",
    "cohort.csv",
    "cohort.json",
    LEFT_OUT,
    "trials.csv",
    "scores",
    WARM_START,
    WARM_SCORES,
)
"""What a search writes before `settings.json`."""


class RunFolder:
    """Files of one search.

    `settings.json`, `space.yaml`, `cohort.csv` and `cohort.json` are written once; `study.log` is
    Optuna's; `tensorboard/` is Ray Tune's. `trials.csv` and `scores/NNNNN.npy` belong to `log`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.log = TrialLog(self.path)
        self.folds = ReportLog(self.path, "fold")
        self.race = ReportLog(self.path, "percent")
        self.study_log = self.path / "study.log"
        self.space_yaml = self.path / "space.yaml"
        self._lock_file = self.path / ".lock"
        self._lock = FileLock(self._lock_file)
        self._made: list[Path] = []

    def __reduce__(self) -> tuple[type["RunFolder"], tuple[Path]]:
        """Ray pickles its callbacks; a copy names the folder and does not hold its lock."""
        return RunFolder, (self.path,)

    def claim(self) -> None:
        """Take a new folder for this process, or one that a kill left before its search began.

        Raises:
            InputError: If the folder holds something else, or a search is running in it.
        """
        self._require_empty()
        self._made = [one for one in (self.path, *self.path.parents) if not one.exists()]
        with writing(self.path, "--out"):
            self.path.mkdir(parents=True, exist_ok=True)
            self._acquire()
        try:
            self._require_empty()  # now that nobody else writes in it
        except InputError:
            self.release()
            raise
        self._clear()

    def discard(self) -> None:
        """Remove what was written since `claim`, and the folders that it made."""
        self._clear()
        self._lock_file.unlink()
        self.release()
        for folder in self._made:
            with contextlib.suppress(OSError):  # another run may be beside
                folder.rmdir()

    def _require_empty(self) -> None:
        if not self.path.exists():
            return
        names = {path.name for path in self.path.iterdir()} if self.path.is_dir() else {""}
        if "settings.json" in names:
            raise InputError(
                f"--out must be a new folder; {self.path} is a search: go on with it by --resume, "
                "or name another folder"
            )
        if names and (self._lock_file.name not in names or not all(map(_is_beginning, names))):
            raise InputError(
                f"--out must be a new folder; {self.path} is not empty: name another folder"
            )

    def _clear(self) -> None:
        """Remove all but the lock; the folder must hold nothing but a beginning."""
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self._lock_file:
                path.unlink()

    def begin(
        self,
        options: SearchOptions,
        space: str,
        cohort: Cohort,
        warm_start: WarmStart | None = None,
    ) -> None:
        """Write what the search was asked, its space as YAML, into a folder that was claimed."""
        asked = options.model_dump(mode="json", exclude={"compute": {"address", "without_token"}})
        text = json.dumps({"format": FORMAT, **asked}, indent=2)
        with writing(self.path, "--out"):
            write_text(self.space_yaml, space)
            cohort.save(self.path)
            self.log.create()
            if warm_start is not None:
                warm_start.save(self.path)
            # last: a folder without it is not yet a run
            write_text(self.path / "settings.json", text + "\n")

    def open(self) -> tuple[SearchOptions, Cohort]:
        """Take the folder, read what the search was asked, and repair what a kill has cut off.

        Raises:
            InputError: if this is no run folder, a search is running in it, or another version of
                cxr wrote it.
        """
        self._require_settings()
        with writing(self.path, "--resume, a copy of this one"):
            self._acquire()
        options = self.read_options()
        drop_partial_line(self.log.csv)
        for folder in (self.path, *self.log.folders):
            remove_partial(folder)
        cohort = Cohort.load(self.path)
        self.log.check_scores(cohort.labels.shape)
        return options, cohort

    def read_options(self) -> SearchOptions:
        """Read what the search was asked, and change nothing.

        Raises:
            InputError: If this is no run folder, or another version of cxr wrote it.
        """
        options = _read_options(self._require_settings())
        if options is None or not self.log.fits_this_version():
            raise InputError(
                f"another version of cxr wrote {self.path}: continue with that version, or start a "
                "new search"
            )
        return options

    def _require_settings(self) -> Path:
        settings_json = self.path / "settings.json"
        if not settings_json.exists():
            raise InputError(f"not the folder of a search (no settings.json): {self.path}")
        return settings_json

    def _acquire(self) -> None:
        """Take the folder for this process; the operating system gives it back at its end."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(
                f"another search is running in {self.path}; wait for it, or stop it"
            ) from error

    def release(self) -> None:
        """Give the folder back."""
        self._lock.release(force=True)


def _read_options(file: Path) -> SearchOptions | None:
    """The settings of a search; None if another version of cxr wrote the file."""
    try:
        asked = json.loads(file.read_text())
        if not isinstance(asked, dict) or asked.pop("format", None) != FORMAT:
            return None
        if isinstance(of_run := asked.get("run"), dict):
            of_run.setdefault("race", "no")  # there was none when such a search began
        return SearchOptions.model_validate(asked)
    except ValidationError as error:
        raise InputError(*(f"{file}: {problem}" for problem in explain(error))) from None
    except ValueError as error:
        raise InputError(f"{file} must be JSON as cxr wrote it: {error}") from error


def _is_beginning(name: str) -> bool:
    """Whether a search writes a file or folder of this name before its settings."""
    hidden = tuple(f".{one}-" for one in (*_BEGINNING, "settings.json"))
    return name in (".lock", *_BEGINNING) or name.startswith(hidden)


def new_run(name: str, parent: Path = Path("runs")) -> RunFolder:
    """Claim `runs/NAME`, or `runs/NAME-2` and so on where that is taken."""
    for number in itertools.count(1):
        run = RunFolder(parent / (name if number == 1 else f"{name}-{number}"))
        with contextlib.suppress(InputError):
            run.claim()
            return run
    raise AssertionError  # there are more numbers


def resume_command(run: RunFolder) -> str:
    """The command that goes on with a run."""
    return f"cxr-search --resume {as_typed(run.path)}"
