"""The files of examples/cluster, run as they are, as far as they can be without the cluster."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from studies import Study, invoke

from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import load_results

EXAMPLES = Path(__file__).parents[2] / "examples" / "cluster"

SRUN = """#!/usr/bin/env bash
# Stands in for Slurm's: every node is this machine.
while [[ "$1" == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/usr/bin/env bash
case "$1" in
  show) printf '127.0.0.1\\n127.0.0.1\\n' ;;
  requeue) echo "requeued $2" >> "$REQUEUED" ;;
esac
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def environment(new_study: Study, tmp_path: Path) -> dict[str, str]:
    """Of a shell in which a small search is what the examples do."""
    programs = tmp_path / "bin"
    programs.mkdir()
    search = programs / "pure-nas"
    options = f"--space {new_study.space} --device cpu --epochs 2 --no-baselines"
    code = "from pure_nas_cli.main import app; app()"
    search.write_text(f'#!/usr/bin/env bash\nexec {sys.executable} -c "{code}" "$@" {options}\n')
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (programs / name).write_text(text)
    for program in programs.iterdir():
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
    small = {"DATASET": str(new_study.dataset), "TRIALS": "3", "STUDY": "example", "LAG": "4", "WORKERS": "2"}
    slurm = {"SLURM_JOB_NODELIST": "n[1-2]", "SLURM_CPUS_PER_TASK": "1", "SLURM_JOB_ID": "7"}
    ray = {"RAY_PORT": str(free_port()), "CPUS_PER_TRIAL": "1", "GPUS_PER_TRIAL": "0"}
    others = {"PATH": os.pathsep.join(path), "REQUEUED": str(tmp_path / "requeued"), "OMP_NUM_THREADS": "1"}
    return {**os.environ, **small, **slurm, **ray, **others}


def run(words: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240
    )


def trials(folder: Path) -> int:
    return len(load_results(RunDirectory(folder / "runs" / "example")).trials)


def test_every_script_is_sound() -> None:
    for script in [*EXAMPLES.glob("*.sh"), *EXAMPLES.glob("*.sbatch")]:
        subprocess.run(["bash", "-n", str(script)], check=True)


def test_every_option_in_them_exists() -> None:
    known = set(re.findall(r"--[a-z-]+", invoke("search", "--help").done().stdout))
    for example in EXAMPLES.iterdir():
        text = example.read_text(encoding="utf-8").replace("\\\n", " ")
        for command in re.findall(r"pure-nas search [^&\n]*(?:\n    --[^\n]*)*", text):
            assert set(re.findall(r"--[a-z-]+", command)) <= known, example


@pytest.mark.faults
def test_one_machine(tmp_path: Path, environment: dict[str, str]) -> None:
    done = run([str(EXAMPLES / "one_machine.sh")], tmp_path, environment)
    assert done.returncode == 0, done.stderr
    assert trials(tmp_path) == 3


def test_a_machine_that_is_taken_away(tmp_path: Path, environment: dict[str, str]) -> None:
    environment = {**environment, "TRIALS": "400"}
    script = ["bash", str(EXAMPLES / "preemptible.sh")]
    with subprocess.Popen(
        script, cwd=tmp_path, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("runs/example/trials/*/result.json")) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)
    before = trials(tmp_path)
    assert before > 0
    done = run([str(EXAMPLES / "preemptible.sh")], tmp_path, {**environment, "TRIALS": str(before + 1)})
    assert done.returncode == 0, done.stderr
    assert trials(tmp_path) == before + 1


@pytest.mark.faults
def test_ray_by_hand(tmp_path: Path, environment: dict[str, str]) -> None:
    script = str(EXAMPLES / "ray_by_hand.sh")
    try:
        for words in (["head"], ["node", "127.0.0.1"], ["search"]):
            done = run([script, *words], tmp_path, environment)
            assert done.returncode == 0, done.stderr
    finally:
        subprocess.run([shutil.which("ray", path=environment["PATH"]) or "ray", "stop"], env=environment, check=False)
    assert trials(tmp_path) == 3
    assert run([script], tmp_path, environment).returncode == 2


@pytest.mark.faults
def test_ray_under_slurm(tmp_path: Path, environment: dict[str, str]) -> None:
    script = tmp_path / "job.sbatch"
    text = (EXAMPLES / "ray_slurm.sbatch").read_text(encoding="utf-8")
    script.write_text(text.replace("port=6379", f"port={environment['RAY_PORT']}"))
    try:
        done = run([str(script)], tmp_path, environment)
        assert done.returncode == 0, done.stderr
        assert trials(tmp_path) == 3
    finally:
        subprocess.run([shutil.which("ray", path=environment["PATH"]) or "ray", "stop"], env=environment, check=False)


def test_the_job_for_kubernetes() -> None:
    job = yaml.safe_load((EXAMPLES / "kuberay.yaml").read_text(encoding="utf-8"))
    assert job["kind"] == "RayJob"
    spec = job["spec"]["rayClusterSpec"]
    image = re.search(r"^FROM rayproject/ray:([\d.]+)-", (EXAMPLES / "Dockerfile").read_text(), re.MULTILINE)
    assert image is not None
    assert spec["rayVersion"] == image[1]
    containers = [
        group["template"]["spec"]["containers"][0] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])
    ]
    assert len({each["image"] for each in containers}) == 1
    words = job["spec"]["entrypoint"].split()
    assert words[:2] == ["pure-nas", "search"]
    per_trial = float(words[words.index("--cpus-per-trial") + 1])
    assert int(containers[1]["resources"]["limits"]["cpu"]) // per_trial * spec["workerGroupSpecs"][0][
        "replicas"
    ] >= int(words[words.index("--workers") + 1])
