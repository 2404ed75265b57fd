"""The stand-in of `otbtf.dataset`: readers, iterators, data sets."""

import itertools
import textwrap
import threading

import numpy as np
import pytest

from tests.processes import run_python

import otbtf

SIZE = 4


def stacked(count, bands=2, size=SIZE, start=0):
    """Make patches [n, size, size, bands] in which every pixel is different."""
    height, width = size if isinstance(size, tuple) else (size, size)
    shape = (count, height, width, bands)
    return (np.arange(np.prod(shape)).reshape(shape) + start).astype(np.uint16)


@pytest.fixture
def write_patches(write_raster):
    def write(name, patches):
        return write_raster(name, patches.reshape(-1, *patches.shape[2:]), crs=None)

    return write


class InOrder(otbtf.IteratorBase):
    """An iterator that does not shuffle."""

    def __init__(self, patches_reader):
        self.numbers = itertools.cycle(range(patches_reader.get_size()))

    def __next__(self):
        return next(self.numbers)


class Ending(InOrder):
    def __init__(self, patches_reader):
        self.numbers = iter(range(patches_reader.get_size() - 1))


class Numbers(otbtf.PatchesReaderBase):
    """A reader of another kind, with the three methods that OTBTF asks for."""

    def __init__(self, size=10):
        self.size = size

    def get_sample(self, index):
        return {"number": np.array([index], np.int32)}

    def get_stats(self):
        return {"number": {"max": self.size - 1}}

    def get_size(self):
        return self.size


@pytest.mark.parametrize("use_streaming", [False, True])
def test_reader_gives_the_patches_of_all_files_in_order(write_patches, use_streaming):
    """Also where the files of two sources hold different numbers of patches."""
    a, b = stacked(8), stacked(8, bands=1, size=8, start=500)
    reader = otbtf.PatchesImagesReader(
        {
            "a": [write_patches("a0.tif", a[:3]), write_patches("a1.tif", a[3:])],
            "b": [write_patches("b0.tif", b[:5]), write_patches("b1.tif", b[5:])],
        },
        use_streaming=use_streaming,
    )
    assert reader.get_size() == reader.size == 8
    for index in range(8):
        sample = reader.get_sample(index)
        np.testing.assert_array_equal(sample["a"], a[index])
        np.testing.assert_array_equal(sample["b"], b[index])
        assert sample["a"].dtype == np.uint16
    # Streaming is asked for to spare memory.
    assert hasattr(reader, "patches_buffer") != use_streaming


@pytest.mark.parametrize("index", [-1, 3])
def test_reader_refuses_a_patch_that_does_not_exist(write_patches, index):
    reader = otbtf.PatchesImagesReader({"a": [write_patches("a.tif", stacked(3))]})
    with pytest.raises(IndexError, match=f"patch {index} of 3"):
        reader.get_sample(index)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda w: {"a": [w("a", 3)], "b": [w("b", 4)]}, "patches.*a: 3, b: 4"),
        (lambda w: {"a": [w("a", 3)], "b": [w("b", 3)] * 2}, "images.*a: 1, b: 2"),
        (lambda w: {"a": [w("a", 3), w("b", 3, 1)]}, "channels in source a.*2.*1"),
        (lambda w: {"a": [w("a", 3), w("b", 3, 2, 8)]}, "width in source a.*4.*8"),
        (lambda w: {"a": [w("a", 3) + ".no"]}, r"unable to open .*a\.tif\.no"),
        (lambda w: {"a": w("a", 3)}, "a list is expected"),
        (lambda w: {"a": [w("a", 5, 2, (2, 4))]}, "4 x 10 .*multiple of its width"),
        (lambda w: {}, "got nothing"),
    ],
)
def test_reader_names_what_is_wrong(write_patches, make, words):
    def write(name, *shape):
        return write_patches(f"{name}.tif", stacked(*shape))

    with pytest.raises(ValueError, match=words):
        otbtf.PatchesImagesReader(make(write))


@pytest.mark.parametrize("use_streaming", [False, True])
def test_stats_are_those_of_numpy(write_patches, use_streaming):
    """Squares of uint16 would overflow if they were not computed in float64."""
    patches = np.random.default_rng(0).integers(0, 65536, (70, SIZE, SIZE, 2))
    path = write_patches("a.tif", patches.astype(np.uint16))
    stats = otbtf.DatasetFromPatchesImages({"a": [path]}, use_streaming).get_stats()
    for name in ("min", "max", "mean", "std"):
        expected = getattr(patches, name)(axis=(0, 1, 2))
        np.testing.assert_allclose(stats["a"][name], expected, rtol=1e-9)


def test_read_as_np_arr_with_and_without_cutting(write_patches):
    patches = stacked(3)
    raster = otbtf.gdal_open(write_patches("a.tif", patches))
    assert (raster.RasterXSize, raster.RasterYSize, raster.RasterCount) == (4, 12, 2)
    np.testing.assert_array_equal(otbtf.read_as_np_arr(raster), patches)
    whole = otbtf.read_as_np_arr(raster, as_patches=False, dtype=np.float32)
    np.testing.assert_array_equal(whole, patches.reshape(1, 12, 4, 2))
    assert whole.dtype == np.float32
    window = raster.ReadAsArray(1, 4, 2, 3)  # as GDAL: bands first
    np.testing.assert_array_equal(window, patches[1, :3, 1:3].transpose(2, 0, 1))


def test_each_patch_comes_once_per_epoch_in_another_order(write_patches):
    patches = stacked(70)
    path = write_patches("a.tif", patches)

    def first_pixels(batches):
        return [int(v) for batch in batches for v in batch["a"][:, 0, 0, 0]]

    runs = []
    for _ in range(2):
        np.random.seed(3)
        dataset = otbtf.DatasetFromPatchesImages({"a": [path]})
        batches = dataset.get_tf_dataset(8, drop_remainder=False)
        runs.append([first_pixels(batches) for _ in range(2)])
    (first, second), again = runs
    assert first != second and [first, second] == again
    # A pass that is abandoned must not shift the next one.
    next(iter(batches))
    for epoch in (first, second, first_pixels(batches)):
        assert sorted(epoch) == patches[:, 0, 0, 0].tolist()


def test_the_incomplete_batch_is_dropped_by_default(write_patches):
    path = write_patches("a.tif", stacked(7))
    dataset = otbtf.DatasetFromPatchesImages({"a": [path]})
    assert dataset.size == 7
    assert [len(batch["a"]) for batch in dataset.get_tf_dataset(3)] == [3, 3]
    kept = dataset.get_tf_dataset(3, drop_remainder=False)
    assert [len(batch["a"]) for batch in kept] == [3, 3, 1]


@pytest.mark.parametrize("use_streaming", [False, True])
def test_targets_and_preprocessing(write_patches, use_streaming):
    a, b = stacked(6), stacked(6, bands=1, size=8)
    dataset = otbtf.DatasetFromPatchesImages(
        {"a": [write_patches("a.tif", a)], "b": [write_patches("b.tif", b)]},
        use_streaming=use_streaming,
        iterator_cls=InOrder,
    )
    batches = dataset.get_tf_dataset(
        2,
        preprocessing_fn=lambda sample: {"a": sample["a"], "b": sample["b"] // 2},
        targets_keys=["b"],
    )
    inputs_spec, targets_spec = batches.element_spec
    assert inputs_spec["a"].shape == (2, 4, 4, 2) and inputs_spec["a"].dtype == "uint16"
    assert targets_spec["b"].shape == (2, 8, 8, 1)
    inputs, targets = zip(*batches, strict=True)
    assert [list(batch) for batch in (*inputs, *targets)] == 3 * [["a"]] + 3 * [["b"]]
    np.testing.assert_array_equal(np.concatenate([x["a"] for x in inputs]), a)
    np.testing.assert_array_equal(np.concatenate([x["b"] for x in targets]), b // 2)


def test_scalars_and_texts_reach_tensorflow(write_patches):
    files = [write_patches(f"{i}.tif", stacked(2)) for i in range(2)]
    reader = otbtf.PatchesImagesReader(
        {"a": files}, scalar_dict={"day": [5, 9], "sensor": ["spot", "s2"]}
    )
    dataset = otbtf.Dataset(reader, iterator_cls=InOrder)
    (batch,) = dataset.get_tf_dataset(4)
    assert batch["day"].numpy().tolist() == [5, 5, 9, 9]
    assert batch["sensor"].numpy().tolist() == [b"spot", b"spot", b"s2", b"s2"]


def test_a_reader_of_another_kind_and_a_maximum():
    dataset = otbtf.Dataset(Numbers(10), iterator_cls=InOrder, max_nb_of_samples=4)
    batches = dataset.get_tf_dataset(2)
    epochs = [
        [int(v[0]) for b in batches for v in b["number"].numpy()] for _ in range(2)
    ]
    # The iterator goes on where it was.
    assert epochs == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert dataset.get_stats() == {"number": {"max": 9}}
    read = [int(dataset.read_one_sample()["number"][0]) for _ in range(4)]
    assert read == [8, 9, 0, 1]


def test_an_iterator_that_ends_is_named():
    dataset = otbtf.Dataset(Numbers(3), iterator_cls=Ending)
    with pytest.raises(ValueError, match="Ending ended .* must be endless"):
        for _ in range(3):
            dataset.read_one_sample()
    with pytest.raises(ValueError, match="has no sample"):
        otbtf.Dataset(Numbers(0))


def test_the_program_ends_with_iterators_still_open(write_raster):
    """tf.data reads ahead in threads, which are in Python when Python shuts down."""
    noise = np.random.default_rng(0).integers(0, 4000, (65 * 64, 64, 4))
    path = write_raster("a.tif", noise.astype(np.uint16), crs=None, compress="deflate")
    program = f"""
        import otbtf
        files = {{"a": [{path!r}], "b": [{path!r}]}}
        dataset = otbtf.DatasetFromPatchesImages(files, True, buffer_length=8)
        iterators = []
        for number in range(8):
            batches = dataset.get_tf_dataset(2, targets_keys=["b"])
            iterators.append(iter(batches.prefetch(2) if number % 2 else batches))
            next(iterators[-1])
        print("ending", flush=True)
    """
    done = run_python("-c", textwrap.dedent(program), timeout=180)
    assert (done.returncode, done.stdout) == (0, "ending\n"), done.stderr


def test_at_exit_a_pass_at_work_is_awaited_and_ended(monkeypatch):
    at_work, gate, block = threading.Event(), threading.Event(), []

    class Gated(Numbers):
        def get_sample(self, index):
            if index:
                at_work.set()
                assert gate.wait(timeout=30)
            return super().get_sample(index)

    class Changing(dict):
        """Other threads add and remove passes: it cannot be gone through as it is."""

        items = values = None

    monkeypatch.setattr(otbtf.dataset, "_last_used", Changing())
    monkeypatch.setattr(otbtf.dataset, "_exiting", threading.Event())
    blocks = otbtf.Dataset(Gated(4), buffer_length=2, iterator_cls=InOrder)._blocks()
    next(blocks)
    reading = threading.Thread(target=lambda: block.append(next(blocks)))
    reading.start()
    assert at_work.wait(timeout=30)
    ending = threading.Thread(target=otbtf.dataset._end_open_passes)
    ending.start()
    ending.join(timeout=3 * otbtf.dataset.QUIET)
    assert ending.is_alive()  # as long as the reader is at work
    gate.set()
    for thread in (reading, ending):
        thread.join(timeout=30)
        assert not thread.is_alive()
    # One block of the two that were left.
    assert len(block) == 1 and list(blocks) == []
