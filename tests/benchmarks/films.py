"""A long film for benchmarks: the demo, many times over, with its true lines as subtitles."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pysubs2

from tests.project import workbench
from workbench.records import Segment, Table

SAID = (  # the demo's lines by a human translator
    "Hola, Ana. ¿Has visto el barco esta mañana?",
    "Todavía no, Tom. ¿Le pasa algo?",
    "Hay un agujero en el fondo. Tenemos que repararlo antes del verano.",
    "Te dejé un trozo de madera en el banco. Tiene la medida justa.",
    "Muy bien. Empezamos después del desayuno.",
    "Sí, creo que podemos repararlo en un solo día.",
    "Y cuando se ponga el sol, veremos juntos una película.",
    "Podemos verla en el jardín. ¿Cuánta gente viene?",
    "Mi hermano ha invitado a veinte amigos, y todos traerán algo de comer.",
    "¿Pero qué haremos si llueve por la tarde?",
    "Entonces entraremos en la casa y la veremos allí.",
    "Pues empecemos ya, y acabaremos antes de la noche.",
    "Eso dijiste el año pasado.",
)
# no two of the dub's lines are the same: each time over, somebody else is spoken to
CALLED = """Eva Luis Sara Hugo Inés Raúl Luz Iván Olga Saúl Lola Félix Alba Óscar Nora Pablo Rosa Mario Elsa
Pedro Clara Diego Irene David Marta Jaime Lucía Simón Paula Tomás Julia Bruno Celia Rubén Elena Jorge Laura
Víctor Nuria Andrés Silvia Martín Teresa Joel Emma Gael Vera Noel Aida Izan"""


def long(project: Path, folder: Path, *, times: int) -> tuple[Path, Table[Segment]]:
    """Make the demo's film `times` over, ``long.mp4`` in `folder`; beside it its lines as subtitles.

    ``long.en.srt`` is what is said, ``long.es.srt`` a translation. Returns the film and its lines.
    """
    workbench(project, "demo")
    source = project / "data" / "demo" / "e01" / "source.mp4"
    text = (source.parent / "truth" / "segments.jsonl").read_text()
    once = Table.from_jsonl(Segment, text, where="truth")
    length = milliseconds(source)
    listing, film = folder / "list.txt", folder / "long.mp4"
    listing.write_text(f"file '{source}'\n" * times)
    joined = ["-f", "concat", "-safe", "0", "-i", str(listing), "-c", "copy", str(film)]
    subprocess.run(["ffmpeg", "-v", "error", *joined], check=True)
    every = [
        (replace(row, start=row.start + n * length, end=row.end + n * length), f"{name}, {said}")
        for n, name in enumerate(CALLED.split()[:times])
        for row, said in zip(once, SAID, strict=True)
    ]
    segments = Table(Segment, [row for row, _ in every])
    _subtitles(folder / "long.en.srt", segments, (row.text for row in segments), named=True)
    _subtitles(folder / "long.es.srt", segments, (said for _, said in every), named=False)
    return film, segments


def milliseconds(film: Path) -> int:
    """Return how long a film is."""
    asked = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(film)]
    return round(1000 * float(subprocess.run(asked, capture_output=True, text=True, check=True).stdout))


def _subtitles(path: Path, segments: Sequence[Segment], texts: Iterable[str], *, named: bool) -> None:
    subtitles = pysubs2.SSAFile()
    subtitles.events = [
        pysubs2.SSAEvent(row.start, row.end, f"{row.speaker.upper()}: {text}" if named else text)
        for row, text in zip(segments, texts, strict=True)
    ]
    subtitles.save(str(path))
