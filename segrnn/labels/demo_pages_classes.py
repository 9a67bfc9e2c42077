"""The label table of the demo pages: zones of a book page, with names as in the SegmOnto vocabulary."""

from segrnn.labels.space import IGNORE_INDEX, Label, LabelSpace

DEMO_PAGES = LabelSpace(
    "demo pages",
    [
        Label("background", 0, 0, (225, 220, 205)),
        Label("main zone", 1, 1, (86, 134, 190)),
        Label("running title", 2, 2, (214, 69, 65)),
        Label("page number", 3, 3, (240, 170, 40)),
        Label("quire mark", 4, 4, (124, 77, 160)),
        Label("drop capital", 5, 5, (150, 95, 50)),
        Label("graphic", 6, 6, (88, 160, 90)),
        Label("margin text", 7, 7, (60, 180, 180)),
        Label("void", 255, IGNORE_INDEX, (0, 0, 0)),
    ],
)
