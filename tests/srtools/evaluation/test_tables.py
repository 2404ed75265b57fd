"""The tables of the terminal and of the reports, and what they say in words."""

import pytest

from srtools.evaluation import tables
from srtools.evaluation.tables import Table


def metrics(**changed) -> dict:
    """Metrics of a model that is better than bicubic; slow scores are not known."""
    by_band = {"B04": 0.5, "all": 241.4}
    names = ("l1_reflectance", "l2_reflectance", "l1_dn", "l2_dn", "psnr_db")
    scores = {**dict.fromkeys(names, by_band), "sam_degrees": 1.0}
    scores |= {"ssim": None, "ergas": None}
    bicubic = {**scores, "l1_dn": {"B04": 0.5, "all": 298.1}}
    ends = dict.fromkeys(("l1_dn", "psnr_db", "ssim", "sam_degrees"), [1.0, 2.0])
    area = {"model": scores, "bicubic": bicubic, "gain_db": 1.0}
    return {
        "patches": 9,
        "border": 4,
        "bands": ["B04"],
        "methods": ["model"],
        "inner": {**area, "truth_mean_dn": {"all": 804.0}},
        "whole": {**area, "gain_db": 0.5},
        "share_won": 1.0,
        "intervals": {
            "level": 0.95,
            "blocks": 12,
            "kind": "blocks of neighbours",
            "gain_db": [0.25, 1.75],
            "model": ends,
        },
        "closer_look": {"patches": 8},
        **dict.fromkeys(("consistency", "coverage", "spectrum", "correctness")),
        "worst": [],
        "model_card": {},
        "model_dir": "model",
        "test_set": "1a",
        "versions": {},
        "commands": [],
        **changed,
    }


SLOW = {
    "spectrum": {"effective_resolution_metres": {"model": 5.8, "bicubic": 9.0}},
    "correctness": {"improvement": 0.35, "omission": 0.38, "hallucination": 0.27},
    "consistency": {
        "grid": "10 m",
        "model": {"l1_dn": 34.1, "spectral_angle_degrees": None, "shift_metres": 0.5},
        "truth": {"l1_dn": 27.6, "spectral_angle_degrees": 1.0, "shift_metres": None},
    },
    "coverage": {
        "views": 1,
        "share_of_ground": {"flat": 1.0},
        "left_out": {"0.9": {"coverage": 0.9, "spread": 0.05}},
        "levels": {
            "0.9": {
                "coverage": {"B04": 0.875, "all": 0.88},
                "half_width_dn": {"all": 300.0},
                "by_ground": {},
            }
        },
    },
}


def of(title: str, **changed) -> Table:
    """Return the table whose title begins so."""
    every = tables.evaluation(metrics(**changed))
    return next(table for table in every if table.title.startswith(title))


def test_text_is_aligned():
    """Names to the left, numbers to the right; pages have more."""
    shown = [
        Table("One", ["", "L1"], [["bicubic", "9.00"], ["x", "10.00"]], ["a note"]),
        Table("Two", notes=["of the page"], page_only=True),
        Table("Empty"),
    ]
    assert tables.as_text(shown).splitlines() == [
        "One:",
        "              L1",
        "  bicubic   9.00",
        "  x        10.00",
        "- a note",
    ]


def test_l1_and_l2_first():
    table = of("Scores")
    assert table.columns[1:3] == ["L1", "L2"]
    row = ["model", "241.40000", "2.414e+02", "241.4", "241", "241.40", "-", "1.00"]
    assert table.rows[0] == [*row, "-"]
    assert of("Scores, band").rows[0][:2] == ["model B04", "0.50000"]


@pytest.mark.parametrize("kind", ["patches", "blocks of neighbours"])
def test_gain_and_its_interval(kind):
    table = of("Gain")
    assert table.rows[0][1:] == ["+1.00", "[+0.25, +1.75]", "100%"]
    assert table.notes == ["95% interval over 12 blocks of neighbours"]
    bounds = {**metrics()["intervals"], "blocks": 2, "kind": kind, "gain_db": None}
    table = of("Gain", intervals=bounds)
    assert table.rows[0][1:3] == ["+1.00", "-"]
    assert table.notes == [f"no interval: at least 3 {kind} are needed"]


def test_slow_scores():
    """Their rows, and on how many patches they were measured."""
    detail = of("New detail", **SLOW)
    assert detail.rows[1] == ["model", "5.8", "0.35", "0.38", "0.27"]
    assert detail.notes[0].startswith("on 8 of 9 patches")
    seen = of("Seen as Sentinel-2 sees, compared with Sentinel-2 at 10 m", **SLOW)
    assert seen.rows == [
        ["model", "34.1", "-", "-", "0.50", "-"],
        ["truth", "27.6", "-", "1.00", "-", "-"],
    ]
    held = of("Intervals of pixels", **SLOW)
    assert held.rows == [["90%", "88.0%", "87.5%", "-", "300"]]
    assert "held 90.0% +- 5.0 points" in held.notes[0]
    titles = [table.title for table in tables.evaluation(metrics())]
    assert not {detail.title, seen.title, held.title} & set(titles)


def test_a_sentence_for_each_question():
    assert of("In words", **SLOW).notes == [
        "a pixel is 241 DN off in the mean (0.024 of reflectance, 30% of the mean of "
        "the truth), bicubic's 298 DN",
        "sharper than bicubic: right down to 5.8 m, bicubic down to 9.0 m",
        "of the detail that bicubic lacks 35% is right, 38% is missing and 27% is "
        "invented",
        "it agrees with Sentinel-2 less well than the truth does: 34 DN off, the truth "
        "28 DN",
    ]
    (sentence,) = of("In words", share_won=0.75).notes
    assert sentence.endswith(
        "bicubic's 298 DN; on 25% of the patches bicubic is better"
    )
    seen = {"model": {"l1_dn": 20.0}, "truth": {"l1_dn": 27.6}}
    assert "as well as the truth" in tables.in_words(metrics(consistency=seen))[1]


@pytest.mark.parametrize(
    ("model", "bicubic", "words"),
    [
        (9.5, 9.0, "not sharper than bicubic: right down to 9.5 m, as bicubic"),
        (None, None, "no detail is right, however coarse"),
        (5.8, None, "sharper than bicubic: right down to 5.8 m, bicubic not at all"),
    ],
)
def test_sharpness(model, bicubic, words):
    size = {"effective_resolution_metres": {"model": model, "bicubic": bicubic}}
    assert tables.in_words(metrics(spectrum=size))[1] == words


def test_remarks_say_what_must_not_be_overlooked():
    """A pair that failed, and a model that loses."""
    assert tables.remarks(metrics()) == []
    pair = {"verdict": "fail", "diagnoses": ["shift 5.0 m: --coregister"]}
    scores = {**metrics()["inner"], "gain_db": -0.2}
    lines = of("In words", dataset={"pair": pair}, inner=scores).notes[-2:]
    assert lines[0].startswith("the pair of these patches: fail (shift 5.0 m: --coreg")
    assert lines[1] == "the model does not beat bicubic, which costs nothing"


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (2, "no interval: at least 3 blocks are needed"),
        (12, "95% interval over 12 blocks"),
    ],
)
def test_comparison(blocks, words):
    score = {"values": [0.5, 0.75], "difference": 0.25, "interval": None}
    compared = {
        "runs": ["a", "b"],
        "patches": 8,
        "blocks": blocks,
        "level": 0.95,
        "share_won_by_second": 0.5,
        "scores": {"ssim": score},
        "most_unlike": [{"patch": 3, "gain_db": -1.0}],
    }
    table, unlike = tables.comparison(compared)
    assert table.columns == ["", "a", "b", "difference", "interval"]
    assert table.rows == [["ssim", "0.5000", "0.7500", "+0.2500", "-"]]
    assert table.notes[0] == "b wins on 50% of the 8 patches"
    assert table.notes[1].endswith(words)
    assert unlike.rows == [["3", "-1.00"]]


def test_two_scenes_have_no_interval():
    """The mean alone, and why."""
    row = {"name": "nice", "patches": 3, "psnr_db": [30.0, 31.0], "difference_db": 1.0}
    row |= {"interval": None, "share_won_by_second": 1.0}
    compared = {"runs": ["a", "b"], "scenes": [row, row], "level": 0.95}
    (table,) = tables.comparison({**compared, "difference_db": 1.0, "interval": None})
    assert table.rows[0] == ["nice", "3", "30.00", "31.00", "+1.00", "-", "100%"]
    assert table.notes == [
        "mean difference over 2 scenes: +1.00 dB - "
        "(no interval: at least 3 scenes are needed)"
    ]
