"""The image, as far as it can be tried without a container."""

import re
from pathlib import Path

from dvc.dirs import site_cache_dir

from tests.conftest import ROOT


def test_dvc_writes_where_the_image_lets_everyone_write(monkeypatch):
    # `make image-check` gives a container nothing but /tmp to write to
    settings = dict(
        pair.split("=", 1)
        for line in re.findall(r"^ENV (.+)$", (ROOT / "Dockerfile").read_text(), re.M)
        for pair in line.split()
    )
    for name, value in settings.items():
        if name != "PATH":
            monkeypatch.setenv(name, value)
    assert Path.home() == Path("/tmp/home")
    assert Path(site_cache_dir()).is_relative_to(Path.home())
