"""Plain English: constructions that a reader has to read twice stay out of docstrings, messages, pages and conf/."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import segrnn

PACKAGE = Path(segrnn.__file__).parent
ROOT = PACKAGE.parent
PYTHON = sorted(path for path in PACKAGE.rglob("*.py") if "conf" not in path.relative_to(PACKAGE).parts)
CONF = sorted((ROOT / "conf").rglob("*.yaml"))
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
SHORTEST = 21
"""The length from which a string literal counts as a message. Shorter ones are names, keys and labels."""
PLACEHOLDER = "0"
"""What stands for a value in an f-string. Any word would do, but not a letter that the patterns know."""


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


def faults_of_sentences(text: str) -> list[str]:
    return [fault for sentence in re.split(r"(?<=[.:;?!]) +|\n *", text) for fault in faults(sentence)]


def messages(source: str) -> Iterator[str]:
    """Yield the string literals of a module that are long enough for a message and not code, without docstrings."""
    passed_over: set[ast.AST] = set()
    for node in ast.walk(ast.parse(source)):  # an f-string comes before its parts, a docstring's statement before it
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            passed_over.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            passed_over.update(part for part in node.values if isinstance(part, ast.Constant))
            yield from _message("".join(_literal(part) for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in passed_over:
            yield from _message(node.value)


def _literal(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else PLACEHOLDER


def _message(text: str) -> Iterator[str]:
    is_regex = re.search(r"\(\?|\\[bdswAZ]|\[\^|\.\*", text)
    if len(text) >= SHORTEST and " " in text.strip() and not is_regex:
        yield text


def comments(text: str) -> str:
    """Return the comments of a YAML file, and the texts of its help, which commands print."""
    lines = re.findall(r"(?:^|\s)# ?(.*)$", text, flags=re.MULTILINE)
    help_texts = re.findall(r"^ *(?:header|footer|template): \|\n((?: {4,}.*\n|\n)+)", text, flags=re.MULTILINE)
    return "\n".join([*lines, *help_texts])


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_messages(path: Path) -> None:
    for message in messages(path.read_text(encoding="utf-8")):
        assert not faults_of_sentences(message), message


@pytest.mark.parametrize("path", CONF, ids=lambda path: str(path.relative_to(ROOT)))
def test_configurations(path: Path) -> None:
    text = comments(path.read_text(encoding="utf-8"))
    assert not faults_of_sentences(text), text


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages(path: Path) -> None:
    for paragraph in re.split(r"\n\n", path.read_text(encoding="utf-8")):
        assert not faults(paragraph), paragraph


def test_the_list_works() -> None:
    assert faults("It is drawn anew.")
    assert faults("Of one way.")
    assert not faults("It is no longer there.")


BAD_MODULE = '''
"""This docstring is no message: another test checks it."""
PATTERN = r"(?<![a-z]) is no (?:way|thing)"
CODE = "found = is_no_thing(not_wanted)"
def fail(path, name):
    if not path:
        raise ValueError(f"{path} is no bundle: it lacks {name}")
    raise ValueError(
        f"the file {path} was damaged: "
        "get it anew"
    )
'''
"""A module with two bad messages, a docstring, a pattern and code."""


def test_messages_are_found() -> None:
    found = {message for message in messages(BAD_MODULE) if faults_of_sentences(message)}
    assert found == {"0 is no bundle: it lacks 0", "the file 0 was damaged: get it anew"}
    good = BAD_MODULE.replace("is no bundle", "is not a bundle").replace("get it anew", "download it again")
    assert not [message for message in messages(good) if faults_of_sentences(message)]


def test_sentences_after_the_first_are_found() -> None:
    assert faults_of_sentences("The file is damaged. As such it is refused.")
    assert not faults_of_sentences("The file is damaged. Assume nothing.")


def test_comments_are_found() -> None:
    assert faults_of_sentences(comments("a: 1 # drawn anew\n"))
    assert faults_of_sentences(comments("b: 1 # rates\n# As renet_gru, with LSTM sweeps.\ncell: lstm\n"))
    assert faults_of_sentences(comments("help:\n    header: |\n      Write what the server wants.\n    footer: x\n"))
    assert not faults_of_sentences(comments("wants: anew\n"))
