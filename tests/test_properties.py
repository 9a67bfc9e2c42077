"""What holds for all inputs: hypothesis looks for one that breaks it, and shrinks what it finds."""

import itertools

import numpy as np
import pytest
import torch
from context.test_contexts import CHANNELS, CONTEXTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segrnn.datasets import EndlessSampler
from segrnn.inference import Windows
from segrnn.labels import IGNORE_INDEX, ForeignIdError, Label, LabelSpace

# examples are drawn alike in each run, and may take long on a busy machine
quiet = settings(derandomize=True, deadline=None, max_examples=60, database=None)


@st.composite
def label_spaces(draw: st.DrawFn) -> LabelSpace:
    """A table of 1 to 12 classes and up to 4 void labels, with any ids."""
    ids = draw(st.lists(st.integers(0, 255), min_size=1, max_size=16, unique=True))
    void = draw(st.integers(0, min(4, len(ids) - 1)))
    labels = [Label(f"void {i}", i, IGNORE_INDEX, (0, 0, 0)) for i in ids[:void]]
    labels += [Label(f"class {i}", i, train_id, (i, i, i)) for train_id, i in enumerate(ids[void:])]
    return LabelSpace("any", draw(st.permutations(labels)))


@quiet
@given(label_spaces(), st.data())
def test_train_ids_become_the_ids_that_they_came_from(labels: LabelSpace, data: st.DataObject) -> None:
    known = [label.id for label in labels.labels]
    ids = np.array(data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=30)), np.uint8)
    mask = labels.encode(ids)
    scored = mask != IGNORE_INDEX
    assert (mask[scored] < labels.num_classes).all()
    assert np.array_equal(labels.decode(mask)[scored], ids[scored])
    assert np.array_equal(labels.encode(labels.decode(mask)), mask)


@quiet
@given(label_spaces(), st.lists(st.integers(0, 255), min_size=1, max_size=30))
def test_an_id_is_known_or_refused(labels: LabelSpace, ids: list[int]) -> None:
    foreign = set(ids) - {label.id for label in labels.labels}
    if foreign:
        with pytest.raises(ForeignIdError) as caught:
            labels.encode(np.array(ids, np.uint8))
        assert all(str(one) in str(caught.value) for one in sorted(foreign)[:3])
    else:
        labels.encode(np.array(ids, np.uint8))


@quiet
@given(label_spaces())
def test_a_table_comes_back_from_primitives(labels: LabelSpace) -> None:
    assert LabelSpace.from_dict(labels.to_dict()).to_dict() == labels.to_dict()


sides = st.tuples(st.integers(1, 40), st.integers(1, 40))


@quiet
@given(sides, st.tuples(st.integers(1, 200), st.integers(1, 200)), st.data())
def test_windows_cover_each_pixel_and_nothing_else(
    size: tuple[int, int], image: tuple[int, int], data: st.DataObject
) -> None:
    stride = data.draw(st.none() | st.tuples(st.integers(1, size[0]), st.integers(1, size[1])))
    for places, side, length in zip(Windows(size, stride).places(*image), size, image, strict=True):
        covered = np.zeros(length, int)
        for place in places:
            assert 0 <= place.start < place.stop <= length
            assert place.stop - place.start == min(side, length)
            covered[place] += 1
        assert covered.min() >= 1
        assert places[-1].stop == length
        assert len({place.start for place in places}) == len(places)


@quiet
@given(st.integers(1, 20), st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(0, 60))
def test_processes_and_restarts_draw_one_stream(length: int, seed: int, world_size: int, start: int) -> None:
    def drawn(count: int, **how: int) -> list[tuple[int, int]]:
        return list(itertools.islice(EndlessSampler(length, seed, **how), count))

    stream = drawn(start + 10 * world_size)
    assert [counter for counter, _ in stream] == list(range(len(stream)))
    if len(stream) >= length:
        assert sorted(index for _, index in stream[:length]) == list(range(length))
    parts = [drawn(10, rank=rank, world_size=world_size, start=start) for rank in range(world_size)]
    assert sorted(itertools.chain(*parts)) == stream[start:]


@pytest.mark.parametrize("name", CONTEXTS)
@settings(quiet, max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**16))
def test_a_context_keeps_each_image_to_itself(name: str, height: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    context, images = CONTEXTS[name]().eval(), torch.randn(3, CHANNELS, height, width)
    with torch.no_grad():
        together = context(images)
        alone = torch.cat([context(image[None]) for image in images])
    assert together.shape == images.shape
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
