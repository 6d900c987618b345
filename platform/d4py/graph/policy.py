# SPDX-License-Identifier: Apache-2.0
"""What happens to an item on which a PE raises, or dies twice."""

from __future__ import annotations

from typing import NamedTuple

from d4py.errors import GraphError

_FORMS = "Use 'fail', 'quarantine', 'retry:3' or 'retry:3,quarantine'."


class Policy(NamedTuple):
    """`retries` more tries, `backoff` seconds before the first and twice that before each next; then fail or quarantine."""

    retries: int = 0
    backoff: float = 0.1
    quarantine: bool = False

    @classmethod
    def parse(cls, text: object, *, of: str) -> Policy:
        """Read `fail`, `retry:N[@SECONDS]`, `quarantine`, or a retry and one of the others joined by a comma."""
        if isinstance(text, Policy):
            return text
        retries, backoff, quarantine = 0, 0.1, False
        for part in str(text).replace(" ", "").split(","):
            word, _, number = part.partition(":")
            if word in ("fail", "quarantine") and not number:
                quarantine = word == "quarantine"
                continue
            count, _, seconds = number.partition("@")
            if word != "retry" or not count.isdigit() or not count.isascii():
                raise GraphError(f"{of} has on_error = {text!r}.", hint=_FORMS)
            try:
                retries, backoff = int(count), float(seconds or 0.1)
            except ValueError:
                raise GraphError(f"{of} has on_error = {text!r}.", hint=_FORMS) from None
            if not 0 <= backoff < float("inf"):
                raise GraphError(f"{of} has on_error = {text!r}.", hint=_FORMS)
        return cls(retries=retries, backoff=backoff, quarantine=quarantine)
