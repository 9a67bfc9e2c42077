"""Zones that are pasted on pages that lack them."""

import numpy as np
import pytest

from segrnn.dataset_tools.zone_pasting import Paster, find_body, find_zones
from segrnn.datasets import Sample
from segrnn.datasets.demo_pages import draw_page
from segrnn.labels import IGNORE_INDEX

PAPER, INK = 220, 40
BACKGROUND, BODY, TITLE, NOTE = 0, 1, 2, 3


def draw(top: int, left: int, title_gap: int | None = None, shade: int = PAPER) -> Sample:
    """A page of 200 x 160 with ten lines of text, and perhaps a title of one line above them."""
    image, mask = np.full((200, 160, 3), shade, np.uint8), np.zeros((200, 160), np.uint8)
    rng = np.random.default_rng(0)
    mask[top : top + 100, left : left + 80] = BODY
    for line in range(top + 2, top + 100, 10):
        image[line : line + 5, left : left + 80] = np.where(rng.random((5, 80, 1)) < 0.6, INK, shade)
    if title_gap is not None:
        rows, columns = slice(top - title_gap - 7, top - title_gap), slice(left + 20, left + 60)
        image[rows, columns][1:6] = INK
        mask[rows, columns] = TITLE
    return Sample(image, mask, "page")


def paster(sample: Sample, **settings: float) -> Paster:
    return Paster(find_zones(sample, BODY, [TITLE, NOTE]), BODY, BACKGROUND, **{"chance": 1, "own_print": 0} | settings)


def test_a_zone_has_its_place_relative_to_the_body_of_its_page() -> None:
    (zone,) = find_zones(draw(top=50, left=30, title_gap=12), BODY, [TITLE, NOTE])
    assert (zone.label, zone.box, zone.patch.shape.all()) == (TITLE, (31, 38, 50, 90), True)
    assert zone.body == pytest.approx((50, 149, 30, 109), abs=1)
    body = find_body(draw(top=90, left=70).mask, BODY)
    assert body is not None
    top, centre = zone.place(body, height=7, factor=1, stretch=1)
    assert (top, centre) == pytest.approx((90 - 12 - 7, 70 + 40), abs=2)


@pytest.mark.parametrize("own_print", [0, 1])
def test_only_bare_paper_above_the_body_gets_the_title(own_print: float) -> None:
    page = draw(top=90, left=50)
    paste = paster(draw(top=50, left=30, title_gap=12), own_print=own_print)
    gaps, heights = set(), set()
    for seed in range(20):
        variant = paste(page, np.random.default_rng(seed))
        assert variant is not None
        pasted = variant.mask != page.mask
        rows, columns = np.nonzero(pasted)
        assert set(page.mask[pasted]) == {BACKGROUND}
        assert set(variant.mask[pasted]) == {TITLE}
        assert np.array_equal(variant.image[~pasted], page.image[~pasted])
        assert (variant.image[pasted] <= page.image[pasted]).all()
        assert variant.image[pasted].min() < (INK + PAPER) / 2
        assert abs(columns.mean() - (50 + 40)) < 4
        gaps.add(90 - 1 - rows.max())
        heights.add(np.ptp(rows) + 1)
    assert min(gaps) >= 3
    assert max(gaps) <= 19
    assert len(gaps) > 5
    assert len(heights) > 1
    assert page.mask.max() == BODY  # the page itself was not changed


def test_own_print_is_a_piece_of_the_text() -> None:
    donor = draw(top=50, left=30, title_gap=12)
    donor.image[31:38, 50:90] = PAPER  # a title without ink
    page = draw(top=90, left=50)
    for own_print, dark in ((0, False), (1, True)):
        variant = paster(donor, own_print=own_print)(page, np.random.default_rng(0))
        assert variant is not None
        assert (variant.image[variant.mask == TITLE].min() < PAPER / 2) == dark


def test_the_paper_of_the_other_page_stays_behind() -> None:
    variant = paster(draw(top=50, left=30, title_gap=12, shade=255))(draw(90, 50, shade=150), np.random.default_rng(0))
    assert variant is not None
    assert variant.image.max() == 150


def test_pages_that_stay_as_they_are() -> None:
    paste, rng = paster(draw(top=50, left=30, title_gap=12)), np.random.default_rng(0)
    assert paste(draw(top=90, left=50, title_gap=20), rng) is None, "it has a title"
    assert paste(draw(top=2, left=50), rng) is None, "there is no room above the body"
    blank = Sample(np.full((200, 160, 3), PAPER, np.uint8), np.zeros((200, 160), np.uint8), "blank")
    assert paste(blank, rng) is None, "there is no body"
    stained = draw(top=90, left=50)
    stained.image[:88] = INK
    assert paste(stained, rng) is None, "the paper is dark"
    void = draw(top=90, left=50)
    void.mask[:88] = IGNORE_INDEX
    assert paste(void, rng) is None, "nobody knows what is there"
    assert find_zones(blank, BODY, [TITLE]) == []


def test_notes_beside_the_body_and_marks_below_it_keep_their_side() -> None:
    donor = draw(top=50, left=60)
    donor.mask[90:110, 20:50] = NOTE
    donor.mask[160:168, 120:135] = TITLE
    donor.image[92:108:4, 22:48] = INK
    donor.image[162:166, 122:133] = INK
    variant = paster(donor)(draw(top=30, left=62), np.random.default_rng(1))
    assert variant is not None
    rows, columns = np.nonzero(variant.mask == NOTE)
    assert columns.max() < 62
    assert 30 < rows.mean() < 130
    assert np.nonzero(variant.mask == TITLE)[0].min() >= 130


def test_drawn_pages_get_what_they_lack_and_the_same_seed_gives_the_same_variant() -> None:
    samples = [Sample(*draw_page(np.random.default_rng(number), (256, 176)), str(number)) for number in range(12)]
    paste = Paster([zone for each in samples for zone in find_zones(each, 1, [2, 3, 4, 7])], 1, 0)
    variants = [paste(sample, np.random.default_rng(0)) for sample in samples]
    again = [paste(sample, np.random.default_rng(0)) for sample in samples]
    assert sum(variant is not None for variant in variants) > 3
    for sample, variant, same in zip(samples, variants, again, strict=True):
        if variant is not None:
            assert same is not None
            assert np.array_equal(variant.image, same.image)
            assert np.array_equal(variant.mask, same.mask)
            changed = variant.mask != sample.mask
            assert not set(variant.mask[changed]) & set(sample.mask.ravel())
