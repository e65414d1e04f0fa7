import pytest

from analysis.report.view import load_view


@pytest.fixture
def view(in_finished):
    """What the report of the finished run sees."""
    return load_view()
