"""The examples in docstrings give what they say."""

import doctest
import importlib

import pytest

from tests.structure import CODE

WITH_EXAMPLES = [name for name, path in CODE.modules.items() if ">>> " in path.read_text(encoding="utf-8")]


def test_there_are_examples():
    assert len(WITH_EXAMPLES) > 10


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_hold(name):
    assert not doctest.testmod(importlib.import_module(name)).failed
