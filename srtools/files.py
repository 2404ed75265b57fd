"""Files that appear whole or not at all, and files that must not be lost."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from srtools.errors import SRError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path whose file becomes `path` if all goes well."""
    with whole_files([Path(path)]) as folder:
        yield folder / Path(path).name


@contextmanager
def whole_files(paths: list[Path]) -> Iterator[Path]:
    """Give a temporary folder whose files become `paths`, all of them or none.

    The files are written there under the same names; `paths` share one folder.
    """
    folder = make_folder(paths[0].parent)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as partial:
        yield Path(partial)
        for path in paths:
            os.replace(Path(partial) / path.name, path)


def make_folder(folder: str | Path) -> Path:
    """Create `folder` with its parents.

    Raises:
        SRError: if it cannot be created or written to.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SRError(
            f"folder {folder} cannot be written to ({error.strerror}); "
            "choose another one or change its permissions"
        ) from None
    return folder


def refuse_existing(
    paths: Sequence[str | Path], overwrite: bool, read: Sequence[str | Path] = ()
) -> None:
    """Check that no file is lost that the user wants to keep.

    Arguments:
        paths: to be written.
        overwrite: whether existing files may be replaced.
        read: files that are needed, which may not.

    Raises:
        SRError: if one of `paths` is one of `read`, or exists already.
    """
    existing = [path for path in paths if Path(path).exists()]
    needed = [path for path in read if Path(path).exists()]
    for path in existing:
        if any(os.path.samefile(path, other) for other in needed):
            raise SRError(f"{path} is read by this very run; give another output")
        if not overwrite:
            raise SRError(
                f"{path} exists already; give --overwrite to replace it, "
                "or another output"
            )
