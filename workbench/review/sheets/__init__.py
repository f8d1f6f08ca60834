"""The review sheet: every line of a dub as a row, to be worked on in a spreadsheet or a subtitle editor.

Conventions
-----------
Cells hold one line of text each. A row knows its line by its id, and carries in `Row.seen` what it said when
it was written, in which dub, and which decisions stood then: an edited cell becomes a decision on the line as
it was, so that what others decided meanwhile is neither undone nor overwritten, and a sheet of another dub is
refused. Rows may be in any order. A row that is missing deletes nothing, and one that was added belongs to no
line: both are reported, and lines are split and joined in the review panel alone. Nothing in a cell is ever
computed: text that a spreadsheet would take for a formula is written as text, and a formula is refused.

| form | holds | where ids are kept |
|---|---|---|
| XLSX | all columns | in hidden columns |
| CSV | all columns | in the first and the last column |
| SRT | times and target text | in braces before the text, with marks: ``{s00012340 9a3e1f0c33ab}`` |
"""

from __future__ import annotations

from workbench.review.sheets.forms import read, write
from workbench.review.sheets.rows import Report, Row, decisions, log_of, rows

__all__ = ["Report", "Row", "decisions", "log_of", "read", "rows", "write"]
