"""Cityscapes: 35 ids. 19 of them are trained and scored.

The table is from cityscapesScripts 2.3.0 (``helpers/labels.py``; the average instance sizes are from its
``evaluation/evalPixelLevelSemanticLabeling.py``). Colours are for pictures only: several ids share one, so a colour
image can't be decoded.
"""

from segrnn.labels.space import IGNORE_INDEX, Label, LabelSpace

CITYSCAPES = LabelSpace(
    "Cityscapes",
    [
        Label("unlabeled", 0, IGNORE_INDEX, (0, 0, 0), "void"),
        Label("ego vehicle", 1, IGNORE_INDEX, (0, 0, 0), "void"),
        Label("rectification border", 2, IGNORE_INDEX, (0, 0, 0), "void"),
        Label("out of roi", 3, IGNORE_INDEX, (0, 0, 0), "void"),
        Label("static", 4, IGNORE_INDEX, (0, 0, 0), "void"),
        Label("dynamic", 5, IGNORE_INDEX, (111, 74, 0), "void"),
        Label("ground", 6, IGNORE_INDEX, (81, 0, 81), "void"),
        Label("road", 7, 0, (128, 64, 128), "flat"),
        Label("sidewalk", 8, 1, (244, 35, 232), "flat"),
        Label("parking", 9, IGNORE_INDEX, (250, 170, 160), "flat"),
        Label("rail track", 10, IGNORE_INDEX, (230, 150, 140), "flat"),
        Label("building", 11, 2, (70, 70, 70), "construction"),
        Label("wall", 12, 3, (102, 102, 156), "construction"),
        Label("fence", 13, 4, (190, 153, 153), "construction"),
        Label("guard rail", 14, IGNORE_INDEX, (180, 165, 180), "construction"),
        Label("bridge", 15, IGNORE_INDEX, (150, 100, 100), "construction"),
        Label("tunnel", 16, IGNORE_INDEX, (150, 120, 90), "construction"),
        Label("pole", 17, 5, (153, 153, 153), "object"),
        Label("polegroup", 18, IGNORE_INDEX, (153, 153, 153), "object"),
        Label("traffic light", 19, 6, (250, 170, 30), "object"),
        Label("traffic sign", 20, 7, (220, 220, 0), "object"),
        Label("vegetation", 21, 8, (107, 142, 35), "nature"),
        Label("terrain", 22, 9, (152, 251, 152), "nature"),
        Label("sky", 23, 10, (70, 130, 180), "sky"),
        Label("person", 24, 11, (220, 20, 60), "human", instance_size=3462.4756337644),
        Label("rider", 25, 12, (255, 0, 0), "human", instance_size=3930.4788056518),
        Label("car", 26, 13, (0, 0, 142), "vehicle", instance_size=12794.0202738185),
        Label("truck", 27, 14, (0, 0, 70), "vehicle", instance_size=27855.1264367816),
        Label("bus", 28, 15, (0, 60, 100), "vehicle", instance_size=35732.1511111111),
        Label("caravan", 29, IGNORE_INDEX, (0, 0, 90), "vehicle", instance_size=36771.8241758242),
        Label("trailer", 30, IGNORE_INDEX, (0, 0, 110), "vehicle", instance_size=16926.9763313609),
        Label("train", 31, 16, (0, 80, 100), "vehicle", instance_size=67583.7075812274),
        Label("motorcycle", 32, 17, (0, 0, 230), "vehicle", instance_size=6298.7200839748),
        Label("bicycle", 33, 18, (119, 11, 32), "vehicle", instance_size=4672.3249222261),
        Label("license plate", -1, IGNORE_INDEX, (0, 0, 142), "vehicle"),
    ],
)
