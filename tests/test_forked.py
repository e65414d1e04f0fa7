"""Forks begin where everything is imported, from whatever folder the first one was asked for."""

import subprocess
import sys

from tests.conftest import ROOT

ASKS = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests import forked

def child(to):
    to.send([name for name in forked.IMPORTED if name not in sys.modules])

if __name__ == "__main__":
    here, there = forked.context().Pipe()
    forked.context().Process(target=child, args=(there,)).start()
    print(here.recv())
"""


def test_every_library_and_module_of_ours_is_imported_before_a_fork(tmp_path):
    """Of what it does not find the server says nothing: each stage then took a second or two longer."""
    (tmp_path / "asks.py").write_text(ASKS)
    done = subprocess.run([sys.executable, "asks.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
