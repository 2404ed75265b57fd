"""Layouts of blocks: groups that look alike."""

import numpy as np

from srtools.pair.layouts import best_layout


def test_groups_look_alike_if_they_can():
    """West is forest and east is town: both belong into each group."""
    cells = np.ones((20, 30), bool)
    quicklook = np.zeros((40, 60, 1))
    quicklook[:, 40:] = 1000
    quicklook += np.random.default_rng(0).normal(0, 1, quicklook.shape)
    shares = np.array([0.8, 0.1, 0.1])

    def difference(seed, look) -> float:
        groups, _ = best_layout(cells, shares, 1, seed, look)
        town = np.arange(30) >= 20
        parts = [(groups == g).sum(0) @ town / (groups == g).sum() for g in (1, 2, 3)]
        return max(abs(parts[1] - parts[0]), abs(parts[2] - parts[0]))

    blind = np.mean([difference(seed, None) for seed in range(3)])
    seeing = np.mean([difference(seed, quicklook) for seed in range(3)])
    assert seeing < 0.4 < 0.6 < blind
