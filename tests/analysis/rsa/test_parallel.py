import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from analysis.rsa import parallel


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
