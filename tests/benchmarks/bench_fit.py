"""Our placing of takes against the rules of other tools, on the same lines and takes; and how it grows.

Writes ``reports/benchmarks/fit.json`` and ``fit.md`` and the picture of the README.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks import clips, rules
from tests.benchmarks.figures import keep
from tests.benchmarks.rules import Clip
from tests.structure import ROOT
from workbench import fit, library, params
from workbench.display import INK, SPEAKER_COLOURS, Picture
from workbench.fit import timing
from workbench.records import Segment, Take

RULES = {"clamp": rules.clamp, "trim": rules.trim, "push": rules.push, "half": rules.half}
NAMES = {
    "clamp": "speed up to 1.3, then overlap",
    "trim": "pad or trim to the slot",
    "push": "speed up to 1.9, then push",
    "half": "half sound, half picture",
}
# The one choice there is to make, lips or pace, from one end to the other: at the tempos that params permit,
# and at those that other rules allow themselves.
KNOB = [float(f"{1.2**step:.3g}") for step in range(39)]
TEMPOS = {"permitted": {}, "wide": {"min_tempo": 0.8, "max_tempo": 1.9}}
CURRENCIES = {
    "fair": ("fair_isochrony", "fair_p95", "fair_jump"),
    "heard": ("isochrony", "rate_p95", "jump"),
}
STANDINGS = ("better in all three", "better, and worse in none", "better and worse", "better in none")
Figures = Mapping[str, float]


@pytest.fixture(scope="module")
def opts() -> tuple[fit.Options, timing.Options]:
    return _options("fit", fit.Options), _options("timing", timing.Options)


def test_placing_against_the_rules_of_others(opts, media):
    fitting, room = opts
    as_set: dict[str, dict[str, Figures]] = {}  # clips, rule: figures
    turned: dict[str, dict[str, list[Figures]]] = {}  # clips, tempos: figures, by the knob
    ceilings: dict[str, dict[str, float]] = {}  # clips, rule: most isochrony at its 95th percentile of pace
    for clip in _clips(media):
        as_set[clip.name] = {"ours": rules.figures(clip, rules.ours(clip, opts=fitting, room=room))}
        as_set[clip.name] |= {name: rules.figures(clip, rule(clip)) for name, rule in RULES.items()}
        turned[clip.name] = {
            tempos: [
                rules.figures(
                    clip, rules.ours(clip, opts=replace(fitting, naturalness=knob, **limits), room=room)
                )
                for knob in KNOB
            ]
            for tempos, limits in TEMPOS.items()
        }
        for one in (as_set[clip.name]["ours"], *turned[clip.name]["permitted"], *turned[clip.name]["wide"]):
            assert one["isochrony"] <= rules.ceiling(clip, p95=one["rate_p95"])
        ceilings[clip.name] = {
            f"{rule}, {currency}": rules.ceiling(clip, p95=as_set[clip.name][rule][keys[1]])
            for rule in RULES
            for currency, keys in CURRENCIES.items()
        }
    against = {
        name: {rule: _against(found["ours"], turned[name], found[rule]) for rule in RULES}
        for name, found in as_set.items()
    }
    impossible = _impossible(as_set, ceilings)
    counts = {
        way: dict(Counter(one[way] for others in against.values() for one in others.values()))
        for way in ("fair, as set", "fair, turned", "heard, as set", "heard, turned")
    }
    ours = [found["ours"] for found in as_set.values()]
    ours += [one for curves in turned.values() for curve in curves.values() for one in curve]
    figures = {
        **as_set,
        "against": against,
        "ceilings": ceilings,
        "counts": counts,
        "impossible": impossible,
        "growth_10k_1k": _growth(fitting, room),
        "words_lost": sum(one["lost_s"] for one in ours),
    }
    keep("fit", figures)
    _write(ROOT / "reports" / "benchmarks" / "fit.md", as_set, against, counts, impossible)
    pictured = ROOT / "reports" / "pictures"
    pictured.mkdir(parents=True, exist_ok=True)
    (pictured / "fit-rules.png").write_bytes(_chart(as_set, turned).png())
    assert figures["growth_10k_1k"] <= 12
    assert figures["words_lost"] == 0
    assert all(one["overlap_s"] == 0 for one in ours)
    assert STANDINGS[3] not in counts["fair, as set"]
    assert set(counts["fair, turned"]) <= set(STANDINGS[:2])


def test_the_fair_currency_tells_what_cut_words_overlap_and_slow_motion_hide():
    lines = [
        Segment("a", 0, 1000, "A", ""),
        Segment("b", 1200, 2200, "B", ""),
        Segment("c", 2000, 3000, "A", ""),
    ]
    takes = [
        Take(line.id, "", ms, 1000, "", "", "", "", 1.0, "")
        for line, ms in zip(lines, (2400, 1500, 900), strict=True)
    ]
    clip = Clip("three", lines, takes, 3000)
    assert rules.fair(clip, rules.trim(clip)) == [(0, 1000), (1200, 2200), (2000, 2900)]
    assert rules.clamp(clip).dub == [(0, 1846), (1200, 2354), (2000, 2900)]
    assert rules.fair(clip, rules.clamp(clip)) == [(0, 1200), (1200, 2200), (2000, 2900)]
    assert rules.half(clip).dub == [(0, 1800), (1800, 2950), (2950, 3850)]
    assert rules.fair(clip, rules.half(clip)) == [(0, 1200), (1200, 2000), (2000, 2900)]
    found = rules.figures(clip, rules.half(clip))
    assert (found["rate_p95"], found["fair_p95"]) == pytest.approx((1.333, 1.988), abs=0.03)


def _options(stage: str, kind: type) -> object:
    text = library.read_text(ROOT / "params" / f"{stage}.yaml")
    return params.read(kind, text, key=stage, where=f"params/{stage}.yaml")


def _clips(media: Path) -> Iterator[Clip]:
    yield from (clips.drawn(name) for name in clips.DRAWN)
    yield from clips.demo(ROOT)
    yield clips.sintel(media)
    yield clips.dialogue(media)


def _growth(fitting: fit.Options, room: timing.Options) -> float:
    """Return how much longer 10,000 lines take than 1,000, the best of five of each."""
    seconds = {}
    for lines in (1000, 10_000):
        clip = clips.drawn("conversation", lines=lines)
        runs = []
        for _ in range(5):
            start = time.process_time()
            rules.ours(clip, opts=fitting, room=room)
            runs.append(time.process_time() - start)
        seconds[lines] = min(runs)
    return round(seconds[10_000] / seconds[1000], 1)


def _against(as_set: Figures, turned: Mapping[str, Sequence[Figures]], other: Figures) -> dict[str, str]:
    """Return how ours stands to another rule: as set, and where `naturalness` makes it stand best."""
    settings = {
        f"{knob:g}, {tempos}": one
        for tempos, curve in turned.items()
        for knob, one in zip(KNOB, curve, strict=True)
    }
    found = {}
    for currency in CURRENCIES:
        best = min(settings, key=lambda setting: _standing(settings[setting], other, currency))
        found[f"{currency}, as set"] = STANDINGS[_standing(as_set, other, currency)]
        found[f"{currency}, turned"] = STANDINGS[_standing(settings[best], other, currency)]
        found[f"{currency}, turned to"] = best
    return found


def _standing(ours: Figures, other: Figures, currency: str) -> int:
    """Return which of `STANDINGS` ours has, by isochrony, 95th percentile of pace and jump as kept."""
    isochrony, rate, jump = CURRENCIES[currency]
    gains = (ours[isochrony] - other[isochrony], other[rate] - ours[rate], other[jump] - ours[jump])
    if min(gains) > 0:
        return 0
    if max(gains) <= 0:
        return 3
    return 1 if min(gains) == 0 else 2


def _impossible(
    as_set: Mapping[str, Mapping[str, Figures]], ceilings: Mapping[str, Mapping[str, float]]
) -> list[str]:
    """Return what no placing can do that plays each take whole, in sentences."""
    found = []
    for clip, others in as_set.items():
        for rule, name in NAMES.items():
            most, wanted = ceilings[clip][f"{rule}, heard"], others[rule]["isochrony"]
            if most < wanted:
                found.append(
                    f"{clip}: as calm as *{name}* is heard, isochrony is at most {most:g}; it has {wanted:g}"
                )
        calm = min(RULES, key=lambda rule: others[rule]["fair_p95"])
        close = max(RULES, key=lambda rule: others[rule]["fair_isochrony"])
        most, wanted = ceilings[clip][f"{calm}, fair"], others[close]["fair_isochrony"]
        if most < wanted:
            found.append(
                f"{clip}: as calm as *{NAMES[calm]}*, isochrony is at most {most:g}; "
                f"*{NAMES[close]}*, paying in pace, has {wanted:g}: no setting is as good as both"
            )
    return found


def _write(
    path: Path,
    as_set: Mapping[str, Mapping[str, Figures]],
    against: Mapping[str, Mapping[str, Mapping[str, str]]],
    counts: Mapping[str, Mapping[str, int]],
    impossible: Sequence[str],
) -> None:
    columns = {
        "isochrony, fair": "fair_isochrony",
        "p95, fair": "fair_p95",
        "jump, fair": "fair_jump",
        "isochrony, heard": "isochrony",
        "p95, heard": "rate_p95",
        "jump, heard": "jump",
        "median, heard": "rate_median",
        "onset ms": "onset_ms",
        "lost s": "lost_s",
        "overlap s": "overlap_s",
        "slowed s": "slowed_s",
    }
    names = {"ours": "**ours**", **NAMES}
    rows = [
        [clip, names[rule], *(f"{found[key]:g}" for key in columns.values())]
        for clip, others in as_set.items()
        for rule, found in others.items()
    ]
    ways = list(next(iter(against.values()))["clamp"])
    standings = [
        [clip, NAMES[rule], *(one[way] for way in ways)]
        for clip, others in against.items()
        for rule, one in others.items()
    ]
    totals = [
        [way, *(str(found.get(standing, 0)) for standing in STANDINGS)] for way, found in counts.items()
    ]
    tables = [
        HEAD,
        _table(["ours is", *STANDINGS], totals),
        LIMITS,
        "\n".join(f"- {sentence}." for sentence in impossible),
        "## Figures",
        _table(["clips", "rule", *columns], rows),
        "## One by one",
        _table(["clips", "against", *ways], standings),
    ]
    path.write_text("\n\n".join(tables) + "\n", encoding="utf-8")


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


HEAD = """# Where takes lie: our rule and others

Measured by `make bench` on the same lines and takes. `tests/benchmarks/rules.py` says what each rule does and
what each figure is: *isochrony* should be high, the 95th percentile of pace (*p95*) and the *jump* between a
speaker's lines low.

**Heard** is what plays. There, a rule can buy calm with cut words, with speech over speech, or with a picture
in slow motion; the last columns say how much of it. **Fair** makes each rule pay for that in pace alone: how
fast would each line have to be, to be heard whole, from where the rule starts it, on the film's own clock and
without overlap that the source lacks? Ours loses, overlaps and slows nothing, so its figures are the same.

**As set** is `params/fit.yaml` as it stands. **Turned** is the best standing over `naturalness` from 1 to
1000, at the tempos that params permit or, wide, at those that other rules allow themselves (0.8 to 1.9)."""

LIMITS = """## What cannot be

No jump is below 0. Where takes fit in the time until the next line, rules that leave them as spoken have 0,
and nothing is better than they in all three. There ours can play each voice at one pace, no faster than
spoken: it is better on the lips, and equal in jump.

Some of the rest follows from counting. A take that is heard whole covers at least so much silence of the
source as the fullest stretch of its length has, with its start within a second of its line (`ceiling` in
`rules.py`). So, for any rule:"""


def _chart(
    as_set: Mapping[str, Mapping[str, Figures]], turned: Mapping[str, Mapping[str, Sequence[Figures]]]
) -> Picture:
    """Draw isochrony over pace and over jump for each set of clips: all that ours can be set to, and others.

    A rule is drawn full in the fair currency, and hollow as it is heard where that differs.
    """
    heard, fair = CURRENCIES["heard"], CURRENCIES["fair"]
    picture = Picture(width=16, height=2.9 * -(-len(as_set) // 3), rows=-(-len(as_set) // 3), columns=6)
    for panel in picture.panels[2 * len(as_set) :]:
        panel.set_visible(False)
    for number, (name, found) in enumerate(as_set.items()):
        for at, label in ((1, "95th percentile of pace"), (2, "jump of pace between lines")):
            panel = picture.panels[2 * number + at - 1]
            for style, (tempos, curve) in zip(("-", "--"), turned[name].items(), strict=True):
                panel.plot(
                    [one[fair[at]] for one in curve],
                    [one[fair[0]] for one in curve],
                    style,
                    color=SPEAKER_COLOURS[0],
                    linewidth=1.5,
                    label=f"ours, {tempos} tempos",
                )
            marks = {"ours": "ours, as set", **NAMES}
            for colour, marker, (rule, text) in zip(SPEAKER_COLOURS, "osvDP", marks.items(), strict=False):
                full = (found[rule][fair[at]], found[rule][fair[0]])
                hollow = (found[rule][heard[at]], found[rule][heard[0]])
                if hollow != full:
                    panel.plot(*zip(hollow, full, strict=True), ":", color=colour, linewidth=1)
                    panel.plot(*hollow, marker, color=colour, markersize=6, fillstyle="none")
                panel.plot(*full, marker, color=colour, markersize=7, label=text)
            panel.set_title(name if at == 1 else "", loc="left", fontsize=10, color=INK)
            panel.set_xlabel(label, fontsize=8, color=INK)
            panel.spines["left"].set_visible(True)
    picture.panels[0].set_ylabel("isochrony", fontsize=8, color=INK)
    handles, labels = picture.panels[0].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside upper center", ncols=7, fontsize=9, frameon=False)
    return picture
