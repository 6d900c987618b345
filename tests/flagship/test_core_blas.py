# SPDX-License-Identifier: Apache-2.0
"""One BLAS thread inside, as many as before outside."""

from __future__ import annotations

import threading

import pytest
import threadpoolctl

from noise.blas import kernels, single_threaded


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"}


def test_there_is_one_thread_inside_and_what_there_was_outside() -> None:
    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with single_threaded():
            inside = blas_threads()
            with single_threaded():
                nested = blas_threads()
            after_nested = blas_threads()

        assert before == {2}
        assert inside == nested == after_nested == {1}
        assert blas_threads() == before


def test_the_first_to_leave_does_not_lift_the_limit_of_the_others() -> None:
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with single_threaded():
            entered.set()
            leave.wait(10)

    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        thread = threading.Thread(target=stay)
        with single_threaded():
            thread.start()
            assert entered.wait(10)
        still = blas_threads()
        leave.set()
        thread.join()

        assert still == {1}
        assert blas_threads() == {2}


def test_an_error_inside_lifts_the_limit() -> None:
    def fail() -> None:
        with single_threaded():
            raise KeyError

    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        with pytest.raises(KeyError):
            fail()
        assert blas_threads() == {2}


def test_the_kernel_is_named() -> None:
    assert kernels()
    assert all(len(kernel.split()) >= 3 for kernel in kernels())
