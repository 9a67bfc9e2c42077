"""CamVid in the prepared 11-class form of the SegNet tutorial: ids 0 to 10 are classes, 11 is void."""

from segrnn.labels.space import IGNORE_INDEX, Label, LabelSpace

CAMVID = LabelSpace(
    "CamVid",
    [
        Label("sky", 0, 0, (128, 128, 128)),
        Label("building", 1, 1, (128, 0, 0)),
        Label("pole", 2, 2, (192, 192, 128)),
        Label("road", 3, 3, (128, 64, 128)),
        Label("pavement", 4, 4, (60, 40, 222)),
        Label("tree", 5, 5, (128, 128, 0)),
        Label("sign symbol", 6, 6, (192, 128, 128)),
        Label("fence", 7, 7, (64, 64, 128)),
        Label("car", 8, 8, (64, 0, 128)),
        Label("pedestrian", 9, 9, (64, 64, 0)),
        Label("bicyclist", 10, 10, (0, 128, 192)),
        Label("unlabelled", 11, IGNORE_INDEX, (0, 0, 0)),
    ],
)
