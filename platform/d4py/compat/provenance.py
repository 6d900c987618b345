# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.provenance`: the names that workflows import. Nothing is recorded yet, and whoever asks for it is told so."""

from __future__ import annotations

import sys
import uuid
from typing import Any

from d4py.compat.base import IterativePE
from d4py.compat.base import SimpleFunctionPE as _SimpleFunctionPE
from d4py.compat.core import GenericPE

ABSENT = "Provenance is not there yet: this run records none."
_told: list[None] = []


def tell_absent() -> None:
    """Say, once a process, that nothing is recorded."""
    if not _told:
        _told.append(None)
        print(f"d4py: warning: {ABSENT}", file=sys.stderr, flush=True)


class CommandLineInputs:
    """What the command line was given."""

    inputs: Any = None
    module: Any = None
    provenanceCommandLineConfigPresent = False


class ProvenanceType(GenericPE):
    """What PEs inherit to say how their lineage is to be described. What they override is kept for when it is recorded."""

    PROV_PATH = "./"
    REPOS_URL = ""
    PROV_EXPORT_URL = ""
    PROV_BEARER_TOKEN = ""
    SAVE_MODE_SERVICE = "service"
    SAVE_MODE_FILE = "file"
    SAVE_MODE_SENSOR = "sensor"
    BULK_SIZE = 1

    def addNamespacePrefix(self, prefix: str, url: str) -> None:
        """Name a vocabulary."""

    def extractItemMetadata(self, data: Any, port: str) -> Any:
        """Return what is to be said about a value."""
        return {}

    def extractDataSourceId(self, data: Any, port: str) -> Any:
        """Return the id of where a value comes from."""
        return self.makeUniqueId(data, port)

    def makeUniqueId(self, data: Any, port: str) -> str:
        """Return an id for a value."""
        return str(uuid.uuid4())

    def update_prov_state(self, *args: Any, **kwargs: Any) -> None:
        """Note what the state depends on."""

    def apply_derivation_rule(self, event: str, *args: Any, **kwargs: Any) -> None:
        """Say what outputs depend on."""

    def ignorePastFlow(self) -> None:
        """Let outputs not depend on earlier inputs."""

    def ignoreState(self) -> None:
        """Let outputs not depend on the state."""

    def discardState(self) -> None:
        """Forget what the state depends on."""

    def discardInFlow(self, wlength: int | None = None, discardState: bool = False) -> None:
        """Forget inputs."""

    def removeDerivation(self, **kwargs: Any) -> None:
        """Forget what outputs depend on."""

    def setStateDerivations(self, terms: Any) -> None:
        """Let outputs depend on parts of the state."""


class AccumulateFlow(ProvenanceType):
    """Outputs depend on all inputs so far."""


class Nby1Flow(ProvenanceType):
    """Outputs depend on the last input of each port."""


class SlideFlow(ProvenanceType):
    """Outputs depend on a window of inputs."""


class ASTGrouped(ProvenanceType):
    """Outputs depend on the inputs of their group."""


class SingleInvocationFlow(ProvenanceType):
    """Outputs depend on the input of the same call."""


class AccumulateStateTrace(ProvenanceType):
    """Outputs depend on the state, whose trace is kept."""


class IntermediateStatefulOut(ProvenanceType):
    """Outputs on one port depend on the state."""


class ForceStateless(ProvenanceType):
    """Outputs depend on no state."""


class ProvenanceIterativePE(ProvenanceType, IterativePE):
    """An iterative PE of a provenance type."""

    def __init__(self) -> None:
        IterativePE.__init__(self)


class ProvenanceSimpleFunctionPE(ProvenanceType, _SimpleFunctionPE):
    """A function PE of a provenance type."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _SimpleFunctionPE.__init__(self, *args, **kwargs)


class PassThroughPE(IterativePE):
    """Passes on what it gets."""

    def _process(self, data: Any) -> Any:
        return data


class ProvenanceRecorder(GenericPE):
    """Took lineage in, in dispel4py."""

    INPUT_NAME = "metadata"

    def __init__(self, name: str = "ProvenanceRecorder", toW3C: bool = False) -> None:
        GenericPE.__init__(self)
        self.name, self.convertToW3C = name, toW3C
        self._add_input(self.INPUT_NAME)


class ProvenanceRecorderToFile(ProvenanceRecorder):
    """To a file."""


class ProvenanceRecorderToFileBulk(ProvenanceRecorder):
    """To a file, many at once."""


class ProvenanceRecorderToService(ProvenanceRecorder):
    """To a service."""


class ProvenanceRecorderToServiceBulk(ProvenanceRecorder):
    """To a service, many at once."""


class MyProvenanceRecorderWithFeedback(ProvenanceRecorder):
    """To a service, with answers."""


def configure_prov_run(graph: Any, *args: Any, **kwargs: Any) -> Any:
    """Say that nothing is recorded; the graph stays as it is."""
    tell_absent()
    return graph


def profile_prov_run(graph: Any, *args: Any, **kwargs: Any) -> Any:
    """Say that nothing is recorded; the graph stays as it is."""
    return configure_prov_run(graph)


def attachProvenanceRecorderPE(graph: Any, *args: Any, **kwargs: Any) -> Any:
    """Say that nothing is recorded; the graph stays as it is."""
    return configure_prov_run(graph)


def injectProv(object: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
    """Say that nothing is recorded; the PE stays as it is."""
    tell_absent()
    return object


def init_provenance_config(args: Any) -> tuple[None, list[str]]:
    """Say that nothing is recorded: there is no configuration."""
    tell_absent()
    return None, []


def getUniqueId(data: Any = None) -> str:
    """Return an id."""
    return str(uuid.uuid4())


def num(s: Any) -> Any:
    """Return a number that is written in a text."""
    try:
        return int(s)
    except (TypeError, ValueError):
        return float(s)


def clean_empty(d: Any) -> Any:
    """Return lists and dictionaries without what is empty in them."""
    if isinstance(d, list):
        return [part for part in (clean_empty(part) for part in d) if part]
    if isinstance(d, dict):
        return {name: part for name, part in ((name, clean_empty(part)) for name, part in d.items()) if part}
    return d


class NewWorkflowRun(ProvenanceType):
    """Described a run, in dispel4py."""


class UpdateWorkflowRun(ProvenanceType):
    """Described a change of a run, in dispel4py."""


def __getattr__(name: str) -> Any:
    """Stand in for any other name of dispel4py's provenance: whoever calls it is told that nothing is recorded."""
    if name.startswith("__"):
        raise AttributeError(f"module 'dispel4py.provenance' has no attribute {name!r}")
    return configure_prov_run
