"""The import hook that offers `otbApplication` and `otbtf` as a last resort.

The hook stands *last* in `sys.meta_path`: Python asks it only after every other
place, so a real OTB or OTBTF on `PYTHONPATH` or in `site-packages` always wins.
It does nothing where pyotb would find a real OTB: in `OTB_ROOT`, and
in the folders where OTB is usually installed.

With `OTBLITE=1` in the environment otblite comes first, for instance beside an OTB
without OTBTF.

This module is imported whenever Python starts, so it imports next to nothing.
"""

import os
import sys

BINDINGS = os.path.join(os.path.dirname(__file__), "bindings")
MODULES = {
    "otbApplication": os.path.join(BINDINGS, "otbApplication.py"),
    "otbtf": os.path.join(BINDINGS, "otbtf", "__init__.py"),
}
# Folders in which pyotb looks for a real OTB when `import otbApplication` fails.
USUAL_ROOTS = ("/usr", "/usr/local", "/opt/otb", "/opt/otbtf")
PYTHON_FOLDERS = ("lib/python", "lib/otb/python", "lib/x86_64-linux-gnu/otb/python")


def real_bindings() -> str | None:
    """Find the Python bindings of an installed OTB that is not on `sys.path`."""
    roots = [os.environ.get("OTB_ROOT"), *USUAL_ROOTS]
    applications = os.path.join(os.path.expanduser("~"), "Applications")
    if os.path.isdir(applications):
        names = sorted(os.listdir(applications))
        roots += [os.path.join(applications, n) for n in names if n[:4] == "OTB-"]
    for root in filter(None, roots):
        for folder in PYTHON_FOLDERS:
            module = os.path.join(root, folder, "otbApplication.py")
            if os.path.exists(module):
                return module
    return None


def chosen() -> bool:
    """Check whether the user chose otblite in the environment."""
    return os.environ.get("OTBLITE") == "1"


class LastResort:
    """A meta path finder for the two modules in `MODULES`."""

    @staticmethod
    def find_spec(name: str, path=None, target=None):
        """Return the spec of the stand-in, or None if a real OTB is installed."""
        if name not in MODULES or not chosen() and real_bindings():
            return None
        from importlib.util import spec_from_file_location

        module = MODULES[name]
        folders = [os.path.dirname(module)] if name == "otbtf" else None
        return spec_from_file_location(name, module, submodule_search_locations=folders)


def install() -> None:
    """Put the hook at the end of `sys.meta_path`, once; or first, if it was chosen."""
    if LastResort not in sys.meta_path:
        sys.meta_path.insert(0 if chosen() else len(sys.meta_path), LastResort)
