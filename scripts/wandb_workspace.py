"""A view of a W&B project, section by section: ``python scripts/wandb_workspace.py --entity <me>``.

Needs a key (`wandb login`) and ``pip install "segrnn[workspace]"``. Whoever opens the printed address can save it as
their own, or make it the project's default view.
"""

import argparse

import wandb_workspaces.reports.v2 as panels
import wandb_workspaces.workspaces as workspaces

STEP = "trainer/global_step"


def build(entity: str, project: str) -> workspaces.Workspace:
    """The view, not saved yet."""
    sections = {
        "Scores": [_curves("mIoU", "val/miou"), _curves("accuracy", "val/pixel_accuracy", "val/mean_accuracy")],
        "Images": [panels.MediaBrowser(media_keys=[key]) for key in ("val/examples", "val/panels")],
        "Classes": [
            panels.LinePlot(title="IoU by class", x=STEP, metric_regex="val/iou/.*"),
            panels.MediaBrowser(media_keys=["confusion_matrix"]),
        ],
        "Training": [
            _curves("loss", "train/loss", "val/loss"),
            _curves("norm of the gradient", "train/gradient_norm"),
            panels.LinePlot(title="learning rates", x=STEP, metric_regex="lr-.*"),
        ],
        "Cost": [
            _curves("images/s", "train/images_per_s"),
            _curves("share of waiting for data", "train/waiting"),
            _curves("memory, GiB", "train/memory_gib"),
        ],
    }
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name="segrnn",
        sections=[workspaces.Section(name=name, panels=shown, is_open=True) for name, shown in sections.items()],
    )


def _curves(title: str, *keys: str) -> panels.LinePlot:
    return panels.LinePlot(title=title, x=STEP, y=list(keys))


def main() -> None:
    """Save the view, say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entity", required=True, help="the user or team on W&B")
    parser.add_argument("--project", default="segrnn", help="W&B project")
    arguments = parser.parse_args()
    print(build(arguments.entity, arguments.project).save().url)


if __name__ == "__main__":
    main()
