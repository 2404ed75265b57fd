"""Exercise 1: quality of an image pair, groups without leakage, cards and pictures.

sr_dataset.py shows the applications; this package holds the rest.
"""

from srtools.pair.dataset_job import CREATION_OPTIONS, open_job, summary
from srtools.pair.patch_groups import read_windows
from srtools.pair.quality import compare
from srtools.pair.radiometric_fit import harmonize
from srtools.pair.spot_inputs import search, with_spot_date
