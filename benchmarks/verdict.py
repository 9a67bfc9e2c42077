"""The rules by which recurrent context is worth it, or is not. They were fixed before the runs.

A recurrent arm is chosen on seed 0, and confirmed on the other seeds. It is worth it if its mean over those is at least
1.0 points above the best arm without recurrence, and if it is above that arm in each of them. It is refuted if its mean
is not above. Otherwise, the question is undecided.
"""

from collections.abc import Collection, Mapping
from statistics import mean

CHOICE = 0
"""The seed that chooses the recurrent arm. It does not confirm it, because the best of several is lucky there."""

MARGIN = 1.0

Scores = Mapping[str, Mapping[int, float]]
"""The score of each seed of each arm, in percent."""


def judge(scores: Scores, recurrent: Collection[str]) -> str:
    """Return a sentence that says whether recurrent context is worth it, and why.

    Args:
        scores: the scores of all arms.
        recurrent: the names of the arms with recurrent context.

    Example:
        >>> judge({"none": {0: 40.0, 1: 41.0}, "renet_gru": {0: 44.0, 1: 45.0}}, ["renet_gru"])
        'worth it: over the seeds 1, renet_gru has 45.00 and the best without recurrence, none, has 41.00 (+4.00)'
    """
    candidates = {name: own[CHOICE] for name, own in scores.items() if name in recurrent and CHOICE in own}
    if not candidates:
        return f"undecided: no arm with recurrence has a run of seed {CHOICE}"
    chosen = max(candidates, key=candidates.__getitem__)
    seeds = sorted(set(scores[chosen]) - {CHOICE})
    rivals = {
        name: mean(own[seed] for seed in seeds)
        for name, own in scores.items()
        if name not in recurrent and seeds and set(seeds) <= set(own)
    }
    if not rivals:
        return f"undecided: {chosen} is chosen, and no arm without recurrence shares a seed other than {CHOICE} with it"
    best = max(rivals, key=rivals.__getitem__)
    own = mean(scores[chosen][seed] for seed in seeds)
    gain = own - rivals[best]
    above = all(scores[chosen][seed] > scores[best][seed] for seed in seeds)
    word = "worth it" if gain >= MARGIN and above else "refuted" if gain <= 0 else "undecided"
    numbers = ", ".join(map(str, seeds))
    return (
        f"{word}: over the seeds {numbers}, {chosen} has {own:.2f} and the best without recurrence, {best}, has "
        f"{rivals[best]:.2f} ({gain:+.2f})"
    )


def dominators(points: Mapping[str, tuple[float, float]], name: str) -> list[str]:
    """Return the arms that are better than an arm in score or cost, and no worse in the other.

    Args:
        points: the cost and the score of each arm.
        name: the arm. It is on the front of score against cost if the list is empty.

    Example:
        >>> dominators({"small": (1.0, 50.0), "large": (9.0, 52.0), "slow": (9.0, 50.0)}, "slow")
        ['small', 'large']
    """
    cost, score = points[name]
    return [
        other
        for other, (its_cost, its_score) in points.items()
        if its_cost <= cost and its_score >= score and (its_cost, its_score) != (cost, score)
    ]
