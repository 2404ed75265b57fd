"""Exercise 3: check the SavedModel, its gain over bicubic, and the logs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lesson.patch_checks import read_patches
from lesson.report import Report
from lesson.student_model import BATCH, StudentModel
from srtools.errors import SRError
from srtools.images.interpolation import bicubic
from srtools.tf import tf

# The validation loss was still falling if the last epochs lowered it by this share.
STILL_FALLING = 0.03
LAST = 5
# dB over bicubic; less is rounding.
LEAST_GAIN = 0.01
# dB; a network that is trained for a few epochs is not so far from bicubic.
FAR = -5.0
# hr pixels: the smallest crop of OTBTF, 16 on each side, leaves nothing of these.
LEAST_CROPPED = 32
# Medians of outputs over that of hr: more than DN, and of an answer in another scale.
BRIGHTEST, SAME_SCALE = 100, (0.5, 2)


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
        size = model.spec.shape.as_list()[1:3]
        if size == [None, None]:
            model.hr(lr[:1, :24, :20])
    except (SRError, ValueError, OSError) as error:
        report.check(False, f"the model serves: {error}", "see the message")
        return
    report.check(True, f"the model serves {lr.shape[1]} pixels as {hr.shape[1]}", "")
    report.check(
        size == [None, None],
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
    outputs = model.outputs(lr[:BATCH].astype(np.float32))
    sides = [value.shape[1] for value in outputs.values() if value.ndim == 4]
    report.check(
        any(0 < side < hr.shape[1] for side in sides) or hr.shape[1] <= LEAST_CROPPED,
        f"cropped outputs for exercise 5 ({len(outputs)} outputs)",
        "save the model of exercise 2 with all of its outputs: model.export(folder)",
    )
    medians = {
        name: float(np.median(value))
        for name, value in outputs.items()
        if value.shape[1:] == hr.shape[1:]
    }
    if not report.check(
        not any(v > BRIGHTEST * np.median(hr) for v in medians.values()),
        "the outputs are reflectance or DN (medians "
        f"{', '.join(f'{k} {v:.3g}' for k, v in medians.items())})",
        "the target was in DN: scale it by 1e-4 in the data set's preprocessing",
    ):
        return
    _check_gain(report, bicubic(lr, hr.shape[1:3]), answer, hr)


def _check_gain(
    report: Report, zoomed: np.ndarray, answer: np.ndarray, hr: np.ndarray
) -> None:
    error, zoom_error = (float(np.mean((x - hr) ** 2)) for x in (answer, zoomed))
    gain = 10 * np.log10(zoom_error / max(error, 1e-9))
    bright = float(np.median(answer) / np.median(hr))
    hint = "train for longer"
    if gain < FAR:
        hint = (
            "this is not a matter of time: was the input scaled twice, is the learning "
            "rate too high, or were other weights saved than the trained ones?"
        )
    if not np.isfinite(gain):
        hint = "the answer is not a number: the training diverged, take a smaller rate"
    elif not SAME_SCALE[0] < bright < SAME_SCALE[1]:
        hint = (
            f"the answer is {bright:.2g} times as bright as hr: the target must have "
            "the scale of the output, only the model may scale the input, and the "
            "saved weights must be the trained ones"
        )
    report.check(
        gain > LEAST_GAIN,
        f"the model beats bicubic on the validation patches ({gain:+.2f} dB)",
        hint,
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
    if valid:
        # A folder may hold several runs, of which the newest is the student's answer.
        newest = Path(max(valid, key=lambda name: valid[name][-1][0])).parent
        name = min(name for name in valid if Path(name).parent == newest)
        values = [value for _, _, value in valid[name]]
        finite = np.isfinite(values).all()
        report.check(
            len(values) > LAST and finite and not _falling(values),
            f"training ended when {name} no longer fell ({len(values)} epochs)",
            f"train for more than {LAST} epochs, with EarlyStopping that is as patient"
            if finite
            else "the loss is not a number: the training diverged, take a smaller rate",
        )


def _falling(values: list[float]) -> bool:
    """Check whether the last epochs were still much better than those before."""
    return min(values[-LAST:]) < (1 - STILL_FALLING) * min(values[:-LAST])


def _events(logs: Path) -> Iterator[tuple[str, str, list[tuple]]]:
    """Read folder/tag, kind, and for scalars (time, step, value) of the last run."""
    folders = {path.parent for path in logs.rglob("*tfevents*")}
    for folder in sorted(folders):
        events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
        events.Reload()
        place = folder.relative_to(logs).as_posix()
        for tag in events.Tags()["tensors"]:
            kind = events.summary_metadata[tag].plugin_data.plugin_name
            tensors = events.Tensors(tag) if kind == "scalars" else []
            scalars = [
                (e.wall_time, e.step, float(tf.make_ndarray(e.tensor_proto)))
                for e in tensors
            ]
            yield f"{place}/{tag}", kind, _last_run(scalars)
        for tag in events.Tags()["scalars"]:
            yield f"{place}/{tag}", "scalars", _last_run(events.Scalars(tag))
        for tag in events.Tags()["images"]:
            yield f"{place}/{tag}", "images", []


def _last_run(scalars: list[tuple]) -> list[tuple]:
    """Drop values of earlier runs: a step replaces the same one and later ones."""
    kept = []
    for scalar in sorted(map(tuple, scalars)):
        kept = [each for each in kept if each[1] < scalar[1]] + [scalar]
    return kept
