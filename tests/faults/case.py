# SPDX-License-Identifier: Apache-2.0
"""One case: a story, and the faults that are to strike it. Its seed and number are enough to play it again."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.story import Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a fault strikes: by what is seen of the run, never by time.

    A stage with an item of this origin, or in the n-th call of a method; or (no stage) a file in the run's folder.
    """

    stage: str
    during: (
        str  # item, snapshot, prepare, commit, preprocess, postprocess, end; of no stage: part, checkpoint, generation
    )
    number: int

    def __str__(self) -> str:
        return f"{self.stage or 'the folder'} at {self.during} {self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A fault to be dealt once, or, poison, each time."""

    kind: str
    moment: Moment
    victims: tuple[str, ...] = ()  # stages besides, or supervisor, nursery, workers
    held: bool = True  # the stage waits while it strikes; otherwise it goes on, and may be anywhere
    amount: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind}: {self.moment}" + ("" if self.held else ", going on")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one run is put through."""

    seed: str
    number: int
    story: Story
    strikes: tuple[Strike, ...]
    defect: str = ""  # planted to be found
    resumed_on: int = 0  # processes, if it has to be resumed; 0: as many as before

    @property
    def replay(self) -> str:
        """The command that plays it again."""
        return f"make faults SEED={self.seed} ARGS='--case {self.number}'"

    def __str__(self) -> str:
        return f"case {self.number}: {self.story}; " + "; ".join(map(str, self.strikes))
