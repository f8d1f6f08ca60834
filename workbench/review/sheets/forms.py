"""The forms of a review sheet: XLSX, CSV and SRT."""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, replace
from datetime import datetime
from xml.etree.ElementTree import ParseError

import msgspec

from workbench import review, writing
from workbench.errors import RecordError
from workbench.review import Line
from workbench.review.sheets.rows import Row, rows, seen_of

COLUMNS = ("id", "start", "end", "speaker", "source", "target", "verdict", "note", "seen")
LONGEST_CELL = 5_000  # characters
LARGEST = 64 * 2**20  # bytes, unpacked
MOST_ROWS, MOST_COLUMNS = 50_000, 50  # of a workbook
# What zipfile and openpyxl raise for a workbook that is none
BROKEN = (zipfile.BadZipFile, zlib.error, ParseError, OSError, EOFError, LookupError, ValueError, TypeError,
          AttributeError, RuntimeError)  # fmt: skip
RISKY = ("=", "+", "-", "@", "'")  # what a spreadsheet computes, and our own escape
TIME = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,6})")
ARROW = re.compile(rf"(?P<start>{TIME.pattern})\s*-->\s*(?P<end>{TIME.pattern})(?:\s.*)?")
TAG = re.compile(r"\{(s\d{8,12}(?:-\d+)?)(?: ([0-9a-f]{4})([0-9a-f]{8}))?\}\s*")


def timecode(ms: int) -> str:
    """Return a time as ``hh:mm:ss.mmm``."""
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def _ms(text: str, *, where: str) -> int:
    found = TIME.fullmatch(text.strip())
    if not found:
        raise RecordError(f"read {where}", f"{text[:20]!r} is no time", "Write it as 00:01:02.345.")
    hours, minutes, seconds, part = found.groups()
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(part.ljust(3, "0")[:3])


def _check_length(text: str, *, where: str) -> None:
    if len(text) > LONGEST_CELL:
        raise RecordError(
            f"read {where}", f"the cell has {len(text)} characters", f"Use at most {LONGEST_CELL}."
        )


def _texts(row: Row) -> list[str]:
    return [timecode(cell) if isinstance(cell, int) else cell for cell in astuple(row)]


def _read(cells: Mapping[str, str], *, where: str) -> Row:
    """Return a row from the texts of its cells."""
    for name in COLUMNS[:-1]:
        _check_length(cells[name], where=f"{where}, {name}")
    start, end = (_ms(cells[name], where=f"{where}, {name}") for name in ("start", "end"))
    words = {name: writing.one_line(cells[name]) for name in ("id", "speaker", "source", "target", "note")}
    verdict = cells["verdict"].strip().lower()
    return Row(start=start, end=end, verdict=verdict, seen=cells["seen"].strip(), **words)


def _table(found: Sequence[tuple[str, Sequence[str]]], *, where: str) -> list[Row]:
    """Return rows from a table whose first row names the columns; each has its place's name."""
    head = [text.strip().lower() for text in found[0][1]] if found else []
    lacking = [name for name in COLUMNS if name not in head]
    if lacking:
        raise RecordError(
            f"read {where}",
            f"its first row lacks the column{'s'[: len(lacking) - 1]} {', '.join(lacking)}",
            "Export the sheet again, and keep its first row and hidden columns.",
        )
    table = []
    for place, texts in found[1:]:
        cells = dict(zip(head, [*texts, *[""] * (len(head) - len(texts))], strict=False))
        if any(text.strip() for text in cells.values()):
            table.append(_read(cells, where=place))
    return table


def to_csv(sheet: Iterable[Row]) -> str:
    """Return a sheet as CSV. A cell that a spreadsheet would compute has an apostrophe before it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in sheet:
        writer.writerow(["'" + cell if cell.startswith(RISKY) else cell for cell in _texts(row)])
    return "\ufeff" + text.getvalue()


def from_csv(text: str, *, where: str) -> list[Row]:
    """Read a sheet from CSV with commas, semicolons or tabs; raises `RecordError` naming the line."""
    text = text.removeprefix("\ufeff")
    head = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    found = []
    try:
        for cells in reader:
            plain = [cell.removeprefix("'") if cell[1:2] in RISKY else cell for cell in cells]
            found.append((f"{where}, line {reader.line_num}", plain))
    except csv.Error as error:
        raise RecordError(
            f"read {where}, line {reader.line_num}", str(error), "Save it as CSV again."
        ) from error
    return _table(found, where=where)


def to_xlsx(sheet: Iterable[Row]) -> bytes:
    """Return a sheet as XLSX: every cell is text, ids are hidden, the first row stays in sight."""
    from openpyxl import Workbook
    from openpyxl.cell import Cell
    from openpyxl.styles import Alignment, Font

    book = Workbook()
    book.properties.created = book.properties.modified = datetime(2000, 1, 1)  # equal sheets, equal bytes
    page = book.active
    assert page is not None
    page.title = "review"
    for number, texts in enumerate([list(COLUMNS), *map(_texts, sheet)], start=1):
        for column, text in enumerate(texts, start=1):
            cell = page.cell(number, column)
            assert isinstance(cell, Cell)
            cell.value, cell.data_type, cell.number_format = text or None, "s" if text else "n", "@"
            cell.quotePrefix = text.startswith(RISKY)
            cell.alignment = Alignment(wrap_text=column in (5, 6, 8), vertical="top")
            if number == 1:
                cell.font = Font(bold=True)
    for letter, width in zip("ABCDEFGHI", (12, 13, 13, 10, 50, 50, 12, 30, 12), strict=True):
        page.column_dimensions[letter].width = width
        page.column_dimensions[letter].hidden = letter in "AI"
    page.freeze_panes = "A2"
    return _without_times(book)


def _without_times(book: object) -> bytes:
    raw, clean = io.BytesIO(), io.BytesIO()
    book.save(raw)  # type: ignore[attr-defined]
    with zipfile.ZipFile(raw) as packed, zipfile.ZipFile(clean, "w", zipfile.ZIP_DEFLATED) as again:
        for name in packed.namelist():
            text = packed.read(name)
            if name == "docProps/core.xml":
                text = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2000-01-01T00:00:00Z", text)
            again.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return clean.getvalue()


def from_xlsx(content: bytes, *, where: str) -> list[Row]:
    """Read a sheet from XLSX; raises `RecordError` for what is none, and naming a cell with a formula."""
    try:
        found = list(_page(content, where=where))
    except BROKEN as error:
        raise RecordError(f"read {where}", f"no XLSX: {error}", "Save it as XLSX again.") from error
    return _table(found, where=where)


def _page(content: bytes, *, where: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of the first page of a workbook that have text, each with its place's name."""
    from openpyxl import load_workbook

    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        if sum(item.file_size for item in packed.infolist()) > LARGEST:
            raise RecordError(f"read {where}", "it unpacks to more than 64 MiB", "Give the sheet alone.")
    with closing(load_workbook(io.BytesIO(content), read_only=True)) as book:  # a gap in it takes no memory
        for number, cells in enumerate(book.worksheets[0].iter_rows(max_col=MOST_COLUMNS), start=1):
            if number > MOST_ROWS:
                raise RecordError(
                    f"read {where}", f"it goes beyond row {MOST_ROWS}", "Remove what stands below the lines."
                )
            formula = next((cell for cell in cells if cell.data_type == "f"), None)
            if formula is not None:
                raise RecordError(
                    f"read {where}, cell {formula.coordinate}",
                    "it holds a formula",
                    "Write the text itself; a text that begins with = needs an apostrophe before it.",
                )
            yield f"{where}, row {number}", ["" if cell.value is None else str(cell.value) for cell in cells]


def to_srt(sheet: Iterable[Row]) -> str:
    """Return times and target texts as SRT; before each text its line's id and marks in braces.

    The marks are of the dub, four digits, and of what the cue says.
    """
    cues = (
        f"{number}\n{timecode(row.start)} --> {timecode(row.end)}\n".replace(".", ",")
        + f"{{{row.id} {_dub_mark(seen_of(row.seen, where=row.id).dub)}{_mark(row)}}}{row.target}\n"
        for number, row in enumerate(sheet, start=1)
    )
    return "\n".join(cues)


def _mark(row: Row) -> str:
    return review.fingerprint(f"{row.start} {row.end} {row.target}")[:8]


def _dub_mark(dub: str) -> str:
    return review.fingerprint(dub)[:4]


def from_srt(text: str, lines: Mapping[str, Line], *, dub: str, where: str) -> list[Row]:
    """Read a sheet from SRT: what it does not hold is as in `lines`.

    A cue without an id is that of the line which has its start. One of no line has an id that is empty. A cue
    has no room for the key of its dub, only for a mark of it: whose marks were taken out is believed to be
    of `dub`, as subtitles that somebody else made are.

    Raises `RecordError` naming the cue that has no times, or the mark of another dub.
    """
    known = {row.id: row for row in rows(lines, dub=dub)}
    starts = {row.start: row.id for row in known.values()}
    sheet = []
    blocks = re.split(r"\n[ \t]*\n\s*", text.removeprefix("\ufeff").replace("\r\n", "\n").strip())
    for number, block in enumerate(filter(None, blocks), start=1):
        place = f"{where}, cue {number}"
        parts = block.split("\n")
        parts = parts[1:] if len(parts) > 1 and parts[0].strip().isdigit() else parts
        times = ARROW.fullmatch(parts[0].strip())
        if not times:
            raise RecordError(
                f"read {place}", f"{parts[0][:40]!r} is no line of times", "Remove empty lines inside a text."
            )
        start, end = (_ms(times[name], where=place) for name in ("start", "end"))
        said = writing.one_line(" ".join(parts[1:]))
        _check_length(said, where=place)
        tag = TAG.match(said)
        said = said[tag.end() :] if tag else said
        if tag and tag[2] not in (None, _dub_mark(dub)):
            raise RecordError(
                f"read {place} into {dub}",
                "it is of another dub",
                "Read it into that of which it was written.",
            )
        name = tag[1] if tag else starts.get(start, "")
        now = known.get(name, Row("", start, end, "", "", said, "", "", ""))
        row = replace(now, start=start, end=end, target=said)
        if tag and tag[3] == _mark(row):
            row = now  # as it was written; what changed since did so elsewhere
        elif tag and tag[3] and tag[3] != _mark(now) and now.seen:
            row = replace(row, seen=_unknowing(now.seen, where=place))
        sheet.append(row)
    return sheet


def _unknowing(seen: str, *, where: str) -> str:
    """Return what a row has seen, less the decisions: those that its author did not know."""
    return msgspec.json.encode(replace(seen_of(seen, where=where), after={})).decode()


def write(sheet: Sequence[Row], *, where: str) -> bytes:
    """Return a sheet in the form of a file's ending; raises `RecordError` for any but xlsx, csv, srt."""
    form = _form(where)
    return to_xlsx(sheet) if form == "xlsx" else (to_csv if form == "csv" else to_srt)(sheet).encode()


def read(content: bytes, lines: Mapping[str, Line], *, dub: str, where: str) -> list[Row]:
    """Read a sheet of a dub, by its key and lines, in the form of a file's ending.

    Raises `RecordError` naming the file, and the row and cell, of what is not as `write` has it.
    """
    form = _form(where)
    if len(content) > LARGEST:
        raise RecordError(f"read {where}", "it is larger than 64 MiB", "Give the sheet alone.")
    if form == "xlsx":
        return from_xlsx(content, where=where)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecordError(
            f"read {where}", f"byte {error.start} is not UTF-8", "Save the file as UTF-8."
        ) from error
    return from_csv(text, where=where) if form == "csv" else from_srt(text, lines, dub=dub, where=where)


def _form(where: str) -> str:
    form = where.rpartition(".")[2].lower()
    if form not in ("xlsx", "csv", "srt"):
        raise RecordError(f"use {where} as a sheet", "its ending is unknown", "Use .xlsx, .csv or .srt.")
    return form
