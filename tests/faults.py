"""Faults that are planted in good dubs, and what quality control makes of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tests import dubs
from tests.dubs import SR, Dubbed
from tests.recordings import Held
from workbench import audio, qa
from workbench.audio import Sound
from workbench.records import Placement, Table

Planted = tuple[Dubbed, set[str]]  # the dub, and the lines that now have the fault
READABLE = 20  # characters of a subtitle a second, at most


@dataclass(frozen=True)
class Fault:
    """One kind of fault. A dub that lacks what it needs (a bed, a term) is given back as it was."""

    name: str
    checks: tuple[str, ...]  # any of them finds it
    plant: Callable[[Dubbed, Sequence[str], random.Random], Planted]


@dataclass
class Count:
    """How often a fault was there, and how often it was found."""

    planted: int = 0
    found: int = 0
    invented: int = 0  # lines without it on which its checks found something all the same
    sound: int = 0  # lines without it

    def figures(self) -> dict[str, float | int]:
        """Recall and precision, and of how many lines."""
        claimed = self.found + self.invented
        return {
            "recall": round(self.found / self.planted, 3) if self.planted else 0.0,
            "precision": round(self.found / claimed, 3) if claimed else 0.0,
            "n": self.planted,
            "sound": self.sound,
        }


def judge(
    fault: Fault, good: Dubbed, *, opts: qa.Options, share: float, draw: random.Random, count: Count
) -> None:
    """Plant a fault in a share of a dub's lines, and count what is found of it."""
    ids = [row.id for row in good.film.segments]
    chosen = sorted(draw.sample(ids, round(share * len(ids))))
    planted, faulty = fault.plant(good, chosen, draw)
    if not faulty:
        return
    flagged = {
        row.segment
        for row in dubs.scores(planted, opts)
        if row.segment and row.check in fault.checks and row.verdict in ("warn", "fail")
    }
    count.planted += len(faulty)
    count.found += len(faulty & flagged)
    count.invented += len(flagged - faulty)
    count.sound += len(set(ids) - faulty)


def _each(change: Callable[[Dubbed, str, random.Random], Dubbed | None], *, mix: bool = False):
    """A planter that changes one line after the other, and mixes anew where takes were changed."""

    def plant(dubbed: Dubbed, chosen: Sequence[str], draw: random.Random) -> Planted:
        faulty = set()
        for segment in chosen:
            changed = change(dubbed, segment, draw)
            if changed is not None:
                dubbed, faulty = changed, faulty | {segment}
        return (dubbed.mixed() if mix and faulty else dubbed), faulty

    return plant


def _placement(dubbed: Dubbed, segment: str) -> Placement:
    return dubbed.film.placements.by("segment")[segment]


def _with(dubbed: Dubbed, segment: str, y: Sound) -> Dubbed:
    return replace(dubbed, fitted={**dubbed.fitted, segment: y})


def _respoken(dubbed: Dubbed, segment: str, text: str, *, voice: str = "", lang: str = "") -> Dubbed:
    """The dub in which the take says something else, placed at the tempo that it had."""
    take, placement = dubbed.film.takes.by("segment")[segment], _placement(dubbed, segment)
    y = dubs.spoken(text, voice=voice or take.voice, lang=lang or dubbed.film.language, like=take)
    length = round(y.size * 1000 / take.sample_rate / placement.tempo)
    placed = replace(placement, end=placement.start + length)
    dubbed = dubbed.altered("takes", segment, samples=y.size)
    dubbed = dubbed.altered("placements", segment, end=placed.end)
    return _with(dubbed, segment, dubs.fitted_to(placed, y, take.sample_rate))


def _text(dubbed: Dubbed, segment: str) -> str:
    return str(dubbed.film.translations.by("segment")[segment].text)


def _rewritten(dubbed: Dubbed, segment: str, text: str) -> Dubbed:
    """The dub with another translation, and a take of it."""
    dubbed = dubbed.altered("translations", segment, text=text)
    dubbed = dubbed.altered("takes", segment, text_pre_pronunciation=text, tts_text=text)
    return _respoken(dubbed, segment, text)


def _word_not_spoken(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    words = _text(dubbed, segment).split()
    lost = draw.choice([n for n, word in enumerate(words) if len(word.strip(".,?!¿¡")) > 3])
    return _respoken(dubbed, segment, " ".join(words[:lost] + words[lost + 1 :]))


def _word_not_mixed(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    y, at = dubbed.fitted[segment], audio.samples(_placement(dubbed, segment).start, sr=SR)
    size = audio.samples(draw.randint(220, 350), sr=SR)
    loud = [
        n for n in range(0, y.size - size, 400) if audio.level_db(y[n : n + size]) > audio.level_db(y) - 6
    ]
    first = draw.choice(loud)
    gap = np.zeros_like(y)
    gap[first : first + size] = 1
    return _mixed_otherwise(dubbed, at, -y * gap, of=y)


def _mixed_otherwise(dubbed: Dubbed, at: int, change: Sound, *, of: Sound) -> Dubbed:
    """The dub with a voice added to its mix, at the gain that the voice `of` has there."""
    heard = dubbed.dub.y.copy()
    room = heard[:, at : at + of.size]
    gains = room.astype(np.float64) @ of[: room.shape[1]] / float(of @ of)
    room = heard[:, at : at + change.size]
    room += np.float32(gains[:, np.newaxis]) * change[: room.shape[1]]
    return replace(dubbed, dub=Held(heard, SR))


def _moved_in_the_mix(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    y, at = dubbed.fitted[segment], audio.samples(_placement(dubbed, segment).start, sr=SR)
    late = np.concatenate([np.zeros(SR // 2, np.float32), y])
    late[: y.size] -= y
    return _mixed_otherwise(dubbed, at, late, of=y)


def _another_in_the_mix(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    y, at = dubbed.fitted[segment], audio.samples(_placement(dubbed, segment).start, sr=SR)
    other = dubbed.fitted[draw.choice([name for name in dubbed.fitted if name != segment])]
    change = np.zeros(max(y.size, other.size), np.float32)
    change[: y.size] -= y
    change[: other.size] += other
    return _mixed_otherwise(dubbed, at, change, of=y)


def _swapped(dubbed: Dubbed, chosen: Sequence[str], draw: random.Random) -> Planted:
    fitted, faulty = dict(dubbed.fitted), set()
    for one, two in zip(chosen[::2], chosen[1::2], strict=False):
        fitted[one], fitted[two] = fitted[two], fitted[one]
        faulty |= {one, two}
    return replace(dubbed, fitted=fitted).mixed(), faulty


def _by_another_voice(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    own = dubbed.film.takes.by("segment")[segment].voice
    cast = {row.voice for row in dubbed.film.castings} - {own}
    others = sorted(cast) or [voice.name for voice in dubs.engine("tts").voices("es") if voice.name != own]
    return _respoken(dubbed, segment, _text(dubbed, segment), voice=draw.choice(others))


def _in_the_original_language(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    source = next(row.text for row in dubbed.film.segments if row.id == segment)
    return _respoken(dubbed, segment, source, lang="en")


def _in_another_language(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    source = next(row.text for row in dubbed.film.segments if row.id == segment)
    other = "ca" if dubbed.film.language == "es" else "es"
    [draft] = dubs.engine("translate").translate([source], source="en", target=other)
    return _rewritten(dubbed, segment, draft.text)


def _untranslated(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    return _rewritten(dubbed, segment, next(row.text for row in dubbed.film.segments if row.id == segment))


def _term_missed(dubbed: Dubbed, chosen: Sequence[str], draw: random.Random) -> Planted:
    """Writes another word for a glossary term in half of the lines that have one."""
    terms = {
        row.segment: term
        for row in dubbed.film.translations
        for _, term in dubs.TERMS[dubbed.film.language]
        if term in row.text
    }
    faulty = sorted(draw.sample(sorted(terms), -(-len(terms) // 2)))
    for segment in faulty:
        dubbed = _rewritten(dubbed, segment, _text(dubbed, segment).replace(terms[segment], "patio"))
    return (dubbed.mixed() if faulty else dubbed), set(faulty)


def _clipped(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    return _with(dubbed, segment, np.clip(dubbed.fitted[segment] * 12, -1, 1))


def _clipped_by_its_engine(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    """Clips a take before its rate and length are changed, which hides its flat tops."""
    take = dubbed.film.takes.by("segment")[segment]
    y, sr = dubs.TAKES.kept[take.key]
    clipped = np.clip(y * draw.uniform(3, 12) / np.abs(y).max(), -1, 1)
    dubs.TAKES.keep(f"{take.key} clipped", clipped, sr=sr)
    dubbed = dubbed.altered("takes", segment, key=f"{take.key} clipped")
    return _with(dubbed, segment, dubs.fitted_to(_placement(dubbed, segment), clipped, sr))


def _clipped_in_the_mix(dubbed: Dubbed, chosen: Sequence[str], draw: random.Random) -> Planted:
    """Clips the dub where lines lie; whatever is heard there with them is clipped too."""
    y, placed = dubbed.dub.y.copy(), dubbed.film.placements.by("segment")
    clipped = [(placed[segment].start, placed[segment].end) for segment in chosen]
    for span in clipped:
        start, stop = (audio.samples(at, sr=SR) for at in span)
        y[:, start:stop] = np.clip(dubbed.dub.y[:, start:stop] * 12, -1, 1)
    heard = {row.segment for row in placed.values() for a, b in clipped if row.start < b and row.end > a}
    return replace(dubbed, dub=Held(y, SR)), heard


def _too_fast(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    placed, take = _placement(dubbed, segment), dubbed.film.takes.by("segment")[segment]
    tempo = draw.uniform(1.6, 2.0)
    end = placed.start + round(take.samples * 1000 / take.sample_rate / tempo)
    dubbed = dubbed.altered("placements", segment, end=end, tempo=round(tempo, 4))
    y, sr = dubs.TAKES.kept[take.key]
    return _with(dubbed, segment, dubs.fitted_to(replace(placed, end=end), y, sr))


def _overlapped(dubbed: Dubbed, chosen: Sequence[str], draw: random.Random) -> Planted:
    order = [row.segment for row in dubbed.film.placements]
    faulty = set()
    for segment in chosen:
        if segment not in faulty and order.index(segment) + 1 < len(order):
            following = _placement(dubbed, order[order.index(segment) + 1])
            placed = _placement(dubbed, segment)
            start = following.start - (placed.end - placed.start) + draw.randint(800, 1000)
            length = placed.end - placed.start
            dubbed = dubbed.altered("placements", segment, start=start, end=start + length)
            faulty |= {segment, following.segment}
    return dubbed.mixed(), faulty


def _silent(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    return _with(dubbed, segment, np.zeros_like(dubbed.fitted[segment]))


def _late(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    placed = _placement(dubbed, segment)
    start = next(row.start for row in dubbed.film.segments if row.id == segment) + 500
    return dubbed.altered("placements", segment, start=start, end=start + placed.end - placed.start)


def _other_level(dubbed: Dubbed, chosen: Sequence[str], draw: random.Random) -> Planted:
    """Makes takes louder or softer where the mix does not match its voices to the original's anew."""
    changed = {name: dubbed.fitted[name] * np.float32(10 ** (draw.choice((-8, 8)) / 20)) for name in chosen}
    louder = replace(dubbed, fitted={**dubbed.fitted, **changed})
    return louder.mixed(gains=dubbed.gains), set(chosen)


def _without_bed(dubbed: Dubbed, chosen: Sequence[str], draw: random.Random) -> Planted:
    if dubs.KINDS[dubbed.kind].bed_db is None:
        return dubbed, set()
    bed = dubbed.bed.y.copy()
    order = [row.segment for row in dubbed.film.placements]
    for segment in chosen:
        following = order[order.index(segment) + 1 :]
        end = _placement(dubbed, following[0]).start if following else dubbed.film.duration
        start = _placement(dubbed, segment).start
        bed[:, audio.samples(start, sr=SR) : audio.samples(end, sr=SR)] = 0
    return replace(replace(dubbed, bed=Held(bed, SR)).mixed(), bed=dubbed.bed), set(chosen)


def _cues_too_fast(dubbed: Dubbed, chosen: Sequence[str], draw: random.Random) -> Planted:
    """Shortens cues; who talks fast has cues that were too fast before."""
    cues = [
        replace(cue, end=cue.start + max(1, round(len(cue.text) * 1000 / draw.uniform(27, 40))))
        if cue.segment in chosen
        else cue
        for cue in dubbed.film.cues
    ]
    quick = {
        cue.segment
        for cue in cues
        if len(cue.text.replace("\n", "")) * 1000 / (cue.end - cue.start) > READABLE
    }
    return replace(dubbed, film=replace(dubbed.film, cues=Table(dubbed.film.cues.kind, cues))), quick


def _without_take(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    film = dubbed.film
    kept = {
        name: getattr(film, name).where(lambda row: row.segment != segment)
        for name in ("takes", "placements")
    }
    fitted = {name: y for name, y in dubbed.fitted.items() if name != segment}
    return replace(dubbed, film=replace(film, **kept), fitted=fitted)


def _trimmed(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    y = dubbed.fitted[segment]
    return _with(dubbed, segment, y[: int(y.size * draw.uniform(0.75, 0.9))])


def _stale(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    return dubbed.altered("translations", segment, text=_text(dubbed, segment) + " Adiós.")


def _wrongly_cast(dubbed: Dubbed, segment: str, draw: random.Random) -> Dubbed:
    return dubbed.altered("takes", segment, voice="f2")


FAULTS: tuple[Fault, ...] = (
    Fault("word not spoken", ("heard",), _each(_word_not_spoken, mix=True)),
    Fault("word not in the mix", ("presence",), _each(_word_not_mixed)),
    Fault("takes swapped", ("cut", "heard"), _swapped),
    Fault("another take in the mix", ("presence", "silence"), _each(_another_in_the_mix)),
    Fault("wrong speaker", ("voice",), _each(_by_another_voice, mix=True)),
    Fault("wrong voice by the record", ("take",), _each(_wrongly_cast)),
    Fault("spoken in the original language", ("heard",), _each(_in_the_original_language, mix=True)),
    Fault("written in another language", ("language",), _each(_in_another_language, mix=True)),
    Fault("untranslated", ("language",), _each(_untranslated, mix=True)),
    Fault("take of an older text", ("take",), _each(_stale)),
    Fault("glossary term missed", ("glossary",), _term_missed),
    Fault("clipped take", ("clipping",), _each(_clipped, mix=True)),
    Fault("take clipped by its engine", ("clipping",), _each(_clipped_by_its_engine, mix=True)),
    Fault("clipped mix", ("clipping",), _clipped_in_the_mix),
    Fault("too fast", ("rate", "stretch"), _each(_too_fast, mix=True)),
    Fault("overlapped", ("overlap",), _overlapped),
    Fault("silent", ("silence",), _each(_silent, mix=True)),
    Fault("no take", ("silence",), _each(_without_take, mix=True)),
    Fault("trimmed", ("cut",), _each(_trimmed, mix=True)),
    Fault("placed 0.5 s late", ("shift",), _each(_late, mix=True)),
    Fault("0.5 s late in the mix", ("presence",), _each(_moved_in_the_mix)),
    Fault("8 LU louder or softer", ("level", "loudness"), _other_level),
    Fault("bed missing", ("bed",), _without_bed),
    Fault("subtitle too fast", ("reading",), _cues_too_fast),
)


def table(figures: Iterable[tuple[str, dict[str, float | int]]]) -> str:
    """The figures as Markdown."""
    rows = [f"| {name} | {f['recall']} | {f['precision']} | {f['n']} |\n" for name, f in figures]
    return "| fault | recall | precision | lines |\n|---|---|---|---|\n" + "".join(rows)
