"""The command line of exercise 2."""

import pytest

from srtools.cli import model


def test_defaults_are_the_network_of_the_course():
    assert model.parse([]).network_size == {"filters": 64, "blocks": 4, "kernel": 4}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--filters", "0"],
        ["--filters", "99999999999999999999"],
        ["--blocks", "-1"],
        ["--blocks", "99999999999999999999"],
        ["--kernel", "3"],
    ],
)
def test_misuse_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        model.parse(arguments)
    assert exit_.value.code == 2
    assert f"argument {arguments[0]}: " in capsys.readouterr().err
