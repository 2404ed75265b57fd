"""Exercise 4: how good is the saved model on the test patches?

In:  the SavedModel of sr_train.py, test_{lr,hr}_patches.tif of sr_dataset.py.
Out: a table, metrics.json, and patches.png with test patches to look at.

    python sr_eval.py --patches patches --model_dir model --out_dir eval

The bicubic zoom of the same pixels stands beside every number: a network that does
not beat it is not worth its electricity.  L1 is the mean absolute error, L2 the mean
squared error, PSNR is 10 log10(1 / L2) with reflectance from 0 to 1.
"""

import argparse
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from srtools import cards, data, figures, models
from srtools.conventions import BANDS, FACTOR, SCALE
from srtools.errors import SRError, one_line_errors
from srtools.metrics import ErrorSums

log = logging.getLogger("srtools.sr_eval")

INPUT, OUTPUT = "lr", "hr"  # names in the SavedModel's signature
METHODS = ("bicubic", "model")
SHOWN = 4  # patches in the picture


def read_batches(
    files: dict[str, str], batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give every test patch once, in order, the last incomplete batch included.

    Yields:
        lr [n, h, w, bands] in DN and hr [n, 4h, 4w, bands] in reflectance, float32.
    """
    import otbtf

    # Streamed from the file: memory does not grow with the number of patches.
    reader = otbtf.PatchesImagesReader(
        filenames_dict={kind: [file] for kind, file in files.items()},
        use_streaming=True,
    )
    for first in range(0, reader.get_size(), batch_size):
        last = min(first + batch_size, reader.get_size())
        samples = [reader.get_sample(index) for index in range(first, last)]
        lr_batch = np.stack([sample["lr"] for sample in samples]).astype(np.float32)
        hr_batch = np.stack([sample["hr"] for sample in samples]).astype(np.float32)
        yield lr_batch, hr_batch * np.float32(SCALE)


def bicubic(lr: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Zoom [n, h, w, bands] to `size` with cubic convolution (Keys, a = -0.5)."""
    import tensorflow as tf

    return tf.image.resize(lr, size, method="bicubic").numpy()


def evaluate(
    *,
    patches: str,
    model_dir: str,
    out_dir: str,
    batch_size: int = 16,
    border: int = 8,
    overwrite: bool = False,
) -> dict:
    """Compare the model and bicubic with the truth on all test patches.

    Arguments:
        patches: folder with test_lr_patches.tif and test_hr_patches.tif.
        model_dir: the SavedModel.
        out_dir: folder for metrics.json and patches.png.
        batch_size: patches per forward pass.
        border: hr pixels left out on each side, where neither method knows what lies
            beyond the patch; the scores with them are given as well.
        overwrite: whether existing files may be replaced.

    Returns:
        What is written to metrics.json.

    Raises:
        SRError: if patches and model do not fit together.
    """
    files = data.check_patches(patches, "test", FACTOR)
    if 2 * border >= data.describe_patches(files["hr"]).size:
        raise SRError(
            f"a border of {border} pixels leaves nothing of the hr patches; "
            "give a smaller --border"
        )
    info = models.describe(model_dir)
    info.need(INPUT, OUTPUT)
    bands = info.card.get("bands") or list(BANDS)
    check_model(info, bands)
    outputs = [Path(out_dir) / name for name in ("metrics.json", "patches.png")]
    cards.refuse_existing(outputs, overwrite)
    network = models.load(model_dir)

    areas = {"inner": slice(border, -border or None), "whole": slice(None)}
    sums = {(a, m): ErrorSums.zeros(len(bands)) for a in areas for m in METHODS}
    shown, won, count = [], 0, 0
    for lr_batch, truth in read_batches(files, batch_size):
        predicted = {
            "bicubic": bicubic(lr_batch * SCALE, truth.shape[1:3]),
            "model": network(**{INPUT: lr_batch})[OUTPUT].numpy(),
        }
        if predicted["model"].shape != truth.shape:
            raise SRError(
                f"the model makes patches {predicted['model'].shape[1:]} of the lr "
                f"patches, the hr patches are {truth.shape[1:]}: factors differ"
            )
        for (area, method), total in sums.items():
            span = areas[area]
            total.add(predicted[method][:, span, span], truth[:, span, span])
        span = areas["inner"]
        losses = {
            m: np.square(p[:, span, span] - truth[:, span, span]).mean(axis=(1, 2, 3))
            for m, p in predicted.items()
        }
        count += len(truth)
        won += int((losses["model"] < losses["bicubic"]).sum())
        shown += keep_to_show(lr_batch, predicted, truth, losses)

    metrics = {
        "patches": count,
        "bands": bands,
        "border": border,
        "psnr_range": "reflectance 0-1",
        "share_won": won / count,
        "model_dir": str(model_dir),
        "model_card": info.card,
        "versions": cards.versions(),
    }
    for area in areas:
        metrics[area] = {m: sums[area, m].record(bands, SCALE) for m in METHODS}
        gain = metrics[area]["model"]["psnr_db"] - metrics[area]["bicubic"]["psnr_db"]
        metrics[area]["gain_db"] = gain
    cards.write_card(outputs[0], metrics)
    save_patches(outputs[1], shown)
    return metrics


def check_model(info: models.ModelInfo, bands: list[str]) -> None:
    """Check that the model takes the bands that the patches have."""
    if tuple(bands) != BANDS or info.inputs[INPUT] not in (len(BANDS), -1):
        raise SRError(
            f"the model {info.folder} takes {info.inputs[INPUT]} bands "
            f"({', '.join(bands)}), the patches have {', '.join(BANDS)}; train one "
            "with sr_train.py"
        )


def keep_to_show(lr, predicted, truth, losses) -> list[tuple]:
    """Keep a few patches of a batch, from the smallest gain to the largest."""
    gains = 10 * np.log10(losses["bicubic"] / np.maximum(losses["model"], 1e-12))
    ranked = np.argsort(gains)[np.linspace(0, len(gains) - 1, SHOWN).astype(int)]
    return [
        (
            float(gains[index]),
            {
                "Sentinel-2 (6 m grid)": lr[index] * SCALE,
                "bicubic": predicted["bicubic"][index],
                "super-resolution": predicted["model"][index],
                "truth (Spot-7)": truth[index],
            },
        )
        for index in dict.fromkeys(ranked)
    ]


def save_patches(path: Path, shown: list[tuple]) -> None:
    """Save a picture of patches, from the smallest gain to the largest."""
    ranked = sorted(shown, key=lambda entry: entry[0])
    picked = np.unique(np.linspace(0, len(ranked) - 1, SHOWN).astype(int))
    gains = ", ".join(f"{ranked[index][0]:+.2f}" for index in picked)
    figures.save_rows(
        path, [ranked[index][1] for index in picked], f"gain over bicubic: {gains} dB"
    )


def format_table(metrics: dict) -> str:
    """Lay the scores out as text: one line per method and band."""
    lines = [
        f"{metrics['patches']} test patches, {metrics['border']} pixels of border left "
        "out; reflectance (DN)",
        f"{'':8s} {'band':>4s} {'L1':>9s} {'(DN)':>8s} {'L2':>10s} {'(DN^2)':>10s} "
        f"{'PSNR':>9s}",
    ]
    for method in METHODS:
        scores = metrics["inner"][method]
        for band in (*metrics["bands"], "all"):
            psnr = f"{scores['psnr_db']:6.2f} dB" if band == "all" else ""
            lines.append(
                f"{method:8s} {band:>4s} {scores['l1_reflectance'][band]:9.5f} "
                f"{scores['l1_dn'][band]:8.1f} {scores['l2_reflectance'][band]:10.3e} "
                f"{scores['l2_dn'][band]:10.0f} {psnr:>9s}"
            )
    lines.append(
        f"gain over bicubic: {metrics['inner']['gain_db']:+.2f} dB "
        f"({metrics['whole']['gain_db']:+.2f} dB with the border); "
        f"the model wins on {metrics['share_won']:.0%} of the patches"
    )
    return "\n".join(lines)


def get_parser() -> argparse.ArgumentParser:
    """Define the command line."""
    parser = argparse.ArgumentParser(
        description="Score the saved model, and bicubic beside it, on all test patches."
    )
    parser.add_argument("--patches", required=True, help="folder of sr_dataset.py")
    parser.add_argument("--model_dir", required=True, help="SavedModel of sr_train.py")
    parser.add_argument("--out_dir", required=True, help="folder for the results")
    parser.add_argument(
        "--batch_size", type=int, default=16, help="patches at a time (default: 16)"
    )
    parser.add_argument(
        "--border", type=int, default=8, metavar="PIXELS",
        help="hr pixels left out on each side of a patch (default: 8)",
    )  # fmt: skip
    parser.add_argument(
        "--overwrite", action="store_true", help="replace existing files"
    )
    return parser


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = get_parser()
    params = parser.parse_args(argv)
    if params.batch_size < 1 or params.border < 0:
        parser.error("--batch_size must be at least 1 and --border at least 0")
    metrics = evaluate(**vars(params))
    print(format_table(metrics))
    print(f"written: {params.out_dir}/metrics.json, {params.out_dir}/patches.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
