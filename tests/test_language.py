"""Plain English: constructions that a reader has to read twice stay out of docstrings and pages."""

import ast
import re
from pathlib import Path

import pytest

import segrnn

PACKAGE = Path(segrnn.__file__).parent
ROOT = PACKAGE.parent
PYTHON = sorted(path for path in PACKAGE.rglob("*.py") if "conf" not in path.relative_to(PACKAGE).parts)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "data" / "README.md"])
BANNED = {
    r"\banew\b": "again",
    r"\bbut for\b": "except for",
    r", say[,.;:)]": "for example",
    r"(?<![Tt]here )\bis no (?!longer\b)": "is not a",
    r"\bor the like\b": "the thing itself",
    r"\bwant(?:s|ed)\b": "needs, takes or expects",
    r"\A(?:Of|Those|As) ": "a sentence with a subject and a verb",
}
"""What is banned at the beginning of a text or inside of it, and what to write instead."""


def faults(text: str) -> list[str]:
    text = re.sub(r"```.*?```|`[^`]*`|^ *(?:>>>|\.\.\.).*?$", "", text, flags=re.DOTALL | re.MULTILINE)  # code
    found = [(match, instead) for banned, instead in BANNED.items() if (match := re.search(banned, text))]
    return [f"{match[0]!r}: write {instead!r}" for match, instead in found]


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_docstrings(path: Path) -> None:
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, nodes) and (text := ast.get_docstring(node)):
            assert not faults(text), text


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages(path: Path) -> None:
    for paragraph in re.split(r"\n\n", path.read_text(encoding="utf-8")):
        assert not faults(paragraph), paragraph


def test_the_list_works() -> None:
    assert faults("It is drawn anew.")
    assert faults("Of one way.")
    assert not faults("It is no longer there.")
