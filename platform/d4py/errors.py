# SPDX-License-Identifier: Apache-2.0
"""The one tree of exceptions.

Each says in its message what is wrong and where, in `hint` what to do about it, and carries the exit code a command ends with.
Each also is the builtin a caller would expect (`UnknownPort` is a `KeyError`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class D4pyError(Exception):
    """Something a user can act on; shown as one line, without a traceback."""

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.hint)


def _rebuild(kind: type[D4pyError], message: str, hint: str) -> D4pyError:
    return kind(message, hint=hint)


class UsageError(D4pyError, ValueError):
    """An option or argument cannot be used as given."""


class WrongWorld(UsageError):
    """A job of ranks found another world than was asked for."""


class GraphError(D4pyError, ValueError):
    """A workflow graph cannot be run as drawn."""


class UnknownPort(GraphError, KeyError):
    """A connection or a write names a port that its PE does not have."""


class TypeMismatch(GraphError, TypeError):
    """A connection joins ports whose declared types exclude each other."""


class CycleError(GraphError):
    """PEs feed each other in a circle."""


class LoadError(D4pyError, ImportError):
    """A workflow's file, folder or module gives no graph."""


class ParameterError(D4pyError, ValueError):
    """A parameter is unknown or its value does not fit its annotation."""


class ResourceError(D4pyError, ValueError):
    """What is asked for a PE cannot be had, or is not said as it must be."""


class InputError(D4pyError, ValueError):
    """Input data given for a run cannot be used."""


class PlanError(D4pyError, ValueError):
    """A graph cannot be laid out on the processes asked for."""


class UnknownMapping(D4pyError, LookupError):
    """No mapping has this name."""


class UnknownRun(D4pyError, LookupError):
    """No run has this id."""


class NotPicklable(D4pyError, TypeError):
    """A PE, an item or a state cannot be sent to another process."""

    record: tuple[int, str] | None = None  # of an output: the rank of its instance, and its name


class StateError(D4pyError, RuntimeError):
    """A run's folder cannot be used as asked (changed code, other version, still running)."""


class Superseded(StateError):
    """Another process has taken the run over: what is in its folder is no longer this one's to change."""


class DiskError(D4pyError, OSError):
    """A file of a run cannot be written. The run stands at its last checkpoint."""

    exit_code = 5

    @classmethod
    def of(cls, path: object, error: OSError) -> DiskError:
        """Say which file, why, and what to do about it."""
        import errno

        remedies = {errno.EFBIG: "Raise the limit of file sizes (ulimit -f).", errno.EIO: "Check the disk."}
        return cls(
            f"{path} cannot be written: {error.strerror or error}.", hint=remedies.get(error.errno or 0, "Make room.")
        )

    @property
    def reason(self) -> str:
        """The whole, as part of a sentence."""
        return str(self).rstrip(".")


class CutOff(D4pyError, RuntimeError):
    """A run was ended from outside. It stands at its last checkpoint."""

    exit_code = 5


class ConnectorError(D4pyError, OSError):
    """A source or a sink cannot use its file, table or address."""


class BadRecord(D4pyError, ValueError):
    """A line or a row is not what a source or a sink takes."""


class ImageError(D4pyError, ValueError):
    """A workflow, a base or an image cannot be used for an image as it is."""


class BuildError(D4pyError, RuntimeError):
    """An image was not made, moved or unpacked: its requirements, the disk or a registry stood against it. Nothing is left of it."""

    exit_code = 3

    @classmethod
    def of(cls, path: object, error: OSError) -> BuildError:
        """Say which file cannot be written, why, and what to do about it."""
        return cls(f"{path} cannot be written: {error.strerror or error}.", hint="Make room, or choose another place.")


class WorkflowFailed(D4pyError, RuntimeError):
    """A PE failed the run."""

    exit_code = 3


def listed(names: Iterable[object], limit: int = 8) -> str:
    """Join names for a message: quoted, at most `limit`, "none" where there is none."""
    known = [str(name) for name in names]
    if not known:
        return "none"
    shown = ", ".join(repr(name) for name in known[:limit])
    return shown if len(known) <= limit else f"{shown} and {len(known) - limit} more"


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Suggest the nearest of the known names, or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(str(name), [str(candidate) for candidate in known], n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else ""
