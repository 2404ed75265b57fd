"""Exercise 3: train the network, watch it, and stop when it learns no more.

In:  {train,valid}_{lr,hr}_patches.tif and dataset.json of sr_dataset.py.
Out: a SavedModel with its card in assets/, training.csv, and TensorBoard logs.

    # a minute on a CPU, to see that everything works
    python sr_train.py --patches patches --model_dir model --filters 16 --nb_epochs 10
    # the real one
    python sr_train.py --patches patches --model_dir model --nb_epochs 100
    tensorboard --logdir model_logs

The loss is L1, the mean absolute error in reflectance, which leaves sharper edges than
L2 (Zhao et al., "Loss functions for image restoration", 2017).
"""

import argparse
import logging
import sys
import time
from pathlib import Path

import numpy as np

from srtools import cards, data, monitoring
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError, one_line_errors
from srtools.quiet import silent_stderr
from srtools.receptive_field import receptive_field

import sr_model  # isort: skip
from sr_model import INPUT, OUTPUT, SRModel  # isort: skip

with silent_stderr():
    import otbtf
    import tensorflow as tf

log = logging.getLogger("srtools.sr_train")

LOSSES = {"l1": "mean_absolute_error", "l2": "mean_squared_error"}
GROUPS = ("train", "valid")
SHOWN = 4  # validation patches whose pictures go to TensorBoard


def scale_target(sample: dict) -> dict:
    """Turn the target into reflectance; the input is scaled inside the model."""
    lr, hr = (tf.cast(sample[key], tf.float32) for key in (INPUT, OUTPUT))
    return {INPUT: lr, OUTPUT: hr * SCALE}


def make_dataset(
    files: dict[str, str], batch_size: int, symmetry: data.RandomSymmetry | None = None
) -> tf.data.Dataset:
    """Read patches as batches of `({"lr": ...}, {"hr": ...})`.

    Arguments:
        files: the patches images, by key.
        batch_size: patches per batch; the last one may have less.
        symmetry: for training: how to lay down each patch anew in every epoch.
    """

    def prepare(sample: dict) -> dict:
        sample = scale_target(sample)
        return symmetry(sample) if symmetry else sample

    patches = otbtf.DatasetFromPatchesImages(
        filenames_dict={key: [file] for key, file in files.items()}
    )
    batches = patches.get_tf_dataset(
        batch_size,
        # OTBTF drops an incomplete batch by default: patches would be left out.
        drop_remainder=False,
        preprocessing_fn=prepare,
        targets_keys=[OUTPUT],
    )
    # Keras wants to know how long an epoch is.
    steps = -(-patches.size // batch_size)
    batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    return batches.prefetch(tf.data.AUTOTUNE)


def make_callbacks(
    logs: Path, valid: dict[str, str], nb_epochs: int
) -> list[tf.keras.callbacks.Callback]:
    """Choose what happens between epochs, besides stopping in time: look, write."""
    reader = otbtf.PatchesImagesReader({key: [file] for key, file in valid.items()})
    count = reader.get_size()
    indexes = np.unique(np.linspace(0, count - 1, SHOWN).astype(int))
    shown = [reader.get_sample(int(index)) for index in indexes]
    lr, hr = (np.stack([sample[key] for sample in shown]) for key in (INPUT, OUTPUT))
    return [
        monitoring.StopOnNaN(),
        monitoring.LossTable(logs / "training.csv"),
        *monitoring.scalars(logs),
        monitoring.PatchImages(logs / "images", lr, hr, SCALE),
        monitoring.EpochLines(nb_epochs),
    ]


def train(
    *,
    patches: str,
    model_dir: str,
    logs: str | None = None,
    loss: str = "l1",
    batch_size: int = 4,
    learning_rate: float = 1e-3,
    nb_epochs: int = 60,
    patience: int = 20,
    filters: int = 64,
    blocks: int = 4,
    augment: bool = True,
    seed: int = 1,
    overwrite: bool = False,
) -> dict:
    """Train a model and save the weights that did best on the validation patches.

    Arguments:
        patches: folder of sr_dataset.py.
        model_dir: folder of the SavedModel to write.
        logs: folder for TensorBoard and training.csv; None: `model_dir` + "_logs".
        loss: "l1" or "l2".
        batch_size: patches per step.
        learning_rate: of the first step; it falls to 0 along half a cosine
            (Loshchilov and Hutter, SGDR, 2017).
        nb_epochs: passes over the training patches, at most.
        patience: stop after so many epochs without a better validation loss.
        filters, blocks: size of the network.
        augment: whether patches are flipped and turned at random.
        seed: of weights, order and flips; the same seed gives the same model.
        overwrite: whether an existing model may be replaced.

    Returns:
        The card, as written into the model.

    Raises:
        SRError: if the patches do not fit, or the loss is no number any more.
    """
    cards.refuse_existing([model_dir], overwrite)
    files = {group: data.check_patches(patches, group, FACTOR) for group in GROUPS}
    dataset_card = read_dataset_card(patches)
    cards.make_folder(Path(model_dir).absolute().parent)
    logs_dir = cards.make_folder(logs or f"{Path(model_dir)}_logs")
    cards.refuse_existing([logs_dir / "training.csv"], overwrite)
    monitoring.forget_events(logs_dir)
    tf.keras.utils.set_random_seed(seed)

    symmetry = data.RandomSymmetry(seed) if augment else None
    train_batches = make_dataset(files["train"], batch_size, symmetry)
    valid_batches = make_dataset(files["valid"], batch_size)
    model = SRModel(train_batches.element_spec, filters=filters, blocks=blocks)
    counts = {g: data.describe_patches(files[g][INPUT]).count for g in GROUPS}
    steps = int(train_batches.cardinality()) * nb_epochs
    schedule = tf.keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    # Only `hr` has a loss; `hr_dn` and the cropped outputs are made, and ignored.
    model.compile(tf.keras.optimizers.Adam(schedule), loss={OUTPUT: LOSSES[loss]})
    log.info("%d patches to train on, %d to validate", *counts.values())
    stopping = tf.keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=patience, restore_best_weights=True
    )
    start = time.monotonic()
    history = model.fit(
        train_batches,
        validation_data=valid_batches,
        epochs=nb_epochs,
        callbacks=[stopping, *make_callbacks(logs_dir, files["valid"], nb_epochs)],
        shuffle=False,  # the data set does that
        verbose=0,
    ).history
    # Keras 2 restores the best weights only if it stopped before the last epoch.
    model.set_weights(stopping.best_weights)
    monitoring.check_alive(model.model, valid_batches, OUTPUT)
    best = int(np.argmin(history["val_loss"]))
    card = {
        "bands": list(BANDS),
        "scale": SCALE,
        "factor": FACTOR,
        "offset_removed": dataset_card.get("offset"),
        "lr_spacing": dataset_card.get("lr", {}).get("spacing", 6.0),
        "hr_spacing": dataset_card.get("hr", {}).get("spacing", 1.5),
        "receptive_field": {
            "margin": receptive_field(model.output[OUTPUT]).margin,
            "unit": "lr pixels on each side",
        },
        "training": {
            "patches": counts,
            "loss": loss,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "epochs": len(history["loss"]),
            "best_epoch": best + 1,
            "train_loss": float(history["loss"][best]),
            "valid_loss": float(history["val_loss"][best]),
            "seconds": time.monotonic() - start,
            "filters": filters,
            "blocks": blocks,
            "augment": augment,
            "seed": seed,
        },
        "dataset": dataset_card,
        "versions": cards.versions(),
    }
    sr_model.save(model, model_dir, card)
    return card


def read_dataset_card(patches: str) -> dict:
    """Read dataset.json, and check what it says; patches made elsewhere have none."""
    path = Path(patches) / "dataset.json"
    card = cards.read_card(path) if path.exists() else {}
    for key, expected in (("bands", list(BANDS)), ("factor", FACTOR), ("scale", SCALE)):
        if card.get(key, expected) != expected:
            raise SRError(
                f"{path} says {key} {card[key]}, the network is made for {expected}; "
                "make the patches again with sr_dataset.py"
            )
    return card


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(description="Train the network and save it.")
    parser.add_argument("--patches", required=True, help="folder of sr_dataset.py")
    parser.add_argument("--model_dir", required=True, help="SavedModel to write")
    parser.add_argument(
        "--logs", metavar="DIR", help="TensorBoard folder (default: MODEL_DIR_logs)"
    )
    parser.add_argument(
        "--loss", choices=LOSSES, default="l1", help="default: %(default)s"
    )
    parser.add_argument(
        "--batch_size", type=int, default=4, help="patches per step (default: 4)"
    )
    parser.add_argument(
        "--learning_rate", type=float, default=1e-3,
        help="of the first step; falls to 0 (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--nb_epochs", type=int, default=60,
        help="passes over the patches, at most (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=int, default=20, metavar="EPOCHS",
        help="stop after so many without improvement (default: %(default)s)",
    )  # fmt: skip
    sr_model.add_arguments(parser)
    parser.add_argument(
        "--no_augment", dest="augment", action="store_false",
        help="do not flip and turn the patches",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing model"
    )
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = get_parser()
    params = parser.parse_args(argv)
    for name in ("batch_size", "nb_epochs", "patience", "filters"):
        if getattr(params, name) < 1:
            parser.error(f"--{name} must be at least 1")
    if params.blocks < 0 or params.learning_rate <= 0:
        parser.error("--blocks must be at least 0 and --learning_rate more than 0")
    card = train(**vars(params))
    found = card["training"]
    print(
        f"best epoch {found['best_epoch']} of {found['epochs']}: train loss "
        f"{found['train_loss']:.5f}, validation loss {found['valid_loss']:.5f} "
        f"({found['seconds']:.0f} s)"
    )
    print(f"written: {params.model_dir} (SavedModel and assets/model_card.json)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
