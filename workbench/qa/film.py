"""What can be wrong with a film as a whole."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import langcodes

from workbench import activity, writing
from workbench.export import LONGEST_PACKET
from workbench.qa.findings import Finding, Options, above, by_another, found
from workbench.qa.material import Film

UNSAID = 12  # words that are quoted of those that nobody said


def speech(film: Film, opts: Options) -> Finding:
    """Check that there is something to dub, and that nothing was invented where there is not."""
    if film.segments:
        return found("ok", f"{len(film.segments)} lines")
    if film.takes or film.placements:
        return found("fail", "the film has no lines, yet its dub has takes", "Run tts and fit again.")
    return found("info", "nothing to dub: no speech was found, and none was made")


def original_language(film: Film, opts: Options) -> Finding:
    """Check that the original is in the language that was told, where the recogniser has an ear for it."""
    [row] = film.hearing
    if row.probability is None:
        return found("info", f"{row.told} was told; {row.engine} did not tell which language it heard")
    language = langcodes.Language.get(row.language).display_name("en")
    evidence = f"{row.told} was told, and {row.engine} takes it for {language} ({row.probability:.0%} sure)"
    if writing.same_language(row.told, row.language):
        return found("ok", evidence)
    action = "Correct the language in given/episode.yaml, and run asr again."
    return above(row.probability, opts.other_language, evidence, action)


def engines(film: Film, opts: Options) -> Finding:
    """Check that the chosen engines made the film, and none that stepped in."""
    others = [
        f"{kind} by {name} where {film.chosen[kind]} is chosen"
        for kind, made in film.made_by().items()
        for name in made
        if by_another(name, film.chosen[kind])
    ]
    if others:
        return found("warn", "; ".join(others), "See: workbench engines. Then run these stages again.")
    return found("ok", "made by the chosen engines")


def left_out(film: Film, opts: Options) -> Finding:
    """Check that every word that was heard stands in a line, or was doubted throughout and said by nobody."""
    lines = activity.union((row.start, row.end) for row in film.segments)
    starts = [start for start, _ in lines]
    lost = [
        word
        for word in film.words
        if not (i := bisect_left(starts, word.middle + 1)) or lines[i - 1][1] <= word.middle
    ]
    unsaid = [word for word in lost if word.doubt]
    evidence = f"{len(lost)} of {len(film.words)} words stand in no line"
    if len(unsaid) == len(lost) > 0:
        heard = " ".join(word.text for word in unsaid[:UNSAID])
        return found(
            "info",
            f"{evidence}; the recogniser doubts each, from {unsaid[0].start / 1000:.1f} s on: {heard}",
            "Listen there, and add a line where somebody speaks.",
        )
    return above(len(lost), opts.left_out, evidence, "Run segment again, or correct its lines.")


def programme_loudness(film: Film, opts: Options) -> Finding | None:
    """Check each encoded dub's loudness, or the mix's where none was encoded, against the target."""
    reached = [row.loudness_lufs for row in film.products if row.loudness_lufs is not None]
    reached = reached or [row.integrated_lufs for row in film.loudness if row.integrated_lufs is not None]
    if not reached:
        return None
    worst = max(reached, key=lambda value: abs(value - film.target_lufs))
    off = round(abs(worst - film.target_lufs), 2)
    evidence = f"{worst:.1f} LUFS where {film.target_lufs:.1f} were wanted"
    return above(off, opts.target, evidence, "Measure after encoding and correct the gain.")


def true_peak(film: Film, opts: Options) -> Finding | None:
    """Check that no product goes over the highest true peak allowed."""
    measured = [row.true_peak_db for row in film.products] + [row.true_peak_db for row in film.loudness]
    peaks = [peak for peak in measured if peak is not None]
    if not peaks:
        return None
    return above(
        round(max(peaks), 2), opts.true_peak, f"{max(peaks):.1f} dBTP", "Limit the mix to a lower peak."
    )


def drift(film: Film, opts: Options) -> Finding:
    """Check that the dub and every film made of it are as long as the source, within one frame."""
    [probe] = film.probe
    rates = [stream.frame_rate for stream in probe.streams if stream.frame_rate > 0]
    limit = -(-1000 // min(rates)) if rates else opts.drift
    ends = [row.duration for row in film.products if row.kind in ("film", "audio")]
    packet = max((abs(end - probe.duration) for end in ends), default=0)
    value = abs(film.duration - probe.duration)
    if not rates and value <= limit < packet <= LONGEST_PACKET:
        return found(
            "ok", f"{value} ms between source and dub; a file's last packet of sound is {packet} ms off"
        )
    value = max(value, packet)
    evidence = f"{value} ms between source and dub; one frame is {limit:.0f} ms"
    return above(value, (limit, limit), evidence, "Run mix and export again.")


def separation(film: Film, opts: Options) -> Finding | None:
    """Check how much of the old speech is left under the dub."""
    left = [row.speech_db for row in film.separation if row.speech_db is not None]
    if not left:
        return None
    evidence = f"the bed's old speech lies at {max(left):.1f} dB of the programme's"
    action = "Use a stronger separation engine; the mix can only duck what is left."
    return above(round(max(left), 1), (opts.bleed_db, float("inf")), evidence, action)


CHECKS: tuple[Callable[[Film, Options], Finding | None], ...]
CHECKS = (speech, original_language, engines, left_out, programme_loudness, true_peak, drift, separation)
