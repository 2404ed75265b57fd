"""How fast the scripts are and how much memory they need: `python -m bench`.

Each part is a module with a `run(folder, sizes)` that yields `report.Row`s; it
makes what it needs in `folder`, which is temporary.
"""
