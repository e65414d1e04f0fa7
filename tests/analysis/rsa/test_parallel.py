from importlib import import_module

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from analysis.rsa import parallel
from pipeline.params.base import Sections
from tests.conftest import CONCLUDE, STAGES, module_of


def test_results_come_in_order_and_errors_come_through():
    assert parallel.each(lambda n: n * n, range(50)) == [n * n for n in range(50)]
    with pytest.raises(ZeroDivisionError):
        parallel.each(lambda n: 1 / n, [1, 0])


def test_blas_keeps_to_one_thread_inside_and_is_as_before_outside(rng):
    def threads():
        return [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]

    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        assert {n for inside in parallel.each(lambda _: threads(), range(8)) for n in inside} == {1}
        assert threads() == before
        x = rng.normal(size=(300, 500))
        many = parallel.each(lambda _: x @ x.T, range(4))
    with threadpool_limits(limits=1, user_api="blas"):
        assert all(np.array_equal(product, x @ x.T) for product in many)


class EnoughError(Exception):
    pass


@pytest.mark.parametrize("stage", [s for s in CONCLUDE if "parallel" in vars(import_module(module_of(s)))])
def test_a_stage_that_computes_keeps_blas_to_one_thread_from_its_beginning_to_its_end(stage, monkeypatch):
    """Not only inside `each`: what it computes between two of them would otherwise end in other digits on other machines."""
    module, inside = import_module(module_of(stage)), []

    class Loads:
        @staticmethod
        def load():
            inside.extend(i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas")
            raise EnoughError

    for name, what in list(vars(module).items()):
        if isinstance(what, type) and issubclass(what, Sections):
            monkeypatch.setattr(module, name, Loads)
    with threadpool_limits(limits=2, user_api="blas"), pytest.raises(EnoughError):
        module.main([])
    assert set(inside) == {1}


def test_every_stage_whose_reliabilities_are_computed_is_among_those():
    measures = [s for s in CONCLUDE if s != "report" and {"analysis/rsa", "analysis/readers"} <= set(STAGES[s]["deps"])]
    assert len(measures) > 5
    assert [s for s in measures if "parallel" not in vars(import_module(module_of(s)))] == []
