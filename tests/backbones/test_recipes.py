"""Published encoders from files in the layouts that their authors write."""

import math
import re
from pathlib import Path

import pytest
import torch
from fixtures.networks import CPU, random_images, save_state, tiny_config
from torch import Tensor, nn
from torch.nn import functional

from trainable.backbones.encoder import Encoder, find_backbone
from trainable.backbones.recipes import RECIPES, of_eva_x, of_rad_dino
from trainable.backbones.weights import find_weights
from trainable.errors import InputError
from trainable.features.body import Body

XRV = "xrv/densenet121-res224-all"
DIM, HEADS, PATCH, GRID = 8, 2, 4, 3


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(math.prod(shape))) / 3


def rad_dino_state(dim: int, depth: int, patch: int, places: int, device: str = "cpu") -> dict:  # type: ignore[type-arg]
    """A state dict as Hugging Face's Dinov2Model writes it."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, dim),
        "embeddings.mask_token": (1, dim),
        "embeddings.position_embeddings": (1, 1 + places, dim),
        "embeddings.patch_embeddings.projection.weight": (dim, 3, patch, patch),
        "embeddings.patch_embeddings.projection.bias": (dim,),
        **{f"layernorm.{kind}": (dim,) for kind in ("weight", "bias")},
    }
    for number in range(depth):
        linears = {f"attention.attention.{part}": (dim, dim) for part in ("query", "key", "value")}
        linears |= {"attention.output.dense": (dim, dim)}
        linears |= {"mlp.fc1": (4 * dim, dim), "mlp.fc2": (dim, 4 * dim)}
        for name, shape in linears.items():
            shapes[f"encoder.layer.{number}.{name}.weight"] = shape
            shapes[f"encoder.layer.{number}.{name}.bias"] = shape[:1]
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
            shapes[f"encoder.layer.{number}.{name}"] = (dim,)
        for name in ("layer_scale1.lambda1", "layer_scale2.lambda1"):
            shapes[f"encoder.layer.{number}.{name}"] = (dim,)
    if device == "meta":
        return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    return {name: draw(*shape) for name, shape in shapes.items()}


def rad_dino_tokens(state: dict[str, Tensor], images: Tensor) -> Tensor:
    """What a Dinov2Model computes, by the names of its layout."""
    embed = "embeddings.patch_embeddings.projection."
    patches = functional.conv2d(images, state[f"{embed}weight"], state[f"{embed}bias"], PATCH)
    tokens = patches.flatten(2).transpose(1, 2)
    tokens = torch.cat([state["embeddings.cls_token"].expand(len(images), -1, -1), tokens], 1)
    tokens = tokens + state["embeddings.position_embeddings"]

    def norm(tokens: Tensor, name: str) -> Tensor:
        return functional.layer_norm(
            tokens, (DIM,), state[f"{name}.weight"], state[f"{name}.bias"], 1e-6
        )

    def linear(tokens: Tensor, name: str) -> Tensor:
        return functional.linear(tokens, state[f"{name}.weight"], state[f"{name}.bias"])

    for number in range(2):
        layer = f"encoder.layer.{number}."
        normed = norm(tokens, f"{layer}norm1")
        query, key, value = (
            linear(normed, f"{layer}attention.attention.{part}")
            .unflatten(2, (HEADS, DIM // HEADS))
            .transpose(1, 2)
            for part in ("query", "key", "value")
        )
        scores = (query @ key.transpose(2, 3) / math.sqrt(DIM // HEADS)).softmax(3)
        seen = linear((scores @ value).transpose(1, 2).flatten(2), f"{layer}attention.output.dense")
        tokens = tokens + state[f"{layer}layer_scale1.lambda1"] * seen
        inner = functional.gelu(linear(norm(tokens, f"{layer}norm2"), f"{layer}mlp.fc1"))
        tokens = tokens + state[f"{layer}layer_scale2.lambda1"] * linear(inner, f"{layer}mlp.fc2")
    return norm(tokens, "layernorm")


def test_rad_dino_computes_what_its_own_layout_says() -> None:
    transformer = pytest.importorskip("timm.models.vision_transformer").VisionTransformer
    model: nn.Module = transformer(
        img_size=GRID * PATCH, patch_size=PATCH, embed_dim=DIM, depth=2, num_heads=HEADS,
        init_values=1.0, num_classes=0,
    )  # fmt: skip
    state = rad_dino_state(DIM, 2, PATCH, GRID**2)
    model.load_state_dict(of_rad_dino(state))
    images = draw(2, 3, GRID * PATCH, GRID * PATCH)
    with torch.no_grad():
        found = model.eval().forward_features(images)  # type: ignore[operator]
    torch.testing.assert_close(found, rad_dino_tokens(state, images))


def test_rad_dino_lacks_no_part_of_its_attention() -> None:
    state = rad_dino_state(DIM, 1, PATCH, GRID**2)
    of_today = {
        name.replace("attention.attention.query", "attention.q_proj"): one
        for name, one in state.items()
    }
    assert of_rad_dino(of_today).keys() == of_rad_dino(state).keys()
    del state["encoder.layer.0.attention.attention.value.bias"]
    with pytest.raises(ValueError, match=re.escape("blocks.0.attn.qkv.bias (got q, k)")):
        of_rad_dino(state)


def body_shapes(state: dict[str, Tensor], heads: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    starts = tuple(f"{head}." for head in heads)
    return {name: tuple(one.shape) for name, one in state.items() if not name.startswith(starts)}


def meta_shapes(encoder: str, state: dict[str, Tensor]) -> tuple[object, object]:
    """Shapes by name that the whole network has, and those that a file gives it."""
    backbone = find_backbone(encoder)
    with torch.device("meta"):
        model = backbone.build()
    given = dict(backbone.renamed(state, model))
    return body_shapes(model.state_dict(), backbone.heads), body_shapes(given, backbone.heads)


def test_rad_dino_fills_the_whole_network() -> None:
    pytest.importorskip("timm")
    expected, given = meta_shapes("rad-dino", rad_dino_state(768, 12, 14, 37**2, "meta"))
    assert given == expected


def eva_x_state() -> dict[str, Tensor]:
    """A state dict as EVA-X's pretraining writes it, without numbers."""
    shapes: dict[str, tuple[int, ...]] = {
        **{"cls_token": (1, 1, 384), "mask_token": (1, 1, 384), "pos_embed": (1, 197, 384)},
        **{"patch_embed.proj.weight": (384, 3, 16, 16), "patch_embed.proj.bias": (384,)},
        **{"norm.weight": (384,), "norm.bias": (384,), "rope.freqs_cos": (196, 64)},
        **{"lm_head.weight": (8192, 384), "lm_head.bias": (8192,)},
    }
    in_block: dict[str, tuple[int, ...]] = {
        **{"norm1.weight": (384,), "norm1.bias": (384,)},
        **{"norm2.weight": (384,), "norm2.bias": (384,)},
        **{"attn.qkv.weight": (1152, 384), "attn.q_bias": (384,), "attn.v_bias": (384,)},
        **{"attn.proj.weight": (384, 384), "attn.proj.bias": (384,)},
        **{"mlp.w12.weight": (2048, 384), "mlp.w12.bias": (2048,)},
        **{"mlp.w3.weight": (384, 1024), "mlp.w3.bias": (384,), "attn.rope.freqs_sin": (196, 64)},
    }
    shapes |= {f"blocks.{n}.{name}": one for n in range(12) for name, one in in_block.items()}
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def test_eva_x_fills_the_whole_network_and_keeps_gate_and_value_apart() -> None:
    glu = pytest.importorskip("timm.layers").GluMlp(4, 12, 4, nn.SiLU, gate_last=False)
    expected, given = meta_shapes("eva-x-small", eva_x_state())
    assert given == expected
    names = ("w12.weight", "w12.bias", "w3.weight", "w3.bias")
    shapes = ((12, 4), (12,), (4, 6), (4,))
    state = {f"mlp.{name}": draw(*shape) for name, shape in zip(names, shapes, strict=True)}
    nn.ModuleDict({"mlp": glu}).load_state_dict(of_eva_x(state))
    tokens = draw(2, 3, 4)
    # as EVA-X's own code, of xformers, computes it: the first half of w12 is the gate
    gate, value = functional.linear(tokens, state["mlp.w12.weight"], state["mlp.w12.bias"]).chunk(
        2, dim=2
    )
    own = functional.linear(
        functional.silu(gate) * value, state["mlp.w3.weight"], state["mlp.w3.bias"]
    )
    torch.testing.assert_close(glu(tokens), own)


@pytest.fixture(scope="module")
def xrv_state() -> dict[str, Tensor]:
    """A state dict as torchxrayvision's DenseNet writes it."""
    torch.manual_seed(1)
    state = dict(find_backbone(XRV).build().state_dict())
    state |= {"classifier.weight": draw(18, 1024), "classifier.bias": draw(18)}
    return {**state, "op_threshs": torch.full((18,), torch.nan)}


def test_a_file_of_torchxrayvision_is_an_encoder_of_one_channel(
    tmp_path: Path, xrv_state: dict[str, Tensor]
) -> None:
    name = f"{XRV}@{save_state(tmp_path, 'xrv.pth', xrv_state)}"
    weights = find_weights("none", [name])
    assert "apache-2.0" in weights.licence_of(Encoder.read(name))
    first = weights.build(Encoder.read(name)).state_dict()["features.conv0.weight"]
    assert torch.equal(first, xrv_state["features.conv0.weight"])
    images = random_images(2)
    config = tiny_config(backbone=name, cut="features.denseblock1", normalization="own")
    body = Body(images, config, weights, CPU)
    assert body.pooled(torch.arange(2)).isfinite().all()
    taken = images.as_seen_by(body.config.preprocessing, CPU)(torch.arange(2))
    grey = torch.as_tensor(images.pixels[:2])[:, None].float() / 255
    torch.testing.assert_close(taken, (2 * grey - 1) * 1024)


def test_the_resnet_of_torchxrayvision_lies_in_its_model() -> None:
    name = "xrv/resnet50-res512-all"
    with torch.device("meta"):
        plain = dict(find_backbone(name).build().state_dict())
    plain["fc.weight"] = torch.empty(18, 2048, device="meta")
    inside = {f"model.{key}": value for key, value in plain.items()}
    for state in (plain, {**inside, "op_threshs": torch.empty(18)}):
        expected, given = meta_shapes(name, state)
        assert given == expected


def test_files_of_other_encoders_are_refused_together(
    tmp_path: Path, xrv_state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    pytest.importorskip("timm")
    grey = save_state(tmp_path, "xrv.pth", xrv_state)
    broken = {**xrv_state, "features.conv0.weight": xrv_state["features.conv0.weight"] * torch.nan}
    nan = save_state(tmp_path, "nan.pth", broken)
    colour = find_backbone("densenet121").build().state_dict()
    wanted = {
        f"{XRV}@{save_state(tmp_path, 'imagenet.pth', colour)}": "images of 3 channels",
        f"densenet121@{grey}": "images of 1 channel",
        f"{XRV}@{nan}": "must hold finite numbers",
        f"eva-x-small@{grey}": "must be the eva_x_small_patch16_merged520k_mim.pt of EVA-X",
        f"chexnet@{grey}": "must hold a checkpoint with a state_dict",
        "rad-dino": "give the file as rad-dino@FILE",
        f"{XRV}@{tmp_path / 'nowhere.pth'}": "not found",
        "timm/resnet10t.c3_in1k": "which could not be downloaded",
    }
    with pytest.raises(InputError) as caught:
        find_weights("imagenet", list(wanted))
    found = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == len(wanted)
    assert [words for words in wanted.values() if words not in found] == []


def test_the_nearest_name_is_that_of_any_source() -> None:
    for name, near in {
        "raddino": "rad-dino",
        "eva-x": "eva-x-small",
        "resnet81": "resnet18",
    }.items():
        with pytest.raises(ValueError, match=re.escape(f"did you mean '{near}'?")):
            find_backbone(name)
    assert XRV in RECIPES
    with pytest.raises(ValueError, match="chexnet@FILE"):
        find_backbone("chexnet")
