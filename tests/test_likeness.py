"""Takes of one voice are alike, and one in a wrong voice stands out."""

import numpy as np

from workbench.qa import likeness


def prints(counts: dict[str, int], *, spread: float = 0.2) -> dict[str, np.ndarray]:
    """Prints of several takes of each voice, as ``voice number`` -> print."""
    rng = np.random.default_rng(0)
    found = {}
    for voice, count in counts.items():
        centre = rng.normal(size=64)
        for number in range(count):
            row = centre / np.linalg.norm(centre) + spread * rng.normal(size=64) / 8
            found[f"{voice} {number}"] = (row / np.linalg.norm(row)).astype(np.float32)
    return found


def compare(made: dict[str, np.ndarray], **other) -> dict[str, likeness.Likeness]:
    voices = {name: name.split()[0] for name in made} | other.get("voices", {})
    return likeness.compare(made, voices, other.get("sources", {}), engine="prints")


def test_takes_are_most_like_their_own_voice():
    found = compare(prints({"f": 6, "m": 6}))
    assert all(row.own > 0.9 > row.other for row in found.values())
    assert found["f 0"].nearest == "m"


def test_a_take_in_a_wrong_voice_is_more_like_that_one_and_spoils_no_other():
    made = prints({"f": 6, "m": 6})
    found = compare(made, voices={"m 0": "f", "m 1": "f"})
    assert found["m 0"].other > found["m 0"].own
    assert all(found[name].own > 0.9 for name in ("f 0", "f 5", "m 5"))


def test_an_only_take_has_nothing_to_be_compared_with():
    [row] = compare(prints({"f": 1})).values()
    assert (row.own, row.other, row.nearest, row.source) == (None, None, "", None)


def test_likeness_to_the_original_speaker_is_told_where_there_is_a_print():
    made = prints({"f": 2})
    found = compare(made, sources={"f 0": made["f 0"]})
    assert found["f 0"].source == 1.0
    assert found["f 1"].source is None
