from analysis.report.view import View


def with_tables(view, **changed):
    """What the report would see, had these tables been others."""
    return View.of(view.params, view.entries, view.raw | changed)
