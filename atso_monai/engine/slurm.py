"""A batch script for Slurm that continues a run, job after job, until it is done."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from atso_monai.engine.execution import Execution
from atso_monai.errors import ConfigError
from atso_monai.stopping import CONTINUE_LATER

WARNING = 120
"""Seconds before the time limit at which Slurm sends SIGUSR1; an engine needs about 10 of them to leave."""
FORMS = {
    "time": (r"\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2}", "minutes, hours:minutes:seconds, or days-hours"),
    "gpus": (r"\d+|[A-Za-z][\w.-]*:\d+", "a number, or a type and a number such as a100:2"),
    "mem": (r"\d+[KMGT]?", "a number with a unit, such as 32G"),
    "partition": (r"[\w.,@+-]*", "a name of letters, digits and . , @ + - _"),
    "account": (r"[\w.,@+-]*", "a name of letters, digits and . , @ + - _"),
    "name": (r"[\w.@+-]+", "a name of letters, digits and . @ + - _"),
}
HEAD = """\
#!/bin/bash
# Written by `atso slurm`: one ATSO run, continued by as many jobs as it takes. Submit it with sbatch, from anywhere.
"""
BODY = r"""
# Before the time limit Slurm sends SIGUSR1 to this shell alone. The run is told, keeps what it has and leaves with
# code @CONTINUE@; then this job is queued again. Nothing else is: wrong input and failed steps end the job.
set -u
export LC_ALL="${LC_ALL:-C.UTF-8}"
say() { printf '[%s] atso: %s\n' "$(date '+%F %T')" "$*"; }

# What is finished or kept so far, as one number: results of steps, and checkpoints inside trainings.
progress() {
    (cd -- "$run_dir" 2>/dev/null && find . \( -path ./cache -o -path ./data \) -prune -o \
        -type f \( -name result.json -o -name checkpoint.json \) -exec cksum {} + 2>/dev/null) | sort | cksum
}

child='' limit='' interrupted=''
trap 'limit=1 interrupted=1; [[ -z $child ]] || kill -USR1 "$child" 2>/dev/null' USR1
trap 'interrupted=1; [[ -z $child ]] || kill -TERM "$child" 2>/dev/null' TERM  # scancel, or a preemption by Slurm

cd -- "$work_dir" || exit 2
before=$(progress)
say "job ${SLURM_JOB_ID:-none} on $(uname -n), restart ${SLURM_RESTART_COUNT:-0}"
"${run[@]}" &
child=$!
code=127
while :; do # a signal ends `wait` early, and then it has to wait again
    interrupted=''
    wait "$child"
    got=$?
    [[ $got -eq 127 ]] || code=$got # 127: the shell has told the code before
    [[ -n $interrupted ]] || break
done

if [[ $code -eq 0 ]]; then
    say 'the run is done'
    exit 0
elif [[ $code -ne @CONTINUE@ || -z $limit ]]; then
    say "the run ended with code $code and is not queued again; see above"
    exit "$code"
elif [[ $(progress) == "$before" ]]; then
    say 'not queued again: this job finished no step and kept no checkpoint. Give the job more --time.'
    exit 1
elif [[ -z ${SLURM_JOB_ID:-} ]] || ! scontrol requeue "$SLURM_JOB_ID"; then
    say 'the job cannot be queued again from here: submit this script once more to continue'
    exit "$code"
fi
say 'queued again to continue'
exit 0
""".replace("@CONTINUE@", str(CONTINUE_LATER))


@dataclass(frozen=True)
class Resources:
    """What a job asks of Slurm, in Slurm's own notation.

    Args:
        name: of the job.
        time: limit of each single job; the run may take many.
        gpus: ``1``, ``a100:2``, or ``0`` for none.
        cpus: CPU cores, at least 1.
        mem: memory of the whole job.
        partition: empty for the cluster's own choice.
        account: empty for the cluster's own choice.

    Raises:
        ConfigError: for a value that Slurm would not take, or that could be read as more than a value.
    """

    name: str
    time: str = "24:00:00"
    gpus: str = "1"
    cpus: int = 8
    mem: str = "32G"
    partition: str = ""
    account: str = ""

    def __post_init__(self) -> None:
        for option, (form, words) in FORMS.items():
            value = getattr(self, option)
            if not re.fullmatch(form, value, re.ASCII):
                raise ConfigError(f"--{option} must be {words}. Received: {value!r}.")
        if self.cpus < 1:
            raise ConfigError(f"--cpus must be at least 1. Received: {self.cpus}.")

    def directives(self) -> Sequence[str]:
        """The values of ``#SBATCH`` lines."""
        lines = [f"--job-name={self.name}", "--nodes=1", "--ntasks=1", f"--cpus-per-task={self.cpus}"]
        lines += [f"--mem={self.mem}", f"--time={self.time}"]
        lines += [f"--gres=gpu:{self.gpus}"] if self.gpus.rsplit(":", 1)[-1].strip("0") else []
        lines += [f"--{name}={value}" for name in ("partition", "account") if (value := getattr(self, name))]
        return [*lines, "--requeue", "--open-mode=append", f"--signal=B:USR1@{WARNING}"]


def gpus_for(execution: Execution, asked: str | None) -> str:
    """The GPUs to ask for: as many as a run uses, or what a person asks for where that is enough.

    Raises:
        ConfigError: when it is not, or the run would refuse to share them between its trainings.
    """
    needed = execution.gpus
    asked = str(needed) if asked is None else asked
    count = asked.rsplit(":", 1)[-1]
    if not count.isdecimal():
        return asked  # it is refused with its form
    on_cpu = int(count) == 0 and not execution.devices
    if int(count) < needed and not on_cpu:
        used = f"ranks: {execution.ranks} and devices: {', '.join(execution.devices) or 'null'}"
        raise ConfigError(f"The run uses {needed} GPUs at a time ({used}). Received: --gpus {asked}. Give it {needed}.")
    execution.require_gpus(int(count))
    return asked


def batch_script(
    resources: Resources, command: Sequence[str], run_dir: Path, work_dir: Path, environment: Mapping[str, str]
) -> str:
    """The script.

    Args:
        resources: what each job asks for.
        command: the command line that starts or continues the run.
        run_dir: the run folder, absolute; the script looks there for progress.
        work_dir: the folder in which the command runs, absolute.
        environment: variables to set for it.

    Raises:
        ConfigError: for a text that is no UTF-8, which no script can hold.
    """
    lines = [HEAD, *(f"#SBATCH {directive}\n" for directive in resources.directives())]
    lines.append("# shellcheck disable=SC2016 # names may hold a $ that stands for itself\n\n")
    lines += [f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()]
    lines.append(f"work_dir={shlex.quote(str(work_dir))}\nrun_dir={shlex.quote(str(run_dir))}\n")
    lines.append(f"run=({' '.join(map(shlex.quote, command))})\n")
    script = "".join(lines) + BODY
    try:
        script.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"A path is no UTF-8 and cannot be put into a script: {error.object!r:.200}") from None
    return script
