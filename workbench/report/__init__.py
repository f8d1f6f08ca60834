"""What QA says of a dub, as JSON, as Markdown and as one HTML page that needs neither network nor script.

Conventions
-----------
Every text of a film is escaped. Nothing of the time, the machine or a path goes into a report, so the
same dub gives the same bytes.
"""

from __future__ import annotations

import base64
import html
import inspect
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import av
import langcodes
import msgspec
import numpy as np

from workbench import activity, audio, content, display, qa, review, writing
from workbench.audio import Kept, Part, Sound
from workbench.library import Dub
from workbench.qa import measurement
from workbench.qa.evidence import Line
from workbench.qa.material import Film, Sounds
from workbench.records import Decision, Maker, Score, Segment, Table, Translation

CLIP_RATE = 24_000  # Hz, and of a clip's speech nothing audible lies above its half
CLIP_BITS = 32_000  # a second
KINDS = ("original", "dub")
MARKDOWN = re.compile(r"([\\`*_\[\]|~#])")


@dataclass(frozen=True)
class Clips:
    """The two sounds of a line, as `clip` encodes them."""

    original: bytes
    dub: bytes


@dataclass(frozen=True)
class Change:
    """What became of a line since somebody approved it."""

    approved: str  # the text that was approved
    text: str  # the text now
    take: bool  # whether another take is in the dub


@dataclass(frozen=True)
class Row:
    """A line as the page shows it."""

    line: Line
    review: review.Line
    voice: str
    verdict: str
    mark: int
    findings: list[Score]
    original: str  # where its sound is: a data URI, or the name of a file; empty where there is none
    dub: str

    @property
    def kinds(self) -> dict[str, set[str]]:
        """By what the line can be filtered."""
        return {
            "verdict": {self.verdict},
            "review": {self.review.state},
            "finding": {score.check for score in self.findings},
            "speaker": {self.line.segment.speaker},
        }

    @property
    def judged(self) -> Decision | None:
        """Who approved or rejected the line last, as it was then."""
        found = [
            one.decision for one in self.review.decisions if one.decision.action in ("approve", "reject")
        ]
        return found[-1] if found else None

    @property
    def change(self) -> Change | None:
        """What changed since the line was approved, if it was."""
        judged = self.judged
        if judged is None or judged.action != "approve":
            return None
        was, take = review.value(judged), self.line.take
        text = self.line.translation.text if self.line.translation else ""
        heard = was.take is None or take is None or was.take == take.key
        return None if was.text == text and heard else Change(was.text or "", text, not heard)


def clip(y: Sound, *, sr: int) -> bytes:
    """Return a sound as an Ogg Opus file of one channel, the same bytes each time; empty for no sound.

    Parameters
    ----------
    y : float32, shape (n,) or (channels, n)
    sr : int
        Hz.
    """
    mono = audio.resample(audio.mono(y), sr=sr, to=CLIP_RATE)
    sink = io.BytesIO()
    with av.open(sink, "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        options = {"b": str(CLIP_BITS), "vbr": "constrained", "flags": "+bitexact"}
        stream = container.add_stream("libopus", rate=CLIP_RATE, layout="mono", options=options)
        if mono.size:
            frame = av.AudioFrame.from_ndarray(mono[np.newaxis], format="flt", layout="mono")
            frame.sample_rate, frame.pts = CLIP_RATE, 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return sink.getvalue()


def clips(
    film: Film, scores: Iterable[Score], sounds: Sounds, *, kept: Kept, opts: qa.Options
) -> Iterator[tuple[str, Clips]]:
    """Encode the worst lines as they sound in the film and in the dub; ``dict`` of it is what `page` takes.

    A line without a placement gives the dub at the time of the original. What was encoded before is found
    in `kept`, by content.
    """
    placed = film.placements.by("segment")
    for segment in worst_first(scores, film.segments, opts=opts)[: opts.clips]:
        at = placed.get(segment.id, segment)
        original = measurement.part(sounds.programme, segment.start, segment.end)
        dubbed = measurement.part(sounds.dub, at.start, at.end)
        yield segment.id, Clips(_clip(original, kept), _clip(dubbed, kept))


def _clip(part: Part, kept: Kept) -> bytes:
    form = (av.library_versions, CLIP_RATE, CLIP_BITS, inspect.getsource(clip))
    key = content.address("clip", form, part.digest(kept=kept))
    if (found := kept.get(key)) is None:
        kept[key] = found = clip(part.y, sr=part.recording.sr)
    return found


def summary(film: Film, scores: Table[Score], *, opts: qa.Options) -> dict[str, Any]:
    """Return the facts of a dub and what was found, ready for JSON."""
    [probe] = film.probe
    verdicts = qa.worst(scores)
    by_line = Counter(verdict for segment, verdict in verdicts.items() if segment)
    by_check: dict[str, dict[str, int]] = {}
    for row in scores:
        by_check.setdefault(row.check, dict.fromkeys(qa.VERDICTS, 0))[row.verdict] += 1
    return {
        "film": {
            "duration": probe.duration,
            "dub": film.duration,
            "container": probe.container,
            "lines": len(film.segments),
            "speakers": len({row.speaker for row in film.segments}),
            "speech": activity.duration((row.start, row.end) for row in film.segments),
            "dubbed_speech": activity.duration((row.start, row.end) for row in film.placements),
        },
        "verdict": max(verdicts.values(), key=qa.VERDICTS.index, default="ok"),
        "lines": {verdict: by_line[verdict] for verdict in qa.VERDICTS},
        "checks": by_check,
        "segments": {segment: verdict for segment, verdict in verdicts.items() if segment},
        "marks": qa.marks(scores, opts=opts),
        "engines": {"chosen": dict(film.chosen), "made": film.made_by()},
        "loudness": {
            "target_lufs": film.target_lufs,
            "highest_true_peak_db": opts.true_peak[0],
            "mix_lufs": [row.integrated_lufs for row in film.loudness],
            "mix_true_peak_db": [row.true_peak_db for row in film.loudness],
            "products": {
                row.file: {"lufs": row.loudness_lufs, "true_peak_db": row.true_peak_db}
                for row in film.products
            },
        },
    }


def worst_first(scores: Iterable[Score], segments: Iterable[Segment], *, opts: qa.Options) -> list[Segment]:
    """Return the lines by verdict, then by mark, then by time."""
    verdicts, marks = qa.worst(scores), qa.marks(scores, opts=opts)

    def badness(line: Segment) -> tuple[int, int, int]:
        return -qa.VERDICTS.index(verdicts[line.id]), marks[line.id], line.start

    return sorted(segments, key=badness)


def top_issues(
    scores: Table[Score], segments: Table[Segment], translations: Table[Translation], *, opts: qa.Options
) -> str:
    """Return what to look at, as Markdown: the film first, then the lines with findings, worst first."""
    texts = {row.segment: row.text for row in translations}
    found: dict[str, list[Score]] = {}
    for score in scores:
        if score.verdict in ("warn", "fail") or (score.verdict == "info" and not score.segment):
            found.setdefault(score.segment, []).append(score)
    parts = ["# Top issues\n"]
    if "" in found:
        parts += ["\n## The film\n\n", *map(_bullet, found[""])]
    for line in worst_first(scores, segments, opts=opts):
        if line.id in found:
            parts += [f"\n## {display.clock(line.start)} {escape(line.speaker)} ({line.id})\n\n"]
            parts += [f"Original: {escape(line.text)}\\\nDub: {escape(texts.get(line.id, ''))}\n\n"]
            parts += map(_bullet, found[line.id])
    return "".join(parts) if found else parts[0] + "\nNone was found.\n"


def escape(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    return MARKDOWN.sub(r"\\\1", html.escape(writing.one_line(text), quote=False))


def files(
    film: Film, scores: Table[Score], clips: Mapping[str, Clips], *, opts: qa.Options
) -> dict[str, bytes]:
    """Return what lies beside the scores, by file name: summary, issues, and sounds that are linked."""
    facts = msgspec.json.encode(summary(film, scores, opts=opts), order="sorted")
    found = {
        "summary.json": msgspec.json.format(facts, indent=2) + b"\n",
        "top_issues.md": top_issues(scores, film.segments, film.translations, opts=opts).encode(),
    }
    if opts.sound == "linked":
        sounds = {_file(name, kind): getattr(pair, kind) for name, pair in clips.items() for kind in KINDS}
        found |= {name: sound for name, sound in sounds.items() if sound}
    return found


@dataclass(frozen=True)
class About:
    """What a report says of its dub beside the findings."""

    title: str  # whose report it is, such as the episode's key
    source: str  # the original's language, BCP 47
    beside: str  # the way from the page to `files`
    films: str  # the way from the page to the dub's products
    makers: Sequence[Maker]  # the engines that worked, of quality control too
    digests: Mapping[str, str]  # path -> digest of what the dub was made of

    @classmethod
    def of(cls, dub: Dub, *, made_by: Iterable[Maker]) -> About:
        """Return what is to be said of a dub, and of the engines that quality control was `made_by`."""
        return cls(
            str(dub.key.parent),
            dub.episode.language,
            dub.link("qa"),
            dub.link("export"),
            [*dub.makers(before="qa"), *made_by],
            dub.digests(before="qa"),
        )


def page(
    film: Film,
    lines: Iterable[Line],
    scores: Table[Score],
    about: About,
    *,
    clips: Mapping[str, Clips],
    reviewed: Mapping[str, review.Line],
    opts: qa.Options,
) -> str:
    """Return the report: one HTML document.

    Parameters
    ----------
    clips : mapping
        Segment id -> its sounds. A line without is shown without players.
    reviewed : mapping
        Segment id -> the line with what people decided on it (`review.fold`).
    """
    facts, marks, verdicts = summary(film, scores, opts=opts), qa.marks(scores, opts=opts), qa.worst(scores)
    by_segment = {line.segment.id: line for line in lines}
    findings: dict[str, list[Score]] = {}
    for score in scores:
        if score.verdict in ("warn", "fail"):
            findings.setdefault(score.segment, []).append(score)
    voices = {row.speaker: row.voice for row in film.castings}
    rows = []
    for segment in worst_first(scores, film.segments, opts=opts):
        sounds = {kind: _source(clips, segment.id, kind, beside=about.beside, opts=opts) for kind in KINDS}
        rows.append(
            Row(
                line=by_segment[segment.id],
                review=reviewed[segment.id],
                voice=voices.get(segment.speaker, ""),
                verdict=verdicts[segment.id],
                mark=marks[segment.id],
                findings=findings.get(segment.id, []),
                original=sounds["original"],
                dub=sounds["dub"],
            )
        )
    return (
        display.templates()
        .get_template("qa.html.j2")
        .render(
            about=about,
            target=film.language,
            source_name=langcodes.Language.get(about.source).display_name("en"),
            target_name=langcodes.Language.get(film.language).display_name("en"),
            probe=film.probe[0],
            facts=facts,
            film_scores=[row for row in scores if not row.segment],
            rows=rows,
            groups=_groups(rows),
            people=_people(rows),
            mute=sum(not row.dub for row in rows),
            products=list(film.products),
            timeline=display.timeline(film.segments, film.placements).svg(),
            histogram=display.histogram(scores, marks).svg(),
            courses=display.courses(_courses(by_segment.values(), scores, opts=opts)).svg(),
            clock=display.clock,
            verdicts=qa.VERDICTS,
        )
    )


def _groups(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Return by what lines are filtered: for each group its values, and how many lines have each."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        for group, values in row.kinds.items():
            found.setdefault(group, Counter()).update(values)
    worst_first = [verdict for verdict in reversed(qa.VERDICTS) if verdict in found.get("verdict", ())]
    orders = {group: sorted(counts) for group, counts in found.items()} | {"verdict": worst_first}
    return {
        group: {value: counts[value] for value in orders[group]}
        for group, counts in found.items()
        if len(counts) > 1
    }


def _people(rows: Sequence[Row]) -> list[tuple[str, int, int, str]]:
    """Return who approved and rejected how many lines, and when last."""
    judged = [row.judged for row in rows if row.judged]
    return [
        (
            who,
            sum(one.who == who and one.action == "approve" for one in judged),
            sum(one.who == who and one.action == "reject" for one in judged),
            max(one.at for one in judged if one.who == who),
        )
        for who in sorted({one.who for one in judged})
    ]


def _courses(lines: Iterable[Line], scores: Iterable[Score], *, opts: qa.Options) -> list[display.Course]:
    """Return what the charts over the film show: pace, stretch and level of each line."""
    every = sorted(lines, key=lambda line: line.segment.start)
    starts = {line.segment.id: line.segment.start for line in every}
    rates = [
        (starts[row.segment], row.value) for row in scores if row.check == "rate" and row.value is not None
    ]
    tempos = [(line.placement.start, line.placement.tempo) for line in every if line.placement]
    placed = [
        (line.placement.start, line.measured.levels) for line in every if line.placement and line.measured
    ]
    levels = {
        "dub": [(at, one.voice_db) for at, one in placed],
        "original": [(at, one.source_db) for at, one in placed if one.source_db > opts.silent_db],
    }
    units = Counter(writing.length(line.translation.text)[1] for line in every if line.translation)
    [(unit, _)] = units.most_common(1) or [("characters", 0)]
    return [
        display.Course(f"Pace of each line, {unit} a second", {"dub": rates}, opts.rate[unit]),
        display.Course("Stretch: times as fast as spoken", {"dub": tempos}, (opts.stretch[0],)),
        display.Course("Level of each line, dB re full scale", levels),
    ]


def _source(clips: Mapping[str, Clips], segment: str, kind: str, *, beside: str, opts: qa.Options) -> str:
    """Return where a player finds a line's sound; empty where there is none."""
    sound = getattr(clips[segment], kind) if segment in clips else b""
    if not sound:
        return ""
    if opts.sound == "linked":
        return f"{beside}/{_file(segment, kind)}"
    return f"data:audio/ogg;base64,{base64.b64encode(sound).decode()}"


def _file(segment: str, kind: str) -> str:
    return f"clips/{segment}.{kind}.ogg"


def _bullet(score: Score) -> str:
    action = f" {escape(score.action)}" if score.action else ""
    return f"- **{score.verdict}** {score.check}: {escape(score.evidence)}.{action}\n"
