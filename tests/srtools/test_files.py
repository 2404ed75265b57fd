"""Files appear complete, and no file that is read is replaced."""

import errno
import os
import tempfile

import pytest

from srtools import files
from srtools.errors import SRError


def test_no_file_that_is_read_is_replaced(tmp_path):
    image, link = tmp_path / "image.tif", tmp_path / "link.tif"
    image.write_text("precious")
    link.symlink_to(image)
    with pytest.raises(SRError, match="image.tif exists already; give --overwrite"):
        files.refuse_existing([image], overwrite=False)
    files.refuse_existing([image], overwrite=True)
    files.refuse_existing([image], overwrite=True, read=["https://x/y.tif"])
    with pytest.raises(SRError, match="image.tif is read by this very run"):
        files.refuse_existing([image], overwrite=True, read=[link])


def test_names_without_room_for_a_temporary_one_are_refused(tmp_path):
    files.refuse_existing([tmp_path / ("é" * 118)], overwrite=False)
    with pytest.raises(SRError, match="the name é+ is too long, at most 237 bytes"):
        files.refuse_existing([tmp_path / ("é" * 119)], overwrite=False)


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


@pytest.mark.parametrize("suffix", files.SIDE_FILES)
def test_an_image_is_replaced_with_its_side_files_or_not_at_all(tmp_path, suffix):
    """Statistics that QGIS wrote for the old image would stretch the new one."""
    path, side = tmp_path / "sr.tif", tmp_path / f"sr.tif{suffix}"
    other = tmp_path / f"other.tif{suffix}"
    for each in (path, side, other):
        each.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        with files.whole_file(path) as partial:
            partial.write_text("new")
            raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == sorted([path, side, other])
    with files.whole_file(path) as partial:
        partial.write_text("new")
    assert path.read_text() == "new"
    assert sorted(tmp_path.iterdir()) == sorted([path, other])


def test_a_folder_in_place_of_a_file_is_refused_before_the_work(tmp_path):
    (tmp_path / "b.txt").mkdir()
    with pytest.raises(SRError, match="b.txt is a folder; give the name of a file"):
        with files.whole_files([tmp_path / "a.txt", tmp_path / "b.txt"]):
            pytest.fail("the block has begun")


def test_names_that_libraries_misunderstand_are_refused(tmp_path):
    for name in ("a [1]", "b]", "c*", "d?"):
        with pytest.raises(SRError, match="which TensorFlow does not take for a part"):
            files.check_name(tmp_path / name / "model", "TensorFlow")
    files.check_name(tmp_path / "a & {b} (c) é", "TensorFlow")
    files.check_name("a/s2 [1].tif")
    with pytest.raises(SRError, match=r"s2\?.tif has \? in its name .* which OTB does"):
        files.check_name("a/s2?.tif")


def test_partial_folders_of_killed_processes_are_removed(tmp_path):
    """A living process holds a lock, and folders of other paths are left alone."""
    path = tmp_path / "sr.tif"
    names = "sr.tif-abcdefgh sr.tif-12345678 a.tif-abcdefgh sr.tif-2-abcdefgh".split()
    folders = [tmp_path / f".partial-{name}" for name in names]
    for folder in folders:
        folder.mkdir()
        (folder / "half.tif").touch()
    with files.lock(folders[1], "busy"):
        with files.whole_file(path) as partial:
            partial.write_text("new")
            assert partial.parent.parent == tmp_path
            with pytest.raises(SRError, match="it is busy"):
                with files.lock(partial.parent, "it is busy"):
                    pass
    assert sorted(tmp_path.iterdir()) == sorted([path, *folders[1:]])
    with files.whole_file(path) as partial:
        partial.write_text("newer")
    assert not folders[1].exists() and path.read_text() == "newer"


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_target_is_replaced(tmp_path, exists):
    """The half-written file lies on the disk of the target."""
    link, target = tmp_path / "sr.tif", tmp_path / "far" / "image.tif"
    link.symlink_to(target)
    side_files = []
    if exists:
        target.parent.mkdir()
        target.write_text("old")
        side_files = [link.with_name("sr.tif.ovr"), target.with_name("image.tif.ovr")]
        for file in side_files:
            file.touch()
    with files.whole_files([link, tmp_path / "sr.json"]) as partial:
        assert partial.parent == target.parent
        for name in ("sr.tif", "sr.json"):
            (partial / name).write_text("new")
    assert link.is_symlink() and target.read_text() == "new"
    assert not any(map(os.path.exists, side_files))
    assert list(target.parent.iterdir()) == [target]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"far", "sr.tif", "sr.json"}


def test_a_link_to_another_disk(tmp_path):
    """The image goes there, and the files beside it stay beside the link."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as disk:
        if os.stat(disk).st_dev == tmp_path.stat().st_dev:
            pytest.skip("/dev/shm is no other disk")
        image, card = tmp_path / "sr.tif", tmp_path / "sr.json"
        image.symlink_to(f"{disk}/large.tif")
        with files.whole_files([image, card]) as partial:
            for path in (image, card):
                (partial / path.name).write_text(path.name)
        assert image.is_symlink() and image.read_text() == "sr.tif"
        assert os.listdir(disk) == ["large.tif"] and card.read_text() == "sr.json"


def test_a_folder_behind_a_link_is_made(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "far" / "folder")
    assert files.make_folder(link) == link
    assert (tmp_path / "far" / "folder").is_dir() and link.is_symlink()


def test_a_full_disk_is_named_before_the_work(tmp_path, monkeypatch):
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
    # Later the error comes from the file that could not be written.
    with pytest.raises(OSError, match="of the block"):
        with files.whole_file(tmp_path / "a.txt"):
            raise OSError("of the block")


def test_the_state_of_a_file_changes_with_it(tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("one")
    first = files.states([path])
    assert first == [["a.tif", 3, path.stat().st_mtime_ns]]
    assert files.states([str(path)]) == first
    os.utime(path, ns=(0, 0))
    assert files.states([path]) == [["a.tif", 3, 0]]
    image = "/vsicurl/https://host/a.tif"
    assert files.states([f"{image}?sig=SECRET"]) == [[image]]
