"""The command line: ``workbench add | dub | run | repro | rerun | sheet | status | report | engines | demo``.

Exit codes: 0 done; 1 it failed, and the message says what was asked, what was found and what to do;
2 the command line itself is wrong; 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import sys
import unicodedata
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.cli import engines
from workbench.errors import LibraryError, StageError, WorkbenchError

if TYPE_CHECKING:
    from workbench.library import Key

KEY = "series, series/episode, or series/episode/dub"
KEYS = "a dub, an episode with its dubs, or a series with all of it (default: the whole library)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    if options.command == "run":
        from workbench.runs import preload

        code = preload.ask(given)
        if code is not None:
            return code
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.WARNING)
    signal.signal(signal.SIGTERM, _interrupt)  # ends like Ctrl-C: what is half-written goes away
    try:
        options.do(options)
    except WorkbenchError as error:
        print(f"workbench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("workbench: interrupted; earlier outputs are as before", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="workbench", description="Turn episodes into dubbed episodes, line by line, reproducibly."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('dubbing-workbench')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, does: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=does, description=f"{does[:1].upper()}{does[1:]}.")

    for name, do, text in (
        ("dub", _dub, "add a film and dub it: everything, in one command"),
        ("add", _add, "add a film to the library, without dubbing it yet"),
    ):
        command = add(name, text)
        command.add_argument("film", type=Path, help="any file that ffmpeg reads")
        command.add_argument(
            "--from", dest="language", required=True, metavar="LANG", help="BCP 47 tag, as en"
        )
        command.add_argument(
            "--to", dest="targets", required=name == "dub", default=[], nargs="+", metavar="LANG",
            help="one or more languages to dub into, as es",
        )  # fmt: skip
        command.add_argument("--series", default="films", help="the series it belongs to (default: films)")
        command.add_argument("--name", help="the episode's name (default: made of the file's)")
        command.add_argument(
            "--audio-track", type=_whole(0), metavar="N", help="which audio track, from 0 (default: 0)"
        )
        command.add_argument(
            "--speakers", type=_whole(1), metavar="N", help="how many people speak, where known"
        )
        command.add_argument(
            "--transcript", type=Path, metavar="FILE",
            help="SRT, VTT or ASS of what is said; taken from beside the film where FILM.srt, FILM.vtt, "
            "FILM.ass or FILM.LANG.srt … lies there",
        )  # fmt: skip
        command.add_argument(
            "--no-transcript", action="store_true", help="do not take subtitles from beside the film"
        )
        command.add_argument(
            "--as", dest="dub_name", metavar="NAME", help="the dub's name (default: its language)"
        )
        command.add_argument("--title", help="the episode's title")
        command.add_argument("--season", type=_whole(0), metavar="N", help="which season it is of")
        command.add_argument("--number", type=_whole(0), metavar="N", help="which episode of it")
        command.add_argument("--owner", metavar="NAME", help="whose it is (default: nobody is named)")
        command.add_argument(
            "--visibility", choices=("private", "team", "public"), help="who may see it (default: private)"
        )
        command.add_argument(
            "--translation", action="append", default=[], metavar="LANG=FILE",
            help="SRT, VTT or ASS of a human translation; may be given once for each language",
        )  # fmt: skip
        command.set_defaults(do=do)

    command = add("run", "run one stage's notebook: what a DVC stage calls")
    command.add_argument("stage", help="the word of its notebook, as asr or mix")
    command.add_argument("key", help="series/episode, or series/episode/dub")
    command.set_defaults(do=_run)

    command = add("repro", "bring episodes or dubs up to date: only what changed runs")
    command.add_argument("keys", nargs="*", metavar="KEY", help=KEYS)
    command.set_defaults(do=_repro)

    command = add("rerun", "speak lines again as reviewers decided, and what follows; other takes stay")
    command.add_argument("key", help="series/episode/dub")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--approved", action="store_true", help="the lines that are approved")
    which.add_argument("--stale", action="store_true", help="the lines whose take is not what was decided")
    which.add_argument(
        "--segments", type=lambda text: text.split(","), default=[], metavar="ID,ID",
        help="these lines, by their ids in the report",
    )  # fmt: skip
    command.add_argument("--who", help="in whose name other decisions wait (default: git's user.name)")
    command.set_defaults(do=_rerun)

    command = add("sheet", "a dub's lines as XLSX, CSV or SRT, to work on elsewhere")
    command.add_argument("do_what", choices=("write", "read"), metavar="write|read")
    command.add_argument("key", help="series/episode/dub")
    command.add_argument(
        "file", type=Path, help="written or read; its ending says the form, and edited cells become decisions"
    )
    command.add_argument("--who", help="in whose name the cells were edited (default: git's user.name)")
    command.set_defaults(do=_sheet)

    command = add("status", "what is fresh, stale, missing or failed; a line a stage, where keys are given")
    command.add_argument("keys", nargs="*", metavar="KEY", help=KEYS)
    command.set_defaults(do=_status)

    command = add("report", "print the path of a dub's QA report")
    command.add_argument("key", help="series/episode/dub")
    command.add_argument(
        "--notebooks", action="store_true",
        help="and those of its executed notebooks as pages, for who has no JupyterLab",
    )  # fmt: skip
    command.set_defaults(do=_report)

    command = add("engines", "which engines there are, and what makes each ready")
    command.set_defaults(do=engines.show)
    acts = command.add_subparsers(metavar="ACT")
    act = acts.add_parser("use", help="choose the engines of a set: light, default, laptop, gpu or your own")
    act.add_argument("set", help="a set of params/engine_sets.yaml")
    act.set_defaults(do=engines.use)
    act = acts.add_parser("fetch", help="bring models, each file checked: what is here need not come again")
    act.add_argument(
        "name", nargs="?", default="",
        help="a model of params/models.yaml, or a set: all that it needs (default: what is in use)",
    )  # fmt: skip
    act.add_argument("--offline", action="store_true", help="only check what is here, and copy from --from")
    act.add_argument(
        "--from", type=Path, dest="folder", metavar="FOLDER",
        help="a folder of models on this machine, as .cache/models of another, asked where all else fails",
    )  # fmt: skip
    act.set_defaults(do=engines.bring)

    command = add("options", "what holds of a stage's options, and which file says otherwise than params/")
    command.add_argument("key", help=KEY)
    command.add_argument(
        "stage", nargs="?", help="a stage, or another file of params/; by default all that a place has"
    )
    command.add_argument("--write", action="store_true", help="write them down, for DVC")
    command.set_defaults(do=_options)

    command = add("page", "make the page over the library, reports/index.html, for who has no JupyterLab")
    command.set_defaults(do=_page)

    command = add("code", "write down what code each stage runs, for DVC")
    command.set_defaults(do=_code)

    command = add("demo", "make the demo episode's film and its truth")
    command.set_defaults(do=_demo)
    return parser


def _whole(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} up")
        return int(text)

    return read


def _add(options: argparse.Namespace) -> list[Key]:
    from workbench import library
    from workbench.runs import batch, ingest

    root = library.find_root()
    translations = {}
    for text in options.translation:
        lang, separator, file = text.partition("=")
        if not separator:
            raise LibraryError(f"use --translation {text}", "there is no = in it", "Write LANG=FILE.")
        translations[library.check_language(lang)] = Path(file)
    name = options.name or named(options.film)
    known = (root / "data" / options.series / name / "given").is_dir()  # a known film's transcript stays
    transcript = options.transcript
    if transcript is None and not options.no_transcript and not known:
        transcript = beside(options.film, options.language)
        if transcript:
            print(f"transcript: {transcript} (lies beside the film; --no-transcript leaves it aside)")
    key, dubs = ingest.add(
        root, options.film, language=options.language, targets=options.targets, series=options.series,
        name=name, audio_track=options.audio_track, speakers=options.speakers,
        transcript=transcript, translations=translations, dub_name=options.dub_name,
        facts={name: getattr(options, name) for name in ("title", "season", "number", "owner", "visibility")},
    )  # fmt: skip
    print("added:", key, *dubs)
    for sentence in batch.cautions(root, dubs):
        print(f"note: {sentence}")
    return dubs


def beside(film: Path, language: str) -> Path | None:
    """Return the subtitle file that lies beside a film and carries its name, or `None`."""
    from workbench.runs import ingest

    names = [f"{film.stem}{middle}{suffix}" for middle in (f".{language}", "") for suffix in ingest.SUBTITLES]
    return next((path for name in names if (path := film.parent / name).is_file()), None)


def named(film: Path) -> str:
    """Return the name of the episode that a file becomes: other than letters, digits and _ turn into -.

    >>> named(Path("Café, part 2 (final).mp4"))
    'Cafe-part-2-final'

    Raises `LibraryError` where no letter or digit is left.
    """
    plain = unicodedata.normalize("NFKD", film.stem).encode("ascii", "ignore").decode()
    name = re.sub("[^A-Za-z0-9_]+", "-", plain)[:64].strip("-_")
    if not name:
        raise LibraryError(
            f"name the episode of {film.name}", "its name has no letter from a to z, nor a digit",
            "Choose one with --name.",
        )  # fmt: skip
    return name


def _dub(options: argparse.Namespace) -> None:
    from workbench import library
    from workbench.runs import batch

    root, keys = library.find_root(), _add(options)
    batch.refuse_foreign(root, keys)
    _bring(root, keys)


def _run(options: argparse.Namespace) -> None:
    from workbench import library
    from workbench.runs import batch

    batch.run_stage(library.find_root(), options.stage, library.Key.parse(options.key))


def _repro(options: argparse.Namespace) -> None:
    from workbench import library

    root = library.find_root()
    _bring(root, _keys(root, options.keys))


def _keys(root: Path, asked: Sequence[str]) -> list[Key]:
    """Return the episodes and dubs that are asked for, with all that is below them; by default all."""
    from workbench.library import Key, Library

    of = Library(root)
    return of.keys(*(of.place(Key.parse(text)).key for text in asked))


def _bring(root: Path, keys: Sequence[Key]) -> None:
    from workbench.runs import batch

    failed = batch.bring(root, keys)
    for key in keys:
        if key.level == "dub" and key not in failed:
            _show(root, key)
    if failed:
        raise StageError(
            f"bring {', '.join(map(str, failed))} up to date",
            "a stage failed",
            "Its error stands above, and a notebook's under reports/. Earlier outputs are as before.",
        )


def _rerun(options: argparse.Namespace) -> None:
    from workbench import library
    from workbench.library import Key
    from workbench.runs.rerun import rerun

    done = rerun(
        library.find_root(), Key.parse(options.key), segments=options.segments, approved=options.approved,
        stale=options.stale, who=options.who,
    )  # fmt: skip
    print(
        f"{options.key}  lines asked: {len(done.lines)}, takes changed: {len(done.changed)}, "
        f"syntheses: {done.syntheses}, takes kept: {done.kept}"
    )
    also = [name for name in done.changed if name not in done.lines]
    if also:
        print(f"{options.key}  changed with them: {', '.join(also)}")


def _sheet(options: argparse.Namespace) -> None:
    from datetime import UTC, datetime

    from workbench import library, review
    from workbench.library import people
    from workbench.records import Probe
    from workbench.review import sheets
    from workbench.runs import rerun

    dub = library.Library(library.find_root()).dub(library.Key.parse(options.key))
    known = review.read(dub.review(*review.LOGS))
    lines = rerun.lines(dub, known)
    if options.do_what == "write":
        rows = sheets.rows(lines, dub=str(dub.key))
        library.write_bytes(options.file, sheets.write(rows, where=options.file.name))
        print(f"{options.file}: {len(rows)} lines")
        return
    if not options.file.is_file():
        raise LibraryError(f"read {options.file}", "there is no such file", "Name a sheet.")
    sheet = sheets.read(options.file.read_bytes(), lines, dub=str(dub.key), where=options.file.name)
    made, report = sheets.decisions(
        sheet,
        lines,
        dub=str(dub.key),
        duration=dub.read(Probe)[0].duration,
        who=options.who or people.reviewer(dub.root),
        at=datetime.now(UTC),
        where=options.file.name,
    )
    for decision in made:
        dub.append(sheets.log_of(decision, known), decision)
    print(f"{options.key}  decisions: {len(made)}", str(report), sep="\n" if str(report) else "")
    if made:
        print(
            f"{options.key}  what changes the film comes into it with: workbench rerun {options.key} --stale"
        )


def _show(root: Path, key: Key) -> None:
    from workbench import library
    from workbench.records import Product, Segment

    dub = library.Dub(root, key)
    if not dub.read(Segment):
        print(f"{key}  nothing is dubbed: no speech was found")
    for product in dub.read(Product):
        print(f"{key}  {(dub.stage('export') / product.file).relative_to(root)}")
    print(f"{key}  {(dub.reports / 'qa.html').relative_to(root)}")


def _status(options: argparse.Namespace) -> None:
    from workbench import library
    from workbench.runs import monitor

    root = library.find_root()
    rows = monitor.status(library.Library(root), _keys(root, options.keys))
    if not options.keys:
        print(*monitor.brief(rows), sep="\n")
        return
    for row in rows:
        took = f"{row.seconds:8.1f} s" if row.seconds is not None else ""
        print(f"{row.key:30} {row.stage:10} {row.state:8} {took:>10}  {row.error}".rstrip())


def _report(options: argparse.Namespace) -> None:
    from workbench import library
    from workbench.runs import notebook

    dub = library.Library(library.find_root()).dub(library.Key.parse(options.key))
    path = dub.reports / "qa.html"
    if not path.is_file():
        raise LibraryError(
            f"find the report of {options.key}", f"{path} is not there", f"Run: workbench repro {options.key}"
        )
    print(path)
    if options.notebooks:
        places = [(dub.episode, library.SOURCE_STAGES), (dub, library.TARGET_STAGES)]
        for run in (place.reports / f"{stage}.ipynb" for place, stages in places for stage in stages):
            if run.is_file():
                page = run.parent / "notebooks" / f"{run.stem}.html"
                library.write_text(page, notebook.page(run))
                print(page)


def _options(options: argparse.Namespace) -> None:
    from workbench import library
    from workbench.runs import options as stage_options

    place = library.Library(library.find_root()).place(library.Key.parse(options.key))
    if options.write:
        stage_options.write(place)
        return
    for stage in [options.stage] if options.stage else stage_options.names(place):
        print(f"{stage}:")
        print(*(f"  {line}" for line in stage_options.shown(place, stage)), sep="\n")


def _page(_: argparse.Namespace) -> None:
    from workbench import library
    from workbench.report import index

    of = library.Library(library.find_root())
    index.write(of)
    print(of.root / "reports" / index.FILE)


def _code(_: argparse.Namespace) -> None:
    from workbench import library
    from workbench.runs import digests

    digests.write(library.find_root())


def _demo(options: argparse.Namespace) -> None:
    from workbench import demo, library

    episode = library.episode("demo/e01")
    demo.make(episode.folder, episode.options("demo", demo.Options))
