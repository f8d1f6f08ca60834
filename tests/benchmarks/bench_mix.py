"""The mix against the bound and against two peers: how long it takes, how much memory, and after an edit.

The film is made: noise that swells as syllables do, over a bed. The bound is reading the bed and writing
it again, block by block, with the same library; the mix reads the bed twice, the dialogue and every take
as well, and measures all of them. The peers place and add the takes and do no more: no loudness, no
ducking, no limiter. They run on shorter films, since their time grows with minutes times lines. Jobs run
one by one, each in a process of its own; times are wall clock, and where `_cpu` says so, of a processor.

Fewer lines are not cheaper here: the bed is steady noise, nearly all of whose samples may lead to its true
peak and are oversampled, and where a voice sounds over it, only the voice's loudest ones are. Three hours,
and an hour in 5.1, are mixed once.
"""

from __future__ import annotations

import os
import shutil
import statistics
from pathlib import Path

from tests.benchmarks.figures import keep
from tests.benchmarks.mixing import measured
from tests.structure import ROOT

LONG, LONGEST, PER_MINUTE = 60, 180, 15
FILMS = (4, 15, LONG)  # minutes
SURROUND = 6  # channels
PEERS = (4, 8)  # minutes
SOFT, LOUD = -23.0, -14.0  # LUFS; the louder one makes the limiter work
TIMES = 3


def fresh(folder: Path, target: float, lines: int) -> dict[str, float]:
    """Mix a film of which nothing was made or kept before."""
    for name in ("mix", ".cache"):
        shutil.rmtree(folder / name, ignore_errors=True)
    os.sync()
    return measured("dub", folder, target, lines)


def middle(runs: list[dict[str, float]], what: str) -> float:
    return statistics.median(run[what] for run in runs)


def test_mix(tmp_path):
    films = {minutes: tmp_path / str(minutes) for minutes in {*FILMS, *PEERS}}
    for minutes, folder in films.items():
        measured("make", folder, minutes, minutes * PER_MINUTE, 2)
    long, all_lines = films[LONG], LONG * PER_MINUTE

    copies, fews, louds, mixes = [measured("copy", long)], [], [], []
    for _ in range(TIMES):
        fews.append(fresh(long, SOFT, 100))
        louds.append(fresh(long, LOUD, all_lines))
        mixes.append(fresh(long, SOFT, all_lines))
        copies.append(measured("copy", long))
    edits, moves = [], []
    for _ in range(TIMES):
        measured("edit", long)
        moves.append(measured("copy_bytes", long))
        edits.append(measured("dub", long, SOFT, all_lines))
        assert 0 < edits[-1]["rendered"] < 10
    same = measured("same", long, SOFT, all_lines)
    assert same["equal"] is True
    bound = {what: middle(copies, what) for what in ("wall", "cpu")}
    full = {what: middle(mixes, what) for what in ("wall", "cpu")}
    edit = {what: middle(edits, what) for what in ("wall", "cpu")}
    move = {what: middle(moves, what) for what in ("wall", "cpu")}

    odd = {"surround": (LONG, SURROUND), "three_hours": (LONGEST, 2)}
    once = {}
    for name, (minutes, channels) in odd.items():
        measured("make", tmp_path / name, minutes, minutes * PER_MINUTE, channels)
        once[name] = fresh(tmp_path / name, SOFT, minutes * PER_MINUTE)
        once[name]["copy"] = measured("copy", tmp_path / name)["cpu"]
        shutil.rmtree(tmp_path / name)

    shorter = {minutes: fresh(films[minutes], SOFT, minutes * PER_MINUTE) for minutes in FILMS[:-1]}
    cpu = {**{minutes: run["cpu"] for minutes, run in shorter.items()}, LONG: full["cpu"]}
    memory = {**{minutes: run["mb"] for minutes, run in shorter.items()}, LONG: middle(mixes, "mb")}
    cpu[LONGEST], memory[LONGEST] = once["three_hours"]["cpu"], once["three_hours"]["mb"]
    few, loud = ({what: middle(runs, what) for what in ("wall", "cpu", "mb")} for runs in (fews, louds))
    peers = {}
    for minutes in PEERS:
        own = fresh(films[minutes], SOFT, minutes * PER_MINUTE)
        for peer in ("segments_library", "inputs_of_ffmpeg"):
            run = measured(peer, films[minutes])
            name = f"{peer}_{minutes}_min_{minutes * PER_MINUTE}_lines"
            peers[name] = {
                "cpu_to_mix": round(run["cpu"] / own["cpu"], 2),
                "wall_to_mix": round(run["wall"] / own["wall"], 2),
            }
            if peer == "segments_library":  # ffmpeg is a process of its own
                peers[name]["mb_to_mix"] = round(run["mb"] / own["mb"], 2)
    figures = {
        "minutes": LONG,
        "lines": all_lines,
        "ratio_to_copy": round(full["wall"] / bound["wall"], 2),
        "ratio_to_copy_cpu": round(full["cpu"] / bound["cpu"], 2),
        "ratio_to_copy_cpu_limited": round(loud["cpu"] / bound["cpu"], 2),
        "ratio_to_copy_of_bytes_cpu": round(full["cpu"] / move["cpu"], 1),
        "peak_mb": round(middle(mixes, "mb")),
        "peak_mb_limited": round(loud["mb"]),
        "peak_mb_of_copy": round(middle(copies, "mb")),
        "peak_mb_surround": round(once["surround"]["mb"]),
        "ratio_to_copy_cpu_surround": round(once["surround"]["cpu"] / once["surround"]["copy"], 2),
        "peak_mb_by_minutes": {str(minutes): round(mb) for minutes, mb in memory.items()},
        "edit_share": round(edit["wall"] / full["wall"], 4),
        "edit_share_cpu": round(edit["cpu"] / full["cpu"], 4),
        "edit_blocks_rendered": edits[-1]["rendered"],
        "edit_blocks": edits[-1]["blocks"],
        "edit_is_byte_identical": same["equal"],
        "growth_cpu_60_to_4_minutes_per_minute": round(cpu[LONG] / LONG / (cpu[4] / 4), 3),
        "growth_cpu_180_to_60_minutes_per_minute": round(cpu[LONGEST] / LONGEST / (cpu[LONG] / LONG), 3),
        "growth_cpu_900_to_100_lines": round(full["cpu"] / few["cpu"], 3),
        "peers": peers,
    }
    keep("mix", figures)
    draw(figures, {m: c / bound["cpu"] for m, c in cpu.items()}, memory)
    assert figures["ratio_to_copy_cpu"] <= 6
    assert figures["peak_mb"] < 150
    assert figures["edit_share_cpu"] <= 0.02


def draw(figures: dict[str, object], ratio: dict[int, float], memory: dict[int, float]) -> None:
    """Draw the growth with the film's length, and the peers."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (time, size, peers) = plt.subplots(1, 3, figsize=(11, 3.2), constrained_layout=True)
    minutes = sorted(ratio)
    time.plot(minutes, [ratio[m] for m in minutes], marker="o", color="#0b6e99")
    time.axhline(1, color="#999", linestyle="--")
    time.set(title="Time", xlabel="minutes of film", ylabel="× copying 60 minutes", ylim=(0, None))
    time.annotate("copying 60 minutes", (4, 1.1), color="#666", fontsize=8)
    size.plot(minutes, [memory[m] for m in minutes], marker="o", color="#0b6e99")
    size.set(title="Memory", xlabel="minutes of film", ylabel="MB at most", ylim=(0, 160))
    shown = {"mix": 1.0} | {
        f"{'pydub' if 'library' in name else 'ffmpeg'}\n{name.split('_')[-4]} min": peer["cpu_to_mix"]
        for name, peer in figures["peers"].items()
    }
    bars = peers.bar(list(shown), list(shown.values()), color=["#0b6e99"] + ["#c9a227"] * (len(shown) - 1))
    peers.bar_label(bars, fmt="%.1f×", fontsize=8)
    peers.tick_params(axis="x", labelsize=8)
    peers.set(title="Processor time against the mix")
    for axes in (time, size, peers):
        axes.spines[["top", "right"]].set_visible(False)
    folder = ROOT / "reports" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "mix-growth.png", dpi=110, metadata={"Software": None})
    plt.close(figure)
