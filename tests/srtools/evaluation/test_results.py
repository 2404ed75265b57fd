"""The files of an evaluation: looked at before the work, and written all or none."""

from types import SimpleNamespace

import numpy as np
import pytest

from srtools.errors import SRError
from srtools.evaluation import comparison, results
from srtools.evaluation.report import report


def test_existing_results_are_kept(tmp_path):
    results.check_folder(tmp_path / "eval", False, results.FILES)
    (tmp_path / "eval" / "report.html").touch()
    with pytest.raises(SRError, match="report.html exists already"):
        results.check_folder(tmp_path / "eval", False, results.FILES)
    results.check_folder(tmp_path / "eval", True, results.FILES)
    # A comparison in the same folder has files of its own.
    results.check_folder(tmp_path / "eval", False, comparison.FILES)


def test_nothing_is_left_if_the_report_fails(tmp_path, monkeypatch):
    """Rather no metrics.json than one without its report."""

    def fail(*_):
        raise SRError("no report")

    monkeypatch.setattr(results.pictures, "save_png", lambda path, *_: path.touch())
    monkeypatch.setattr(report, "save", fail)
    assessment = SimpleNamespace(
        test=SimpleNamespace(windows=None),
        columns={"model": np.zeros((1, 4))},
        blocks=np.zeros(1, int),
        gains=np.zeros(1),
    )
    with pytest.raises(SRError, match="no report"):
        results.write(tmp_path, {}, assessment, [])
    assert not list(tmp_path.iterdir())
