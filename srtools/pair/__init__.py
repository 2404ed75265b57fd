"""Two images become patches: their fit, groups that do not leak, cards, pictures.

Serves exercise 1, sr_dataset.py, which finds here all that it does not show.
"""

from srtools.pair.fits import harmonize
from srtools.pair.groups import make_split, read_groups
from srtools.pair.inputs import completed, opened, search
from srtools.pair.per_patch import leave_out
from srtools.pair.products import CREATION_OPTIONS, check_outputs, summary, written
from srtools.pair.quality import compare
from srtools.pair.survey import survey_pixels
