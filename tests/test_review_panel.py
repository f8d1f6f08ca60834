"""The review panel in a real browser: JupyterLab, Chromium, and a dub with all its stages."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests import browser, episodes, projects
from tests.test_panels import write
from workbench import library, review
from workbench.records import Segment, Take

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(bool(projects.missing()), reason=f"not installed: {projects.missing()}"),
]

MANY = 1000
EDIT = "Míralo."
PANEL = "harbour/notebooks/review.ipynb"
STARTED = """kind => new Promise((done, failed) => {
    const sound = document.querySelector('.wb audio')
    const look = left => sound.error ? failed(new Error('this sound cannot be played'))
        : sound.dataset.kind === kind && sound.currentTime > 0 ? done(sound.duration)
        : left ? setTimeout(look, 50, left - 1) : failed(new Error('it does not play'))
    look(600)
})"""
ALL_FAIL = "[...document.querySelectorAll('.wb-row .wb-badge')].every(b => b.textContent === 'fail')"
# does what `act` does, and says after how many ms the page has drawn what `wanted` says
TIMED = """async ([act, wanted]) => {
    const done = new Function('return ' + wanted), start = performance.now()
    new Function(act)()
    while (!done()) await new Promise(requestAnimationFrame)
    return Math.round(performance.now() - start)
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two projects side by side: a short dub with all its stages, and the records of a thousand lines."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("harbour", "many"):
        (folder / name).mkdir()
    projects.dubbed(folder / "harbour")
    many = folder / "many"
    projects.copied(many)
    (many / "params/library.yaml").write_text("harbour: {e01: [es]}\n")
    for key in (projects.KEY, f"{projects.KEY}/es"):
        given = Path("data") / key / "given"
        shutil.copytree(folder / "harbour" / given, many / given)
    texts = episodes.change(
        episodes.film(MANY).segments, 7, text="<script>alert(1)</script><img src=x onerror=alert(2)>"
    )
    write(
        library.Dub(many, library.Key.parse(f"{projects.KEY}/es")),
        episodes.film(MANY, segments=texts),
        sr=500,
    )
    return folder


@pytest.fixture(scope="module")
def lab(folder, tmp_path_factory):
    with browser.lab(folder, tmp_path_factory.mktemp("home")) as lab:
        yield lab


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as chromium:
        yield chromium


@pytest.fixture
def page(chromium, lab):
    page = browser.Page(chromium, lab)
    yield page
    page.tab.close()


@pytest.fixture(scope="module")
def dub(folder):
    return library.dub(projects.KEY, projects.LANG, folder / "harbour")


def panel(page: browser.Page, notebook: str = PANEL):
    return page.run(notebook, until=".wb .wb-row")


def decided(dub: library.Dub) -> list[tuple[str, str]]:
    made = review.read(dub.review(*review.LOGS))
    return [(decision.action, decision.subject) for decision in made if decision.action != "hold"]


def select(tab, name: str) -> None:
    tab.click(f".wb-row[data-id='{name}']")
    tab.wait_for_selector(f".wb-row[data-id='{name}'][aria-selected=true]")
    tab.wait_for_selector(f".wb-facts:has-text('{name}')")


def write_text(tab, text: str) -> None:
    tab.keyboard.press("e")
    tab.keyboard.press("Control+a")
    tab.keyboard.type(text)
    tab.keyboard.press("Control+Enter")
    tab.wait_for_selector(f".wb-row[aria-selected=true]:has-text('{text}')")


def play_take(tab) -> float:
    tab.keyboard.press("t")
    return tab.evaluate(STARTED, "take")


def rerun_ends(tab) -> None:
    tab.keyboard.press("r")
    tab.wait_for_selector(".wb-running:visible:has-text('rerun')")
    tab.wait_for_selector(".wb-status:has-text('the rerun is done')")


def takes(dub: library.Dub) -> dict[str, Take]:
    return dub.read(Take).by("segment")


def test_a_line_goes_from_failure_to_approval_and_into_the_film(page, dub):
    tab = panel(page)
    before = takes(dub)
    tab.click(".wb-chip[data-verdict=fail]")
    tab.wait_for_selector(".wb-chip[data-verdict=fail][aria-pressed=true]")
    tab.wait_for_function(
        "[...document.querySelectorAll('.wb-row .wb-badge')].every(b => b.textContent === 'fail')"
    )
    name = max(before, key=lambda segment: before[segment].duration)
    select(tab, name)
    assert tab.inner_text(".wb-findings .wb-badge >> nth=0") == "fail"
    long = play_take(tab)
    write_text(tab, EDIT)
    assert "the new text will take about" in tab.inner_text(".wb-detail")
    tab.keyboard.press("a")
    tab.wait_for_selector(".wb-row[aria-selected=true].wb-is-approved")
    assert decided(dub) == [("edit_text", name), ("approve", name)]
    rerun_ends(tab)
    tab.wait_for_function("() => !document.querySelector('.wb-flags')?.textContent.includes('not yet')")
    assert play_take(tab) < long / 2
    after = takes(dub)
    assert after[name].text_pre_pronunciation == EDIT
    assert [key for key in before if before[key] != after[key]] == [name]

    panel(page)
    tab.wait_for_selector(f".wb-row[data-id='{name}'].wb-is-approved:has-text('{EDIT}')")
    tab.wait_for_selector(".wb-far:has-text('1 of ')")
    select(tab, name)
    assert play_take(tab) < long / 2
    assert page.faults == []


def test_two_sessions_keep_each_others_decisions(chromium, lab, page, dub, folder):
    project = folder / "harbour/notebooks"
    shutil.copyfile(project / "review.ipynb", project / "second.ipynb")
    other = browser.Page(chromium, lab)
    one, two = panel(page), panel(other, "harbour/notebooks/second.ipynb")
    first, second = (line.id for line in dub.read(Segment)[:2])
    select(one, first)
    select(two, second)
    one.keyboard.press("a")
    two.wait_for_selector(f".wb-row[data-id='{first}'].wb-is-approved")
    two.keyboard.press("x")
    for tab in (one, two):
        tab.wait_for_selector(f".wb-row[data-id='{first}'].wb-is-approved")
        tab.wait_for_selector(f".wb-row[data-id='{second}'].wb-is-rejected")
    assert {("approve", first), ("reject", second)} <= set(decided(dub))
    two.keyboard.press("u")
    one.wait_for_selector(f".wb-row[data-id='{second}'].wb-is-open")
    other.tab.close()


def test_a_failed_rerun_says_so_and_keeps_the_take(page, dub):
    tab = panel(page)
    name = dub.read(Segment)[0].id
    before = takes(dub)
    select(tab, name)
    write_text(tab, "¡¿?!")
    tab.keyboard.press("r")
    tab.wait_for_selector(".wb-running.wb-failed:has-text('resynth_failed')")
    assert takes(dub) == before
    assert play_take(tab) == pytest.approx(before[name].duration / 1000, abs=0.05)
    tab.keyboard.press("u")
    tab.wait_for_selector(".wb-status:has-text('undone')")


def test_a_killed_kernel_loses_nothing(page, lab, dub):
    import psutil

    tab = panel(page)
    name = dub.read(Segment)[1].id
    select(tab, name)
    write_text(tab, "Aún no.")
    tab.keyboard.press("r")
    tab.wait_for_selector(".wb-running progress:visible")
    for process in psutil.Process(lab.process.pid).children(recursive=True):
        if process.is_running() and "ipykernel_launcher" in process.cmdline():
            process.send_signal(signal.SIGKILL)
    assert ("edit_text", name) in decided(dub)
    tab = panel(page)
    tab.wait_for_selector(f".wb-row[data-id='{name}']:has-text('Aún no.')")
    tab.wait_for_function("document.querySelector('.wb-running').hidden")
    assert takes(dub)[name].text_pre_pronunciation == "Aún no."
    select(tab, name)
    assert play_take(tab) == pytest.approx(takes(dub)[name].duration / 1000, abs=0.05)


def test_a_thousand_lines_are_at_hand(page, capsys):
    tab = panel(page, "many/notebooks/review.ipynb")
    pressed = "new KeyboardEvent('keydown', {key: %r, bubbles: true})"
    key = f"document.querySelector('.wb-list').dispatchEvent({pressed})"
    chosen = "document.querySelector('.wb-row[aria-selected=true]')?.dataset.id"
    tab.select_option(".wb select[data-name=order]", "time")
    tab.wait_for_function("document.querySelector('.wb-row').dataset.id === 's00001000'")
    tab.click(".wb-row >> nth=0")
    tab.wait_for_selector(".wb-facts:has-text('s00001000')")
    said = "document.querySelector('.wb-facts').textContent.includes(%r)"
    asked = {
        "next line": (key % "j", said % "s00004000"),
        "next line again": (key % "j", said % "s00007000"),
        "approve": (key % "a", "document.querySelector('.wb-row[data-id=s00007000].wb-is-approved')"),
        "turn the page": (
            "document.querySelector('[aria-label=\"Later lines\"]').click()",
            "document.querySelector('.wb-row').dataset.id === 's00301000'",
        ),
        "filter": (
            "document.querySelector('.wb-chip[data-verdict=fail]').click()",
            "document.querySelector('.wb-chip[data-verdict=fail]').ariaPressed === 'true' "
            "&& document.querySelector('.wb-pager').textContent.includes('0 lines')",
        ),
        "all again": (
            "document.querySelector('.wb-chip[data-verdict=\"\"]').click()",
            "document.querySelectorAll('.wb-row').length === 100",
        ),
        "undo": (key % "u", "!document.querySelector('.wb-is-approved')"),
        "approve all": (
            "document.querySelector('[data-verb=approve_ok]').click()",
            "document.querySelector('.wb-far').textContent.startsWith('1000 of')",
        ),
    }
    took = {name: tab.evaluate(TIMED, list(steps)) for name, steps in asked.items()}
    with capsys.disabled():
        print(f"\n1,000 lines, ms from the key to the page: {took}")
    assert tab.locator(".wb-row").count() == 100
    assert tab.evaluate(chosen) is not None
    assert page.faults == []


def test_a_line_is_split_given_away_and_pronounced_by_hand(page, folder):
    tab = panel(page, "many/notebooks/review.ipynb")
    there = library.Dub(folder / "many", library.Key.parse(f"{projects.KEY}/es"))
    name = "s00301000"
    tab.fill(".wb input[type=search]", "")
    tab.select_option(".wb select[data-name=order]", "time")
    tab.click("[aria-label='Later lines']")
    select(tab, name)
    tab.keyboard.press("m")
    tab.wait_for_selector(".wb-more[open] .wb-words button")

    def done(action: str, stage: str) -> review.Value:
        tab.wait_for_selector(
            f".wb-history li:has-text('{action.replace('_', ' ')}') .wb-log:text-is('{stage}')"
        )
        assert f"goes from {stage} on" in tab.inner_text(".wb-status")
        found = [one for one in review.read(there.review(stage)) if one.action == action]
        assert found[-1].subject == name
        return review.value(found[-1])

    at = tab.get_attribute(".wb-words button >> nth=1", "data-cut")
    tab.click(".wb-words button >> nth=1")
    assert str(done("split", "segment").cut) == at
    tab.keyboard.press("u")
    tab.wait_for_selector(".wb-status:has-text('undone: split')")
    tab.click("[data-more=merge]")
    assert done("merge", "segment").other is not None
    start = tab.get_by_label("Start, seconds")
    start.fill("301.20")
    tab.click("[data-more=retime]")
    assert done("retime", "segment").start == 301_200
    tab.select_option("[aria-label='Who says it']", "S1")
    tab.select_option("[aria-label='Who says it']", index=1)
    tab.click("[data-more=reassign]")
    assert done("reassign", "segment").speaker == tab.input_value("[aria-label='Who says it']")
    tab.click("[data-more=off_screen]")
    assert done("off_screen", "segment").off_screen
    tab.wait_for_selector(".wb-flags:has-text('out of the picture')")
    word = tab.input_value("textarea[data-verb=edit]").split()[0].strip("¡¿,.")
    tab.get_by_label("word", exact=True).fill(word)
    tab.get_by_label("as", exact=True).fill("so")
    tab.click("[data-more=pronounce]")
    assert (done("pronounce", "tts").term, done("pronounce", "tts").tts) == (word, "so")
    tab.get_by_label("Rate", exact=True).fill("1.1")
    tab.click("[data-more=regenerate]")
    assert done("regenerate", "tts").rate == 1.1
    assert page.faults == []


@pytest.mark.parametrize("part", [".wb-wave", ".wb-facts", ".wb-findings", ".wb-head h2"])
def test_keys_are_the_panels_wherever_it_was_clicked(page, dub, part):
    tab = panel(page)
    name = dub.read(Segment)[1].id
    select(tab, name)
    tab.wait_for_selector(".wb-wave:not(.wb-late)")
    cells = "document.querySelectorAll('.jp-Notebook .jp-Cell').length"
    before = tab.evaluate(cells)
    tab.click(part)
    tab.keyboard.press("x")  # cuts a cell in JupyterLab
    tab.wait_for_selector(f".wb-row[data-id='{name}'].wb-is-rejected")
    tab.keyboard.press("b")  # makes a cell there, and nothing here
    tab.keyboard.press("u")
    tab.wait_for_selector(f".wb-row[data-id='{name}']:not(.wb-is-rejected)")
    assert tab.evaluate(cells) == before


def test_a_text_that_is_refused_stays_where_it_was_typed(page, dub):
    tab = panel(page)
    name = dub.read(Segment)[0].id
    select(tab, name)
    tab.keyboard.press("e")
    tab.keyboard.press("Control+a")
    tab.keyboard.insert_text("x" * 5001)
    tab.keyboard.press("Control+Enter")
    tab.wait_for_selector(".wb-status:has-text('5000 characters')")
    assert tab.input_value("textarea[data-verb=edit]") == "x" * 5001
    before = decided(dub)  # the line may be approved already
    tab.keyboard.press("a")
    tab.keyboard.press("j")  # answered after it
    tab.wait_for_selector(f".wb-row[data-id='{name}'][aria-selected=false]")
    assert decided(dub) == before


def test_what_is_being_written_is_approved_as_it_is_written(page, dub):
    tab = panel(page)
    name = dub.read(Segment)[1].id
    select(tab, name)
    tab.keyboard.press("e")
    tab.keyboard.press("Control+a")
    tab.keyboard.insert_text("Aún no, hermana.")
    tab.click("[data-verb=approve]")
    tab.wait_for_selector(f".wb-row[data-id='{name}'].wb-is-approved:has-text('Aún no, hermana.')")
    tab.click("[data-verb=reopen]")
    tab.wait_for_selector(f".wb-row[data-id='{name}']:not(.wb-is-approved)")


def test_voices_are_heard_and_chosen(page, dub):
    from axe_playwright_python.sync_playwright import Axe

    tab = page.run("harbour/notebooks/casting.ipynb", until=".widget-dropdown select")
    tab.click("button:has-text('Listen') >> nth=0")
    tab.wait_for_selector("audio >> nth=1")
    for sound in tab.query_selector_all("audio"):
        assert (
            sound.evaluate(
                "s => new Promise(done => {s.onloadedmetadata = () => done(s.duration); s.load()})"
            )
            > 0
        )
    results = Axe().run(tab, context=".jp-OutputArea-output .widget-vbox")
    assert results.violations_count == 0, results.generate_report()
    voices = [voice.inner_text() for voice in tab.query_selector_all(".widget-dropdown >> nth=0 >> option")]
    tab.select_option(".widget-dropdown select >> nth=0", voices[-1])
    tab.click("button:has-text('Choose it') >> nth=0")
    tab.wait_for_selector(f"text=chosen for the next run: {voices[-1]}")
    [chosen] = [one for one in review.read(dub.review("cast")) if one.action == "cast"]
    assert review.value(chosen).voice == voices[-1]
    tab.click("button:has-text('Undo')")
    tab.wait_for_selector("text=undone: the voice of")
    assert page.faults == []


def test_the_panel_is_accessible_and_takes_no_text_for_html(page):
    from axe_playwright_python.sync_playwright import Axe

    tab = panel(page, "many/notebooks/review.ipynb")
    tab.fill(".wb input[type=search]", "<script>")
    tab.wait_for_selector(".wb-pager:has-text('1–1 of 1')")
    assert "<script>alert(1)</script>" in tab.inner_text(".wb-row")
    tab.click(".wb-row")
    tab.wait_for_selector(".wb-facts:has-text('s00022000')")
    cells = "window.jupyterapp.shell.currentWidget.content.model.cells.length"
    before = tab.evaluate(cells)
    for key in ("a", "b", "d", "d", "x", "j", "k", "u"):
        tab.keyboard.press(key)
    assert tab.evaluate(cells) == before
    tab.keyboard.press("m")
    tab.wait_for_selector(".wb-more[open]")
    tab.keyboard.press("Escape")
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.theme(theme)
        results = Axe().run(tab, context=".wb")
        assert results.violations_count == 0, results.generate_report()
    tab.keyboard.press("?")
    tab.wait_for_selector(".wb-help:visible")
    for word in ("play", "next", "previous", "approve", "edit", "lock", "run"):
        assert word in tab.inner_text(".wb-help")
    for width in (1920, 1280):
        tab.set_viewport_size({"width": width, "height": 1000})
        assert tab.evaluate(
            "document.querySelector('.wb').scrollWidth <= document.querySelector('.wb').clientWidth"
        )
    assert page.faults == []


def test_lines_are_gone_through_by_ear_and_eye_with_one_key(page, dub):
    tab = panel(page)
    tab.select_option(".wb select[data-name=order]", "time")
    first, second = dub.read(Segment)[:2]
    select(tab, first.id)
    picture = "document.querySelector('.wb-film')"
    tab.wait_for_function(f"{picture}.videoWidth > 0 && {picture}.currentTime === {first.start / 1000}")
    tab.keyboard.press("p")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(f".wb-row[data-id='{first.id}'].wb-is-approved")
    tab.wait_for_selector(f".wb-row[data-id='{second.id}'][aria-selected=true]")
    tab.evaluate(STARTED, "dub")
    tab.wait_for_function(f"{picture}.currentTime > {(second.start - 1000) / 1000}")
    tab.keyboard.press(" ")
    tab.wait_for_function(f"{picture}.paused")
    tab.keyboard.press("u")
    tab.wait_for_selector(".wb-status:has-text('undone: approve')")
    assert page.faults == []
