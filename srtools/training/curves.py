"""The curves of a training as a picture, for people without TensorBoard."""

from pathlib import Path

from matplotlib.figure import Figure

from srtools.images.figures import save


def draw(path: str | Path, rows: list[dict[str, float]]) -> None:
    """Draw loss, gain over bicubic and learning rate over the epochs.

    Arguments:
        path: PNG file.
        rows: the lines of training.csv, with epoch, loss, val_loss, val_gain (dB) and
            learning_rate.
    """
    figure = Figure(figsize=(12, 3.6), dpi=100)
    losses, gain, rate = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in rows]
    for name, label in (("loss", "training"), ("val_loss", "validation")):
        losses.plot(epochs, [row[name] for row in rows], ".-", label=label)
    losses.set(title="loss", yscale="log")
    losses.legend()
    gain.plot(epochs, [row["val_gain"] for row in rows], ".-", color="tab:orange")
    gain.axhline(0, color="black", linewidth=0.8)
    gain.set(title="gain over bicubic, validation (dB)")
    rate.plot(epochs, [row["learning_rate"] for row in rows], ".-", color="tab:green")
    rate.set(title="learning rate")
    for axes in (losses, gain, rate):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    figure.tight_layout()
    save(figure, path)
