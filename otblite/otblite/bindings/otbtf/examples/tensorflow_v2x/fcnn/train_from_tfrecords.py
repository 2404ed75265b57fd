"""Train the network on TFRecord files: folders `train`, `valid` and perhaps `test`."""

import os
from typing import Any

from otbtf import TFRecords
from otbtf.examples.tensorflow_v2x.fcnn import fcnn_model, helper

parser = helper.base_parser()
parser.add_argument(
    "--tfrecords_dir", required=True, help="folder of the folders train, valid, test"
)


def train(params: Any) -> None:
    """Train with the options of the command line."""

    def read(group: str, **options: Any) -> Any:
        return TFRecords(os.path.join(params.tfrecords_dir, group)).read(
            batch_size=params.batch_size,
            target_keys=[fcnn_model.TARGET_NAME],
            preprocessing_fn=fcnn_model.dataset_preprocessing_fn,
            **options,
        )

    test = os.path.isdir(os.path.join(params.tfrecords_dir, "test"))
    fcnn_model.train(
        params,
        read("train", shuffle_buffer_size=1000),
        read("valid"),
        read("test") if test else None,
    )


if __name__ == "__main__":
    train(parser.parse_args())
