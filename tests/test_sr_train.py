"""Exercise 3, end to end on a few small patches."""

import os
import shutil
import signal

import numpy as np
import pytest

import sr_model
import sr_train
from lesson.patch_checks import read_patches
from srtools.cards import read_card, write_card
from srtools.network.saved_model import CARD, SIGNATURE
from srtools.training import batches, callbacks, checkpoint, epoch_pictures
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
    """Run the script on a small network; return its exit code."""
    folders = ["--patches", str(patches), "--model_dir", str(model_dir)]
    return sr_train.main([*folders, *TINY, *options])


@pytest.fixture(scope="module")
def trained(patches, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "model"
    options = ["--nb_epochs", "20", "--learning_rate", "6e-3", "--batch_size", "2"]
    assert run(patches, folder, *options) == 0
    return folder


@pytest.fixture(scope="module")
def rows(trained):
    return read_table(trained.with_name("model_logs"))


def card_of(folder):
    return read_card(folder / CARD)


def last_line(capsys):
    return capsys.readouterr().err.strip().splitlines()[-1]


def weights(folder):
    loaded = tf.saved_model.load(str(folder))
    return [variable.numpy() for variable in loaded.signatures[SIGNATURE].variables]


def read_validation(patches):
    """Read all validation patches: lr and hr [n, h, w, 4] float32 DN."""
    for kind in ("lr", "hr"):
        path = patches / f"valid_{kind}_patches.tif"
        yield read_patches(path).astype(np.float32)


def enlarge(folder, lr):
    """Return the reflectance that a saved model computes from lr patches."""
    signature = tf.saved_model.load(str(folder)).signatures[SIGNATURE]
    return signature(lr=tf.constant(lr))["hr"].numpy()


def validation_loss(folder, patches):
    """Compute the L1 of a saved model on all validation patches."""
    lr, hr = read_validation(patches)
    return float(np.abs(enlarge(folder, lr) - hr * 1e-4).mean())


def test_training_lowers_both_losses(rows):
    assert [row["epoch"] for row in rows] == list(range(1, 21))
    assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    assert rows[-1]["val_loss"] < 0.9 * rows[0]["val_loss"]


def test_the_card_describes_network_and_training(trained, rows):
    card = card_of(trained)
    assert card["bands"] == ["B04", "B03", "B02", "B08"]
    assert (card["scale"], card["factor"]) == (1e-4, 4)
    assert (card["lr_spacing"], card["hr_spacing"]) == (6.0, 1.5)
    assert card["offset_removed"] == 1000
    assert card["receptive_field"]["margin"] == 3 + 2 + 2 + 2
    assert card["scenes"][0]["dataset"] == DATASET
    parameters = 7 * 7 * 4 * 8 + 8 + 2 * (3 * 3 * 8 * 8 + 8) + 2 * (4 * 4 * 8 * 8 + 8)
    parameters += 7 * 7 * 8 * 4 + 4
    size = {"filters": 8, "blocks": 1, "kernel": 4}
    assert card["network"] == {**size, "parameters": parameters}
    best = min(rows, key=lambda row: row["val_loss"])
    expected = {"loss": "l1", "batch_size": 2, "learning_rate": 6e-3, "seed": 1}
    expected |= {"interrupted": None, "patches": COUNTS, "best_epoch": best["epoch"]}
    expected |= {"valid_loss": pytest.approx(best["val_loss"])}
    expected |= {"train_loss": pytest.approx(best["loss"])}
    assert {key: card["training"][key] for key in expected} == expected


def test_scores_are_over_all_validation_patches(trained, patches):
    """A fifth patch is left in batches of 2; OTBTF's data set would drop it."""
    card = card_of(trained)
    loss = pytest.approx(card["training"]["valid_loss"], 1e-4)
    assert validation_loss(trained, patches) == loss
    lr, hr = read_validation(patches)
    zoomed = tf.image.resize(lr * 1e-4, hr.shape[1:3], "bicubic").numpy()
    bicubic, model = (
        10 * np.log10(1 / np.square(image - hr * 1e-4).mean())
        for image in (zoomed, enlarge(trained, lr))
    )
    names = ("bicubic_psnr_db", "psnr_db", "gain_db")
    scores = [card["metrics"][name] for name in names]
    assert scores == pytest.approx([bicubic, model, model - bicubic], abs=2e-3)


def test_the_logs_have_curves_and_pictures(trained):
    steps, logs = {}, trained.with_name("model_logs")
    assert (logs / "training.png").exists()
    for folder, tag, step, _ in read_events(logs):
        steps.setdefault(f"{folder} {tag}", []).append(step)
    for name in ("loss", "psnr", "learning_rate"):
        assert steps[f"train epoch_{name}"] == list(range(20))
    for name in ("loss", "psnr", "gain"):
        assert steps[f"validation epoch_{name}"] == list(range(20))
    # With the initial network.
    assert steps[f"images {epoch_pictures.TITLE}"] == list(range(21))


def test_the_best_weights_are_saved_when_it_stops_early(tmp_path, capsys):
    """Each epoch is worse than the initial network, which is epoch 0."""
    lr, hr = make_patches(COUNTS["valid"], seed=1)
    start = sr_model.SRModel(sr_model.element_spec(4)).model({"lr": lr})["hr_dn"]
    hr = start.numpy().astype(hr.dtype)  # the truth is what it begins with
    patches = write_folder(tmp_path / "patches", valid_hr=hr)
    model_dir = tmp_path / "model"
    assert run(patches, model_dir, "--nb_epochs", "5", "--patience", "2") == 0
    losses = [row["val_loss"] for row in read_table(tmp_path / "model_logs")]
    assert len(losses) == 2
    training = card_of(model_dir)["training"]
    assert training["best_epoch"] == 0 and training["train_loss"] is None
    assert "no epoch was better than the start" in capsys.readouterr().out
    zoom = validation_loss(model_dir, patches)
    assert zoom == pytest.approx(training["valid_loss"], rel=1e-4)
    assert zoom < 0.99 * min(losses)


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_training_that_diverges_keeps_its_best_weights(
    patches, tmp_path, monkeypatch, capsys, epoch
):
    """As after an interruption, but the training cannot be resumed."""
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
        training = card_of(model)["training"]
        assert (training["epochs"], training["best_epoch"]) == (2, 2)
        reason = training["interrupted"]
        assert line == f"error: {reason}; the weights of epoch 2 are saved"
        loss = pytest.approx(training["valid_loss"], rel=1e-4)
        assert validation_loss(model, patches) == loss
    # The same command would diverge again.
    assert not (tmp_path / "model_logs" / checkpoint.FILE).exists()


class Dead(sr_model.SRModel):
    """A network with a first ReLU that is always 0, as after a divergence."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        first = self.get_layer("first")
        first.bias.assign(-99 * tf.ones_like(first.bias))


def test_a_network_that_is_dead_is_not_saved(patches, tmp_path, capsys, monkeypatch):
    """Its losses are numbers, but its output is always 0."""
    monkeypatch.setattr(sr_train, "SRModel", Dead)
    assert run(patches, tmp_path / "model", "--nb_epochs", "2") == 1
    line = last_line(capsys)
    assert line.startswith("error: the network learned nothing, and no model was saved")
    assert not (tmp_path / "model").exists()


class Served(sr_model.SRModel):
    """A network with a layer between `hr` and `hr_dn`, which no loss trains."""

    def get_outputs(self, normalized_inputs):
        outputs = super().get_outputs(normalized_inputs)
        last = tf.keras.layers.Conv2D(4, 1, name="untrained")
        return {**outputs, "hr_dn": last(outputs["hr_dn"])}


def test_a_layer_that_is_not_trained(patches, tmp_path, capsys, monkeypatch):
    """Before the training: behind it the weights would be lost."""
    monkeypatch.setattr(sr_train, "SRModel", Served)
    assert run(patches, tmp_path / "model") == 1
    assert "weights that hr lacks, and no loss would train" in last_line(capsys)
    assert not (tmp_path / "model_logs").exists()


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


def test_a_model_is_replaced_with_its_curves(patches, trained, tmp_path):
    for name in ("model", "model_logs"):
        shutil.copytree(trained.with_name(name), tmp_path / name)
    model = tmp_path / "model"
    first, again = weights(model), ["--nb_epochs", "1", "--seed", "2", "--overwrite"]
    assert run(patches, model, *again) == 0
    assert card_of(model)["training"]["seed"] == 2
    assert not all(map(np.array_equal, first, weights(model)))
    # The curves of the old model do not mix with the new ones.
    events = list((tmp_path / "model_logs" / "train").glob("events.out.tfevents.*"))
    assert len(events) == 1


def test_fine_tuning_starts_from_the_model(patches, trained, tmp_path, capsys):
    """With a learning rate of almost 0 it ends with the loss of the other model."""
    options = ["--finetune", str(trained), "--nb_epochs", "1", "--loss", "l2"]
    assert run(patches, tmp_path / "m", *options, "--learning_rate", "1e-12") == 0
    training = card_of(tmp_path / "m")["training"]
    lr, hr = read_validation(patches)
    l2 = np.square(enlarge(trained, lr) - hr * 1e-4).mean()
    assert training["valid_loss"] == pytest.approx(l2, rel=1e-4)
    assert training["finetune"] == str(trained)
    changed = shutil.copytree(trained, tmp_path / "changed")
    write_card(changed / CARD, {**card_of(trained), "scale": 1.0})
    assert run(patches, tmp_path / "other", "--finetune", str(changed)) == 1
    assert "scale 1.0, 0.0001 is expected; give another model" in last_line(capsys)


@pytest.mark.parametrize(
    ("steps", "warm_up"), [(2000, 100), (1000, 50), (120, 50), (60, 30), (2, 1)]
)
def test_the_rate_rises_from_0_and_falls_to_0(steps, warm_up):
    """It rises in 5 % of the steps, in 50 at least, and in half of them at most."""
    schedule = sr_train.cosine_rate(1e-3, steps)
    moments = [0, warm_up / 2, warm_up, (warm_up + steps) / 2, steps]
    rates = [float(schedule(moment)) for moment in moments]
    assert rates == pytest.approx([0, 5e-4, 1e-3, 5e-4, 0], abs=1e-9)


def test_bfloat16_saves_a_model_of_float32(patches, tmp_path):
    """Its output is not rounded to the 8 bits of bfloat16."""
    folders = ["--patches", str(patches), "--model_dir", str(tmp_path / "m")]
    options = [*SMALL, "--precision", "bfloat16", "--nb_epochs", "2"]
    assert sr_train.main([*folders, *options]) == 0
    assert card_of(tmp_path / "m")["training"]["precision"] == "bfloat16"
    assert {w.dtype for w in weights(tmp_path / "m")} == {np.dtype("float32")}
    assert tf.keras.mixed_precision.global_policy().name == "float32"
    lr, _ = read_validation(patches)
    values = enlarge(tmp_path / "m", lr)
    rounded = tf.cast(tf.cast(values, tf.bfloat16), tf.float32).numpy()
    assert (values != rounded).mean() > 0.9
    loss = card_of(tmp_path / "m")["training"]["valid_loss"]
    assert validation_loss(tmp_path / "m", patches) == pytest.approx(loss, rel=0.02)


PAIRS = ["--batch_size", "2"]
KINDS = {
    "improving": [*PAIRS, "--nb_epochs", "4"],
    # The learning rate is too large: the start remains the best, epoch 4 is the last.
    "stalled": [*PAIRS, "--nb_epochs", "5", "--patience", "4"]
    + ["--learning_rate", "2e-2"],
}


@pytest.fixture(scope="module")
def uninterrupted(patches, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    for kind, options in KINDS.items():
        assert run(patches, folder / kind, *options) == 0
    return folder


def send_signal(monkeypatch):
    """Send SIGTERM when the checkpoint of epoch 2 is in place."""
    write = checkpoint.Checkpoint.on_epoch_end

    def write_and_send(self, number, logs=None):
        write(self, number, logs)
        if number + 1 == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(checkpoint.Checkpoint, "on_epoch_end", write_and_send)


def fail_to_write(name, nth):
    """End the training when the n-th file of a name is complete, but not in place."""

    def interrupt(monkeypatch):
        replace, targets = os.replace, []

        def replace_or_end(source, target):
            targets.extend([target] if str(target).endswith(name) else [])
            if len(targets) == nth:
                raise KeyboardInterrupt
            replace(source, target)

        monkeypatch.setattr(os, "replace", replace_or_end)

    return interrupt


@pytest.mark.parametrize(
    ("kind", "interrupt", "code", "kept"),
    [
        ("improving", send_signal, 143, 2),
        # The first checkpoint is written before any epoch.
        ("improving", fail_to_write(checkpoint.FILE, 3), 130, 1),
        ("improving", fail_to_write("/model", 1), 130, 4),
        ("stalled", fail_to_write(checkpoint.FILE, 4), 130, 2),
        ("stalled", fail_to_write("/model", 1), 130, 4),
    ],
)
def test_a_resumed_training_ends_like_one_without_interruption(
    uninterrupted,
    patches,
    tmp_path,
    monkeypatch,
    caplog,
    capsys,
    kind,
    interrupt,
    code,
    kept,
):
    """The same epochs and the same weights, to the bit."""
    model, logs = tmp_path / "model", tmp_path / "model_logs"
    options, whole = KINDS[kind], uninterrupted / kind
    with monkeypatch.context() as context:
        interrupt(context)
        assert run(patches, model, *options) == code
    assert (logs / checkpoint.FILE).exists()
    assert model.exists() is (code == 143)
    if model.exists():
        training = card_of(model)["training"]
        assert (training["interrupted"], training["epochs"]) == (signal.SIGTERM, 2)
        assert "the same command resumes it" in capsys.readouterr().out
        assert (logs / "training.png").exists()
    # Another command does not replace it.
    assert run(patches, model, *options, "--seed", "5") == 1
    error = last_line(capsys)
    assert "seed 1, now 5" in error and "--overwrite to start from the begin" in error
    # Reading from the disk does not change the result.
    monkeypatch.setattr(batches, "MAX_BYTES_IN_MEMORY", 0)
    assert run(patches, model, *options) == 0
    assert f"resuming an interrupted training after epoch {kept};" in caplog.text
    for one, other in zip(weights(model), weights(whole), strict=True):
        np.testing.assert_array_equal(one, other)
    rows = read_epochs(logs)
    assert rows == read_epochs(whole.with_name(f"{kind}_logs"))
    assert len({row["learning_rate"] for row in rows}) == len(rows) == 4
    same = ("best_epoch", "epochs", "valid_loss", "train_loss")
    one, other = (card_of(folder)["training"] for folder in (model, whole))
    assert {key: one[key] for key in same} == {key: other[key] for key in same}
    assert (one["best_epoch"] == 0) is (kind == "stalled")
    # A finished training is not repeated.
    assert not (logs / checkpoint.FILE).exists()
    assert not list(tmp_path.rglob(".partial*"))
    assert run(patches, model, *options) == 1
    assert "exists already; give --overwrite" in last_line(capsys)


def test_a_signal_before_the_end_of_the_first_epoch_saves_nothing(
    patches, tmp_path, monkeypatch, caplog, capfd
):
    show = epoch_pictures.PatchImages.on_epoch_end

    def show_and_send(self, epoch, logs=None):
        show(self, epoch, logs)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(epoch_pictures.PatchImages, "on_epoch_end", show_and_send)
    with pytest.raises(SystemExit) as exit_:
        run(patches, tmp_path / "model")
    assert exit_.value.code == 128 + signal.SIGTERM
    assert "no epoch was finished, nothing is saved" in caplog.text
    assert capfd.readouterr().err.splitlines()[-1] == "error: terminated"
    assert not (tmp_path / "model").exists()
