"""Writing what a benchmark has measured: the latest figures as a page, and every run as a line of a history."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path


def table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The lines of a Markdown table. The columns are the keys of the rows."""
    return [
        f"| {' | '.join(rows[0])} |",
        f"|---|{'---:|' * (len(rows[0]) - 1)}",
        *(f"| {' | '.join(row.values())} |" for row in rows),
    ]


def publish(name: str, lines: Sequence[str], results: Path) -> None:
    """Print the lines, write them to ``<name>.md``, and append them with the day to ``history.jsonl``."""
    results.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + "\n"
    (results / f"{name}.md").write_text(text, encoding="utf-8")
    with (results / "history.jsonl").open("a", encoding="utf-8") as history:
        history.write(json.dumps({"benchmark": name, "date": date.today().isoformat(), "text": text}) + "\n")
    print(text)
