"""Train the network on patches images, as PatchesExtraction writes them."""

from typing import Any

from otbtf import DatasetFromPatchesImages
from otbtf.examples.tensorflow_v2x.fcnn import fcnn_model, helper

parser = helper.base_parser()
for _group in ("train", "valid", "test"):
    for _kind in ("xs", "labels"):
        parser.add_argument(
            f"--{_group}_{_kind}",
            required=_group != "test",
            nargs="+",
            default=[],
            help=f"patches images: {_kind} ({_group})",
        )


def create_dataset(
    xs_filenames: list[str],
    labels_filenames: list[str],
    batch_size: int,
    targets_keys: list[str] | None = None,
) -> Any:
    """Return a tf.data.Dataset of (inputs, targets)."""
    patches, labels = sorted(xs_filenames), sorted(labels_filenames)
    helper.check_files_order(patches, labels)
    dataset = DatasetFromPatchesImages(
        {"input_xs_patches": patches, "labels_patches": labels}
    )
    return dataset.get_tf_dataset(
        batch_size=batch_size,
        preprocessing_fn=fcnn_model.dataset_preprocessing_fn,
        targets_keys=targets_keys or [fcnn_model.TARGET_NAME],
    )


def train(params: Any) -> None:
    """Train with the options of the command line."""
    size = params.batch_size
    fcnn_model.train(
        params,
        create_dataset(params.train_xs, params.train_labels, size),
        create_dataset(params.valid_xs, params.valid_labels, size),
        create_dataset(params.test_xs, params.test_labels, size)
        if params.test_xs
        else None,
    )


if __name__ == "__main__":
    train(parser.parse_args())
