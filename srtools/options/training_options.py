"""The command line of exercise 3, `sr_train.py`."""

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from srtools.options import parser
from srtools.options.model_options import NetworkOptions
from srtools.options.parser import PRECISIONS, number, option

LOSSES = ("l1", "l2", "l1_shift")

# The weights do not depend on these options: a resumed training may change them.
FREE = ("patches", "model_dir", "overwrite")


@dataclass(frozen=True, kw_only=True)
class Options(NetworkOptions):
    """Train the network and save it."""

    patches: tuple[str, ...] = option(
        help="folders of sr_dataset.py: one scene, or several scenes for one model",
        nargs="+",
        kind=str,
    )
    model_dir: str = option(
        help="SavedModel to write; its logs, for TensorBoard too, go to MODEL_DIR_logs"
    )
    loss: str = option(
        "l1",
        "error that training minimizes: mean absolute, mean squared, or the least mean "
        "absolute error over shifts of up to 3 m, for pairs with relief",
        choices=LOSSES,
    )
    batch_size: int = option(
        4,
        "patches per step, over all GPUs together; CUDA_VISIBLE_DEVICES chooses GPUs",
        kind=number(1),
    )
    learning_rate: float = option(
        1e-3,
        "learning rate: rises to this in the first steps, then falls to 0",
        kind=number(1e-12, kind=float),
    )
    nb_epochs: int = option(60, "passes over the patches, at most", kind=number(1))
    patience: int = option(
        20,
        "number of epochs without improvement after which the training stops",
        kind=number(1),
        metavar="EPOCHS",
    )
    finetune: str | None = option(
        None,
        "start from this model of the same size (default: weights that zoom)",
        metavar="MODEL_DIR",
        group="advanced",
    )
    augment: bool = option(
        True,
        "train on unchanged patches (default: flip and turn them, and change their "
        "brightness)",
        group="advanced",
    )
    precision: str = option(
        "auto",
        "arithmetic of the convolutions; auto detects processors and GPUs on which "
        "bfloat16 is faster; weights and the saved model are float32",
        choices=PRECISIONS,
        group="advanced",
    )
    seed: int = option(
        1,
        "seed of weights, order, flips and brightness",
        kind=number(0),
        group="advanced",
    )
    overwrite: bool = option(
        False, "replace an existing model (default: keep it and stop)", group="advanced"
    )

    @property
    def settings(self) -> dict[str, Any]:
        """Options that the weights depend on, as the card of the model lists them."""
        return {name: v for name, v in asdict(self).items() if name not in FREE}


parse = partial(parser.parse, Options)
