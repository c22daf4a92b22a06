"""What is wrong with the folder of a run, what that means, and how it is mended: nothing is trained, nothing lost."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FixedTrial, FrozenTrial

from pure_nas.errors import PureNasError, RunError
from pure_nas.files import TEMPORARY, decoded, read_json, write_whole
from pure_nas.plans.experiment.file import ExperimentFile
from pure_nas.plans.experiment.grid import EXPERIMENT_FILE
from pure_nas.plans.search.baselines import baselines
from pure_nas.plans.search.confirmations import ORDER_FILE
from pure_nas.plans.search.forecasts import space_of
from pure_nas.plans.search.storage import close_storage, open_storage
from pure_nas.plans.search.study import BASELINE_KEY
from pure_nas.quantities import counted, show_bytes
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.environment import installed_version
from pure_nas.run.hits import read_hits
from pure_nas.run.retrained import RETRAIN_FILE, load_retraining, retrained_folder
from pure_nas.run.schema import SCHEMA, ConfirmationOrder, Environment, Evaluation, State
from pure_nas.run.search_results import load_results, objectives_of, read_trial
from pure_nas.run.seeds import SEEDS_FOLDER, seed_folder, seeds_begun
from pure_nas.run.warm_start import WarmStart
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace

_ROOM = 50_000_000  # bytes that a run should have left, besides those of a few trials
_TRIALS_OF_ROOM = 10
_CHECKSUM_BYTES = 32
_TRAINED_AGAIN = "moved into a backup; the same search command trains it again"
_BY_HAND = "restore a good copy"
BACKUP = "backup-"


@dataclass(frozen=True)
class Finding:
    """Something about a run that is not as it should be.

    Attributes:
        path: what it is about.
        fault: what is wrong, and what follows from it, in a sentence.
        remedy: what repairing does, or what only its owner can do, as a clause.
        harms: whether a command would fail, or a number be lost, for it.
        moves: what repairing moves into the backup.
        rewrites: a file that repairing writes anew, by its text.
        candidate: what repairing says that the trial at `path` trains.
    """

    path: Path
    fault: str
    remedy: str
    harms: bool = True
    moves: tuple[Path, ...] = ()
    rewrites: tuple[tuple[Path, str], ...] = ()
    candidate: Candidate | None = None

    @property
    def repairable(self) -> bool:
        return bool(self.moves or self.rewrites or self.candidate)

    @property
    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        said = {"path": str(self.path), "fault": self.fault, "remedy": self.remedy}
        return said | {"harms": self.harms, "repairable": self.repairable}


@dataclass(frozen=True)
class Case:
    """What was found of a run, what was done about it, and what is left."""

    run: RunDirectory
    found: Sequence[Finding]
    backup: Path | None
    left: Sequence[Finding]

    @property
    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "schema": SCHEMA,
            "path": str(self.run.path),
            "backup": None if self.backup is None else str(self.backup),
            "findings": [each.document for each in self.found],
            "left": [each.document for each in self.left],
        }


def treat(run: RunDirectory, *, mend: bool) -> Case:
    """Examine a run, and repair it if that is asked for."""
    found = examine(run)
    backup = repair(run, found) if mend else None
    return Case(run, found, backup, examine(run) if backup else found)


def examine(run: RunDirectory) -> list[Finding]:
    """Everything that is wrong with a run, worst first.

    Raises:
        RunError: it is in use.
    """
    if user := run.user():
        raise RunError(f"{run.path} is in use {user}.", hint="Wait for it or stop it: what it writes is incomplete.")
    try:
        settings = run.settings()
        if not run.is_experiment:
            objectives_of(run)
    except RunError as error:
        remedy = f"{_BY_HAND}: without it nothing else can be checked"
        return [Finding(run.settings_path, error.message, remedy), *_strays(run)]
    checks: Iterable[Iterable[Finding]]
    if run.is_experiment:
        checks = (_experiment_file(run), _trainings(run.path / "trials", "experiment"))
    else:
        checks = (_of_search(run, settings), _trainings(run.path / "retrain", "retrain"), _retraining(run))
    found = [*chain.from_iterable(checks), *_environment(run), *_log(run), *_strays(run), *_room(run)]
    return sorted(found, key=lambda each: not each.harms)


def repair(run: RunDirectory, findings: Sequence[Finding]) -> Path | None:
    """Mend what can be mended; returns the backup with all that was moved, None where nothing was."""
    mended = [each for each in findings if each.repairable]
    if not mended:
        return None
    with run.locked():
        backup = _new_folder(run.path)
        for finding in mended:
            for path in finding.moves:
                if path.exists() or path.is_symlink():
                    target = backup / path.relative_to(run.path)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(path, target)
            for path, text in finding.rewrites:
                write_whole(path, text)
            if finding.candidate is not None:
                TrialDirectory(finding.path, int(finding.path.name)).write_candidate(finding.candidate)
        document = {"schema": SCHEMA, "findings": [each.document for each in mended]}
        write_whole(backup / "findings.json", json.dumps(document, indent=2) + "\n")
        run.log("repaired", backup=backup.name, findings=len(mended))
    return backup


def _new_folder(run: Path) -> Path:
    stem = f"{BACKUP}{datetime.now(UTC):%Y%m%d-%H%M%S}"
    names = chain([stem], (f"{stem}-{number}" for number in range(2, 1_000)))
    backup = next(run / name for name in names if not (run / name).exists())
    backup.mkdir()
    return backup


def _of_search(run: RunDirectory, settings: dict[str, Any]) -> Iterator[Finding]:
    stored, faults = _stored_trials(run, settings)
    yield from faults
    try:
        space: SearchSpace | None = space_of(settings)
    except PureNasError as error:
        space = None
        yield Finding(run.settings_path, error.message, "install what it needs", harms=False)
    if space is not None and (settings.get("warm_start") or run.warm_start_path.exists()):
        yield from _read(run.warm_start_path, lambda: WarmStart.read(run, space), _BY_HAND)
    numbers = [trial.number for trial in run.trials()]
    for number in range(max([-1, *numbers, len(stored) - 1 if faults == [] else -1]) + 1):
        trial = run.trial(number)
        yield from _of_trial(run, trial, stored[number] if number < len(stored) else None, space)
        for seed in seeds_begun(trial):
            yield from _of_training(seed_folder(trial, seed), "the same search command trains it again")
    if (run.path / "state.json").exists():
        path = run.path / "state.json"
        remedy = "moved into a backup; the time that was used is read from the log"
        yield from _read(path, lambda: read_json(path, State), remedy, [path])
    yield from _order_of_confirmations(run)
    yield from _lost_weights(run)


def _order_of_confirmations(run: RunDirectory) -> Iterator[Finding]:
    """Without it, it is not known which further seeds came first."""
    seeds = [trial.path / SEEDS_FOLDER for trial in run.trials() if seeds_begun(trial)]
    path = run.path / ORDER_FILE
    if seeds or path.exists():
        remedy = "moved into a backup with the further seeds; the same search command trains them again"
        yield from _read(path, lambda: read_json(path, ConfirmationOrder), remedy, [path, *seeds])


def _stored_trials(run: RunDirectory, settings: dict[str, Any]) -> tuple[list[FrozenTrial], list[Finding]]:
    """What the study has, and what is wrong with it. One kept elsewhere cannot be opened without its password."""
    files = _study_files(run)
    if settings.get("storage") or not run.study_path.exists():
        return [], []
    remedy = "moved into a backup; the same search command rebuilds it from the trials' folders"
    try:
        storage = open_storage(run.study_path, None)
        try:
            study = optuna.load_study(study_name=settings.get("study"), storage=storage)
            return study.get_trials(deepcopy=False), []
        finally:
            close_storage(storage)
    except (RunError, KeyError, ValueError) as error:
        fault = error.message if isinstance(error, RunError) else f"{run.study_path} has no such study: {error}."
        return [], [Finding(run.study_path, fault, remedy, moves=files)]


def _study_files(run: RunDirectory) -> tuple[Path, ...]:
    names = [f"{run.study_path.name}{suffix}" for suffix in ("", "-wal", "-shm")]
    return tuple(run.path / name for name in names if (run.path / name).exists())


def _of_trial(
    run: RunDirectory, trial: TrialDirectory, stored: FrozenTrial | None, space: SearchSpace | None
) -> Iterator[Finding]:
    study = _study_files(run)
    ended = stored is not None and stored.state.is_finished()
    try:
        trial.candidate()
    except PureNasError as error:
        if not trial.has_candidate and stored is not None and not ended and not trial.ended.exists():
            return  # it was to begin: the search takes it up from the study
        yield _without_candidate(run, trial, stored, space, error)
        return
    try:
        result = trial.result()
    except RunError as error:
        moves = (trial.ended, trial.metrics, trial.evaluation, trial.hits, trial.stops_path, *study)
        yield Finding(trial.path, error.message, f"the result is {_TRAINED_AGAIN}", moves=moves)
        return
    if result is None:
        if ended:
            fault = f"The study says that trial {trial.number} has ended, but its folder has no result."
            yield Finding(trial.path, fault, f"the study is {_TRAINED_AGAIN}", moves=study)
        yield from _unfinished(trial)
        return
    yield from _left_over(trial)
    yield from _read(
        trial.metrics, trial.curve, f"the result is {_TRAINED_AGAIN}", [trial.ended, trial.metrics, *study]
    )
    yield from _read(trial.hits, lambda: read_hits(trial), "moved into a backup", [trial.hits])
    if ended and stored is not None and (fault := _disagreement(run, trial, stored)):
        remedy = "the study is moved into a backup; the same search command rebuilds it"
        yield Finding(trial.path, fault, remedy, moves=study)


def _disagreement(run: RunDirectory, trial: TrialDirectory, stored: FrozenTrial) -> str:
    """How the study and a trial's result differ."""
    names, _ = objectives_of(run)
    try:
        record = read_trial(trial, names)
    except PureNasError as error:
        return error.message
    if record is None or record.state not in ("complete", "stopped"):
        return ""
    if list(record.objectives) != list(stored.values or ()):
        return f"The study has other values for trial {trial.number} than its result.json."
    return ""


def _without_candidate(
    run: RunDirectory,
    trial: TrialDirectory,
    stored: FrozenTrial | None,
    space: SearchSpace | None,
    error: PureNasError,
) -> Finding:
    """A trial of which it is not known what it trains, unless the study has it."""
    known = _candidate_in(stored, space) if stored is not None and space is not None else None
    fault = error.message if trial.path.exists() else f"{trial.path} is missing, but the study has later trials."
    if known is None:
        return Finding(trial.path, fault, f"{_BY_HAND} of {trial.path.name}, or start a new search")
    moves = [path for path in (trial.architecture, trial.recipe) if path.exists()]
    remedy = "written again as the study has it"
    if not trial.ended.exists() or _digest_in(trial.ended) != known.digest:
        moves += [path for path in (trial.ended, trial.metrics, trial.checkpoint, trial.weights) if path.exists()]
        moves += _study_files(run)
        remedy += "; the same search command trains it again"
    return Finding(trial.path, fault, remedy, moves=tuple(moves), candidate=known)


def _digest_in(result: Path) -> str | None:
    """Of the candidate that a result is of, if it says."""
    try:
        found = decoded(result.read_bytes())
        return str(found["digests"]["candidate"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _candidate_in(stored: FrozenTrial, space: SearchSpace) -> Candidate | None:
    label = stored.user_attrs.get(BASELINE_KEY)
    given = {each.label: each.candidate for each in baselines(space)}
    if label in given:
        return given[label]
    try:
        return space.suggest(FixedTrial(stored.params))
    except (ValueError, PureNasError):
        return None


def _unfinished(trial: TrialDirectory) -> Iterator[Finding]:
    again = "moved into a backup; it is trained from the start"
    yield from _read(trial.metrics, trial.curve, again, [trial.metrics, trial.checkpoint])
    remedy = "moved into a backup; it is decided again, as before"
    yield from _read(trial.stops_path, trial.stops, remedy, [trial.stops_path])
    if trial.checkpoint.exists() and not _is_whole(trial.checkpoint):
        yield Finding(trial.checkpoint, f"{trial.checkpoint} is damaged.", again, moves=(trial.checkpoint,))


def _is_whole(checkpoint: Path) -> bool:
    try:
        data = checkpoint.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(data[_CHECKSUM_BYTES:]).digest() == data[:_CHECKSUM_BYTES]


def _left_over(trial: TrialDirectory) -> Iterator[Finding]:
    for path in (trial.checkpoint, trial.attempt):
        if path.exists():
            fault = f"{path} is left over: the trial has ended."
            yield Finding(path, fault, "moved into a backup", harms=False, moves=(path,))


def _lost_weights(run: RunDirectory) -> Iterator[Finding]:
    """Weights that are not those of their trial, or that the front lacks."""
    try:
        results = load_results(run)
    except PureNasError:
        return  # what is wrong with it was found
    front = {trial.trained for group in results.groups for trial in group}
    for record in results.complete:
        trial = run.trial(record.number)
        if record.replay_of is not None or trial.has_its_weights:
            continue
        again = "--restore-weights trains them again" if record.number not in front else "the search trains them again"
        if trial.weights.exists():
            fault = f"{trial.weights} are not the weights that the trial ended with."
            yield Finding(trial.weights, fault, f"moved into a backup; {again}", moves=(trial.weights,))
        elif record.number in front:
            yield Finding(trial.weights, f"{trial.weights} are missing, and the trial is on the front.", again)


def _experiment_file(run: RunDirectory) -> Iterator[Finding]:
    path = run.path / EXPERIMENT_FILE
    yield from _read(path, lambda: ExperimentFile.of_run(path), f"{_BY_HAND}: it says what the trainings are")


def _trainings(folder: Path, command: str) -> Iterator[Finding]:
    """Trainings with a folder each, of an experiment or a retraining."""
    run = RunDirectory(folder.parent)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir():
            digest, _, seed = path.name.rpartition("-seed")
            retrained = command == "retrain" and seed.isdecimal()
            trial = retrained_folder(run, digest, int(seed)) if retrained else TrialDirectory(path, 0)
            yield from _of_training(trial, f"the same {command} command trains it again")


def _of_training(trial: TrialDirectory, again: str) -> Iterator[Finding]:
    """A training in a folder of its own, which is moved as a whole."""
    remedy = f"moved into a backup; {again}"
    try:
        trial.candidate()
        result = trial.result()
        trial.curve()
        if trial.evaluation.exists():
            read_json(trial.evaluation, Evaluation)
    except PureNasError as error:
        yield Finding(trial.path, error.message, remedy, moves=(trial.path,))
        return
    if result is None:
        yield from _unfinished(trial)
        return
    yield from _left_over(trial)
    if trial.weights.exists() and not trial.has_its_weights:
        fault = f"{trial.weights} are not the weights that the training ended with."
        yield Finding(trial.weights, fault, remedy, moves=(trial.path,))


def _retraining(run: RunDirectory) -> Iterator[Finding]:
    path = run.path / RETRAIN_FILE
    if path.exists():
        remedy = "moved into a backup; the same retrain command writes it again from the trainings"
        yield from _read(path, lambda: load_retraining(run), remedy, [path])


def _environment(run: RunDirectory) -> Iterator[Finding]:
    path = run.path / "environment.json"
    try:
        found = read_json(path, Environment)
    except RunError as error:
        begun = _environment_in_log(run)
        text = json.dumps(begun, indent=2) + "\n"
        rewrites = ((path, text),) if begun else ()
        remedy = "written again as the log has it" if begun else _BY_HAND
        moves = (path,) if begun and path.exists() else ()
        yield Finding(path, error.message, remedy, moves=moves, rewrites=rewrites)
        return
    then = str((found.get("packages") or {}).get("torch", "")).partition("+")[0]
    now = installed_version("torch").partition("+")[0]
    if then and then != now:
        fault = f"The run began with torch {then}, and {now} is installed: what trains from now on may differ slightly."
        yield Finding(path, fault, f"install torch {then}, or accept it", harms=False)


def _environment_in_log(run: RunDirectory) -> dict[str, Any] | None:
    for event in _events(run):
        if event is not None and isinstance(event.get("environment"), dict):
            return dict(event["environment"])
    return None


def _events(run: RunDirectory) -> list[dict[str, Any] | None]:
    """The events of the log; None for a line that is none."""
    try:
        lines = run.log_path.read_bytes().splitlines()
    except OSError:
        return []
    return [_event(line) for line in lines]


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        found = decoded(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None


def _log(run: RunDirectory) -> Iterator[Finding]:
    if run.log_path.is_dir():
        fault = f"{run.log_path} is a folder."
        yield Finding(run.log_path, fault, "moved into a backup; a new log begins", moves=(run.log_path,))
    elif not _events(run):
        fault = f"{run.log_path} is missing or empty: the time of earlier sessions may be underestimated."
        yield Finding(run.log_path, fault, "nothing: the next session begins it", harms=False)
    damaged = sum(event is None for event in _events(run))
    if damaged:
        lines = counted(damaged, "damaged line")
        fault = f"{run.log_path} has {lines}: the time of earlier sessions may be underestimated."
        yield Finding(run.log_path, fault, "nothing: they are ignored", harms=False)


def _strays(run: RunDirectory) -> Iterator[Finding]:
    """What writes left that a kill cut short, and the mark of a session that is over."""
    for path in sorted(run.path.rglob(".*")):
        if TEMPORARY.fullmatch(path.name) and path.is_file() and not _is_backed_up(run, path):
            fault = f"{path} is what a write left that was cut short."
            yield Finding(path, fault, "removed, as by the next command", harms=False, moves=(path,))
    owner = run.path / "owner.json"
    if owner.exists():
        fault = f"{owner} is of a session that was killed."
        yield Finding(owner, fault, "nothing: the next command that writes into the run removes it", harms=False)


def _is_backed_up(run: RunDirectory, path: Path) -> bool:
    return path.relative_to(run.path).parts[0].startswith(BACKUP)


def _room(run: RunDirectory) -> Iterator[Finding]:
    sizes = [sum(file.stat().st_size for file in trial.path.rglob("*") if file.is_file()) for trial in run.trials()]
    wanted = _ROOM + _TRIALS_OF_ROOM * max(sizes, default=0)
    free = shutil.disk_usage(run.path).free
    if free < wanted:
        fault = f"{show_bytes(free)} are left on the disk of {run.path}: too little for {_TRIALS_OF_ROOM} more trials."
        yield Finding(run.path, fault, "free some space; pure-nas runs list says what takes it", harms=False)


def _read(path: Path, read: Callable[[], object], remedy: str, moves: Sequence[Path] = ()) -> Iterator[Finding]:
    try:
        read()
    except PureNasError as error:
        there = tuple(each for each in moves if each.exists())
        yield Finding(path, error.message, remedy, moves=there)
