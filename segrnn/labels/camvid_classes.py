"""CamVid in 11 classes: the prepared form of the SegNet tutorial, and the 32 original colours grouped into its classes.

The grouping is that of ReSeg (Visin et al. 2016). Other publications group road shoulders, traffic cones, signs and
animals differently, and their scores can't be compared with those of this grouping.
"""

from segrnn.labels.colors import ColorCode
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

# for each original label: its name, its colour, and its class in the prepared form
_ORIGINAL = [
    ("Animal", (64, 128, 64), "unlabelled"),
    ("Archway", (192, 0, 128), "unlabelled"),
    ("Bicyclist", (0, 128, 192), "bicyclist"),
    ("Bridge", (0, 128, 64), "building"),
    ("Building", (128, 0, 0), "building"),
    ("Car", (64, 0, 128), "car"),
    ("CartLuggagePram", (64, 0, 192), "car"),
    ("Child", (192, 128, 64), "pedestrian"),
    ("Column_Pole", (192, 192, 128), "pole"),
    ("Fence", (64, 64, 128), "fence"),
    ("LaneMkgsDriv", (128, 0, 192), "road"),
    ("LaneMkgsNonDriv", (192, 0, 64), "road"),
    ("Misc_Text", (128, 128, 64), "unlabelled"),
    ("MotorcycleScooter", (192, 0, 192), "bicyclist"),
    ("OtherMoving", (128, 64, 64), "car"),
    ("ParkingBlock", (64, 192, 128), "pavement"),
    ("Pedestrian", (64, 64, 0), "pedestrian"),
    ("Road", (128, 64, 128), "road"),
    ("RoadShoulder", (128, 128, 192), "road"),
    ("Sidewalk", (0, 0, 192), "pavement"),
    ("SignSymbol", (192, 128, 128), "sign symbol"),
    ("Sky", (128, 128, 128), "sky"),
    ("SUVPickupTruck", (64, 128, 192), "car"),
    ("TrafficCone", (0, 0, 64), "sign symbol"),
    ("TrafficLight", (0, 64, 64), "sign symbol"),
    ("Train", (192, 64, 128), "unlabelled"),
    ("Tree", (128, 128, 0), "tree"),
    ("Truck_Bus", (192, 128, 192), "car"),
    ("Tunnel", (64, 0, 64), "unlabelled"),
    ("VegetationMisc", (192, 192, 0), "tree"),
    ("Void", (0, 0, 0), "unlabelled"),
    ("Wall", (64, 192, 0), "building"),
]
_IDS = {label.name: label.id for label in CAMVID.labels}

CAMVID_COLORS = ColorCode({color: _IDS[group] for _, color, group in _ORIGINAL}, unknown=_IDS["unlabelled"])
"""The id in `CAMVID` for each of the 32 colours of the original labels (``label_colors.txt``)."""
