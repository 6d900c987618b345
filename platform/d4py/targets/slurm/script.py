# SPDX-License-Identifier: Apache-2.0
"""The script of a job. Every word that comes from a user is quoted; options are words of sbatch's own command line."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d4py.targets.slurm.job import Job
    from d4py.targets.slurm.profile import Profile

# The job runs d4py, tells it when its time is nearly over, and has what is left continued.
_SCRIPT = r"""#!/bin/bash
# The job of the run {run}, made by d4py. It is submitted as
#   {sbatch}
d4py_cut= d4py_child= d4py_told= d4py_asked= d4py_sent=
trap 'd4py_cut=${{d4py_cut:-$SECONDS}}; [ -z "$d4py_child" ] || {{ d4py_told=1; kill -USR1 "$d4py_child" 2>/dev/null; }}' USR1
{prologue}
set +e -u
unset SLURM_EXPORT_ENV  # else what mpiexec starts has no environment
export SLURM_KILL_BAD_EXIT=1  # else a job of which a rank died at its start waits for ever
export D4PY_RANKS={ranks} D4PY_NODES={nodes} PYTHONUNBUFFERED=1
export NO_COLOR=1  # mpiexec shows ranks a terminal where there is a file
{processors}folder={place}
d4py_stands() {{ grep -qE '^ "status": "('"$1"')"' "$folder/state.json" 2>/dev/null; }}
{again}{local}d4py_end() {{
    {clear}echo "$1" >"$folder/job/.exit.$SLURM_JOB_ID" && mv "$folder/job/.exit.$SLURM_JOB_ID" "$folder/job/exit.$SLURM_JOB_ID"
    exit "$1"
}}
cd {workdir} || {{
    printf 'd4py: error: %s is not there on %s. Submit from a folder that the nodes see.\n' {workdir} "$HOSTNAME" >&2
    d4py_end 2
}}
{environment}if [ -e "$folder/run.json" ]; then
    set -- {resume}
else
    set -- {begin}
fi
code=5
if [ -n "$d4py_cut" ]; then  # the next job would come no further
    echo {early} >&2
else
    d4py_before=$(cat "$folder/state.json" 2>/dev/null)
    printf -v d4py_reach '%s ' "$folder"/commits/*
    {launch} "$@" &
    d4py_child=$!
    [ -z "$d4py_cut" ] || [ -n "$d4py_told" ] || kill -USR1 "$d4py_child"  # told when there was nobody to pass it on to
    wait "$d4py_child"
    while kill -0 "$d4py_child" 2>/dev/null; do
        if [ -z "$d4py_cut" ]; then
            wait "$d4py_child"
        elif [ -z "$d4py_asked" ] && [ $((SECONDS - d4py_cut)) -ge {late} ]; then
            d4py_asked=1
            {go_on}
        else
            sleep 0.2
        fi
    done
    wait "$d4py_child"
    code=$?
    if [ "$code" = 0 ]; then
        :
    elif [ "$d4py_before" = "$(cat "$folder/state.json" 2>/dev/null)" ]; then
        if [ -n "$d4py_cut" ] && [ "$code" -ge 5 ]; then  # ranks that still load die of the signal
            code=5
            echo {early} >&2
        fi
    elif d4py_stands stopped; then
        code=5  # what the run says counts before what its launcher does: that of Intel MPI, on several nodes, says 255 now and then
        if [ -n "$d4py_cut" ]; then
            if grep -q '^ "further": false' "$folder/state.json"; then
                echo "d4py: this job came no further than where it began, and none follows it: d4py status says more" >&2
            elif [ -n "$d4py_sent" ] || {{ {first}d4py_again; }}; then
                exit "$code"
            fi
        fi
    fi
    if [ -n "$d4py_sent" ]; then
        d4py_stands 'stopped|done|failed|cancelled' || exit "$code"
        {unsend}
    fi
fi
d4py_end "$code"
"""
EARLY = "The time of the job was over before the run began, or went on, and no job follows."
UNSENT = "The next job could not be sent: "
_SPARE = 15  # seconds before the end of a job in which nothing is begun
# What is refused now may be taken in a minute: it is sent as long as there is time. What was sent though sbatch heard nothing of it is found.
_AGAIN = r"""d4py_again() {{  # has the run go on
    d4py_wait=3 d4py_next=
    until d4py_said=$({send} 2>&1) || {{ {found}; }}; do
        if [ $((SECONDS - d4py_cut + d4py_wait + {spare})) -gt {margin} ]; then
            printf '%s\n' "$d4py_said" >&2
            printf 'd4py: error: %s%s. d4py resume %s sends it.\n' {unsent} "$(tail -n 1 <<<"${{d4py_said%.}}")" {run} >&2
            return 1
        fi
        sleep "$d4py_wait"
        d4py_wait=$((2 * d4py_wait))
        {found} && break
    done
    {noted}
}}
d4py_late() {{  # where the checkpoint is not done in time, has the run go on from one that this job made; once in a row, or that might be for ever
    case $d4py_before in "" | *$'\n "status": "stopped"'*) ;; *) return ;; esac
    printf -v d4py_now '%s ' "$folder"/commits/*
    [ "$d4py_reach" = "$d4py_now" ] || ! d4py_again || d4py_sent=1
}}
"""
_FOUND = r"""d4py_next=$(squeue --noheader --me --name={name} --states=PENDING --format='%E %i'{where} |
                sed -n 's|^afterany:'{job}'[^0-9].* \([0-9]*\).*|\1{cluster}|p') && [ -n "$d4py_next" ]"""
_NOTED = r"""d4py_next=$(grep -E '^[0-9]+(;[[:alnum:]_.-]+)?$' <<<"${d4py_next:-$d4py_said}" | tail -n 1)  # a site may have sbatch print more
    [ -z "$d4py_next" ] || echo "$d4py_next" >>"$folder"/job/ids"""
_UNSEND = "scancel ${d4py_next/;/ --clusters=}"  # it ended in time all the same, and not so that anything is to follow
_REQUEUE = "scontrol requeue {job}"
_DEPENDENT = "sbatch --parsable --dependency=afterany:{job} {flags} {script}"
# With set -e what modules and environments do inside of them would end the job, too: here a line itself has to fail, or to end the shell.
_PROLOGUE = r"""d4py_stop() {{
    trap - ERR EXIT
    printf '%s %s, at: %s. Mend it, or write || true behind what may fail.\n' {said} "$1" "${{2%%$'\n'*}}" >&2
    echo 2 >{room}/"exit.$SLURM_JOB_ID"
    exit 2
}}
d4py_begun= d4py_depth=${{#BASH_SOURCE[@]}}
trap 'd4py_code=$?; [ "${{#BASH_SOURCE[@]}}" -gt "$d4py_depth" ] || d4py_stop "$d4py_code" "$(sed -n "${{LINENO}}s/^ *//p" "$0")"' ERR
trap 'd4py_code=$?; [ -n "$d4py_begun" ] || d4py_stop "$d4py_code" "$BASH_COMMAND"' EXIT
{lines}
trap - ERR
d4py_begun=1"""
# srun does not take over what sbatch was told, and mpiexec would bind all threads of a rank to one processor.
_PROCESSORS = """\
export SRUN_CPUS_PER_TASK={}  # srun asks anew
export OMPI_MCA_hwloc_base_binding_policy=none PRTE_MCA_hwloc_default_binding_policy=none I_MPI_PIN_DOMAIN=omp
"""
# What is in the environment of whoever submits is not in that of the run.
_WHEELS = """\
unset PYTHONPATH PYTHONHOME
{each}bash {script} || d4py_end 2
"""
_EACH_NODE = "srun --mpi=none --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 "
# Disks of nodes are open to all, and srun starts nothing in a job that is cancelled. What is left of an environment that is not ready is made anew.
_LOCAL = """venv={venv}
d4py_remove='[ ! -O "$1" ] || [ -L "$1" ] || rm -rf "$1/ready" "$1"'
d4py_clear() {{
    trap - EXIT
    {each}bash -c "$d4py_remove" - "$venv" || bash -c "$d4py_remove" - "$venv"
}}
trap d4py_clear EXIT
"""
_SPOOL = (
    "ranks in containers see what srun says to them only where the profile {!r} binds Slurm's spool: "
    'bind = ["/var/spool/slurmd"], or what SlurmdSpoolDir is in scontrol show config'
)
_TASK = '"$SLURM_ARRAY_TASK_ID"'
_JOB, _MEMBER = '"$SLURM_JOB_ID"', '"$SLURM_ARRAY_JOB_ID"_' + _TASK  # one task of an array has the number of them all


class Shell(str):
    """A word as the shell is to read it: of ours alone, never of a user."""

    __slots__ = ()


def joined(words: Sequence[str]) -> str:
    """Return words for a shell: all quoted but those of ours."""
    return " ".join(word if isinstance(word, Shell) else shlex.quote(word) for word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a script is made of."""

    run: str
    folder: str
    workdir: str
    job: Job
    profile: Profile
    begin: Sequence[str]  # the words that begin the run
    resume: Sequence[str]  # those that continue it
    mpi: bool  # whether they are started on all ranks
    more: Sequence[str] = ()  # further flags
    sweep: bool = False  # whether it is the script of all members of a sweep, each a task of an array
    contained: bool = False  # whether they start containers
    environment: str = ""  # the script that makes the environment which they are to run in

    @property
    def flags(self) -> list[str]:
        """What sbatch is told."""
        profile = self.profile
        stays = profile.again == "requeue"
        logs = self.folder.replace("%", "%%")  # sbatch puts names and numbers in the place of %
        return [
            *(f"--job-name=d4py-{self.run}", f"--comment=d4py {self.run}", f"--chdir={self.folder}/job"),
            *(f"--output={logs}/{'%a/logs/job-%A' if self.sweep else 'logs/job-%j'}.log", "--open-mode=append"),
            *(f"--signal=B:USR1@{profile.margin}", f"--export={profile.export}"),
            *(["--requeue"] if stays and "--requeue" not in profile.forbidden else []),
            *profile.required,
            *self.job.flags,
            *self.more,
        ]

    @property
    def unseen(self) -> str:
        """What ranks in containers may not see of what starts them; nothing where they do, or where there are none."""
        spoken = self.mpi and self.contained and self.profile.launcher[0] == "srun" and not self.profile.bind
        return _SPOOL.format(self.profile.name) if spoken else ""

    @property
    def local(self) -> str:
        """Where each node makes the environment on its own disk; nothing where none does."""
        return local_of(self.profile, self.run, sweep=self.sweep) if self.environment else ""

    def _environment(self) -> tuple[str, str]:
        """The lines that have the environment removed at the end, and those that make it: once, or once on each node."""
        if not self.environment:
            return "", ""
        each = _EACH_NODE.format(nodes=self.job.nodes) if self.local else ""
        gone = _LOCAL.format(venv=shlex.quote(self.local), each=each) if self.local else ""
        return gone, _WHEELS.format(each=each, script=shlex.quote(f"{self.folder}/job/environment"))

    def _again(self, script: str) -> str:
        """The lines that have the run continued."""
        kind, run, clusters = self.profile.again, shlex.quote(self.run), self.job.clusters
        if kind == "no":
            return "d4py_again() { false; }\n"
        job = _MEMBER if self.sweep else _JOB
        array = [Shell(f"--array={_TASK}")] if self.sweep else []
        where = f" --clusters={clusters}" if clusters else ""
        named = _FOUND.format(
            name=f"d4py-{run}", job=job, where=where, cluster=f";{clusters}" if clusters and "," not in clusters else ""
        )
        dependent = _DEPENDENT.format(job=job, flags=joined([*array, *self.flags]), script=shlex.quote(script))
        return _AGAIN.format(
            send=_REQUEUE.format(job=job) if kind == "requeue" else dependent,
            found="false" if kind == "requeue" else named,
            noted="true" if kind == "requeue" else _NOTED,
            unsent=shlex.quote(UNSENT),
            run=run,
            spare=_SPARE,
            margin=self.profile.margin,
        )

    @property
    def text(self) -> str:
        """The script."""
        quoted = joined
        launch = quoted(self.profile.launch(self.job.ranks)) if self.mpi else "env"
        script = f"{self.folder}/job/script"
        place = shlex.quote(self.folder) + (f"/{_TASK}" if self.sweep else "")
        array = [Shell(f"--array={_TASK}")] if self.sweep else []
        again, margin = self.profile.again, self.profile.margin
        local, environment = self._environment()
        return _SCRIPT.format(
            run=self.run,
            sbatch=quoted(["sbatch", *array, *self.flags, script]).replace("\n", "?"),
            prologue=prologue(self.profile, f"{place}/job"),
            ranks=self.job.ranks if self.mpi else 1,
            nodes=self.job.nodes if self.mpi else 1,
            processors=_PROCESSORS.format(self.job.cpus_per_task) if self.job.cpus_per_task else "",
            place=place,
            workdir=shlex.quote(self.workdir),
            local=local,
            clear="d4py_clear\n    " if local else "",
            first="d4py_clear; " if local and again == "requeue" else "",
            environment=environment,
            late=margin - min(_SPARE, margin // 3),
            go_on=":" if again == "no" else "d4py_late",
            unsend=_UNSEND if again == "dependent" else ":",
            begin=quoted(self.begin),
            resume=quoted(self.resume),
            launch=launch,
            early=shlex.quote(f"d4py: error: {EARLY} d4py resume --time gives it more."),
            again=self._again(script),
        )


def prologue(profile: Profile, room: str) -> str:
    """Return the lines of a profile that come before anything else. A job of which they fail ends, and says so in its log and in a folder.

    room: that folder, as the shell is to read it.
    """
    if not profile.prologue:
        return ""
    said = shlex.quote(f"d4py: error: The prologue of the profile {profile.name!r} ended the job with exit code")
    return _PROLOGUE.format(said=said, room=room, lines="\n".join(profile.prologue))


def local_of(profile: Profile, run: str, *, sweep: bool) -> str:
    """Return where each node makes the environment of a run on its own disk; else it is in the run's folder. A sweep has one for all members."""
    return f"{profile.local.rstrip('/')}/d4py-{run}" if profile.local and not sweep else ""
