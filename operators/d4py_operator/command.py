# SPDX-License-Identifier: Apache-2.0
"""What a pod runs: `d4py run`, or `d4py resume` where an earlier attempt has left a checkpoint. Every word of a user is quoted."""

from __future__ import annotations

import shlex

from d4py_operator.run import INPUTS, SUMMARY, WORKFLOW, Run

TERMINATION = "/dev/termination-log"
# A signal for which the first process of a pod has no handler does not end it: a shell has none, nor has a program that still loads.
_FIRST = """trap 'exit 143' TERM INT
set -eu
"""
# So the first process is a shell that tells its program. Told while that ended, it asks again how it did, which some shells say once only.
_TOLD = """{program} &
child=$! told=
trap 'told=1; kill -{signal} "$child" 2>/dev/null || :' TERM INT
code=0
wait "$child" || code=$?
while [ "$told" ]; do
    told= ended=0
    wait "$child" || ended=$?
    case $ended in 127 | -1) ;; *) code=$ended ;; esac
done
"""
_BEGUN = """{anew}mkdir -p {folders}
if [ -e {run}/run.json ]; then set -- {resume}; else set -- {begin}; fi
"""
# What earlier attempts left is moved aside. It is kept until the next one: somebody may want to know what went wrong.
_ANEW = """if [ -e {run} ]; then rm -rf {before}; mv {run} {before}; fi
"""
# The launcher of ranks. It asks them for a checkpoint when it is to end, and takes the last line that they say as its last word.
_RANKS = """set -- d4py "$@"
{before}mkfifo /tmp/said.pipe
tee /tmp/said </tmp/said.pipe &
teller=$!
{launched}wait "$teller" || :
tail -n 1 /tmp/said >{termination}
exit "$code"
"""


def alone(run: Run) -> list[str]:
    """Return the command of a pod that does the whole work."""
    return first(_BEGUN.format(**_words(run)) + told('d4py "$@"') + 'exit "$code"\n')


def ranks(run: Run, launch: list[str], before: str = "") -> str:
    """Return what starts ranks, in shell. launch: mpiexec and its first words, of which the others are in "$@"; before: what has to be done first."""
    launched = told(f'{shlex.join(launch)} "$@" >/tmp/said.pipe', "USR1")
    return _BEGUN.format(**_words(run)) + _RANKS.format(launched=launched, before=before, termination=TERMINATION)


def first(text: str) -> list[str]:
    """Return the command of a pod. text: what it does, in shell."""
    return ["/bin/sh", "-c", literal(_FIRST + text)]


def told(program: str, signal: str = "TERM") -> str:
    """Return what runs a program that is sent a signal when the pod is to end, in shell; `code` is how it ended."""
    return _TOLD.format(program=program, signal=signal)


def literal(text: str) -> str:
    """Return a text in which the kubelet finds no variable to fill in."""
    return text.replace("$", "$$")


def _words(run: Run) -> dict[str, str]:
    output = run.outputs[1]
    folders = [run.folder, *([output] if output else [])]
    places = {"run": shlex.quote(run.folder), "before": shlex.quote(f"{run.folder}.before")}
    return {
        "anew": "" if run.continues or run.spec.checkpoint is None else _ANEW.format(**places),
        "folders": shlex.join(folders),
        "run": places["run"],
        "begin": shlex.join(begin(run)),
        "resume": shlex.join(resume(run)),
    }


def begin(run: Run) -> list[str]:
    """Return the words after d4py that begin the run."""
    spec = run.spec
    words = ["run", f"--run-id={run.name}", f"--run-dir={run.folder}", *_shared(run)]
    if spec.checkpoint and spec.checkpoint.interval_seconds:
        words.append(f"--checkpoint={spec.checkpoint.interval_seconds}")
    if spec.graph and spec.graph.object:
        words.append(f"--graph={spec.graph.object}")
    if spec.inputs:
        often = spec.inputs.iterations
        words.append(f"--iterations={often}" if often is not None else f"--file={input_file(run)}")
    words += [f"--set={name}={value}" for name, value in sorted(spec.args.items())]
    given = spec.parallelism.per_pe if spec.parallelism else {}
    words += [f"--resource={pe}.processes={number}" for pe, number in sorted(given.items())]
    return [*words, "--", workflow(run)]


def resume(run: Run) -> list[str]:
    """Return the words after d4py that continue the run, which whoever had it before has left."""
    return ["resume", "--gone", *_shared(run), "--", run.folder]


def _shared(run: Run) -> list[str]:
    output = run.outputs[1]
    return [
        f"--mapping={run.mapping}",
        *([f"--processes={run.processes}"] if run.processes and run.mapping != "simple" else []),
        *([f"--output={output}/{SUMMARY}"] if output else []),
    ]


def workflow(run: Run) -> str:
    """Return how d4py finds the workflow in the pod."""
    graph = run.spec.graph
    assert graph is not None
    if graph.module is not None:
        return graph.module
    assert graph.config_map_ref is not None
    return "/".join([WORKFLOW, *filter(None, [graph.config_map_ref.key])])


def input_file(run: Run) -> str:
    """Return where the pod has its input data, or gets it from."""
    given = run.spec.inputs
    assert given is not None
    if given.uri is not None:
        return given.uri
    claim = given.persistent_volume_claim
    return f"{INPUTS}/{claim.path or 'inputs.json'}" if claim else f"{INPUTS}/inputs.json"
