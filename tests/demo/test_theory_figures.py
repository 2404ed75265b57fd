"""The pictures of theory on the pages can be drawn."""

import pytest

from docs import theory_figures


@pytest.mark.slow
def test_all_pictures_are_drawn(tmp_path, monkeypatch):
    shown = {path.name for path in theory_figures.FOLDER.iterdir()}
    monkeypatch.setattr(theory_figures, "FOLDER", tmp_path)
    theory_figures.main()
    assert {path.name for path in tmp_path.iterdir()} == shown
