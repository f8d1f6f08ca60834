"""What can be wrong with one line.

Conventions
-----------
A check gives `None` where there is nothing to measure.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import langcodes

from workbench import subtitles, writing
from workbench.qa.evidence import Line
from workbench.qa.findings import Finding, Options, above, below, by_another, found
from workbench.qa.levels import Levels
from workbench.qa.round_trip import Heard


def text(line: Line, opts: Options) -> Finding:
    """Check that there is something to say."""
    if not writing.SPOKEN.search(_target(line)):
        return found("fail", "there is no target text", "Translate the line.")
    return found("ok", f"{len(_target(line))} characters")


def rate(line: Line, opts: Options) -> Finding | None:
    """Check how fast the placed take speaks."""
    length, unit = writing.length(_target(line))
    if line.placement is None or not length:
        return None
    value = round(length * 1000 / max(1, line.placement.end - line.placement.start), 1)
    evidence = f"{value} {unit} a second{_fitting(line)}"
    return above(value, opts.rate[unit], evidence, "Shorten the translation.")


def language(line: Line, opts: Options) -> Finding | None:
    """Check that the translation is one, and in the language of the dub."""
    said, translated = writing.words(line.segment.text), writing.words(_target(line))
    if not translated:
        return None
    action = "Translate the line again, or by hand."
    if said == translated and len(said) > 1:
        return found("fail", "the text is that of the original", action)
    if line.written is None:
        return found("info", f"could not be checked: there is no model of {line.language}")
    if writing.length(_target(line))[0] < opts.short_text:
        return found("ok", "too short to tell its language")
    times, other = line.written.times, langcodes.Language.get(line.written.language).display_name("en")
    evidence = f"{times:.0f} times likelier {other}" if times > 1 else "no other language is likelier"
    return above(times, opts.language, evidence, action)


def take(line: Line, opts: Options) -> Finding | None:
    """Check that the take was spoken from this translation, in the voice that is cast."""
    if line.take is None or line.translation is None:
        return None
    action = "Run tts again from here on."
    if line.take.text_pre_pronunciation != line.translation.text:
        return found("fail", f"spoken from another text: {line.take.text_pre_pronunciation}", action)
    if line.casting and line.take.voice != line.casting.voice:
        wrong = f"spoken by {line.take.voice} where {line.casting.voice} is cast"
        return found("fail", wrong, action)
    return found("ok", "spoken from this text, in the voice that is cast")


def heard(line: Line, opts: Options) -> Finding | None:
    """Check that the dub says the text: by a recogniser, or where none is ready by a reading of it."""
    if line.measured is None:
        return None
    action = "Listen, and synthesise the line again."
    said = line.measured.heard
    if isinstance(said, Heard):
        share = f"{said.wrong} of {said.words} words heard otherwise in the film by {said.engine}"
        evidence = f"{share}; lost: {', '.join(said.lost)}" if said.lost else f"{share}; none lost"
        by_rate = above(round(said.error_rate, 2), opts.error_rate, evidence, action)
        by_loss = above(len(said.lost), opts.lost_words, evidence, action)
        return by_loss if by_loss.verdict == "fail" or by_rate.verdict == "ok" else by_rate
    reading = line.measured.reading
    no_recogniser = f"no recogniser is ready ({said})"
    if isinstance(reading, str):
        return found("info", f"could not be checked: {no_recogniser}; no reading of it either ({reading})")
    usual = line.usual_apart or 0.0
    against = f"{no_recogniser}; against a reading by {reading.engine}"
    if usual > opts.readable:
        return found("info", f"could not be checked: {against}, this voice is too unlike it")
    by_whole = above(
        round(reading.apart - usual, 3),
        opts.apart,
        f"{against}, {reading.apart:.0%} of both match nothing: another text or language",
        action,
    )
    if by_whole.verdict != "ok":
        return by_whole
    words = _target(line).split()
    near = " ".join(words[int(reading.start * len(words)) : math.ceil(reading.end * len(words))])
    lost = f"{reading.lost} ms of it are not in the take"
    lost = f"{lost}, near “{near}”" if reading.lost > opts.lost_speech[0] else lost
    return above(reading.lost, opts.lost_speech, f"{against}, {lost}", action)


def voice(line: Line, opts: Options) -> Finding | None:
    """Check that the take sounds like its voice's other takes, and not like another voice."""
    if line.measured is None:
        return None
    like = line.likeness
    if isinstance(like, str):
        return found("info", f"could not be checked: {like}")
    source = "" if like.source is None else f", {like.source:.2f} to the original speaker"
    other = "" if like.other is None else f", {like.other:.2f} to {like.nearest}"
    action = "Listen, and synthesise the line again in its own voice."
    if like.own is None:
        return found("info", f"its voice's only take{other}{source}, by {like.engine}")
    evidence = f"likeness {like.own:.2f} to its voice's other takes{other}{source}, by {like.engine}"
    if like.other is not None and like.other > like.own + opts.stranger:
        return Finding("fail", like.own, like.other, evidence, action)
    return below(like.own, opts.likeness, evidence, action)


def stretch(line: Line, opts: Options) -> Finding | None:
    """Check how far the take is played faster or slower than it was spoken."""
    if line.placement is None:
        return None
    tempo = line.placement.tempo
    evidence = f"played at {tempo:.2f} times the speed it was spoken at"
    action = "Shorten the translation." if tempo > 1 else "Lengthen the translation."
    return above(round(max(tempo, 1 / tempo), 3), opts.stretch, evidence, action)


def shift(line: Line, opts: Options) -> Finding | None:
    """Check how far the dub starts from where the original does."""
    if line.placement is None:
        return None
    late = line.placement.start - line.segment.start
    evidence = f"starts {abs(late)} ms {'after' if late >= 0 else 'before'} the original"
    return above(abs(late), opts.shift, evidence, "Shorten this line or the one before it.")


def lacking(line: Line, opts: Options) -> Finding | None:
    """Check that the line has the time it needs."""
    if line.placement is None:
        return None
    lacking = line.placement.lacking
    evidence = f"lacks {lacking} ms{_fitting(line) if lacking else ''}"
    return above(lacking, opts.lacking, evidence, "Shorten the translation.")


def overlap(line: Line, opts: Options) -> Finding | None:
    """Check that lines lie over each other only where the source's do."""
    if line.placement is None:
        return None
    evidence = f"{line.overlap} ms over other lines where the source has one voice"
    return above(line.overlap, opts.overlap, evidence, "Shorten this line or its neighbour.")


def cut(line: Line, opts: Options) -> Finding | None:
    """Check that the whole take is in its placement."""
    if line.placement is None or line.take is None or line.measured is None:
        return None
    needed = line.take.samples * 1000 / line.take.sample_rate / line.placement.tempo
    there = min(line.measured.levels.length, line.placement.end - line.placement.start)
    lost = max(0, int(needed - there))
    evidence = f"{lost} ms of the take are missing" if lost else "the whole take is there"
    return above(lost, opts.cut, evidence, "Run fit again; a take must never be trimmed.")


def presence(line: Line, opts: Options) -> Finding | None:
    """Check that the take lies in the mix where it was placed, all of it."""
    if line.measured is None or not _sounds(line.measured.levels, opts):
        return None
    there, action = line.measured.presence, "Run mix again."
    if there.likeness < opts.present:
        evidence = f"the mix is not like the take in its place: likeness {there.likeness:.2f}"
        return Finding("fail", there.likeness, opts.present, evidence, action)
    side = "later" if there.lag >= 0 else "earlier"
    by_lag = above(abs(there.lag), opts.lag, f"sounds {abs(there.lag)} ms {side} than placed", action)
    if by_lag.verdict != "ok":
        return by_lag
    evidence = (
        f"{there.gone} ms of its speech are not in the mix" if there.gone else "all of it is in the mix"
    )
    return above(there.gone, opts.gone, evidence, action)


def bed(line: Line, opts: Options) -> Finding | None:
    """Check that the bed sounds from the line's start to that of the next one."""
    if line.measured is None:
        return None
    lost = line.measured.bed_lost
    evidence = f"{lost} ms without music and effects that the bed has" if lost else "the bed is there"
    return above(lost, opts.bed_lost, evidence, "Run mix again.")


def level(line: Line, opts: Options) -> Finding | None:
    """Check the line's level in the dub against the speaker's other lines."""
    if line.measured is None or line.usual_db is None or not _sounds(line.measured.levels, opts):
        return None
    value = round(line.measured.levels.voice_db - line.usual_db, 1) + 0.0
    evidence = f"{abs(value)} dB {'louder' if value >= 0 else 'softer'} than the speaker's other lines"
    return above(abs(value), opts.level, evidence, "Synthesise the line again, or set its level.")


def clipping(line: Line, opts: Options) -> Finding | None:
    """Check for sound that is flat at full scale: of the take as it was spoken, or of it in the dub."""
    if line.measured is None:
        return None
    spoken, laid = line.measured.clipped, line.measured.levels.clipped
    if spoken > 0 and spoken >= laid:
        evidence = f"its engine spoke it flat at full scale in {spoken} places"
        return above(spoken, opts.clipped, evidence, "Synthesise the line again, with another seed or rate.")
    evidence = f"flat at full scale in {laid} places"
    return above(laid, opts.clipped, evidence, "Lower the voice's level in the mix.")


def loudness(line: Line, opts: Options) -> Finding | None:
    """Check the dubbed line's level against the original's, the mix's overall gain taken out."""
    if line.measured is None or not _sounds(line.measured.levels, opts):
        return None
    if line.measured.levels.source_db <= opts.silent_db:
        return None
    value = round(line.measured.levels.voice_db - line.gain_db - line.measured.levels.source_db, 1) + 0.0
    evidence = f"{abs(value)} dB {'louder' if value >= 0 else 'softer'} than the original line"
    return above(abs(value), opts.loudness, evidence, "Set the level of this line in the mix.")


def silence(line: Line, opts: Options) -> Finding:
    """Check that the voice is in the dub, and stands out from what sounds with it."""
    if line.measured is None:
        return found("fail", "no take lies in the dub", "Run tts, fit and mix for this line.")
    if not _sounds(line.measured.levels, opts):
        return found(
            "fail", f"the take is silent ({line.measured.levels.own_db} dB)", "Synthesise the line again."
        )
    value = round(line.measured.levels.voice_db - line.measured.levels.rest_db, 1)
    evidence = f"the voice lies {value} dB over all that sounds with it"
    return below(value, opts.audible, evidence, "Duck the bed more, or raise the voice.")


def pause(line: Line, opts: Options) -> Finding | None:
    """Check for a hole inside the take."""
    if line.measured is None:
        return None
    evidence = f"longest pause {line.measured.levels.pause} ms"
    return above(
        line.measured.levels.pause, opts.pause, evidence, "Check the punctuation, and synthesise again."
    )


def reading(line: Line, opts: Options) -> Finding:
    """Check that the subtitles can be read: their lines, the columns of a line, columns a second."""
    if not line.cues:
        return found("fail", "there is no subtitle", "Run subtitles for this line.")
    rows = [cue.text.split("\n") for cue in line.cues]
    widest, most = max(subtitles.columns(row) for cue in rows for row in cue), max(map(len, rows))
    value = round(max(subtitles.reading_speed(cue) for cue in line.cues), 1)
    evidence = f"{value} columns a second; at most {widest} in a line, and lines in a cue: {most}"
    speed = above(value, opts.cue_speed, evidence, "Shorten the translation.")
    if widest > opts.cue_columns or most > opts.cue_lines:
        return Finding("fail", value, speed.limit, evidence, "Break the subtitle into shorter lines.")
    return speed


def unknown_words(line: Line, opts: Options) -> Finding | None:
    """Check that the translator knew every word."""
    if line.translation is None:
        return None
    words = line.translation.unknown
    evidence = f"not known to the translator: {', '.join(words)}" if words else "every word was known"
    return above(len(words), opts.unknown, evidence, "Translate these words by hand, or in the glossary.")


def glossary(line: Line, opts: Options) -> Finding | None:
    """Check that the style guide's terms are in the translation."""
    if line.translation is None:
        return None
    evidence = f"missed: {', '.join(line.missed)}" if line.missed else "no term is missed"
    return above(len(line.missed), opts.missed, evidence, "Put the style guide's term into the translation.")


def confidence(line: Line, opts: Options) -> Finding | None:
    """Check how sure the recogniser was."""
    given = [word.confidence for word in line.words if word.confidence is not None]
    if not given:
        return None
    value = round(sum(given) / len(given), 2)
    evidence = f"heard with a mean confidence of {value}"
    return below(value, opts.confidence, evidence, "Listen to the original and correct its text.")


def doubt(line: Line, opts: Options) -> Finding | None:
    """Check for words that the recogniser may have invented, where it did not hear well."""
    if not line.words:
        return None
    doubted = [word for word in line.words if word.doubt]
    share = round(len(doubted) / len(line.words), 2)
    if not doubted:
        return found("ok", "the recogniser doubts no word")
    reasons = ", ".join(sorted({word.doubt for word in doubted}))
    evidence = f"{len(doubted)} of {len(line.words)} words may be invented, by {reasons}"
    return above(share, opts.doubted, evidence, "Listen to the original and correct its text.")


def rude_words(line: Line, opts: Options) -> Finding:
    """Check for rude words that the recogniser may have made of clean speech."""
    rude = [word for word in line.words if _plain(word.text) in opts.rude_words]
    doubted = [w for w in rude if w.confidence is not None and w.confidence < opts.rude_confidence]
    if doubted:
        heard = ", ".join(f"{word.text} ({word.confidence:.2f})" for word in doubted)
        return found("warn", f"heard, but not surely: {heard}", "Listen to the original before it is dubbed.")
    return found("ok", f"{len(rude)} rude words, all heard surely" if rude else "no rude word")


def engine(line: Line, opts: Options) -> Finding:
    """Check that the chosen engines made the line."""
    made = [("asr", word.engine) for word in line.words]
    made += [("translate", line.translation.engine)] if line.translation else []
    made += [("tts", line.take.engine)] if line.take else []
    others = sorted({f"{kind} by {name}" for kind, name in made if by_another(name, line.chosen[kind])})
    if others:
        return found("warn", f"not by the chosen engine: {', '.join(others)}", "See: workbench engines")
    return found("ok", "made by the chosen engines")


CHECKS: tuple[Callable[[Line, Options], Finding | None], ...] = (
    text, language, take, heard, voice, rate, stretch, shift, lacking, overlap, cut, presence, clipping,
    loudness, level, silence, pause, bed, reading, unknown_words, glossary, confidence, doubt, rude_words,
    engine,
)  # fmt: skip


def _target(line: Line) -> str:
    return line.translation.text if line.translation else ""


def _fitting(line: Line) -> str:
    """Say how long a text would fit, of a line that has a budget, and why no shorter one was taken."""
    if line.budget is None:
        return ""
    fits = f": of {len(_target(line))} characters {line.budget.characters} would fit"
    return (
        f"{fits}; a shorter text was refused: {', '.join(dict.fromkeys(line.refused))}"
        if line.refused
        else fits
    )


def _sounds(measured: Levels, opts: Options) -> bool:
    return measured.own_db > opts.silent_db


def _plain(word: str) -> str:
    return "".join(writing.SPOKEN.findall(word)).casefold()
