"""Result files: checked before the evaluation, and written all or none."""

from unittest.mock import MagicMock

import pytest

from srtools.errors import SRError
from srtools.evaluation import comparison, result_files
from srtools.evaluation.report import page


def test_existing_results_are_kept(tmp_path):
    result_files.check_folder(tmp_path / "eval", False, result_files.FILES)
    (tmp_path / "eval" / "report.html").touch()
    with pytest.raises(SRError, match="report.html exists already"):
        result_files.check_folder(tmp_path / "eval", False, result_files.FILES)
    result_files.check_folder(tmp_path / "eval", True, result_files.FILES)
    # A comparison in the same folder has files of its own.
    result_files.check_folder(tmp_path / "eval", False, comparison.FILES)


def test_nothing_is_left_if_the_report_fails(tmp_path, monkeypatch):
    def fail(*_):
        raise SRError("no report")

    monkeypatch.setattr(result_files, "write_patches", lambda path, _: path.touch())
    monkeypatch.setattr(result_files, "patch_pictures", MagicMock())
    monkeypatch.setattr(page, "save", fail)
    with pytest.raises(SRError, match="no report"):
        result_files.write(tmp_path, {}, None, [])
    assert not list(tmp_path.iterdir())
