"""DVC, with dvc.lock read by the C library of YAML.

python -m pipeline.plan.fast_lock repro ...

After every stage DVC reads the whole of dvc.lock in pure Python, which keeps comments. A lock has none: what DVC then writes is
the same. On two cores that takes two to three seconds a stage, of which a default run has eighty.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dvc.cli import main as dvc
from dvc.utils.serialize import _yaml

with_comments = _yaml.parse_yaml_for_update


def parsed(text: str, path: str) -> Any:
    """A file that DVC is about to change: a lock as plain dicts, any other with its comments."""
    return (_yaml.parse_yaml if Path(path).name == "dvc.lock" else with_comments)(text, path)


if __name__ == "__main__":
    _yaml.parse_yaml_for_update = parsed
    sys.exit(dvc(sys.argv[1:]))
