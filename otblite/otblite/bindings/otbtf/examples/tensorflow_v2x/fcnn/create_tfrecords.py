"""Write patches images as TFRecord files."""

import argparse
import os
from typing import Any

from otbtf import DatasetFromPatchesImages
from otbtf.examples.tensorflow_v2x.fcnn import helper

parser = argparse.ArgumentParser(description="Write patches images as TFRecord files")
parser.add_argument("--xs", required=True, nargs="+", help="patches images")
parser.add_argument("--labels", required=True, nargs="+", help="their labels")
parser.add_argument("--outdir", required=True, help="folder of the TFRecord files")


def create_tfrecords(params: Any) -> None:
    """Write the files."""
    patches, labels = sorted(params.xs), sorted(params.labels)
    helper.check_files_order(patches, labels)
    os.makedirs(params.outdir, exist_ok=True)
    DatasetFromPatchesImages(
        {"input_xs_patches": patches, "labels_patches": labels}
    ).to_tfrecords(params.outdir, drop_remainder=False)


if __name__ == "__main__":
    create_tfrecords(parser.parse_args())
