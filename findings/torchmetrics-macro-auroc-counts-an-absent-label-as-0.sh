#!/usr/bin/env bash
# Guess: a macro average of AUROC leaves out a label that no image has, as scikit-learn warns of it.
#
# Seen with torchmetrics 1.9.0 and torch 2.15.0: MultilabelAUROC(average="macro") takes 0 for it, with
# a warning, and divides by all labels: two labels with some 0.83 and one that is absent give less than
# 0.6. A rare finding that is missing in a small test set thus lowers the score of the others by a third.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "torch==2.15.0" "torchmetrics==1.9.0" "numpy==2.4.6"

"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torchmetrics
from torchmetrics.classification import MultilabelAUROC

made = torch.Generator().manual_seed(0)
labels = torch.randint(0, 2, (300, 3), generator=made)
labels[:, 2] = 0
scores = (0.5 + 0.3 * (labels - 0.5) + 0.2 * torch.randn(300, 3, generator=made)).clamp(0, 1)
each = MultilabelAUROC(3, average="none")(scores, labels).tolist()
macro = float(MultilabelAUROC(3, average="macro")(scores, labels))
print(f"torchmetrics {torchmetrics.__version__}: each label {each}, macro {macro:.3f}")
assert each[2] == 0
assert abs(macro - sum(each) / 3) < 1e-6
assert macro < 0.7 * min(each[:2])
PYTHON
