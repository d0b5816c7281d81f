"""`cxr-model`: list the backbones with their cut points, or show one network layer by layer."""

from typing import Annotated

from cyclopts import Parameter

from trainable.commands.cli import new_app
from trainable.errors import InputError

MIN_IMAGE_SIZE, MAX_IMAGE_SIZE = 32, 2048

app = new_app("cxr-model")


@app.default
def show(
    backbone: str | None = None,
    /,
    *,
    cut: Annotated[str | None, Parameter(metavar="NAME")] = None,
    unfreeze: Annotated[str, Parameter(metavar="N")] = "0",
    head: Annotated[str, Parameter(metavar="KIND")] = "fastai",
    head_layers: Annotated[str, Parameter(metavar="UNITS,...")] = "512",
    image_size: Annotated[int, Parameter(metavar="PIXELS")] = 320,
    list_all: Annotated[bool, Parameter(name="--list", negative="")] = False,
) -> None:
    """List the backbones with their cut points, or show one network layer by layer.

    Args:
        backbone: Name of the network, as resnet18 or timm/resnet18; a list of names if not given.
        cut: Cut point that ends the body, such as layer2; the last of the backbone if not given.
        unfreeze: Number of last stages to train, or all.
        head: Kind of the head: fastai, plain or logistic.
        head_layers: Units of the hidden layers of the head, such as 512 or 256,64, or none.
        image_size: Edge of the square images, in pixels.
        list_all: List the encoders of all sources, or those with BACKBONE in their names, and the
            licence of their published weights.
    """
    if not MIN_IMAGE_SIZE <= image_size <= MAX_IMAGE_SIZE:
        raise InputError(
            f"--image-size must be {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} (got {image_size})"
        )
    if cut and (backbone is None or list_all):
        raise InputError(f"--cut {cut} needs the one BACKBONE that it is a cut of: name it")
    # PyTorch takes seconds to import: not before the command line is known to be right
    from trainable.backbones.encoder import Encoder
    from trainable.commands import model_tables
    from trainable.model.network import count_parameters

    if list_all:
        print(*model_tables.encoder_lines(backbone or ""), sep="\n")
        return
    if backbone is None:
        print(model_tables.backbone_table().to_string(index=False))
        return
    network = model_tables.chosen_network(backbone, cut, unfreeze, head, head_layers)
    found = Encoder.read(backbone).network
    if not found.takes_in(image_size):
        raise InputError(
            f"{backbone} does not take in images of {image_size} px; use --image-size {found.size}"
        )
    print(model_tables.layer_table(network, image_size, found.channels).to_string(index=False))
    count = count_parameters(network)
    print(f"\ntotal parameters  {count.total:>12,}")
    print(f"trainable         {count.trainable:>12,}")
    print(f"frozen            {count.frozen:>12,}")
    print(f"\n{model_tables.describe_wants(backbone)}")
