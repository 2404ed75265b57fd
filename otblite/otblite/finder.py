"""The import hook that offers `otbApplication` and `otbtf` only where nobody else does.

The hook stands *last* in `sys.meta_path`: Python asks it only after every other
place, so a real OTB or OTBTF on `PYTHONPATH` or in `site-packages` always wins.
It also stands aside where pyotb would find a real OTB by itself: in `OTB_ROOT`, and
in the folders where OTB is usually installed.
"""

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

BINDINGS = Path(__file__).parent / "bindings"
MODULES = {
    "otbApplication": BINDINGS / "otbApplication.py",
    "otbtf": BINDINGS / "otbtf" / "__init__.py",
}
# Where pyotb looks for a real OTB when `import otbApplication` fails.
USUAL_ROOTS = ("/usr", "/usr/local", "/opt/otb", "/opt/otbtf")
PYTHON_FOLDERS = ("lib/python", "lib/otb/python", "lib/x86_64-linux-gnu/otb/python")


def real_bindings() -> Path | None:
    """Find the Python bindings of an installed OTB that is not on `sys.path`."""
    roots = [os.environ.get("OTB_ROOT"), *USUAL_ROOTS]
    roots += Path.home().glob("Applications/OTB-*")
    for root in filter(None, roots):
        for folder in PYTHON_FOLDERS:
            module = Path(root) / folder / "otbApplication.py"
            if module.exists():
                return module
    return None


class LastResort:
    """A meta path finder for the two modules in `MODULES`."""

    @staticmethod
    def find_spec(name: str, path=None, target=None) -> ModuleSpec | None:
        """Give the stand-in for `name`, or None if a real OTB is installed."""
        if name not in MODULES or real_bindings():
            return None
        module = MODULES[name]
        folders = [str(module.parent)] if module.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            name, module, submodule_search_locations=folders
        )


def install() -> None:
    """Put the hook at the end of `sys.meta_path`, once."""
    if LastResort not in sys.meta_path:
        sys.meta_path.append(LastResort)
