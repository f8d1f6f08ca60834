"""What a thing is: the flat, frozen records that stages exchange.

Conventions
-----------
Times are integer milliseconds from the start of the episode. Records are joined by segment id. A
stage writes records of its own and never edits those of an earlier one. `Table` carries any of
them, and one JSON object a line is their form on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

import msgspec

from workbench.errors import RecordError

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["ok", "info", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a media file, as probed."""

    index: int
    kind: Literal["video", "audio", "subtitle", "other"]
    codec: str
    language: str  # BCP 47, or "und"
    sample_rate: int  # Hz; 0 unless audio
    channels: int  # 0 unless audio
    width: int  # pixels; 0 unless video
    height: int
    frame_rate: float  # frames per second on average; 0 unless video


@dataclass(frozen=True, slots=True)
class Probe:
    """A media file's facts: duration in ms, its container, its streams, and the chosen audio stream."""

    container: str
    duration: int
    streams: tuple[Stream, ...]
    audio: int  # index into streams of the audio that is dubbed


@dataclass(frozen=True, slots=True)
class Maker:
    """An engine that worked in a stage, whatever the stage recorded of it."""

    kind: str  # "asr", "tts" …
    engine: str
    identity: str  # versions, and where it has a model: its name, its checksum and where it ran
    caution: str = ""  # what its results should not be trusted in, and what mends that, for a reader


@dataclass(frozen=True, slots=True)
class Shot:
    """A shot of the film begins where another ends; ms."""

    start: int


@dataclass(frozen=True, slots=True)
class Separation:
    """How far an engine took speech and music apart.

    The decibels are levels of the bed against the programme, so they are negative where the bed is
    quieter: in frames with speech, and in frames without. `None` where there are no such frames.
    """

    engine: str
    speech_db: float | None
    music_db: float | None
    ducked_ms: int  # how long the bed was only ducked, for want of speech-free frames near by


@dataclass(frozen=True, slots=True)
class Word:
    """A word heard, with the recogniser's confidence in 0..1 (`None` where it gives none)."""

    start: int
    end: int
    text: str
    confidence: float | None
    engine: str  # with the aligner that timed it, where there was one: "subtitles via pocketsphinx"
    doubt: str = ""  # why the recogniser may have invented it: "repetition", "compression", "no speech"

    @property
    def middle(self) -> int:
        """The time that decides to which line it belongs."""
        return (self.start + self.end) // 2


@dataclass(frozen=True, slots=True)
class LineWord(Word):
    """A word of a line as the line stands, when it is said in the original.

    What a reviewer wrote is by the engine "review", and has no confidence. Where nobody found a changed
    line's words in the sound, their times are by the share of their letters: "review via letters".
    """

    segment: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Timed:
    """When a known word is said, and how well the sound bears it out, 0..1 (`None` where nobody knows)."""

    start: int
    end: int
    score: float | None


@dataclass(frozen=True, slots=True)
class Hearing:
    """How a sound was heard: the language that was told, and the one that the engine takes it for."""

    engine: str
    told: str  # BCP 47
    language: str  # BCP 47; "" where the engine does not tell, or heard no word
    probability: float | None  # of that language, 0..1


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of time in which one speaker speaks."""

    start: int
    end: int
    speaker: str
    engine: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One line to dub. Its id is made from its own source time, never from its place in a list."""

    id: str
    start: int
    end: int
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Clip:
    """A reference clip of a speaker: where it lies in the source, and how clean it is."""

    speaker: str
    start: int
    end: int
    snr_db: float
    sound: str  # file name beside the record


@dataclass(frozen=True, slots=True)
class Speaker:
    """A label inside one episode, and how that voice sounds."""

    speaker: str
    speech: int  # ms spoken in all
    pitch_hz: float | None  # median fundamental; None where nothing voiced was found
    pitch_low_hz: float | None  # 10th percentile
    pitch_high_hz: float | None  # 90th percentile
    print: tuple[float, ...]  # speaker print of unit length; empty where there is too little speech
    engine: str  # which engine made the print


@dataclass(frozen=True, slots=True)
class EngineVoice:
    """A voice that a synthesiser brings, as its catalogue describes it."""

    name: str
    sex: Literal["f", "m", ""]
    pitch_hz: float | None  # median fundamental, measured; None where nobody has
    accent: str = ""  # how it speaks the language asked for, where it was not trained on it


@dataclass(frozen=True, slots=True)
class Casting:
    """A speaker joined to a voice: an engine's own voice, or a person's voice at one version."""

    speaker: str
    voice: str
    engine: str  # the synthesiser whose voice it is
    score: float | None  # nearness in 0..1; None where a person decided
    by: str  # "pitch", "series.yaml" or "review", and the voice's accent where it has one


@dataclass(frozen=True, slots=True)
class SceneLine:
    """A line as a translator of whole scenes gets it."""

    id: str  # of its segment
    speaker: str
    text: str
    longest: int  # characters that can be spoken in its time
    terms: tuple[tuple[str, str], ...]  # the glossary's rules that hold for it: source, target
    needed: bool  # False where a person gave its text, and it only helps to understand the others


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line whose translation takes too long to say, as a translator that can shorten it gets it."""

    id: str  # of its segment
    speaker: str
    text: str
    present: str  # the translation that is too long
    longest: int  # characters of one that would fit
    terms: tuple[tuple[str, str], ...]  # the glossary's rules that the present one keeps: source, target


@dataclass(frozen=True, slots=True)
class Draft:
    """What a translator makes of one line, before the glossary."""

    text: str
    unknown: tuple[str, ...]  # source words the engine does not know
    via: str = ""  # the language in between, where there was no direct way


@dataclass(frozen=True, slots=True)
class Translation:
    """The target text of one segment."""

    segment: str
    text: str
    engine: str  # with the language in between, where there was one: "apertium via spa"
    unknown: tuple[str, ...]  # source words the engine does not know
    glossary_applied: tuple[str, ...]  # source terms of the rules that changed or confirmed the text
    glossary_missed: tuple[str, ...]  # source terms whose target does not stand in the text


@dataclass(frozen=True, slots=True)
class Take:
    """One synthesis of one translation. `tts_text` is what was spoken, after the lexicon.

    `instead_of` is the translation for which a shorter text is spoken; empty where it is spoken itself.
    """

    segment: str
    sound: str  # file name beside the record, WAV, mono
    samples: int
    sample_rate: int
    tts_text: str
    text_pre_pronunciation: str
    voice: str
    engine: str
    rate: float  # the engine's own rate, 1.0 = its natural one
    key: str  # content address: everything that can change the sound
    instead_of: str = ""

    @property
    def duration(self) -> int:
        """Length in ms, rounded up, so that a slot of this length holds every sample."""
        return -(-self.samples * 1000 // self.sample_rate)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a take lies on the timeline, and how it gets there.

    `tempo` is how much faster than spoken the take is played (1.0 = as spoken). `lacking` is how many
    ms the line would have needed beyond what the limits allow; 0 where it fits. `take` is which of the
    segment's takes it is, where there are several.
    """

    segment: str
    start: int
    end: int
    tempo: float
    lacking: int
    take: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """What a translation may be for its take to have its time, unhurried, where the one there is has not."""

    segment: str
    duration: int  # ms that a take may last as spoken
    lacking: int  # ms by which the present one is longer than that
    characters: int  # length of a text that its voice speaks in that time


@dataclass(frozen=True, slots=True)
class Candidate:
    """A shorter text that was offered for a line that has a `Budget`, and what became of it."""

    segment: str
    round: int  # from 1
    text: str  # empty where there was none to offer
    engine: str  # the translator that offered it
    longest: int  # ms that its take might last …
    characters: int  # … and its text
    duration: int | None  # ms that its take lasts; None where it was not spoken
    refused: str  # why it is not among the line's takes; empty where it is


@dataclass(frozen=True, slots=True)
class Loudness:
    """Loudness of a programme by ITU-R BS.1770 and EBU R128."""

    integrated_lufs: float | None  # None for silence
    true_peak_db: float | None  # dBTP
    range_lu: float | None
    gain_db: float  # what was applied to get there


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: up to two lines of text, of one segment or a part of it."""

    segment: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Product:
    """One file that leaves the bench. `note` says what it or its sibling could not hold as it was."""

    file: str
    kind: Literal["film", "preview", "audio", "subtitles"]
    container: str
    duration: int
    loudness_lufs: float | None  # of the encoded dub, measured after encoding
    true_peak_db: float | None
    note: str


@dataclass(frozen=True, slots=True)
class Score:
    """One QA finding: a check's verdict on one segment ("" for the film), and what to do about it."""

    segment: str
    check: str
    verdict: Verdict
    value: float | None
    limit: float | None
    evidence: str
    action: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One act of a reviewer. Appended, never rewritten."""

    subject: str
    action: str
    fingerprint: str
    value: str
    who: str
    at: str  # ISO 8601, UTC


R = TypeVar("R")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # by JSON that is none, or too deep


def parse(kind: type[R], value: object, *, where: str) -> R:
    """Turn a plain mapping into a dataclass, refusing unknown, missing and mistyped keys.

    Raises
    ------
    RecordError
        Naming `where`, the key and what was expected of it.
    """
    _refuse_unknown_keys(kind, value, where=where)
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        raise RecordError(f"read {where}", str(error), "Correct that key.") from error


def from_json(kind: type[R], text: str, *, where: str) -> R:
    """Read a dataclass from JSON. Raises as `parse` does, and `RecordError` for what is no JSON."""
    try:
        value = msgspec.json.decode(text)
    except UNREADABLE as error:
        raise RecordError(f"read {where}", str(error), "Repair or remove that line.") from error
    return parse(kind, value, where=where)


def _refuse_unknown_keys(kind: type, value: object, *, where: str) -> None:
    if not (is_dataclass(kind) and isinstance(value, Mapping)):
        return
    known = {field.name for field in fields(kind)}
    unknown = [str(key) for key in value if key not in known]
    if unknown:
        raise RecordError(
            f"read {where}",
            f"unknown key {', '.join(sorted(unknown))}",
            f"The keys are: {', '.join(sorted(known))}.",
        )


class Table(Sequence[R], Generic[R]):
    """Records of one type, in order. Immutable; operations return new tables.

    >>> table = Table(Turn, [Turn(0, 900, "A", "rttm")])
    >>> Table.from_jsonl(Turn, table.to_jsonl(), where="turns.jsonl") == table
    True
    """

    __slots__ = ("kind", "rows")

    def __init__(self, kind: type[R], rows: Iterable[R] = ()) -> None:
        self.kind, self.rows = kind, tuple(rows)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Table[R]: ...
    def __getitem__(self, index: int | slice) -> R | Table[R]:
        return Table(self.kind, self.rows[index]) if isinstance(index, slice) else self.rows[index]

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.kind is other.kind and self.rows == other.rows

    def __hash__(self) -> int:
        return hash((self.kind, self.rows))

    def __repr__(self) -> str:
        return f"Table({self.kind.__name__}, {len(self)} rows)"

    def where(self, keep: Callable[[R], bool]) -> Table[R]:
        """Return the rows that `keep` says yes to."""
        return Table(self.kind, filter(keep, self.rows))

    def by(self, field: str) -> dict[Any, R]:
        """Return the rows by the value of a field, which must be unique.

        Raises `RecordError` where two rows share a value.
        """
        index: dict[Any, R] = {}
        for row in self.rows:
            value = getattr(row, field)
            if value in index:
                raise RecordError(
                    f"find each record by its {field}",
                    f"{value!r} stands twice",
                    "Remove one of the two.",
                )
            index[value] = row
        return index

    def to_jsonl(self) -> str:
        """Return one JSON object a line, in UTF-8 text, keys in the order of the fields."""
        return "".join(msgspec.json.encode(row).decode() + "\n" for row in self.rows)

    @classmethod
    def from_jsonl(cls, kind: type[R], text: str, *, where: str) -> Table[R]:
        """Read what `to_jsonl` wrote. `where` names the text in errors.

        Raises `RecordError` naming the line that is not such a record.
        """
        lines = enumerate(text.split("\n"), start=1)
        places = ((f"{where}, line {number}", line) for number, line in lines if line.strip())
        return cls(kind, (from_json(kind, line, where=place) for place, line in places))

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with one column a field."""
        import pandas as pd

        names = [field.name for field in fields(self.kind)]  # type: ignore[arg-type]
        return pd.DataFrame([[getattr(row, name) for name in names] for row in self.rows], columns=names)

    def _repr_html_(self) -> str:
        from workbench import display

        return display.table(self)
