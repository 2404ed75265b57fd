"""Two images become patches: their fit, groups that do not leak, cards, pictures.

Serves exercise 1, sr_dataset.py, which finds here all that it does not show.
"""

from srtools.pair.fits import harmonize
from srtools.pair.groups import read_groups
from srtools.pair.inputs import completed, search
from srtools.pair.products import CREATION_OPTIONS, opened, summary
from srtools.pair.quality import compare
