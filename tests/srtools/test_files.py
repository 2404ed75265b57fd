"""Files that appear complete, and files that must not be lost."""

import errno
import os
from contextlib import contextmanager

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


def test_an_empty_folder_can_be_replaced_also_behind_a_link(tmp_path):
    folder, link = tmp_path / "model", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    files.refuse_existing([folder, link], overwrite=False)
    (folder / "notes.txt").touch()
    for path in (folder, link):
        with pytest.raises(SRError, match=f"{path} exists already"):
            files.refuse_existing([path], overwrite=False)


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


def test_a_folder_that_another_process_clears_at_once_is_made_again(
    tmp_path, monkeypatch
):
    """Between its making and its lock a folder looks like one that was left."""
    path, hold, cleared = tmp_path / "a.txt", files.hold, []

    @contextmanager
    def late(folder, *options, **how):
        if not cleared:
            cleared.append(folder)
            with files.whole_file(path) as partial:  # as another process
                partial.write_text("other")
        with hold(folder, *options, **how):
            yield

    monkeypatch.setattr(files, "hold", late)
    with files.whole_file(path) as partial:
        assert path.read_text() == "other" and not os.path.exists(cleared[0])
        partial.write_text("own")
    assert path.read_text() == "own" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_replaced(tmp_path, there):
    """The half-written file lies on the disk of the target."""
    link, target = tmp_path / "sr.tif", tmp_path / "far" / "image.tif"
    link.symlink_to(target)
    left = []
    if there:
        target.parent.mkdir()
        target.write_text("old")
        left = [link.with_name("sr.tif.ovr"), target.with_name("image.tif.ovr")]
        for file in left:
            file.touch()
    with files.whole_files([link, tmp_path / "sr.json"]) as partial:
        assert partial.parent == target.parent
        for name in ("sr.tif", "sr.json"):
            (partial / name).write_text("new")
    assert link.is_symlink() and target.read_text() == "new"
    assert not any(map(os.path.exists, left))
    assert list(target.parent.iterdir()) == [target]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"far", "sr.tif", "sr.json"}


def test_a_target_on_another_disk(tmp_path, monkeypatch):
    """There it appears complete, too: a copy beside it takes its name."""
    link, target = tmp_path / "sr.json", tmp_path / "far" / "card.json"
    link.symlink_to(target)
    target.parent.mkdir()
    target.write_text("old")
    replace, replaced = os.replace, []

    def one_disk(source, goal):
        replaced.append((source, goal))
        if target.parent in source.parents and target.parent in goal.parents:
            assert source.read_text() == "new"
        elif target.parent in goal.parents:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(source, goal)

    monkeypatch.setattr(os, "replace", one_disk)
    with files.whole_files([tmp_path / "sr.tif", link]) as partial:
        for name in ("sr.tif", "sr.json"):
            (partial / name).write_text("new")
    assert link.is_symlink() and target.read_text() == "new" and len(replaced) == 3
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_behind_a_link_is_made(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "far" / "folder")
    assert files.make_folder(link) == link
    assert (tmp_path / "far" / "folder").is_dir() and link.is_symlink()


@pytest.mark.parametrize("letter", ["a", "é"])
def test_a_name_that_is_too_long_is_refused_before_the_work(tmp_path, letter):
    """Its temporary name is 18 bytes longer, and 255 are what disks take."""
    size = len(letter.encode())
    longest = (255 - 18) // size
    fits, long = (tmp_path / (letter * count) for count in (longest, longest + 1))
    files.refuse_existing([fits], overwrite=False)
    with files.whole_file(fits) as partial:
        partial.touch()
    for path in (long, tmp_path / (letter * 300)):
        with pytest.raises(SRError, match=rf"{letter} is too long, at most 237 bytes"):
            files.refuse_existing([path], overwrite=True)


def test_a_full_disk_is_named_before_the_work(tmp_path, monkeypatch):
    """A file can be made on it, and nothing can be written."""

    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def write(self, data):
            if data:
                raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(SRError, match=rf"{tmp_path} cannot be written.*No space left"):
        files.make_folder(tmp_path)
    # Later the error comes from what could not be written: its caller has the advice.
    with pytest.raises(OSError, match="of the block"):
        with files.whole_file(tmp_path / "a.txt"):
            raise OSError("of the block")
