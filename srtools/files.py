"""Files that appear complete or not at all, and files that must not be lost."""

import errno
import fcntl
import glob
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from srtools.errors import SRError

VIEWER_FILES = (".aux.xml", ".ovr")
"""Suffixes of the statistics and overviews that a viewer puts beside an image."""

SIDE_FILES = (*VIEWER_FILES, ".msk")
"""The same, and that of its mask."""

LONGEST_NAME = 255 - len(".partial--12345678")
"""Bytes of a name whose temporary name still fits on a disk."""


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path; its file becomes `path`, unless there is an exception."""
    with whole_files([Path(path)]) as folder:
        yield folder / Path(path).name


@contextmanager
def whole_files(paths: list[Path], replaced: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield a temporary folder; its files become `paths` at the end of the block.

    The block writes each file there under its own name.  What describes a file that is
    replaced goes with it, and a symbolic link stays: its target is replaced.  After an
    exception in it all of `paths` are as they were.  At the end each file appears
    complete, one after the other: a power cut in that moment leaves some new and some
    old.

    Arguments:
        paths: files of one folder.
        replaced: files of an earlier run that go, unless they are among `paths`.
    """
    refuse_folders(paths)
    for folder in {Path(os.path.realpath(path)).parent for path in paths}:
        make_folder(folder, room=0)
    with partial_folder(paths[0]) as partial:
        yield partial
        for path in dict.fromkeys([*paths, *replaced]):
            target = Path(os.path.realpath(path))
            for suffix in SIDE_FILES:  # of the image that was there
                for image in (path, target):
                    image.with_name(image.name + suffix).unlink(missing_ok=True)
            if path in paths:
                _rename(partial / path.name, target)
            else:
                path.unlink(missing_ok=True)


def _rename(source: Path, target: Path) -> None:
    """Move a complete file to its final name, on whatever disk that is."""
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with partial_folder(target) as near:
            os.replace(shutil.copy(source, near / target.name), target)


@contextmanager
def partial_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, or the target of that link, for its file.

    The folder is removed at the end, and those of killed processes for the same path
    before; living processes hold a lock.
    """
    path = Path(os.path.realpath(path))
    parent, prefix = make_folder(path.parent, room=0), f".partial-{path.name}-"
    # Eight letters, or they belong to another path whose name only begins so.
    for left in parent.glob(f"{glob.escape(prefix)}????????"):
        with suppress(SRError, OSError), hold(left, "it is in use", sure=True):
            shutil.rmtree(left)
    place = {"prefix": prefix, "dir": parent, "ignore_cleanup_errors": True}
    while True:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(**place))
            try:
                stack.enter_context(hold(folder, "it is being removed"))
            except (SRError, FileNotFoundError):
                continue  # before it was locked, another process cleared it away
            yield Path(folder)
            return


@contextmanager
def hold(
    folder: str | Path, busy: str | None, shared: bool = False, sure: bool = False
) -> Iterator[None]:
    """Lock a folder for one process; whatever ends the process unlocks it.

    Some network file systems have no locks; there everybody gets the folder.

    Arguments:
        busy: message if another process has locked it; None: wait for that process.
        shared: whether others may lock it at the same time, if they share it, too.
        sure: raise if the file system has no locks.

    Raises:
        SRError: if another process has locked it.
        OSError: if there are no locks, or no such folder any more.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            wish = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(handle, wish | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError:
            raise SRError(busy) from None
        except OSError:
            if sure:
                raise
        # Another process may have removed it a moment ago, with its lock.
        if not os.path.samestat(os.stat(folder), os.fstat(handle)):
            raise SRError(busy)
        yield
    finally:
        os.close(handle)


def check_name(path: str | Path) -> None:
    """Refuse a path with a `?`, after which OTB up to 9 expects options."""
    if "?" in str(path):
        raise SRError(
            f"{path} has a '?' in its name, which OTB takes for the start of options; "
            "rename the file or folder"
        )


def check_no_pattern(path: str | Path) -> None:
    """Refuse a path which TensorFlow takes for a pattern of several names.

    It would write a model there that nobody can load.
    """
    if found := set("[]*?") & set(str(Path(path).absolute())):
        raise SRError(
            f"{path} has {' '.join(sorted(found))} in its name or that of a folder "
            "above, which TensorFlow takes for a pattern; choose another name"
        )


def make_folder(folder: str | Path, room: int = 4096) -> Path:
    """Create `folder` with its parents, or those that a symbolic link names.

    To try it, `room` bytes are written; on a full disk an empty file can be made.
    """
    folder = Path(folder)
    try:
        Path(os.path.realpath(folder)).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(room))
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror
        raise SRError(
            f"folder {folder} cannot be written to ({reason}); "
            "choose another one, make room, or change its permissions"
        ) from None
    return folder


def refuse_folders(paths: Sequence[Path]) -> None:
    """Refuse to write a file to the place of a folder."""
    for path in filter(Path.is_dir, paths):
        raise SRError(f"{path} is a folder; give the name of a file")


def check_room(folder: str | Path, needed: int, what: str) -> None:
    """Check that a disk takes so many bytes more.

    OTB does not report a disk that is full, and with no byte left it never returns.

    Arguments:
        folder: folder that exists.
        needed: bytes.
        what: their use, for messages ("3 pieces of the image").
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SRError(
            f"{math.ceil(needed / 1e6)} MB are needed for {what}, {folder} has "
            f"{free // 10**6} MB free; make room, or choose another folder"
        )


def refuse_existing(
    paths: Sequence[str | Path], overwrite: bool, read: Sequence[str | Path] = ()
) -> None:
    """Check that files can have their names, and that none is lost.

    Arguments:
        paths: files that are going to be written.
        overwrite: whether they may replace existing ones.
        read: files that the run reads; they are never replaced.
    """
    for name in (os.path.basename(os.path.realpath(path)) for path in paths):
        if len(os.fsencode(name)) > LONGEST_NAME:
            raise SRError(
                f"the name {name} is too long, at most {LONGEST_NAME} bytes are "
                "possible; choose a shorter one"
            )
    existing = [
        path
        for path in map(Path, paths)
        if path.exists() and (path.is_file() or any(path.iterdir()))
    ]
    needed = [path for path in read if Path(path).exists()]
    for path in existing:
        if any(os.path.samefile(path, other) for other in needed):
            raise SRError(f"{path} is read by this very run; give another output")
        if not overwrite:
            raise SRError(
                f"{path} exists already; give --overwrite to replace it, "
                "or another output"
            )
