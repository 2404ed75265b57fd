"""Layouts of blocks: groups that look alike."""

import numpy as np

from srtools.pair.layouts import best_layout


def test_groups_look_alike_if_they_can():
    """Town in two opposite quarters, forest in the others: a group may miss either."""
    rows, cols = np.indices((20, 30))
    town = (rows < 10) == (cols < 15)
    cells, shares = np.ones(town.shape, bool), np.array([0.8, 0.1, 0.1])
    quicklook = 1000 * np.kron(town, np.ones((2, 2)))[..., None].repeat(4, axis=-1)
    quicklook += np.random.default_rng(0).normal(0, 1, quicklook.shape)

    def difference(seed, look) -> float:
        groups, _ = best_layout(cells, shares, 1, seed, look)
        return max(abs(town[groups == g].mean() - town.mean()) for g in (2, 3))

    blind = np.mean([difference(seed, None) for seed in range(3)])
    seeing = np.mean([difference(seed, quicklook) for seed in range(3)])
    assert seeing < 0.2 < 0.3 < blind


def test_groups_lie_all_over_the_image():
    """Blocks in one corner cost the fewest patches, and show one kind of ground."""
    cells, shares = np.ones((30, 40), bool), np.array([0.8, 0.1, 0.1])
    for seed in range(3):
        groups, _ = best_layout(cells, shares, 1, seed)
        for group in (2, 3):
            places = np.argwhere(groups == group) / cells.shape
            assert (abs(places.mean(axis=0) - 0.5) < 0.25).all()
            assert (places.std(axis=0) > 0.15).all()
