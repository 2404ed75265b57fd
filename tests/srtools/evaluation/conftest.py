"""Metrics of an evaluation that never took place, for tables and pages."""

import pytest


@pytest.fixture
def metrics():
    """Return the function that makes the metrics."""
    return made_up


def made_up(**changed) -> dict:
    """Metrics of a model that is better than bicubic; some entries may be changed."""
    bands, methods = ["B04", "B03"], ["bicubic", "model"]
    names = "l1_reflectance", "l1_dn", "l2_reflectance", "l2_dn", "psnr_db", "ssim"
    scores = {
        name: {"B04": 1.0 + 10 * i, "B03": 2.0 + 10 * i, "all": 1.5 + 10 * i}
        for i, name in enumerate((*names, "ergas"))
    }
    scores["sam_degrees"] = 2.0
    bicubic = {**scores, "l1_dn": {**scores["l1_dn"], "all": 298.1}}
    model = {**scores, "l1_dn": {**scores["l1_dn"], "all": 241.4}}
    area = {"bicubic": bicubic, "model": model, "gain_db": 1.0}
    seen = {"l1_dn": 34.1, "bias_dn": -1.0, "spectral_angle_degrees": None}
    curves = dict.fromkeys(methods, [1.0, 0.6, 0.1])
    level = {"coverage": {"B04": 0.875, "B03": 0.9, "all": 0.88}}
    level["half_width_dn"] = {"all": 300.0}
    return {
        "patches": 9,
        "bands": bands,
        "methods": methods,
        "border": 8,
        "test_set": "1a",
        "inner": {**area, "truth_mean_dn": {"all": 804.0}},
        "whole": {**area, "gain_db": 0.5},
        "share_won": 1.0,
        "intervals": {
            "gain_db": [0.25, 1.75],
            "level": 0.95,
            "blocks": 12,
            "kind": "blocks of neighbours",
        },
        "closer_look": {"patches": 8},
        "coverage": {
            "patches": 8,
            "levels": dict.fromkeys(("0.8", "0.9", "0.95"), level),
        },
        "consistency": {
            "grid": "10 m",
            "model": {**seen, "shift_metres": 0.5},
            "truth": {**seen, "l1_dn": 27.6, "shift_metres": None},
        },
        "spectrum": {
            "threshold": 0.5,
            "cycles_per_metre": [0.1, 0.2, 0.33],
            "power_ratio": curves,
            "correlation": curves,
            "effective_resolution_metres": {"bicubic": 9.0, "model": 5.8},
        },
        "correctness": {"improvement": 0.35, "omission": 0.38, "hallucination": 0.27},
        "dataset": {},
        "model_dir": "<model> & co",
        "commands": ["sr_dataset.py --pan '<pan>.tif'", "sr_eval.py"],
        **changed,
    }
