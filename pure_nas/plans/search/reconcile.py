"""Making a study agree with the folders of its trials, which are the truth."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import TrialState

from pure_nas.errors import RunError
from pure_nas.plans.search.baselines import Baseline
from pure_nas.plans.search.study import BASELINE_KEY, Asked, SearchStudy
from pure_nas.run.directory import RunDirectory
from pure_nas.run.results import TrialRecord, read_trial


def reconcile(
    run: RunDirectory,
    study: SearchStudy,
    objectives: Sequence[str],
    plan: Sequence[Baseline],
) -> tuple[dict[int, TrialRecord], list[Asked]]:
    """Bring the study to what the folders say; a study that was lost is rebuilt.

    Returns:
        Every finished trial by number, and the trials that were begun but not finished.

    Raises:
        RunError: a finished trial has no folder, or another program changed the study.
    """
    folders = {trial.number: trial for trial in run.trials()}
    labels = {baseline.candidate.digest: baseline.label for baseline in plan}
    candidates = {baseline.label: baseline.candidate for baseline in plan}
    finished: dict[int, TrialRecord] = {}
    unfinished: list[Asked] = []
    for number in range(max([len(study.trials), *(known + 1 for known in folders)])):
        folder = run.trial(number)
        record = read_trial(folder, objectives) if folder.has_candidate else None
        if number >= len(study.trials):
            if not folder.has_candidate:
                raise RunError(
                    f"{folder.path} is missing, but later trials are there.",
                    hint="Put it back, or start anew with another --study.",
                )
            candidate = folder.candidate()
            study.begin(candidate, record.baseline if record else labels.get(candidate.digest, ""))
        stored = study.trials[number]
        if record is not None:
            if stored.state == TrialState.RUNNING:
                study.tell(record)
            finished[number] = record
        elif stored.state == TrialState.RUNNING:
            label = str(stored.user_attrs.get(BASELINE_KEY, ""))
            if folder.has_candidate:
                candidate = folder.candidate()
            else:
                candidate = candidates[label] if label in candidates else study.candidate_of(number)
            unfinished.append(Asked(number, candidate, label))
        else:
            raise RunError(
                f"Trial {number} is {stored.state.name.lower()} in the study, but {folder.path} has no result.",
                hint="Put the folder back. If another program added the trial, move study.db away: the study is "
                "rebuilt from the folders.",
            )
    return finished, unfinished
