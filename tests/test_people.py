"""Who is at work: a JupyterHub's user, git's name, the login name."""

import subprocess

import pytest

from workbench.library import people


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository on a machine where git knows nobody and no JupyterHub runs."""
    for variable in ("JUPYTERHUB_USER", "GIT_CONFIG_COUNT"):
        monkeypatch.delenv(variable, raising=False)
    for scope in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"GIT_CONFIG_{scope}", "/dev/null")
    monkeypatch.setattr(people.getpass, "getuser", lambda: "login")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def test_the_name_is_that_of_the_hub_or_of_git_or_of_the_login(repository, monkeypatch):
    assert people.reviewer(repository) == "login"
    subprocess.run(["git", "config", "user.name", "Ana Vidal"], cwd=repository, check=True)
    assert people.reviewer(repository) == "Ana Vidal"
    monkeypatch.setenv("JUPYTERHUB_USER", "ana")
    assert people.reviewer(repository) == "ana"
