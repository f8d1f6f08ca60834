"""Run one notebook with papermill, in this process, and keep what it showed.

A kernel of its own would cost a second a stage and would be killed at Ctrl-C before the stage could
clear its half-written output. Here the cells run in IPython inside the process that was asked: an
interrupt reaches the cell, and a fork of a warm process needs no start-up at all.
"""

from __future__ import annotations

import ast
import json
import re
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import StageError

if TYPE_CHECKING:
    import nbformat

    from workbench.display import Picture

ENGINE = "workbench"
VOLATILE = (
    "start_time",
    "end_time",
    "duration",
    "environment_variables",
    "exception",
    "input_path",
    "output_path",
)
ADDRESS = re.compile(r"(?<= at )0x[0-9a-f]{6,16}\b")


def parameters(path: Path) -> set[str]:
    """Return the names that a notebook's one parameters cell assigns.

    Raises `StageError` where the file is no notebook or has not exactly one such cell.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", ())]
        sources = ["".join(cell["source"]) for cell in tagged]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StageError(f"open the notebook {path.name}", f"{error}", "Restore it from git.") from error
    if len(sources) != 1:
        raise StageError(
            f"open the notebook {path.name}",
            f"{len(sources)} cells are tagged 'parameters'",
            "Tag exactly one.",
        )
    statements = ast.parse(sources[0]).body
    return {target.id for s in statements if isinstance(s, ast.Assign) for target in s.targets}  # type: ignore[attr-defined]


def page(path: Path) -> str:
    """Return an executed notebook as one HTML page, which needs neither a server nor a network.

    Raises `StageError` where the file is no notebook.
    """
    import jinja2
    import nbformat
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        template_name="lab",
        template_file="page.html.j2",
        extra_loaders=[jinja2.PackageLoader("workbench")],
        embed_images=True,
    )
    try:
        text, _ = exporter.from_notebook_node(
            nbformat.read(path, as_version=4), {"metadata": {"name": path.stem}}
        )
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise StageError(f"open the notebook {path.name}", f"{error}", "Run its stage again.") from error
    return str(text)


def run(path: Path, output: Path, given: dict[str, str], *, root: Path) -> None:
    """Run a notebook with parameters and keep it, with its results or its error, at `output`.

    The working folder of its cells is `root`. The kept notebook holds no times, so that equal results
    give equal bytes.

    Raises
    ------
    StageError
        Where the notebook does not have exactly these parameters, or where a cell fails: the cell's
        error is its cause. `KeyboardInterrupt` passes through.
    """
    expected = parameters(path)
    if expected != set(given):
        raise StageError(
            f"run {path.name} with the parameters {', '.join(sorted(given))}",
            f"it takes {', '.join(sorted(expected))}",
            "Give exactly those.",
        )
    import nbformat
    import papermill
    from papermill.engines import papermill_engines
    from papermill.exceptions import PapermillExecutionError

    papermill_engines.register(ENGINE, _engine())
    output.parent.mkdir(parents=True, exist_ok=True)
    draft = output.with_name(f".{output.stem}.partial.ipynb")
    try:
        papermill.execute_notebook(
            str(path), str(draft), given, engine_name=ENGINE, cwd=str(root), progress_bar=False
        )
    except PapermillExecutionError as error:
        raise StageError(
            f"run {path.name}",
            f"cell {error.exec_count} raised {error.ename}: {str(error.evalue).rstrip('.')}",
            f"The notebook as far as it got: {output}",
        ) from error
    finally:
        if draft.exists():
            notebook = nbformat.read(draft, as_version=4)
            canonical(notebook)
            nbformat.write(notebook, draft)
            draft.replace(output)


def canonical(notebook: nbformat.NotebookNode) -> None:
    """Take times, addresses and random cell ids out of an executed notebook, in place."""
    for part in (notebook, *notebook.cells):
        run = part.metadata.get("papermill", {})
        for key in VOLATILE:
            run.pop(key, None)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        for output in cell.get("outputs", ()):
            if "text" in output:
                output["text"] = ADDRESS.sub("0x0", output["text"])
            for kind, data in output.get("data", {}).items():
                if kind.startswith("text/") and isinstance(data, str):
                    output["data"][kind] = ADDRESS.sub("0x0", data)


def _shown(picture: Picture) -> tuple[str, dict[str, str]]:
    return b64encode(picture.png()).decode(), {"alt": picture.alt}


def _engine() -> type:
    """Return a papermill engine that runs cells in this process."""
    from IPython.core.displayhook import CapturingDisplayHook
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.pylabtools import select_figure_formats
    from IPython.utils.capture import capture_output
    from nbformat.v4 import new_output
    from papermill.engines import Engine

    class InProcess(Engine):  # type: ignore[misc]
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **_: Any) -> None:
            InteractiveShell.clear_instance()
            shell = InteractiveShell.instance(user_ns={}, history_load_length=0)
            if shell.history_manager is not None:
                shell.history_manager.enabled = False
            shell.colors = "nocolor"
            for name in ("showtraceback", "showsyntaxerror"):  # errors are kept as outputs below
                setattr(shell, name, lambda *_, **__: None)
            import matplotlib

            matplotlib.use("agg")
            select_figure_formats(shell, {"png"}, metadata={"Software": None})
            if shell.display_formatter is not None:
                png = shell.display_formatter.formatters["image/png"]
                png.for_type_by_name("workbench.display", "Picture", _shown)
            for number, cell in enumerate(nb_man.nb.cells):
                if cell.cell_type != "code":
                    continue
                nb_man.cell_start(cell, number)
                results: list[dict[str, Any]] = []
                shell.display_trap.hook = CapturingDisplayHook(shell=shell, outputs=results)
                with capture_output() as captured:
                    result = shell.run_cell(cell.source, store_history=True)
                cell.execution_count = shell.execution_count - 1
                cell.outputs = [
                    *(
                        new_output("stream", name=name, text=text)
                        for name, text in (("stdout", captured.stdout), ("stderr", captured.stderr))
                        if text
                    ),
                    *(
                        new_output("display_data", data=shown.data, metadata=shown.metadata or {})
                        for shown in captured.outputs
                    ),
                    *(
                        new_output("execute_result", execution_count=cell.execution_count, **shown)
                        for shown in results
                    ),
                ]
                failure = result.error_before_exec or result.error_in_exec
                if isinstance(failure, KeyboardInterrupt):
                    nb_man.cell_exception(cell, number, exception=failure)
                    raise failure
                if failure is not None:
                    cell.outputs.append(
                        new_output(
                            "error",
                            ename=type(failure).__name__,
                            evalue=str(failure),
                            traceback=shell.InteractiveTB.stb2text(
                                shell.InteractiveTB.structured_traceback(
                                    type(failure), failure, failure.__traceback__
                                )
                            ).split("\n"),
                        )
                    )
                    nb_man.cell_exception(cell, number, exception=failure)
                    return
                nb_man.cell_complete(cell, number)

    return InProcess
