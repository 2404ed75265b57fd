"""Tables of the terminal and of the reports, and their notes."""

from srtools.evaluation import tables
from srtools.evaluation.tables import Table


def find(title: str, metrics: dict) -> Table:
    """Return the table with a title that begins with `title`."""
    every = tables.evaluation(metrics)
    return next(table for table in every if table.title.startswith(title))


def test_text_is_aligned():
    shown = [
        Table("One", ["", "L1"], [["bicubic", "9.00"], ["x", "10.00"]], ["a note"]),
        Table("Two", notes=["of the page"], page_only=True),
    ]
    assert tables.format_tables(shown).splitlines() == [
        "One:",
        "              L1",
        "  bicubic   9.00",
        "  x        10.00",
        "- a note",
    ]


def test_l1_and_l2_first(metrics):
    table = find("Scores", metrics())
    assert table.columns[1:3] == ["L1", "L2"]
    row = ["model", "1.50000", "2.150e+01", "241.4", "32", "41.50", "51.500", "61.50"]
    assert table.rows[1] == [*row, "2.00"]
    assert find("Scores, band", metrics()).rows[2][:2] == ["model B04", "1.00000"]
    unknown = metrics()
    unknown["inner"]["model"]["ergas"] = None
    assert find("Scores", unknown).rows[1][-2] == "-"


def test_gain_and_its_interval(metrics):
    table = find("Gain", metrics())
    assert table.rows[0][1:] == ["+1.00", "[+0.25, +1.75]", "100%"]
    assert table.rows[1][1:] == ["+0.50", "", ""]
    assert table.notes == ["95% interval over 12 blocks of neighbours"]
    bounds = {"level": 0.95, "blocks": 2, "kind": "patches", "gain_db": None}
    table = find("Gain", metrics(intervals=bounds))
    assert table.rows[0][1:3] == ["+1.00", "-"]
    assert table.notes == ["no interval: at least 3 patches are needed"]


def test_slow_scores(metrics):
    detail = find("New detail", metrics())
    assert detail.rows[0] == ["bicubic", "9.0", "-", "-", "-"]
    assert detail.rows[1] == ["model", "5.8", "0.35", "0.38", "0.27"]
    assert detail.notes[0].startswith("on 8 of 9 patches")
    consistency = find("Consistency", metrics())
    assert consistency.rows == [
        ["model", "34.1", "-1.0", "-", "0.50", "-"],
        ["truth", "27.6", "-1.0", "-", "-", "-"],
    ]
    coverage = find("Intervals of pixels", metrics())
    assert coverage.rows[1] == ["90%", "88.0%", "87.5%", "90.0%", "300"]
    unknown = tables.evaluation(metrics(consistency=None, coverage=None))
    assert not {consistency.title, coverage.title} & {table.title for table in unknown}


def test_a_sentence_for_each_result(metrics):
    assert find("Summary", metrics()).notes == [
        "mean absolute error: 241 DN (0.024 of reflectance, 30% of the mean of the "
        "truth); bicubic: 298 DN",
        "effective resolution: 5.8 m; bicubic: 9.0 m",
        "of the detail that bicubic lacks 35% is right, 38% is missing and 27% is "
        "invented",
        "difference from Sentinel-2: 34 DN; the truth: 28 DN",
    ]


def test_sentences_on_doubts(metrics):
    """A pair that failed, a model that loses, and unknown scores."""
    pair = {"verdict": "fail", "diagnoses": ["shift 5.0 m: --coregister"]}
    worse = metrics(
        dataset={"pair": pair},
        share_won=0.75,
        consistency=None,
        correctness={"improvement": None},
    )
    worse["inner"]["gain_db"] = -0.2
    worse["spectrum"]["effective_resolution_metres"]["model"] = None
    lines = tables.summary_sentences(worse)
    assert lines[1:3] == [
        "effective resolution: none; bicubic: 9.0 m",
        "bicubic is better on 25% of the patches",
    ]
    assert lines[3].startswith("the difference from Sentinel-2 is not measured: its na")
    assert lines[4].startswith("the pair of these patches: fail (shift 5.0 m: --coreg")
    assert lines[5] == "the model does not beat bicubic, which costs nothing"


def test_comparison():
    """Two folders may have one name."""
    score = {"values": [0.5, 0.75], "difference": 0.25, "interval": None}
    psnr = {"values": [30, 31], "difference": 1, "interval": [0.5, 2]}
    compared = {
        "runs": ["eval", "eval"],
        "patches": 8,
        "blocks": 12,
        "level": 0.95,
        "share_won_by_second": 0.5,
        "scores": {"ssim": score, "psnr_db": psnr},
        "most_unlike": [{"patch": 3, "gain_db": -1.0}],
    }
    table, unlike = tables.comparison(compared)
    assert table.columns == ["", "eval", "eval", "difference", "interval"]
    assert table.rows == [
        ["ssim", "0.5000", "0.7500", "+0.2500", "-"],
        ["psnr_db", "30.00", "31.00", "+1.00", "[+0.50, +2.00]"],
    ]
    assert table.notes[0] == "eval wins on 50% of the 8 patches"
    assert table.notes[1].endswith("95% interval over 12 blocks")
    assert unlike.rows == [["3", "-1.00"]]
