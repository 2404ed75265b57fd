"""Which folders are models, which are results, and what is asked of either."""

import json

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.evaluation import results, runs, side_by_side


def write_results(folder, error: float = 0.01) -> None:
    folder.mkdir(parents=True)
    columns = np.full((4, 4), error)
    methods = {"model": columns}
    runs.write_patches(folder / "patches.csv", methods, None, np.arange(4))
    metrics = {"inner": {}, "test_set": "1a", "border": 8}
    (folder / "metrics.json").write_text(json.dumps(metrics))


def write_model(folder) -> str:
    folder.mkdir()
    (folder / "saved_model.pb").touch()
    return str(folder)


@pytest.fixture
def compare(tmp_path, monkeypatch):
    """Compare, and note the models that are evaluated and the pages' pictures."""
    noted = {"evaluated": [], "shown": None}

    def evaluate(model_dir, out_dir):
        noted["evaluated"].append((model_dir, out_dir))
        write_results(tmp_path / out_dir)

    def write(out_dir, comparison, found, shown):
        noted["shown"] = shown

    monkeypatch.setattr(results, "write_comparison", write)

    def run(compared, patches=None):
        comparison = side_by_side.compare(
            compared,
            evaluate=evaluate,
            look_at=pytest.fail,
            out_dir=tmp_path / "both",
            patches=patches,
            overwrite=False,
        )
        return comparison, noted

    return run


def test_results_are_read(tmp_path, compare):
    for name, error in (("one", 0.01), ("other", 0.02)):
        write_results(tmp_path / name, error)
    comparison, noted = compare((tmp_path / "one", tmp_path / "other"))
    assert comparison["scores"]["l1_dn"]["difference"] == pytest.approx(100)
    assert noted == {"evaluated": [], "shown": []}


def test_a_model_is_evaluated_first(tmp_path, compare):
    """A model against a result: the model's results go into a folder of their own."""
    write_results(tmp_path / "one")
    model = write_model(tmp_path / "model")
    comparison, noted = compare((tmp_path / "one", model), patches="patches")
    own = str(tmp_path / "both" / "b_model")
    assert noted == {"evaluated": [(model, own)], "shown": []}
    assert comparison["runs"] == ["one", "b_model"]


def test_a_model_needs_patches(tmp_path, compare):
    model = write_model(tmp_path / "model")
    with pytest.raises(SRError, match="model is a model: give --patches"):
        compare((model, model))
