"""Review sheets: out to other people's tools and back, without a loss."""

import csv
import dataclasses
import io
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import review
from workbench.errors import RecordError
from workbench.records import Segment, Translation
from workbench.review import sheets

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DUB = "harbour/e01/es"
FORMS = ("sheet.xlsx", "sheet.csv", "sheet.srt")
TARGETS = (
    "Buenos días.",
    '=HYPERLINK("http://example.org","x")',
    "<script>alert(1)</script> & 'más'",
    '-1 +2 @3, «coma»; "comillas"',
)
text = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=30)


def dub(targets=TARGETS, log=(), sources=None):
    sources = sources or [f"line {n}" for n in range(len(targets))]
    segments = [
        Segment(f"s{4000 * n:08d}", 4000 * n, 4000 * n + 3000, "AAB"[n % 3], source)
        for n, source in enumerate(sources)
    ]
    texts = [Translation(s.id, t, "machine", (), (), ()) for s, t in zip(segments, targets, strict=True)]
    return review.fold(log, segments, texts)


def decided(sheet, lines, who="ana"):
    return sheets.decisions(sheet, lines, dub=DUB, duration=99_000, who=who, at=NOW, where="sheet")


def there_and_back(lines, form, edit=lambda rows: rows):
    """What comes back when the rows were edited in between, in a program that keeps what it does not know."""
    rows = sheets.read(sheets.write(sheets.rows(lines, dub=DUB), where=form), lines, dub=DUB, where=form)
    return decided(edit(rows), lines)


def changed(number, **cells):
    return lambda rows: [dataclasses.replace(r, **cells) if n == number else r for n, r in enumerate(rows)]


@pytest.mark.parametrize("form", FORMS)
class TestEachForm:
    def test_an_untouched_sheet_decides_nothing(self, form):
        assert there_and_back(dub(), form) == ([], sheets.Report())

    def test_it_is_written_the_same_each_time(self, form):
        assert sheets.write(sheets.rows(dub(), dub=DUB), where=form) == sheets.write(
            sheets.rows(dub(), dub=DUB), where=form
        )

    @settings(max_examples=25, deadline=None)
    @given(st.lists(text, min_size=1, max_size=4))
    def test_every_text_comes_back(self, form, texts):
        assert there_and_back(dub(texts, sources=texts), form) == ([], sheets.Report())

    def test_an_edited_text_becomes_a_decision_on_its_line(self, form):
        lines = dub()
        [edit], report = there_and_back(lines, form, changed(1, target="Hola."))
        assert (edit.action, edit.subject, edit.who) == ("edit_text", "s00004000", "ana")
        assert str(report) == ""
        assert dub(log=[edit])["s00004000"].text == "Hola."

    def test_times_become_a_decision(self, form):
        [edit], _ = there_and_back(dub(), form, changed(2, start=8100, end=11000))
        assert (edit.action, review.value(edit).start, review.value(edit).end) == ("retime", 8100, 11000)

    def test_a_time_beyond_the_film_is_refused(self, form):
        with pytest.raises(RecordError, match=r"row 3 .*end: it is 99001 ms, the film has 99000"):
            there_and_back(dub(), form, changed(2, end=99_001))

    def test_deleted_moved_and_foreign_rows_are_reported_and_nothing_is_lost(self, form):
        def edit(rows):
            foreign = dataclasses.replace(rows[0], id="s00099000", start=99000, end=99500, target="¿Quién?")
            return [rows[3], rows[1], foreign, dataclasses.replace(rows[2], target="Nuevo.")]

        made, report = there_and_back(dub(), form, edit)
        assert [one.subject for one in made] == ["s00008000"]
        assert (report.missing, report.unknown, report.moved) == (
            ("s00000000",),
            ("s00099000",),
            ("s00012000",),
        )
        assert "1 rows missing (their lines stay as they are): s00000000" in str(report)

    def test_what_another_decided_meanwhile_is_not_undone(self, form):
        content = sheets.write(sheets.rows(dub(), dub=DUB), where=form)
        bob = review.decide("edit_text", dub()["s00000000"], who="bob", at=NOW, text="De Bob.")
        lines = dub(log=[bob])
        assert decided(sheets.read(content, lines, dub=DUB, where=form), lines)[0] == []

    def test_one_cell_edited_by_two_is_a_conflict(self, form):
        own = sheets.read(sheets.write(sheets.rows(dub(), dub=DUB), where=form), dub(), dub=DUB, where=form)
        content = sheets.write(changed(0, target="De Ana.")(own), where=form)
        if form.endswith("srt"):
            content = sheets.write(sheets.rows(dub(), dub=DUB), where=form).replace(
                TARGETS[0].encode(), b"De Ana."
            )
        bob = review.decide("edit_text", dub()["s00000000"], who="bob", at=NOW, text="De Bob.")
        lines = dub(log=[bob])
        made, report = decided(sheets.read(content, lines, dub=DUB, where=form), lines)
        assert report.both == ("s00000000",)
        assert "conflict" in dub(log=[bob, *made])["s00000000"].flags

    @pytest.mark.parametrize("other", ["harbour/e01/ca", "harbour/e02/es"])
    def test_a_sheet_of_another_dub_is_refused(self, form, other):
        content = sheets.write(sheets.rows(dub(), dub=other), where=form)
        content = content.replace(TARGETS[0].encode(), b"Bon dia.")
        with pytest.raises(
            RecordError, match=r"(row|cue) 1.* into harbour/e01/es: it is of (the|another) dub"
        ):
            decided(sheets.read(content, dub(), dub=DUB, where=form), dub())

    def test_a_row_that_stands_twice_is_an_error(self, form):
        with pytest.raises(RecordError, match="s00000000 stands twice"):
            there_and_back(dub(), form, lambda rows: [rows[0], *rows])

    def test_a_cell_of_a_hundred_thousand_characters_is_refused(self, form):
        lines = dub()
        rows = changed(0, target="x" * 100_000)(sheets.rows(lines, dub=DUB))
        content = (
            sheets.write(rows, where=form) if not form.endswith("xlsx") else book(("E2", "F2"), "x" * 32_000)
        )
        with pytest.raises(RecordError, match=r"sheet\.\w+, (row 2|line 2|cue 1).*Use at most 5000"):
            sheets.read(content, lines, dub=DUB, where=form)

    def test_what_is_no_such_file_is_an_error(self, form):
        with pytest.raises(RecordError, match=r"read sheet\."):
            sheets.read(b"\xff\xfe no sheet", dub(), dub=DUB, where=form)
        with pytest.raises(RecordError, match=r"read sheet\."):
            sheets.read(b"no sheet", dub(), dub=DUB, where=form)


@pytest.mark.parametrize("form", FORMS[:2])
class TestTables:
    def test_a_row_of_another_dub_is_refused_also_where_it_is_of_no_line(self, form):
        foreign = sheets.rows(dub(), dub="harbour/e01/ca")[3]
        with pytest.raises(RecordError, match=r"row 2 .* of the dub harbour/e01/ca. Read it with: workbench"):
            there_and_back(dub(), form, lambda rows: [rows[0], dataclasses.replace(foreign, id="s00099000")])

    def test_every_column_becomes_its_decision(self, form):
        cells = {"speaker": "B", "source": "x", "target": "y", "note": "z", "verdict": "Approved"}
        made, _ = there_and_back(dub(), form, changed(0, **cells | {"verdict": "approved"}))
        assert [one.action for one in made] == ["reassign", "edit_source", "edit_text", "note", "approve"]
        state = dub(log=made)["s00000000"]
        assert (state.state, state.text, state.notes) == ("approved", "y", ("z",))

    @pytest.mark.parametrize("speaker", ["Ana  B", " Ana", "=Ana", "A\x01na"])
    def test_a_speaker_of_any_name_comes_back(self, form, speaker):
        lines = review.fold((), [Segment("s00000000", 0, 900, speaker, "line")])
        assert there_and_back(lines, form) == ([], sheets.Report())

    def test_a_speaker_of_an_unknown_name_is_refused(self, form):
        with pytest.raises(RecordError, match=r"row 1 \(s00000000\), speaker: nobody is called 'Bea'"):
            there_and_back(dub(), form, changed(0, speaker="Bea"))

    def test_a_verdict_that_was_taken_out_is_undone(self, form):
        approval = review.decide("approve", dub()["s00000000"], who="bob", at=NOW)
        lines = dub(log=[approval])
        [undo], _ = there_and_back(lines, form, changed(0, verdict=""))
        assert (undo.action, sheets.log_of(undo, [approval])) == ("undo", "qa")
        assert dub(log=[approval, undo])["s00000000"].state == "open"

    def test_another_verdict_is_refused(self, form):
        with pytest.raises(RecordError, match=r"row 2 \(s00004000\): the verdict is 'perhaps'"):
            there_and_back(dub(), form, changed(1, verdict="perhaps"))

    def test_a_text_that_became_empty_is_refused(self, form):
        with pytest.raises(RecordError, match=r"row 1 \(s00000000\): a line cannot become empty"):
            there_and_back(dub(), form, changed(0, target=""))

    def test_a_column_that_is_gone_is_named(self, form):
        content = b"id,start\ns1,2\n" if form.endswith("csv") else book(("A1",), "id", blank=True)
        with pytest.raises(RecordError, match=r"lacks the columns .*target.*seen"):
            sheets.read(content, dub(), dub=DUB, where=form)


def book(cells, value, *, blank=False):
    """The dub's sheet with cells changed, as a spreadsheet program saves it."""
    import openpyxl

    made = openpyxl.Workbook()
    if not blank:
        made = openpyxl.load_workbook(
            io.BytesIO(sheets.write(sheets.rows(dub(), dub=DUB), where="sheet.xlsx"))
        )
    for cell in cells:
        made.worksheets[0][cell] = value
    content = io.BytesIO()
    made.save(content)
    return content.getvalue()


class TestSpreadsheets:
    def test_nothing_in_a_workbook_is_a_formula_and_ids_are_hidden(self):
        import openpyxl

        page = openpyxl.load_workbook(
            io.BytesIO(sheets.write(sheets.rows(dub(), dub=DUB), where="a.xlsx"))
        ).worksheets[0]
        assert {cell.data_type for row in page.iter_rows() for cell in row if cell.value} == {"s"}
        assert page["F3"].value == TARGETS[1]
        assert page.column_dimensions["A"].hidden
        assert page.column_dimensions["I"].hidden

    def test_a_formula_is_refused_with_its_cell(self):
        with pytest.raises(RecordError, match=r"sheet\.xlsx, cell F2: it holds a formula"):
            sheets.read(book(("F2",), "=1+1"), dub(), dub=DUB, where="sheet.xlsx")

    def test_a_changed_seen_cell_is_named(self):
        with pytest.raises(RecordError, match=r"row 1 \(s00000000\).*its cell 'seen' was changed"):
            decided(sheets.read(book(("I2",), "oops"), dub(), dub=DUB, where="sheet.xlsx"), dub())

    def test_a_bomb_is_refused(self):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("xl/worksheets/sheet1.xml", b" " * (65 * 2**20))
        with pytest.raises(RecordError, match="more than 64 MiB"):
            sheets.read(content.getvalue(), dub(), dub=DUB, where="sheet.xlsx")

    @pytest.mark.parametrize("cell", ["A60000", "A1048576"])
    def test_a_cell_far_below_the_lines_is_refused(self, cell):
        with pytest.raises(RecordError, match="it goes beyond row 50000"):
            sheets.read(book((cell,), "x"), dub(), dub=DUB, where="sheet.xlsx")

    def test_a_cell_far_beside_the_lines_is_not_looked_at(self):
        assert decided(sheets.read(book(("XFD2",), "x"), dub(), dub=DUB, where="sheet.xlsx"), dub())[0] == []

    @pytest.mark.parametrize("part", ["[Content_Types].xml", "xl/workbook.xml"])
    @pytest.mark.parametrize("spoilt", [b"<Types/>", b"", None])
    def test_a_workbook_with_a_spoilt_part_is_named(self, part, spoilt):
        content, broken = io.BytesIO(sheets.write(sheets.rows(dub(), dub=DUB), where="a.xlsx")), io.BytesIO()
        with zipfile.ZipFile(content) as packed, zipfile.ZipFile(broken, "w") as again:
            for name in packed.namelist():
                data = packed.read(name) if name != part else spoilt
                if data is not None:
                    again.writestr(name, data)
        with pytest.raises(RecordError, match=r"read sheet\.xlsx: no XLSX"):
            sheets.read(broken.getvalue(), dub(), dub=DUB, where="sheet.xlsx")

    def test_a_page_that_is_no_xml_is_named(self):
        content, broken = io.BytesIO(sheets.write(sheets.rows(dub(), dub=DUB), where="a.xlsx")), io.BytesIO()
        with zipfile.ZipFile(content) as packed, zipfile.ZipFile(broken, "w") as again:
            for name in packed.namelist():
                again.writestr(name, b"<worksheet" if name.endswith("sheet1.xml") else packed.read(name))
        with pytest.raises(RecordError, match=r"read sheet\.xlsx: no XLSX"):
            sheets.read(broken.getvalue(), dub(), dub=DUB, where="sheet.xlsx")

    def test_no_cell_of_a_csv_begins_as_a_formula_does(self):
        plain = sheets.write(sheets.rows(dub(), dub=DUB), where="a.csv").decode("utf-8-sig")
        cells = [cell for row in csv.reader(io.StringIO(plain)) for cell in row]
        assert cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]

    @pytest.mark.parametrize("delimiter", [";", "\t"])
    def test_other_delimiters_are_read(self, delimiter):
        lines, again = dub(), io.StringIO()
        plain = sheets.write(sheets.rows(lines, dub=DUB), where="a.csv").decode("utf-8-sig")
        csv.writer(again, delimiter=delimiter).writerows(csv.reader(io.StringIO(plain)))
        assert decided(sheets.read(again.getvalue().encode(), lines, dub=DUB, where="a.csv"), lines) == (
            [],
            sheets.Report(),
        )


class TestSubtitles:
    def test_a_cue_without_marks_is_of_the_dub_that_reads_it(self):
        content = b"1\n00:00:04,000 --> 00:00:07,000\n{s00004000}Hola.\n"
        [edit], _ = decided(sheets.read(content, dub(), dub=DUB, where="a.srt"), dub())
        assert edit.subject == "s00004000"

    def test_a_wrapped_text_is_the_same_text_also_where_its_last_line_is_a_number(self):
        lines = dub(["Nació allí en el año 1984"])
        content = sheets.write(sheets.rows(lines, dub=DUB), where="a.srt").replace(
            b"o 1984", b"o\r\n1984\r\n"
        )
        assert decided(sheets.read(content, lines, dub=DUB, where="a.srt"), lines) == ([], sheets.Report())

    def test_a_cue_without_its_id_is_known_by_its_start(self):
        lines = dub()
        content = b"1\n00:00:04,000 --> 00:00:07,000\nHola.\n"
        [edit], report = decided(sheets.read(content, lines, dub=DUB, where="a.srt"), lines)
        assert (edit.subject, report.unknown) == ("s00004000", ())

    def test_a_cue_of_no_line_is_reported_with_its_words(self):
        content = b"1\n00:10:04,000 --> 00:10:07,000\nHola.\n"
        assert decided(sheets.read(content, dub(), dub=DUB, where="a.srt"), dub())[1].unknown == ("Hola.",)

    def test_what_stands_behind_the_times_of_a_cue_is_not_looked_at(self):
        content = b"1\n00:00:04,000 --> 00:00:07,000 --> X1:40\nHola.\n"
        [edit], _ = decided(sheets.read(content, dub(), dub=DUB, where="a.srt"), dub())
        assert edit.subject == "s00004000"

    @pytest.mark.parametrize("times", ["-->", "00:00:04,000 --> 00:00:07,0000000 --> 00:00:07,000"])
    def test_times_that_are_none_are_named(self, times):
        with pytest.raises(RecordError, match=r"a\.srt, cue 1: .* is no line of times"):
            sheets.read(f"1\n{times}\nHola.\n".encode(), dub(), dub=DUB, where="a.srt")

    def test_a_block_without_times_is_named(self):
        with pytest.raises(RecordError, match=r"a\.srt, cue 2: 'y luego' is no line of times"):
            sheets.read(b"1\n00:00:04,000 --> 00:00:07,000\nHola\n\ny luego\n", dub(), dub=DUB, where="a.srt")
