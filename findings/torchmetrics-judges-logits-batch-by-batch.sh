#!/usr/bin/env bash
# Guess: a torchmetrics metric that is updated batch by batch gives what it gives for all at once.
#
# Seen with torchmetrics 1.9.0 and torch 2.15.0: its binary metrics take logits or probabilities, and
# ask each batch anew which of the two it holds. A batch whose logits all lie between 0 and 1 is taken
# for probabilities; a logit of 0.3 then is a negative, though its probability is 0.57. So the same
# 1,000 logits in batches of one give other counts, and another AUC, than in one batch.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "torch==2.15.0" "torchmetrics==1.9.0" "numpy==2.4.6"

"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torchmetrics
from torchmetrics.classification import BinaryAUROC, BinaryStatScores

made = torch.Generator().manual_seed(0)
labels = torch.arange(1000) % 2
logits = torch.randn(1000, generator=made) + labels - 0.5


def judged(metric: torchmetrics.Metric, size: int) -> torch.Tensor:
    """The metric after updates with batches of a size."""
    for part, known in zip(logits.split(size), labels.split(size)):
        metric.update(part, known)
    return metric.compute()


found = {}
for size in (1000, 1):
    true_positives = int(judged(BinaryStatScores(), size)[0])
    found[size] = (true_positives, round(float(judged(BinaryAUROC(), size)), 3))
    print(f"batches of {size}: true positives and AUC {found[size]}")
by_hand = int(((logits > 0) & (labels == 1)).sum())
print(f"torchmetrics {torchmetrics.__version__}; logits above 0 of positives: {by_hand}")
assert found[1000][0] == by_hand
assert found[1][0] < 0.9 * by_hand
assert found[1][1] < found[1000][1] - 0.01
PYTHON
