"""Configuration files and overrides that can't be right: each is one message with the file, the key and the fix."""

from pathlib import Path

import pytest

FILES = {
    "a duplicate key": ("trainer:\n  max_steps: 5\n  max_steps: 6\n", r"mine.yaml, line 4: the key max_steps stands"),
    "a list for the whole": (
        "- a\n- b\n",
        "the file experiment/mine.yaml gives a list where the configuration has keys",
    ),
    "a list for a group": ("trainer: [1, 2]\n", "the file experiment/mine.yaml gives a list where the configuration"),
    "no end": ("trainer: {max_steps: 5\n", "mine.yaml, line 3: the file can't be read as YAML: expected ',' or '}'"),
    "a reference to nowhere": (
        "trainer:\n  max_steps: ${nowhere.at_all}\n",
        "trainer.max_steps refers to 'nowhere.at_all', and the configuration has no such key",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_right_is_one_message(name: str, run, tmp_path: Path, capsys) -> None:
    content, message = FILES[name]
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{content}")
    assert run("train", "--config-dir", str(tmp_path), "experiment=mine") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer=[1,2]", "the group trainer takes one of its options, not a list"),
        ("context=[renet_gru,scnn]", "write --multirun context=<option>,<option>"),
        (
            "trainer.max_steps=${nowhere}",
            "trainer.max_steps refers to 'nowhere', and the configuration has no such key",
        ),
        ("context.hidden=${trainer.nothing}", "context.hidden refers to 'trainer.nothing'"),
        ("data.crop={a: 1}", "data.crop={a: 1} has another form than what it replaces"),
    ],
)
def test_an_override_that_is_not_right_is_one_message(override: str, message: str, run, capsys) -> None:
    assert run("train", override) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert "Traceback" not in error
