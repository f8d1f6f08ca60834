import json
import re

import pytest

from workbench.errors import LibraryError, StageError
from workbench.runs import notebook


def write(path, *cells, tags=("parameters",)):
    def cell(number, source):
        metadata = {"tags": list(tags)} if number == 0 else {}
        return {
            "cell_type": "code", "id": f"c{number}", "metadata": metadata, "source": source,
            "outputs": [], "execution_count": None,
        }  # fmt: skip

    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    document = {"cells": [cell(*pair) for pair in enumerate(cells)], "metadata": kernel}
    path.write_text(json.dumps({**document, "nbformat": 4, "nbformat_minor": 5}))
    return path


def outputs(path):
    return [out for cell in json.loads(path.read_text())["cells"] for out in cell.get("outputs", ())]


def test_a_notebook_runs_with_its_parameters_and_keeps_its_results(tmp_path):
    path = write(tmp_path / "a.ipynb", 'episode = "x"', 'print("hello", episode)', "import os\n6 * 7")
    notebook.run(path, tmp_path / "out" / "a.ipynb", {"episode": "001"}, root=tmp_path)
    printed, result = outputs(tmp_path / "out" / "a.ipynb")
    assert printed["text"] == ["hello 001\n"]
    assert result["data"]["text/plain"] == ["42"]


def test_two_runs_keep_the_same_bytes(tmp_path):
    path = write(tmp_path / "a.ipynb", 'episode = "x"', "print(object())", "object()")
    for name in ("1.ipynb", "2.ipynb"):
        notebook.run(path, tmp_path / name, {"episode": "e"}, root=tmp_path)
    assert (tmp_path / "1.ipynb").read_bytes() == (tmp_path / "2.ipynb").read_bytes()


def test_a_picture_is_kept(tmp_path):
    draw = "from matplotlib.figure import Figure\nfigure = Figure(figsize=(1, 1))\nfigure.subplots()\nfigure"
    path = write(tmp_path / "a.ipynb", 'episode = "x"', draw)
    notebook.run(path, tmp_path / "o.ipynb", {"episode": "e"}, root=tmp_path)
    assert "image/png" in outputs(tmp_path / "o.ipynb")[0]["data"]


def test_an_executed_notebook_is_a_page_that_asks_nobody_for_anything(tmp_path):
    draw = "from workbench.display import Picture\nPicture(width=1, height=1, alt='a box')"
    path = write(tmp_path / "a.ipynb", 'episode = "x"', 'print("<b>", episode)', draw)
    notebook.run(path, tmp_path / "o.ipynb", {"episode": "e"}, root=tmp_path)
    page = notebook.page(tmp_path / "o.ipynb")
    assert "&lt;b&gt; e" in page
    assert 'alt="a box"' in page
    assert 'src="data:image/png;base64,' in page
    assert not re.findall(
        r"""<script[^>]*src|(?:src|href)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//""", page
    )


def test_what_is_no_notebook_is_no_page(tmp_path):
    (tmp_path / "a.ipynb").write_text("{}")
    with pytest.raises(StageError, match=r"open the notebook a\.ipynb"):
        notebook.page(tmp_path / "a.ipynb")


def test_an_error_is_kept_and_raised(tmp_path):
    fail = 'print("before")\nfrom workbench.errors import LibraryError\nraise LibraryError("a", "b", "c")'
    path = write(tmp_path / "a.ipynb", 'episode = "x"', fail, 'print("never")')
    with pytest.raises(StageError, match=r"LibraryError: a: b\. c"):
        notebook.run(path, tmp_path / "o.ipynb", {"episode": "e"}, root=tmp_path)
    kept = outputs(tmp_path / "o.ipynb")
    assert ["before\n"] in [out.get("text") for out in kept]
    assert LibraryError.__name__ in [out.get("ename") for out in kept]
    assert ["never\n"] not in [out.get("text") for out in kept]


def test_an_interrupt_reaches_the_cell_and_passes_through(tmp_path):
    clean = "try:\n    raise KeyboardInterrupt\nfinally:\n    open('cleaned', 'w').close()"
    path = write(tmp_path / "a.ipynb", 'episode = "x"', clean)
    with pytest.raises(KeyboardInterrupt):
        notebook.run(path, tmp_path / "o.ipynb", {"episode": "e"}, root=tmp_path)
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize("given", [{"lang": "es"}, {"episode": "e", "lang": "es"}, {}])
def test_other_parameters_are_refused(tmp_path, given):
    path = write(tmp_path / "a.ipynb", 'episode = "x"')
    with pytest.raises(StageError, match="it takes episode"):
        notebook.run(path, tmp_path / "o.ipynb", given, root=tmp_path)
    assert not (tmp_path / "o.ipynb").exists()


def test_what_is_no_notebook_is_refused(tmp_path):
    (tmp_path / "a.ipynb").write_text("{}")
    with pytest.raises(StageError, match=r"a\.ipynb"):
        notebook.parameters(tmp_path / "a.ipynb")
    with pytest.raises(StageError, match="0 cells are tagged"):
        notebook.parameters(write(tmp_path / "b.ipynb", "x = 1", tags=()))
