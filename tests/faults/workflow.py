# SPDX-License-Identifier: Apache-2.0
"""A story as a workflow that `d4py run` can name: `--set scene=FILE` says which story, and where its director is."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults import clock
from tests.faults.stages import PLAYERS, Scene
from tests.faults.story import Stage

from d4py.graph import WorkflowGraph

NAME = "tests.faults.workflow"


def configure(scene: str) -> WorkflowGraph:
    """Draw the workflow of a scene file."""
    given = json.loads(Path(scene).read_text())
    if given["heavy"]:
        import numpy as np  # noqa: F401 - here, so that no worker pays for it

    if given["clock"]:
        clock.follow(given["clock"])
    if given["defect"]:
        from tests.faults import defects

        defects.plant(given["defect"], given["folder"])
    stages = [Stage(**{**stage, "reads": tuple(stage["reads"])}) for stage in given["stages"]]
    marks = frozenset((str(stage), str(during), int(number)) for stage, during, number in given["marks"])
    return graph_of(
        stages,
        Scene(
            address=given["address"],
            folder=given["folder"],
            items=given["items"],
            pace=given["pace"],
            heavy=given["heavy"],
            marks=marks,
        ),
    )


def graph_of(stages: list[Stage], scene: Scene) -> WorkflowGraph:
    """Connect the stages of a story."""
    graph = WorkflowGraph()
    players = {stage.name: PLAYERS[stage.does](stage, scene) for stage in stages}
    for stage in stages:
        for writer in stage.reads:
            graph.connect(players[writer], "output", players[stage.name], "input")
    return graph
