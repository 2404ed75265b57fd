"""What the scores mean, in words."""

from srtools.evaluation.words import in_words


def metrics(**changed) -> dict:
    """Metrics of a model that is better than bicubic."""
    return {
        "inner": {
            "model": {"l1_dn": {"all": 241.4}},
            "bicubic": {"l1_dn": {"all": 298.1}},
            "truth_mean_dn": {"all": 804.0},
        },
        "share_won": 1.0,
        "spectrum": {"effective_resolution_metres": {"model": 5.8, "bicubic": 9.0}},
        "correctness": {"improvement": 0.35, "omission": 0.38, "hallucination": 0.27},
        "consistency": {"model": {"l1_dn": 34.1}, "truth": {"l1_dn": 27.6}},
        **changed,
    }


def test_a_sentence_for_each_question():
    assert in_words(metrics()) == [
        "a pixel is 241 DN off in the mean (0.024 of reflectance, 30% of the mean of "
        "the truth), bicubic's 298 DN",
        "sharper than bicubic: right down to 5.8 m, bicubic down to 9.0 m",
        "of the detail that bicubic lacks 35% is right, 38% is missing and 27% is "
        "invented",
        "it agrees with Sentinel-2 less well than the truth does: 34 DN off, the truth "
        "28 DN",
    ]


def test_small_patches_tell_the_error_only():
    small = dict.fromkeys(("spectrum", "correctness", "consistency"))
    (told,) = in_words(metrics(**small, share_won=0.75))
    assert told.endswith("bicubic's 298 DN; on 25% of the patches bicubic is better")


def resolution(model, bicubic) -> str:
    sizes = {"model": model, "bicubic": bicubic}
    return in_words(metrics(spectrum={"effective_resolution_metres": sizes}))[1]


def test_a_blurred_model_is_called_blurred():
    assert resolution(9.5, 9.0).startswith("not sharper than bicubic")
    assert resolution(None, None) == "no detail is right, however coarse"
    assert resolution(5.8, None) == (
        "sharper than bicubic: right down to 5.8 m, bicubic not at all"
    )


def test_agreement_as_good_as_the_truth():
    seen = {"model": {"l1_dn": 20.0}, "truth": {"l1_dn": 27.6}}
    assert "as well as the truth does" in in_words(metrics(consistency=seen))[3]
