"""Exercise 3: check the SavedModel, its gain over bicubic, and the logs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lesson.patch_checks import read_patches
from lesson.report import Report
from lesson.student_model import StudentModel
from srtools.errors import SRError
from srtools.images.interpolation import bicubic
from srtools.tf import tf

# The validation loss was still falling if the last epochs lowered it by this share.
STILL_FALLING = 0.03
LAST = 5
# dB over bicubic; less is rounding.
LEAST_GAIN = 0.01


def check_training(model_dir: Path, logs: Path, patches: Path) -> Report:
    """Check the SavedModel and the logs that exercise 3 wrote."""
    report = Report()
    _check_model(report, model_dir, patches)
    _check_logs(report, logs)
    return report


def _check_model(report: Report, model_dir: Path, patches: Path) -> None:
    try:
        model = StudentModel(model_dir)
        lr = read_patches(patches / "valid_lr_patches.tif").astype(float)
        hr = read_patches(patches / "valid_hr_patches.tif").astype(float)
        answer = model.hr(lr)
    except (SRError, ValueError, OSError) as error:
        report.check(False, f"the model serves: {error}", "see the message")
        return
    report.check(True, f"the model serves {lr.shape[1]} pixels as {hr.shape[1]}", "")
    size = model.spec.shape.as_list()[1:3]
    wide = size == [None, None] and model.hr(lr[:1, :24, :20]).shape[1:3] == (96, 80)
    report.check(
        wide,
        f"the model takes images of any size (its input has {size})",
        "leave rows and columns of the input open (None)",
    )
    if answer.shape != hr.shape:
        report.check(
            False,
            f"the answer is like hr (it is {answer.shape}, hr is {hr.shape})",
            "as many bands as hr",
        )
        return
    zoomed = bicubic(lr, hr.shape[1:3])
    error, zoom_error = (float(np.mean((x - hr) ** 2)) for x in (answer, zoomed))
    gain = 10 * np.log10(zoom_error / max(error, 1e-9))
    report.check(
        gain > LEAST_GAIN,
        f"the model beats bicubic on the validation patches ({gain:+.2f} dB)",
        "train for longer; or does the target have another scale than the output, "
        "or is the input normalised twice?",
    )


def _check_logs(report: Report, logs: Path) -> None:
    scalars, images = {}, 0
    for name, kind, values in _events(logs):
        if kind == "scalars":
            scalars[name] = values
        images += kind == "images"
    losses = {name: values for name, values in scalars.items() if "loss" in name}
    valid = {k: v for k, v in losses.items() if "val" in k.lower()}
    report.check(
        bool(losses.keys() - valid.keys()),
        f"the training loss is in the logs ({len(scalars)} scalars there)",
        "give fit() a TensorBoard callback with this folder",
    )
    report.check(
        bool(valid),
        "the validation loss is in the logs",
        "give fit() validation_data",
    )
    report.check(
        images > 0,
        f"pictures are in the logs ({images} of them)",
        "write some validation patches with tf.summary.image at the end of an epoch",
    )
    for name, values in sorted(valid.items())[:1]:
        finite = np.isfinite(values).all()
        report.check(
            len(values) > LAST and finite and not _falling(values),
            f"training ended when {name} no longer fell ({len(values)} epochs)",
            "EarlyStopping watches val_loss; more epochs would still help"
            if finite
            else "the loss is not a number: the training diverged, take a smaller rate",
        )


def _falling(values: list[float]) -> bool:
    """Check whether the last epochs were still much better than those before."""
    return min(values[-LAST:]) < (1 - STILL_FALLING) * min(values[:-LAST])


def _events(logs: Path) -> Iterator[tuple[str, str, list[float]]]:
    """Read folder/tag, kind, and for scalars the values."""
    folders = {path.parent for path in logs.rglob("*tfevents*")}
    for folder in sorted(folders):
        events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
        events.Reload()
        place = folder.relative_to(logs).as_posix()
        for tag in events.Tags()["tensors"]:
            kind = events.summary_metadata[tag].plugin_data.plugin_name
            values = []
            if kind == "scalars":
                tensors = (event.tensor_proto for event in events.Tensors(tag))
                values = [float(tf.make_ndarray(tensor)) for tensor in tensors]
            yield f"{place}/{tag}", kind, values
        for tag in events.Tags()["scalars"]:
            yield f"{place}/{tag}", "scalars", [e.value for e in events.Scalars(tag)]
        for tag in events.Tags()["images"]:
            yield f"{place}/{tag}", "images", []
