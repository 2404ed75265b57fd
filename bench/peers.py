"""Other networks beside ours on the test patches of the demo: a table in Markdown.

    python -m bench.peers demo_run NAME=IMAGE.tif NAME:reflectance=IMAGE.tif ...

bench/peers.md says how the images of the others are made, and what the scores mean.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.enums import Resampling

from srtools.conventions import BANDS, FACTOR, OFFSET_DN, S2_SPACING_METRES, SCALE
from srtools.errors import SRError, one_line_errors
from srtools.evaluation.eval_set import read_eval_set
from srtools.evaluation.sentinel2_pixels import NativePixels, open_sentinel2
from srtools.images import raster
from srtools.images.grid import Grid
from srtools.matching.point_spread import blur_at
from srtools.metrics import ergas, psnr, spectral_angle

UNITS = {"DN": (1, 0), "offset": (1, OFFSET_DN), "reflectance": (1 / SCALE, 0)}
"""By name: the factor that makes DN of pixels, and the offset to take from these."""
OWN = "bicubic", "ours", "truth"
FINEST = 1.5  # metres
LIKE = 0.8, 1.25  # mean of a peer / mean of Sentinel-2; 1000 DN more are beyond it
TITLES = "pixel | image | gain over bicubic | L1 | spectral angle | ERGAS"
TITLES = f"| {TITLES} | from Sentinel-2 | added detail |\n|{'---|' * 8}"


def table(run: Path, name: str, unit: str, path: str) -> Iterator[str]:
    """Yield the rows of bicubic, ours, a peer and the truth, at the peer's pixels."""
    test = read_eval_set(run / "patches")
    if (sentinel2 := open_sentinel2(test)) is None:
        raise SRError(f"{run} has no places of test patches; run python -m demo.run")
    paths = sentinel2.path, run / "sr.tif", run / "scene/spot/truth.tif", path
    s2, ours, truth, peer = (raster.describe(p, "the image", len(BANDS)) for p in paths)
    across, down = peer.transform.a, -peer.transform.e
    if not FINEST <= across <= S2_SPACING_METRES or abs(across - down) > 1e-6:
        raise SRError(
            f"{name} has pixels of {across:g} x {down:g} m; squares of {FINEST:g} to "
            f"{S2_SPACING_METRES:g} m are expected"
        )
    (factor, offset), mean = UNITS[unit], Resampling.average  # weighted by area
    # sr_dataset.py moves Spot onto Sentinel-2 in dataset.json, but not in the files.
    moved = test.dataset.get("coregistered") or {"east": 0.0, "north": 0.0}
    back = Affine.translation(-moved["east"], -moved["north"])
    pixels, away = ({key: [] for key in (*OWN, name)} for _ in range(2))
    for number, corner in enumerate((FACTOR * test.windows).tolist()):
        patch = sentinel2.patch.part([slice(at, at + test.size) for at in corner])
        window = peer.centred(patch.bounds)  # in one patch only: no pixel counts twice
        if peer.crs != s2.crs or peer.clip(window) != window:
            raise SRError(f"{name} does not cover all test patches, in {s2.crs}")
        grid = peer.part(window)
        spot = replace(grid, transform=back @ grid.transform)
        images = {
            "bicubic": raster.read([s2], grid, None, Resampling.cubic),
            "ours": raster.read([ours], grid, None, mean),
            "truth": raster.read([truth], spot, None, mean),
            name: raster.read([peer], window).astype(float) * factor - offset,
        }
        native = sentinel2.read(number)
        for key, image in images.items():
            pixels[key].append(image.reshape(-1, len(BANDS)).astype(float))
            away[key].append(from_sentinel2(image, native, patch, grid, sentinel2.blur))
    joined = {key: np.concatenate(parts) for key, parts in pixels.items()}
    check(name, unit, joined[name], joined["bicubic"])
    for key in joined:
        yield row(joined, key, peer.spacing, float(np.nanmean(away[key])))


def from_sentinel2(
    image: np.ndarray,
    native: NativePixels | None,
    patch: Grid,
    grid: Grid,
    blur: float,
) -> float:
    """Return the mean absolute difference of an image from Sentinel-2, DN, or nan.

    The image [h, w, bands], DN on `grid`, is blurred at the pixels of Sentinel-2 over
    a test patch; `blur` is the standard deviation of its optics, metres.  Their places
    count pixels of `patch`; small patches have none.
    """
    if native is None:
        return np.nan
    ratio = patch.transform.a / grid.transform.a
    corner = grid.position(*patch.transform @ (0, 0))
    places = zip(corner, (native.rows, native.cols), strict=True)
    rows, cols = (first + (place + 0.5) * ratio - 0.5 for first, place in places)
    seen = blur_at(image, rows, cols, grid.transform.a, blur)
    return np.abs(seen - native.pixels / SCALE).mean()


def check(name: str, unit: str, image: np.ndarray, s2: np.ndarray) -> None:
    """Check the unit and the bands of a peer by Sentinel-2, both [pixels, bands] DN."""
    if np.isnan(image).any() or (image <= 0).all(axis=1).any():
        raise SRError(f"{name} has pixels without data on the test patches")
    if not np.ptp(image, axis=0).all():
        raise SRError(f"{name} has a band of one value on the test patches")
    ratio = image.mean() / s2.mean()
    if not LIKE[0] < ratio < LIKE[1]:
        raise SRError(
            f"{name} as {unit} has {ratio:.3g} times the mean of Sentinel-2, {LIKE[0]} "
            f"to {LIKE[1]} are expected; NAME:UNIT=IMAGE takes {', '.join(UNITS)}"
        )
    # Many networks have blue first.
    alike = np.corrcoef(image, s2, rowvar=False)[: len(BANDS), len(BANDS) :]
    order = [BANDS[band] for band in alike.argmax(axis=1)]
    if order != list(BANDS):
        raise SRError(f"the bands of {name} look like {order}, not {list(BANDS)}")


def row(pixels: dict[str, np.ndarray], key: str, spacing: float, away: float) -> str:
    """Return a row of the table, from the [pixels, bands] of all images, DN."""
    image, bicubic, truth = (pixels[name] for name in (key, "bicubic", "truth"))
    l2, least = (np.square((x - truth) * SCALE).mean(axis=0) for x in (image, bicubic))
    gain = psnr(l2.mean()) - psnr(least.mean())
    # `ergas` is for pixels a quarter as wide as those of the input.
    ratio = FACTOR * spacing / S2_SPACING_METRES
    cells = (
        *(f"{spacing:g} m", key, f"{gain:+.2f} dB" if l2.any() else "exact"),
        f"{np.abs(image - truth).mean():.0f} DN",
        f"{np.nanmean(spectral_angle(image, truth)):.2f}°",
        f"{ratio * ergas(l2, truth.mean(axis=0) * SCALE):.2f}",
        *(f"{away:.0f} DN", f"{np.sqrt(np.square(image - bicubic).mean()):.0f} DN"),
    )
    return f"| {' | '.join(cells)} |"


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of python -m demo.run")
    parser.add_argument("peers", nargs="+", metavar="NAME[:UNIT]=IMAGE")
    params = parser.parse_args(argv)
    lines = [TITLES]
    for peer in params.peers:
        label, _, path = peer.partition("=")
        name, _, unit = label.partition(":")
        unit = unit or "DN"
        if not path or unit not in UNITS or name in ("", *OWN):
            parser.error(f"{peer}: NAME[:UNIT]=IMAGE, UNIT one of {', '.join(UNITS)}")
        lines += table(params.run, name, unit, path)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
