#!/usr/bin/env bash
# Guess: torchmetrics' BootStrapper gives the spread of a metric whatever the size of the batches.
#
# Seen with torchmetrics 1.9.0 and torch 2.15.0: it resamples within each batch. With
# sampling_strategy="multinomial" and one image per update, each resample is the image itself: the
# standard deviation is 0, and no word is said. The same images in one batch give about 0.04.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "torch==2.15.0" "torchmetrics==1.9.0" "numpy==2.4.6"

"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torchmetrics
from torchmetrics import BootStrapper
from torchmetrics.classification import BinaryAccuracy

made = torch.Generator().manual_seed(0)
torch.manual_seed(0)
labels = torch.arange(200) % 2
scores = (0.5 + 0.2 * (labels - 0.5) + 0.2 * torch.randn(200, generator=made)).clamp(0, 1)

found = {}
for size in (200, 1):
    resampled = BootStrapper(BinaryAccuracy(), 50, sampling_strategy="multinomial")
    for part, known in zip(scores.split(size), labels.split(size)):
        resampled.update(part, known)
    found[size] = float(resampled.compute()["std"])
    print(f"updates of {size} images: standard deviation of the accuracy {found[size]:.4f}")
print(f"torchmetrics {torchmetrics.__version__}")
assert found[200] > 0.01
assert found[1] < 1e-6
PYTHON
