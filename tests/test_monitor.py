import subprocess

import pytest
from dvc.lock import LockError

from workbench import monitor
from workbench.errors import LibraryError


def test_while_stages_run_nobody_is_told_what_is_fresh(root):
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["dvc", "init", "-q"], cwd=root, check=True)
    with pytest.raises(LibraryError, match="stages are running"), monitor.repository(root):
        raise LockError("'asr' is busy")
