"""What W&B runs have written, read back from their files."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the settings and the key of whoever runs the tests; what is staged lies in the test's folder."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")


class Page:
    """What a W&B run has written."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        self.folder, self.records = folder, [json.loads(line) for line in lines]
        self.history = [record["item"] for record in self.of("history")]
        self.artifacts = self.of("artifact")
        self.config: dict[str, Any] = {}
        for update in [*(run["config"] for run in self.of("run")), *self.of("config")]:
            _merge(self.config, update["update"])
        summary = subprocess.run([*command, "--summary"], capture_output=True, text=True, check=True).stdout
        self.summary = json.loads(summary)

    def of(self, kind: str) -> list[dict]:
        return [record[kind] for record in self.records if record["type"] == kind]

    def curve(self, key: str) -> list[tuple[int, Any]]:
        return [(item["trainer/global_step"], item[key]) for item in self.history if key in item]

    def file(self, path: str) -> Path:
        return self.folder / "files" / path

    def artifact(self, kind: str, alias: str = "latest") -> dict:
        return next(a for a in self.artifacts[::-1] if a["type"] == kind and alias in a["aliases"])

    def table(self, key: str) -> list[list]:
        return json.loads(self.file(self.curve(f"{key}.path")[-1][1]).read_text())["data"]


def _merge(old: dict, new: dict) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            _merge(old[key], value)
        else:
            old[key] = value


def pages(run_dir: str) -> list[Page]:
    return [Page(folder) for folder in sorted(Path(run_dir).rglob("wandb/offline-run-*"))]
