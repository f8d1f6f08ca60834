"""Content addresses of values and of code."""

import pytest

from workbench import content

CODE = '''
"""A module."""
from workbench import audio
RATE = 8  # Hz

def double(y):
    """Twice."""
    return 2 * y
'''


def test_an_address_tells_values_apart():
    assert content.address(1, "a") == content.address(1, "a")
    assert content.address(1, "a") != content.address("1", "a") != content.address("1a")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Hz", "# samples a second"),
        ('"""Twice."""', '"""Two times."""'),
        ("2 * y", "(2 *\n y)"),
        ("\n\n", "\n\n\n"),
    ],
)
def test_what_means_the_same_has_one_digest(old, new):
    assert old in CODE
    assert content.read(CODE.replace(old, new)).digest == content.read(CODE).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("= 8", "= 9"),
        ("= 8", "= 8.0"),
        ("= 8", "= '8'"),
        ("2 * y", "y * 2"),
        ("double(y)", "double(y=1)"),
        ("audio", "mix"),
    ],
)
def test_what_means_another_thing_has_another_digest(old, new):
    assert old in CODE
    assert content.read(CODE.replace(old, new)).digest != content.read(CODE).digest


def test_a_text_in_an_expression_is_no_docstring():
    assert content.read("def f():\n    return 'a'").digest != content.read("def f():\n    return 'b'").digest


def test_imports_are_found_at_the_top_and_inside():
    found = content.read("from workbench import audio\ndef f():\n    import workbench.mix.bed\n").imports
    assert {"workbench.audio", "workbench.mix.bed"} <= set(found)


def test_code_of_a_module_holds_what_it_imports(monkeypatch):
    alone, before = content.of_code("workbench.align"), content.of_code("workbench.mix")
    read = content.read

    def other(text, **how):
        return read(text + "\nNEW = 1" if text.startswith('"""Loudness and true peak') else text, **how)

    monkeypatch.setattr(content, "read", other)
    assert content.of_code("workbench.mix") != before
    assert content.of_code("workbench.align") == alone


def test_another_version_of_a_library_is_another_code(monkeypatch):
    before = content.of_code("workbench.align", libraries=["numpy"])
    monkeypatch.setattr(content, "installed", lambda name: "0")
    assert content.of_code("workbench.align", libraries=["numpy"]) != before
