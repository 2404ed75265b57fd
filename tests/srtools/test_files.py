"""Files that appear complete, and files that must not be lost."""

import pytest

from srtools import files
from srtools.errors import SRError


def test_what_is_read_is_never_replaced(tmp_path):
    image, link = tmp_path / "image.tif", tmp_path / "link.tif"
    image.write_text("precious")
    link.symlink_to(image)
    with pytest.raises(SRError, match="image.tif exists already; give --overwrite"):
        files.refuse_existing([image], overwrite=False)
    files.refuse_existing([image], overwrite=True)
    files.refuse_existing([image], overwrite=True, read=["https://x/y.tif"])
    with pytest.raises(SRError, match="image.tif is read by this very run"):
        files.refuse_existing([image], overwrite=True, read=[link])


def test_files_appear_at_the_end_of_the_block(tmp_path):
    paths = [tmp_path / name for name in ("a.txt", "b.txt")]
    paths[0].write_text("old")
    with files.whole_files(paths) as folder:
        for path in paths:
            (folder / path.name).write_text("new")
        assert paths[0].read_text() == "old" and not paths[1].exists()
    assert [path.read_text() for path in paths] == ["new", "new"]
    assert sorted(tmp_path.iterdir()) == paths


def test_after_an_exception_nothing_has_changed(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        with files.whole_file(path) as partial:
            partial.write_text("new")
            raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_in_place_of_a_file_is_refused_before_the_work(tmp_path):
    (tmp_path / "b.txt").mkdir()
    begun = False
    with pytest.raises(SRError, match="b.txt is a folder; give the name of a file"):
        with files.whole_files([tmp_path / "a.txt", tmp_path / "b.txt"]):
            begun = True
    assert not begun


def test_a_question_mark_is_refused():
    files.check_name("a/s2.tif")
    with pytest.raises(SRError, match=r"s2\?.tif has a '\?' in its name"):
        files.check_name("a/s2?.tif")


@pytest.mark.parametrize("suffix", [".aux.xml", ".ovr", ".msk"])
def test_what_describes_a_replaced_image_goes_with_it(tmp_path, suffix):
    """Statistics that QGIS wrote for the old image would stretch the new one."""
    path, other = tmp_path / "sr.tif", tmp_path / f"other.tif{suffix}"
    for each in (path, other, tmp_path / f"sr.tif{suffix}"):
        each.write_text("old")
    with pytest.raises(ZeroDivisionError):
        with files.whole_file(path):
            _ = 1 / 0
    assert (tmp_path / f"sr.tif{suffix}").exists()
    with files.whole_file(path) as partial:
        partial.write_text("new")
    assert sorted(tmp_path.iterdir()) == sorted([path, other])


@pytest.mark.parametrize("name", ["a [1]", "b]", "c*", "d?"])
def test_a_pattern_is_no_name_for_tensorflow(tmp_path, name):
    with pytest.raises(SRError, match="TensorFlow takes for a pattern"):
        files.check_no_pattern(tmp_path / name / "model")
    files.check_no_pattern(tmp_path / "a & {b} (c) é")


def test_what_killed_processes_were_writing_is_cleared_away(tmp_path):
    """A living process holds its own, and other paths are left alone."""
    path = tmp_path / "sr.tif"
    gone, living, other, longer = (
        tmp_path / f".partial-{name}"
        for name in (
            "sr.tif-abcdefgh",
            "sr.tif-12345678",
            "a.tif-abcdefgh",
            "sr.tif-2-abcdefgh",
        )
    )
    for folder in (gone, living, other, longer):
        folder.mkdir()
        (folder / "half.tif").touch()
    with files.hold(living, "busy"):
        with files.whole_file(path) as partial:
            partial.write_text("new")
            assert partial.parent.parent == tmp_path
            with pytest.raises(SRError, match="it is busy"):
                with files.hold(partial.parent, "it is busy"):
                    pass
    assert sorted(tmp_path.iterdir()) == sorted([path, living, other, longer])
    with files.whole_file(path) as partial:
        partial.write_text("newer")
    assert not living.exists() and path.read_text() == "newer"


def test_a_folder_is_held_by_one_or_shared(tmp_path):
    with files.hold(tmp_path, "busy", shared=True):
        with files.hold(tmp_path, "busy", shared=True):
            with pytest.raises(SRError, match="busy"):
                with files.hold(tmp_path, "busy"):
                    pass
    with files.hold(tmp_path, "busy"):
        with pytest.raises(SRError, match="busy"):
            with files.hold(tmp_path, "busy", shared=True):
                pass
