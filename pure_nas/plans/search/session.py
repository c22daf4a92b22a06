"""From settings to a search that is ready to go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args

from optuna.storages import RDBStorage

from pure_nas.cost.layers import cost_of
from pure_nas.cost.measure import activation_bytes, latency_ms
from pure_nas.errors import RunError, UsageError
from pure_nas.evaluation.noise import NOISE_MIXTURE
from pure_nas.nn.network import build
from pure_nas.objectives import METRICS
from pure_nas.paths import absolute
from pure_nas.plans.budget import Budget
from pure_nas.plans.driver import Driver
from pure_nas.plans.estimate import SCORING_SHARE, flops_of, images_of_epoch, interpolation, nominal_seconds_per_trial
from pure_nas.plans.search.baselines import Baseline, baselines
from pure_nas.plans.search.forecasts import Forecasts
from pure_nas.plans.search.lost_weights import finish_moves
from pure_nas.plans.search.samplers import ChosenSampler, SamplerName, choose_sampler
from pure_nas.plans.search.search import SearchPlan
from pure_nas.plans.search.settings import SearchSettings
from pure_nas.plans.search.storage import close_storage, open_storage
from pure_nas.plans.search.study import SearchStudy
from pure_nas.plans.settings import locked, record_start
from pure_nas.run.directory import SETTINGS_HINT, RunDirectory
from pure_nas.run.environment import describe_environment
from pure_nas.run.search_results import objectives_of
from pure_nas.run.warm_start import WarmStart
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import get_unit
from pure_nas.workers import Executor
from pure_nas.workers.executor import device_for
from pure_nas.workers.resources import Resources, Work, WorkerPlan


@dataclass(frozen=True, kw_only=True)
class Prepared(Resources):
    """A search of which everything is known but what it will find; its space is fitted to the images."""

    settings: SearchSettings
    _latencies: dict[Architecture, float] = field(default_factory=dict, init=False, repr=False)

    @property
    def space(self) -> SearchSpace:
        return self.settings.space

    @cached_property
    def baselines(self) -> list[Baseline]:
        return baselines(self.space) if self.settings.baselines else []

    def seconds_per_trial(self, executor: Executor) -> float:
        """Expected training time of a trial, measured: mean over the space, and over baselines as far as trained.

        The executor is told how long the longest may take.
        """
        space, trials = self.space, self.settings.trials
        small = min(space.smallest_architectures(), key=flops_of)
        large = max(space.largest_architectures(), key=flops_of)
        recipe = space.baseline_recipe([get_unit(name) for name in sorted(small.unit_set | large.unit_set)])
        per_image = interpolation(Candidate(small, recipe), Candidate(large, recipe), executor, of="of the space")
        known = [flops_of(baseline.candidate.architecture) for baseline in self.baselines[:trials]]
        mean = (flops_of(small) + flops_of(large)) / 2
        in_epoch = images_of_epoch(self.train_images, self.dataset, scored=True)
        with_noise = "noise_error" in self.settings.objectives
        after = len(self.dataset.validation) * (1 + len(NOISE_MIXTURE)) if with_noise else 0
        images = recipe.epochs * in_epoch + SCORING_SHARE * after
        executor.expect(images * per_image(flops_of(large)))
        return images * per_image((sum(known) + mean * (trials - len(known))) / trials)

    def workers_for(self, left: int) -> WorkerPlan:
        if self.settings.measures_latency:
            return WorkerPlan(1, "latency is measured, which other training would disturb")
        return super().workers_for(self._at_once(left))

    def start_workers(self, left: int) -> tuple[Executor, WorkerPlan]:
        return super().start_workers(self._at_once(left))

    def _at_once(self, left: int) -> int:
        """Of so many trials, those that can train at the same time."""
        return left if self.settings.lag is None else min(left, max(self.settings.lag, 1))

    @cached_property
    def sampler(self) -> ChosenSampler:
        seconds = nominal_seconds_per_trial(self.space, self.dataset, self.device)
        settings = self.settings
        return choose_sampler(settings.sampler, settings.candidates, seconds, closed_form=settings.closed_form)

    @cached_property
    def images(self) -> dict[str, Any]:
        """What run.toml says of the images."""
        return {**self.dataset.facts, "train": self.train_images, "validation": len(self.dataset.validation)}

    @cached_property
    def warm_start(self) -> WarmStart | None:
        """What the earlier searches that were named know."""
        folders = self.settings.warm_start
        return WarmStart.of(folders, self.space, self.images) if folders else None

    @property
    def params_range(self) -> tuple[int, int]:
        smallest, largest = self.space.smallest_architectures(), self.space.largest_architectures()
        return min(cost_of(each).params for each in smallest), max(cost_of(each).params for each in largest)

    def worst(self, name: str) -> float:
        """The worst value of an objective: chance, or the cost of the space's largest networks."""
        if name in ("error", "noise_error"):
            return 1 - 1 / len(self.dataset.classes)
        if metric := METRICS.find(name):
            return metric.worst
        largest = self.space.largest_architectures()
        if name == "latency":
            return max(map(self.latency, largest))
        if name == "memory":
            return float(max(activation_bytes(build(each), _image_shape(each)) for each in largest))
        return float(max(attrgetter(name)(cost_of(each)) for each in largest))

    def latency(self, architecture: Architecture) -> float:
        """Time of one image through `architecture` on the run's device, milliseconds; measured once."""
        canonical = architecture.canonical()
        if canonical not in self._latencies:
            self._latencies[canonical] = latency_ms(build(canonical), _image_shape(canonical), self.device)
        return self._latencies[canonical]


def _image_shape(architecture: Architecture) -> tuple[int, int, int]:
    return architecture.in_chans, architecture.image_size, architecture.image_size


def prepare(settings: SearchSettings) -> Prepared:
    """Load the images, fit the space to them and check the limits; nothing is written to the run."""
    device, load = device_for(settings.execution, settings.device), settings.load
    dataset = load()
    space = settings.space.with_images(**dataset.shape)
    prepared = Prepared(
        settings=replace(settings, space=space),
        dataset=dataset,
        load=load,
        device=device,
        train_images=len(dataset.train),
        workers=settings.workers,
        work=partial(Work.of_space, space),
        execution=settings.execution,
        job_seconds=settings.trial_timeout,
        retries=settings.retries,
    )
    settings.limits.require_possible(space, prepared.latency)
    return prepared


@dataclass
class Search:
    """A search whose run is locked."""

    plan: SearchPlan
    driver: Driver
    sampler: ChosenSampler
    warm_start: WarmStart | None

    @property
    def left(self) -> int:
        """Networks to train, as far as is known; once the time is used up, only those that were begun."""
        out_of_time = self.driver.budget.forbids(self.plan.expected_seconds)
        return self.plan.unfinished if out_of_time else self.plan.left


@contextmanager
def opened(prepared: Prepared, out: Path, *, restore_weights: bool = False) -> Iterator[Search]:
    """Lock the run in the folder `out`, check or write its settings, and yield the search."""
    run = RunDirectory(out / prepared.settings.study)
    settings = _going_on(prepared.settings, run)
    dataset = prepared.dataset
    wanted = {**settings.resolved(), "data": prepared.images}
    if absolute(run.path) in settings.warm_start:
        raise UsageError(f"A search cannot start from its own run, {run.path}.", hint="Leave it out of --warm-start.")
    # Before the run is begun, as whatever may be refused.
    warm_start = None if run.exists else prepared.warm_start
    with ExitStack() as stack:

        def opened_storage() -> RDBStorage:
            storage = open_storage(run.study_path, settings.storage)
            stack.callback(close_storage, storage)
            return storage

        # Before the run is begun: a storage that cannot be opened must leave none behind that insists on it.
        storage = opened_storage() if settings.storage is not None else None
        stack.enter_context(locked(run, wanted, lambda file: file.match("study.db*") or file == run.warm_start_path))
        if run.exists:  # one that was renamed keeps the name of its study
            wanted["study"] = str(run.settings().get("study", settings.study))
        sampler, reference = _decided(prepared, run)
        study = SearchStudy(
            storage or opened_storage(),
            wanted["study"],
            space=prepared.space,
            objectives=settings.objectives,
            sampler=sampler.name,
            seed=settings.seed,
        )
        if run.exists and settings.warm_start:
            warm_start = WarmStart.read(run, prepared.space)
        budget = Budget(settings.time_seconds, run=run)
        finish_moves(run)
        plan = SearchPlan(
            run,
            settings,
            study,
            baselines=prepared.baselines,
            reference=tuple(reference.values()),
            latency=prepared.latency,
            forecasts=Forecasts(
                space=prepared.space,
                objectives=settings.objectives,
                worst=reference["error"],
                images=len(dataset.validation),
                limits=settings.limits,
                seed=settings.seed,
                warm_start=warm_start,
            ),
            budget=budget,
            restore_weights=restore_weights,
        )
        driver = Driver(run, prepared, budget)
        stack.callback(driver.close)
        # Last, so that a run whose trials or study turn out to be damaged is left as it was.
        if warm_start is not None and not run.exists:
            warm_start.write(run)
        wanted |= {"chosen_sampler": asdict(sampler), "reference": reference}
        record_start(run, wanted, describe_environment(prepared.device), trials=settings.trials)
        yield Search(plan, driver, sampler, warm_start)


def _going_on(settings: SearchSettings, run: RunDirectory) -> SearchSettings:
    """By the rules with which a run began: before there was a lag, every trial was trained to its end."""
    older = run.exists and "lag" not in run.settings()
    return replace(settings, early_stopping=False, lag=None) if older else settings


def _decided(prepared: Prepared, run: RunDirectory) -> tuple[ChosenSampler, dict[str, float]]:
    """What stays as it was when the run began: the sampler, and the reference by objective."""
    if not run.exists:
        return prepared.sampler, {name: prepared.worst(name) for name in prepared.settings.objectives}
    sampler = run.settings().get("chosen_sampler")
    if sampler is None or sampler["name"] not in get_args(SamplerName):
        raise RunError(f"{run.settings_path} is damaged: it has no valid 'chosen_sampler'.", hint=SETTINGS_HINT)
    return ChosenSampler(sampler["name"], sampler.get("reason", "")), dict(zip(*objectives_of(run), strict=True))
