"""Exercise 3, end to end on a few small patches."""

import json
import os
import signal

import numpy as np
import pytest
import rasterio

import sr_model
import sr_train
from srtools.network.saved_model import CARD, SIGNATURE
from srtools.training import callbacks, resuming, tensorboard
from tests.training_patches import (
    COUNTS,
    DATASET,
    SMALL,
    TINY,
    make_patches,
    read_epochs,
    read_events,
    read_table,
    write_folder,
)

import tensorflow as tf


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("sr_train") / "patches")


def run(patches, model_dir, *options):
    """Run the script as from a shell, quickly unless told otherwise."""
    return sr_train.main(
        ["--patches", str(patches), "--model_dir", str(model_dir), *TINY, *options]
    )


@pytest.fixture(scope="module")
def trained(patches, tmp_path_factory):
    """Train once for all tests that look at what is left behind."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    options = ["--nb_epochs", "20", "--learning_rate", "6e-3", "--batch_size", "2"]
    assert run(patches, folder, *options) == 0
    return folder


def read_card(folder):
    return json.loads((folder / CARD).read_text())


def last_line(capsys):
    """Return the last line of the standard error."""
    return capsys.readouterr().err.strip().splitlines()[-1]


def weights(folder):
    loaded = tf.saved_model.load(str(folder))
    return [variable.numpy() for variable in loaded.signatures[SIGNATURE].variables]


def read_validation(patches):
    """Read all validation patches: lr and hr [n, h, w, 4] float32 DN."""
    lr, hr = (
        np.moveaxis(rasterio.open(patches / f"valid_{kind}_patches.tif").read(), 0, -1)
        for kind in ("lr", "hr")
    )
    return (
        a.reshape(-1, a.shape[1], *a.shape[1:]).astype(np.float32) for a in (lr, hr)
    )


def answer(folder, lr):
    """Give the reflectance that a saved model makes of lr patches."""
    signature = tf.saved_model.load(str(folder)).signatures[SIGNATURE]
    return signature(lr=tf.constant(lr))["hr"].numpy()


def validation_loss(folder, patches):
    """Compute the L1 of a saved model on all validation patches."""
    lr, hr = read_validation(patches)
    return float(np.abs(answer(folder, lr) - hr * 1e-4).mean())


def test_saved_model_has_the_names_and_shapes(trained):
    signature = tf.saved_model.load(str(trained)).signatures[SIGNATURE]
    names = [sr_model.OUTPUT, sr_model.OUTPUT_DN]
    names += [f"{name}_crop{crop}" for name in names for crop in sr_model.CROPS]
    assert set(signature.structured_outputs) == set(names)
    assert signature(lr=tf.ones((2, 10, 7, 4)))["hr"].shape == (2, 40, 28, 4)


def test_training_lowers_both_losses(trained):
    table = read_table(trained.with_name("model_logs"))
    assert [row["epoch"] for row in table] == list(range(1, 21))
    assert table[-1]["loss"] < 0.8 * table[0]["loss"]
    assert table[-1]["val_loss"] < 0.9 * table[0]["val_loss"]


def test_validation_loss_is_over_all_patches(trained, patches):
    """5 patches in batches of 2: OTBTF's default would leave one out."""
    card = read_card(trained)["training"]
    assert validation_loss(trained, patches) == pytest.approx(card["valid_loss"], 1e-4)


def test_card_says_what_was_done(trained):
    card = read_card(trained)
    assert card["bands"] == ["B04", "B03", "B02", "B08"]
    assert (card["scale"], card["factor"]) == (1e-4, 4)
    assert (card["lr_spacing"], card["hr_spacing"]) == (6.0, 1.5)
    assert card["offset_removed"] == 1000
    assert card["receptive_field"]["margin"] == 3 + 2 + 2
    assert card["scenes"][0]["dataset"] == DATASET
    parameters = 7 * 7 * 4 * 8 + 8 + 2 * (3 * 3 * 8 * 8 + 8) + 2 * (4 * 4 * 8 * 8 + 8)
    parameters += 7 * 7 * 8 * 4 + 4
    size = {"filters": 8, "blocks": 1, "kernel": 4}
    assert card["network"] == {**size, "parameters": parameters}
    best = min(
        read_table(trained.with_name("model_logs")), key=lambda row: row["val_loss"]
    )
    expected = {"loss": "l1", "batch_size": 2, "learning_rate": 6e-3, "seed": 1}
    expected |= {"interrupted": None, "patches": COUNTS, "best_epoch": best["epoch"]}
    expected |= {"valid_loss": pytest.approx(best["val_loss"])}
    expected |= {"train_loss": pytest.approx(best["loss"])}
    assert {key: card["training"][key] for key in expected} == expected


def test_gain_is_over_bicubic_on_the_validation_patches(trained, patches):
    metrics = read_card(trained)["metrics"]
    lr, hr = read_validation(patches)
    zoomed = tf.image.resize(lr * 1e-4, hr.shape[1:3], "bicubic").numpy()
    psnr = {
        name: 10 * np.log10(1 / np.square(image - hr * 1e-4).mean())
        for name, image in (("bicubic", zoomed), ("model", answer(trained, lr)))
    }
    assert metrics["bicubic_psnr_db"] == pytest.approx(psnr["bicubic"], abs=1e-3)
    assert metrics["psnr_db"] == pytest.approx(psnr["model"], abs=1e-3)
    gain = psnr["model"] - psnr["bicubic"]
    assert metrics["gain_db"] == pytest.approx(gain, abs=2e-3)


def test_tensorboard_gets_curves_and_pictures(trained):
    steps, logs = {}, trained.with_name("model_logs")
    assert (logs / "training.png").exists()
    for run, tag, step, _ in read_events(logs):
        steps.setdefault((run, tag), []).append(step)
    curves = {"train": ["loss", "psnr", "learning_rate"]}
    curves["validation"] = ["loss", "psnr", "gain"]
    for run, names in curves.items():
        for name in names:
            assert steps[run, f"epoch_{name}"] == list(range(20))
    for colours in ("true colour", "near infrared, red, green"):
        # The fresh network, and each epoch.
        assert steps["images", f"{colours}: {tensorboard.TITLE}"] == list(range(21))


def test_the_best_weights_are_saved_when_it_stops_early(tmp_path, capsys):
    """A fresh network answers what is wanted, and is taught something else.

    The zoom that it begins as is epoch 0, and what is saved.
    """
    _, hr = make_patches(COUNTS["train"], seed=0)
    patches = write_folder(tmp_path / "patches", train_hr=np.full_like(hr, 9000))
    model_dir = tmp_path / "model"
    assert run(patches, model_dir, "--nb_epochs", "5", "--patience", "2") == 0
    losses = [row["val_loss"] for row in read_table(tmp_path / "model_logs")]
    assert len(losses) == 2
    training = read_card(model_dir)["training"]
    assert training["best_epoch"] == 0 and training["train_loss"] is None
    assert "nothing was better than the start" in capsys.readouterr().out
    zoom = validation_loss(model_dir, patches)
    assert zoom == pytest.approx(training["valid_loss"], rel=1e-4)
    assert zoom < 0.99 * min(losses)


def test_l2_is_the_mean_of_squares(patches, tmp_path):
    options = ["--nb_epochs", "1", "--loss", "l2"]
    assert run(patches, tmp_path / "m", *options) == 0
    training = read_card(tmp_path / "m")["training"]
    assert training["loss"] == "l2"
    # A mean square is below the square of the largest error, L1 is far above it.
    assert training["valid_loss"] < validation_loss(tmp_path / "m", patches) / 2


def test_patches_that_hold_no_numbers_end_in_one_line(tmp_path, capsys):
    lr, _ = make_patches(COUNTS["train"], seed=0)
    lr = lr.astype(np.float32)
    lr[3] = np.nan
    patches = write_folder(tmp_path / "patches", train_lr=lr)
    assert run(patches, tmp_path / "model") == 1
    line = last_line(capsys)
    assert "patch 3 of" in line and "train_lr_patches.tif holds nan" in line
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_training_that_diverges_keeps_its_best_weights(
    patches, tmp_path, monkeypatch, capsys, epoch
):
    """As after an interruption; but there is nothing to go on with."""
    begin = callbacks.EpochTable.on_epoch_begin

    def begin_and_spoil(self, number, logs=None):
        begin(self, number, logs)
        if number + 1 == epoch:
            weights = self.model.get_weights()
            self.model.set_weights([array * np.nan for array in weights])

    monkeypatch.setattr(callbacks.EpochTable, "on_epoch_begin", begin_and_spoil)
    model = tmp_path / "model"
    options = ["--nb_epochs", "4", "--batch_size", "2", "--learning_rate", "1e-4"]
    assert run(patches, model, *options) == 1
    line = last_line(capsys)
    assert line.startswith("error: the training diverged: ")
    assert "--learning_rate" in line and "--overwrite" in line
    assert model.exists() is (epoch == 3)
    if model.exists():
        training = read_card(model)["training"]
        assert (training["epochs"], training["best_epoch"]) == (2, 2)
        reason = training["interrupted"]
        assert line == f"error: {reason}; the weights of epoch 2 are saved"
        loss = pytest.approx(training["valid_loss"], rel=1e-4)
        assert validation_loss(model, patches) == loss
    # Else the same command would diverge again, and others would be refused.
    assert not (tmp_path / "model_logs" / resuming.FILE).exists()


class Dead(sr_model.SRModel):
    """A network whose last ReLU is shut, as a training that diverges leaves it."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.get_layer("hr").bias.assign([-99.0] * 4)


def test_a_network_that_is_dead_is_not_saved(patches, tmp_path, capsys, monkeypatch):
    """All its losses are numbers, and it answers 0 for ever."""
    monkeypatch.setattr(sr_train, "SRModel", Dead)
    assert run(patches, tmp_path / "model", "--nb_epochs", "2") == 1
    line = last_line(capsys)
    assert line.startswith("error: nothing is learned and nothing was saved")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("factor", "options", "words"),
    [
        (2, [], "says factor 2, 4 is expected; make the patches again"),
        (4, ["--finetune", "nowhere"], "nowhere is not a SavedModel; the folder that"),
    ],
)
def test_a_training_that_cannot_begin_leaves_nothing_behind(
    tmp_path, capsys, factor, options, words
):
    patches = write_folder(tmp_path / "patches", card={"factor": factor})
    before = sorted(tmp_path.rglob("*"))
    assert run(patches, tmp_path / "model", *options) == 1
    line = last_line(capsys)
    assert line.startswith("error: ") and words in line
    assert sorted(tmp_path.rglob("*")) == before


def test_an_existing_model_is_kept_unless_told(patches, tmp_path, capsys):
    model, logs = tmp_path / "model", tmp_path / "model_logs"
    assert run(patches, model, "--nb_epochs", "1") == 0
    before, first = (model / CARD).read_text(), weights(model)
    assert run(patches, model, "--nb_epochs", "1", "--seed", "2") == 1
    assert "model exists already; give --overwrite" in capsys.readouterr().err
    assert (model / CARD).read_text() == before
    again = ["--nb_epochs", "1", "--seed", "2", "--overwrite"]
    assert run(patches, model, *again) == 0
    assert read_card(model)["training"]["seed"] == 2
    pairs = zip(first, weights(model), strict=True)
    assert any(not np.array_equal(old, new) for old, new in pairs)
    # The curves of the model that was replaced do not mix with the new ones.
    assert len(list((logs / "train").glob("events.out.tfevents.*"))) == 1


def test_fine_tuning_starts_from_the_model(patches, trained, tmp_path):
    """With a rate of almost 0 it ends where it began: at the other model's loss."""
    options = ["--finetune", str(trained), "--nb_epochs", "1"]
    assert run(patches, tmp_path / "m", *options, "--learning_rate", "1e-12") == 0
    before, after = (read_card(f)["training"] for f in (trained, tmp_path / "m"))
    assert after["valid_loss"] == pytest.approx(before["valid_loss"], rel=1e-5)
    assert after["finetune"] == str(trained)


@pytest.mark.parametrize(
    ("steps", "warm_up"), [(2000, 100), (1000, 50), (120, 50), (60, 30), (2, 1)]
)
def test_the_rate_rises_from_0_and_falls_to_0(steps, warm_up):
    """In 5 % of the steps, but in 50 at least, and in half of them at most."""
    rate = sr_train.cosine_rate(1e-3, steps)
    found = [float(rate(step)) for step in range(steps + 1)]
    assert found[0] == 0 and np.argmax(found) == warm_up
    assert found[warm_up] == pytest.approx(1e-3) and found[-1] < 1e-9
    assert found[: warm_up + 1] == sorted(found[: warm_up + 1])
    assert found[warm_up:] == sorted(found[warm_up:], reverse=True)


def test_bfloat16_saves_a_model_of_float32(patches, tmp_path):
    """Its answers are not rounded to the 8 bits of bfloat16."""
    folders = ["--patches", str(patches), "--model_dir", str(tmp_path / "m")]
    options = [*SMALL, "--precision", "bfloat16", "--nb_epochs", "2"]
    assert sr_train.main([*folders, *options]) == 0
    assert read_card(tmp_path / "m")["training"]["precision"] == "bfloat16"
    assert {w.dtype for w in weights(tmp_path / "m")} == {np.dtype("float32")}
    assert tf.keras.mixed_precision.global_policy().name == "float32"
    lr, _ = read_validation(patches)
    values = answer(tmp_path / "m", lr)
    rounded = tf.cast(tf.cast(values, tf.bfloat16), tf.float32).numpy()
    assert (values != rounded).mean() > 0.9
    loss = read_card(tmp_path / "m")["training"]["valid_loss"]
    assert validation_loss(tmp_path / "m", patches) == pytest.approx(loss, rel=0.02)


LONG = ["--nb_epochs", "4", "--batch_size", "2", "--no-streaming"]


@pytest.fixture(scope="module")
def uninterrupted(patches, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted") / "model"
    assert run(patches, folder, *LONG) == 0
    return folder


def send_signal_after(epoch, monkeypatch):
    """Send SIGTERM when the backup of an epoch is written."""
    write = resuming.Backup.on_epoch_end

    def write_and_send(self, number, logs=None):
        write(self, number, logs)
        if number + 1 == epoch:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(resuming.Backup, "on_epoch_end", write_and_send)


def fail_to_write_backup_of(epoch, monkeypatch):
    """End the training when the backup of an epoch is complete, but not in place."""
    replace, backups = os.replace, []

    def replace_or_die(source, target):
        backups.extend([target] if str(target).endswith(resuming.FILE) else [])
        if len(backups) == 1 + epoch:  # the first one is written before any epoch
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_or_die)


@pytest.mark.parametrize(
    ("interrupt", "code", "kept"),
    [(send_signal_after, 143, 2), (fail_to_write_backup_of, 130, 1)],
)
def test_an_interrupted_training_ends_like_one_that_was_not(
    uninterrupted, patches, tmp_path, monkeypatch, caplog, capsys, interrupt, code, kept
):
    """The same epochs and the same weights, to the bit.

    tests/test_resuming.py does the same with real processes.
    """
    model, logs = tmp_path / "model", tmp_path / "model_logs"
    with monkeypatch.context() as context:
        interrupt(2, context)
        assert run(patches, model, *LONG) == code
    assert (logs / resuming.FILE).exists()
    assert model.exists() is (code == 143)
    if model.exists():
        training = read_card(model)["training"]
        assert (training["interrupted"], training["epochs"]) == (signal.SIGTERM, 2)
        assert "the same command goes on with it" in capsys.readouterr().out
        assert (logs / "training.png").exists()
    # Another command does not go on silently.
    assert run(patches, model, *LONG, "--seed", "5") == 1
    error = capsys.readouterr().err
    assert "seed 1, now 5" in error and "--overwrite to begin again" in error

    caplog.clear()
    # Streamed or not is not seen in the result.
    assert run(patches, model, *LONG[:-1], "--streaming") == 0
    assert f"going on after epoch {kept} " in caplog.text
    for one, other in zip(weights(model), weights(uninterrupted), strict=True):
        np.testing.assert_array_equal(one, other)
    rows = read_epochs(logs)
    assert rows == read_epochs(uninterrupted.with_name("model_logs"))
    assert len({row["learning_rate"] for row in rows}) == len(rows) == 4
    assert not (logs / resuming.FILE).exists()
    # A training that is finished is not begun again.
    assert run(patches, model, *LONG) == 1
    assert "exists already; give --overwrite" in capsys.readouterr().err


def test_a_signal_before_the_first_epoch_is_over_saves_nothing(
    patches, tmp_path, monkeypatch, caplog, capfd
):
    show = tensorboard.PatchImages.on_epoch_end

    def show_and_send(self, epoch, logs=None):
        show(self, epoch, logs)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(tensorboard.PatchImages, "on_epoch_end", show_and_send)
    with pytest.raises(SystemExit) as exit_:
        run(patches, tmp_path / "model")
    assert exit_.value.code == 128 + signal.SIGTERM
    assert "no epoch was over, nothing is saved" in caplog.text
    assert capfd.readouterr().err.splitlines()[-1] == "error: terminated"
    assert not (tmp_path / "model").exists()
