# SPDX-License-Identifier: Apache-2.0
"""What a cluster does not do of what was decided: who is told of it, when, and in which words."""

from __future__ import annotations

from d4py.resources import APPLY
from d4py_operator.cluster.errors import ApiError, ClusterError
from d4py_operator.objects import Key, Object, key_of

_OF_ITSELF = 8  # failures, 13 s, in which a server that starts anew is back


class Setback(ClusterError):
    """A step that was not taken: what was decided stays, and is tried again, later and later."""

    event = "Refused"

    def __init__(self, message: str, error: ApiError, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.error, self.wait = error, error.wait

    def to_be_told(self, failures: int) -> bool:
        """Whether people are told this time. What was forbidden is told at once; what may pass, when it does not.

        Words that differ each time are not told each time: what is written is news, upon which an object is looked at.
        """
        first = 1 if self.error.status in (400, 403, 413, 422) or self.error.denied else _OF_ITSELF
        return failures >= first and now_and_then(failures)


class Untold(Setback):
    """A status that the cluster does not take."""

    event = "StatusRefused"

    def __init__(self, error: ApiError) -> None:
        super().__init__(f"the cluster refuses its status: {error.told}", error)


class Outdated(Setback):
    """The cluster has no words for what is told of an object: its definitions are of another release than this operator."""

    event = "StatusRefused"

    def __init__(self, error: ApiError) -> None:
        refusal = error.undeclared or error.refusal
        super().__init__(
            f"the cluster refuses its status ({refusal}): its definitions are of another release.",
            error,
            hint=f"Install those of this one: {APPLY}",
        )

    def to_be_told(self, failures: int) -> bool:
        """Whether people are told this time: at once, for nothing goes on until they act."""
        return now_and_then(failures)


class Kept(Setback):
    """Something is to be deleted and is not."""

    def __init__(self, key: Key, error: ApiError) -> None:
        super().__init__(f"{key.kind} {key.name} is to be deleted, and is not: {error.told}", error)


class Unmade(Setback):
    """Something is to be made and is not."""

    def __init__(self, wanted: Object, error: ApiError) -> None:
        key = key_of(wanted)
        super().__init__(f"{key.kind} {key.name}: {error.told}", error)


def of_status(error: ApiError) -> Setback:
    """Return what it means that a status was not taken."""
    return Outdated(error) if error.undeclared or error.lasting else Untold(error)


def now_and_then(failures: int) -> bool:
    """Whether a failure is told or logged: the first, the second, the fourth and so on."""
    return failures & (failures - 1) == 0
