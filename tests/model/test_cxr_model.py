"""The command that shows a network, `cxr-model`."""

import re

import pytest
from fixtures.commands import call_command

from trainable.backbones.table import BACKBONES
from trainable.commands.cli import run
from trainable.commands.model import app


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> "Show":
    return Show(capsys)


class Show:
    """Runs the command in this process, which is many times faster."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> str:
        assert self._run(arguments) is None
        return self._capsys.readouterr().out

    def refusal(self, *arguments: str) -> str:
        assert self._run(arguments) == 2
        shown = self._capsys.readouterr()
        assert shown.out == ""
        return shown.err.rstrip("\n")

    def _run(self, arguments: tuple[str, ...]) -> object:
        with pytest.raises(SystemExit) as end:
            run(app, arguments)
        return end.value.code

    def counts(self, *arguments: str) -> tuple[int, ...]:
        return counts(self("--image-size", "32", *arguments))


def test_the_list_has_every_source_with_the_licence_of_its_weights(show: Show) -> None:
    heading, *rows = show("--list", "vit_small_patch1").splitlines()
    assert heading.split() == ["encoder", "px", "licence", "of", "its", "published", "weights"]
    assert all("vit_small_patch1" in row for row in rows)
    dinov2 = next(row for row in rows if "patch14_dinov2.lvd142m" in row)
    assert dinov2.split() == ["timm/vit_small_patch14_dinov2.lvd142m", "518", "apache-2.0"]
    assert show("--list", "resnet50").splitlines()[1].endswith("not stated by torchvision")


def counts(output: str) -> tuple[int, ...]:
    """The three numbers below the table: all parameters, the trained, the frozen."""
    return tuple(
        int(number.replace(",", ""))
        for number in re.findall(r"^(?:total parameters|trainable|frozen) +([\d,]+)$", output, re.M)
    )


def test_the_assignments_network_is_shown_with_its_three_counts() -> None:
    done = call_command("trainable.commands.start:model", "squeezenet1_0")
    assert done.stderr == ""
    assert counts(done.stdout) == (1_263_808, 528_384, 735_424)
    for shape in ("96 x 157 x 157", "96 x 78 x 78", "256 x 39 x 39", "512 x 19 x 19"):
        assert shape in done.stdout
    for kind in ("Conv2d", "ConcatPool", "BatchNorm1d", "Dropout", "Linear"):
        assert kind in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["squeezenet10"], "unknown backbone 'squeezenet10'; did you mean 'squeezenet1_0'?"),
        (["resnet18", "--cut", "layer22"], "(got 'layer22'); did you mean 'layer2'?"),
        (["--cut", "layer2"], "--cut layer2 needs the one BACKBONE that it is a cut of"),
    ],
)
def test_a_wrong_name_is_refused_in_one_sentence(
    show: Show, arguments: list[str], complaint: str
) -> None:
    refusal = show.refusal(*arguments)
    assert complaint in refusal
    assert "\n" not in refusal


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["--unfreeze", "5"],
            "--unfreeze must be at most 4, the number of stages",
        ),
        (
            ["--unfreeze", "2", "--cut", "layer1"],
            "stages up to the cut (got 2)",
        ),
        (["--unfreeze", "-1"], "--unfreeze must be a number of stages, or all (got -1)"),
        (["--unfreeze", "al"], "--unfreeze must be a number of stages, or all (got al)"),
        (["--unfreeze", "1.5"], "--unfreeze must be a number of stages, or all (got 1.5)"),
        (["--head", "fast"], "--head must be 'fastai', 'plain' or 'logistic' (got fast)"),
        (["--head-layers", "0"], "--head-layers must be at least 1 (got 0)"),
        (["--head-layers", "8,,8"], "--head-layers must be a whole number (got nothing)"),
        (["--cut", "classifier"], "cut must be a cut point of resnet18 (got 'classifier')"),
        (["--image-size", "31"], "--image-size must be 32 to 2048 (got 31)"),
        (["--image-size", "100000"], "--image-size must be 32 to 2048 (got 100000)"),
        (["--image-size", "-4"], "--image-size must be 32 to 2048 (got -4)"),
    ],
)
def test_a_wrong_number_is_refused_in_one_sentence(
    show: Show, arguments: list[str], complaint: str
) -> None:
    refusal = show.refusal("resnet18", *arguments)
    assert complaint in refusal
    assert "\n" not in refusal


def test_without_a_name_all_backbones_are_listed_with_their_cuts(show: Show) -> None:
    header, *lines = show().splitlines()
    assert header.split()[:2] == ["backbone", "body"]
    assert len(lines) == len(BACKBONES)
    for line, backbone in zip(lines, BACKBONES.values(), strict=True):
        name, total, *cuts = line.split()
        assert name == backbone.name
        assert int(total.replace(",", "")) > 500_000
        widths = [part for stage in backbone.stages for part in (stage.cut, f"({stage.width})")]
        assert cuts == widths


def test_the_cut_ends_the_body(show: Show) -> None:
    output = show("squeezenet1_0", "--cut", "features.2", "--image-size", "64")
    assert counts(output) == (14_208 + 384 + 192 * 512 + 1024 + 1024, 100_736, 14_208)
    assert output.count("Conv2d") == 1


def test_a_cut_inside_a_dense_block_ends_the_body(show: Show) -> None:
    output = show("densenet121", "--cut", "features.denseblock2.denselayer6", "--image-size", "64")
    assert "denseblock2.denselayer6.conv2" in output
    assert "denselayer7" not in output
    # half of the way through the second block 128 + 6 * 32 channels; the head is fastai's
    assert counts(output)[1] == 2 * 640 + 640 * 512 + 1024 + 1024


def test_a_classifier_can_stay_in_the_body(show: Show) -> None:
    total, trained, frozen = show.counts("squeezenet1_0", "--cut", "classifier")
    assert frozen == 735_424 + 513 * 1000
    assert trained == total - frozen == 2 * 2000 + 2000 * 512 + 1024 + 1024


def test_a_logistic_head_on_all_stages_side_by_side_is_shown(show: Show) -> None:
    _, trained, _ = show.counts("resnet18", "--cut", "fused", "--head", "logistic")
    assert trained == 2 * (2 * (64 + 128 + 256 + 512) + 1)


def test_a_head_of_ones_own_layers_is_shown(show: Show) -> None:
    output = show("resnet18", "--head", "plain", "--head-layers", "256,64", "--image-size", "32")
    shown = re.findall(r"^ *head\.\S+ +(\w+) +(\d+) ", output, re.M)
    assert shown == [
        *(("Linear", "256"), ("ReLU", "256"), ("Linear", "64"), ("ReLU", "64")),
        *(("Dropout", "64"), ("Linear", "2")),
    ]
    plain = show.counts("resnet18", "--head", "plain", "--head-layers", "none")
    assert plain[1] == 1025 * 2


def test_unfreezing_moves_parameters_from_frozen_to_trained(show: Show) -> None:
    found = [show.counts("squeezenet1_0", "--unfreeze", n) for n in ("0", "1", "2", "3", "4")]
    assert {total for total, _, _ in found} == {1_263_808}
    trained = [count for _, count, _ in found]
    assert trained == sorted(set(trained))
    assert trained[0] == 528_384
    assert trained[-1] == 1_263_808
    assert all(total == trained + frozen for total, trained, frozen in found)
    assert show.counts("squeezenet1_0", "--unfreeze", "all") == (1_263_808, 1_263_808, 0)


def test_every_layer_says_whether_it_is_trained(show: Show) -> None:
    output = show("squeezenet1_0", "--unfreeze", "1", "--image-size", "32")
    layers = re.findall(r"^ *(frozen|trained|head)\..* (yes|no) *$", output, re.M)
    assert set(layers) == {("frozen", "no"), ("trained", "yes"), ("head", "yes")}
    assert len(layers) == 25 + 4, "every convolution; of the head two norms and two matrices"
