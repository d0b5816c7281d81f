"""Defaults that several commands and stages share; cheap to import."""

from pathlib import Path
from typing import Literal

CACHE = Path("~/.cache/cxr")
"""Folder of decoded images and features, for all searches on a machine."""

CACHE_BYTES = 8 * 2**30
"""Bytes that stored activations may take together."""

DeviceChoice = Literal["auto", "cpu"]
"""A GPU if there is one, or the processor in any case."""

COMMON = "common"
"""Among the annotations of an option: the first help screen shows it."""
