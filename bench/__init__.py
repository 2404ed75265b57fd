"""Time and memory of the scripts: `python -m bench`.

Each part is a module with a `run(folder, sizes)` that yields `table.Row`s; it writes
its inputs into `folder`, which is temporary.
"""
