"""What `import pure_nas` can do: search, race, experiment, train, evaluate; the caller's process stays as it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import chain

from pure_nas.api.runs import Experiment, Quiet, Run, TrainedNetwork, process_kept
from pure_nas.data.sources.own import AnyDataset, dataset_name
from pure_nas.data.sources.registry import ImageSize
from pure_nas.devices import AnyDevice, resolve_device
from pure_nas.errors import RunError
from pure_nas.evaluation.evaluation import Evaluation, evaluate_network
from pure_nas.evaluation.noise import Noise
from pure_nas.evaluation.views import Views
from pure_nas.findings.race import Race, race_of
from pure_nas.nn.network import Network
from pure_nas.paths import AnyPath, expanded, path_of
from pure_nas.plans import train as training
from pure_nas.plans.experiment import session
from pure_nas.plans.experiment.file import find_experiment
from pure_nas.plans.experiment.session import ExperimentSettings
from pure_nas.plans.race import run_race, settings_of_race
from pure_nas.plans.search import session as searching
from pure_nas.plans.search.samplers import OptunaSampler, SamplerChoice
from pure_nas.plans.search.settings import AnyLimits, AnyObjective, AnySpace, KeptWeights, settings_for
from pure_nas.quantities import seconds_of, share_of
from pure_nas.report import write_race_report
from pure_nas.run.images import Split, WantedImages
from pure_nas.run.schema import Count, Positive
from pure_nas.run.search_results import TrialRecord
from pure_nas.run.trained import Trained, find_trained, images_for
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.tracking import Tracker, require_trackers, tracked
from pure_nas.validation import checked
from pure_nas.workers.executor import AnyExecution, execution_of
from pure_nas.workers.resources import Workers


@checked
def search(
    dataset: AnyDataset,
    space: AnySpace = None,
    *,
    out: AnyPath = "runs",
    study: str | None = None,
    trials: int | None = None,
    time: float | str | None = None,
    confirm: float | str | None = None,
    epochs: int | None = None,
    objectives: str | Sequence[AnyObjective] = ("error", "flops"),
    limits: AnyLimits = None,
    device: AnyDevice = "auto",
    workers: Workers = 1,
    executor: AnyExecution = "auto",
    seed: Count = 0,
    sampler: SamplerChoice = "auto",
    baselines: bool = True,
    early_stopping: bool = True,
    until_flat: bool = False,
    keep_weights: KeptWeights = "all",
    trial_timeout: float | str | None = None,
    retries: Count = 1,
    lag: Count = 4,
    warm_start: AnyPath | Sequence[AnyPath] = (),
    storage: str | None = None,
    data_dir: AnyPath | None = None,
    image_size: ImageSize | None = None,
    skip_corrupt: bool = False,
    restore_weights: bool = False,
    log: Sequence[Tracker] = (),
    on_trial: Callable[[TrialRecord], None] | None = None,
) -> Run:
    """Search for the networks with the best accuracy for their cost, as `pure-nas search` does.

    A call that was interrupted, or that asks for more trials, resumes the run.

    Args:
        dataset: a dataset's name, the path of an image folder, or your own images: see `own_dataset`.
        space: a search space, its name or file (default: the one for the dataset).
        out: folder that holds runs; this one is `out / study`.
        study: name of the run (default: the dataset's name).
        trials: total number of trials, counting earlier calls (default: from the space).
        time: total time in seconds, or such as "2h", counting earlier calls.
        confirm: share of `trials` and `time`, such as 0.2, for second and third seeds of the trials whose place on the
            front is most in doubt.
        epochs: epochs per trial (default: from the space).
        objectives: "error", then one or more of flops, params, latency, memory, noise_error, names of metrics,
            `Metric` objects and functions; all are minimised.
        limits: what a candidate may cost: {"params": "300k", "latency": "2ms"}.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:N", "xpu", "xpu:N", "mps" or a `torch.device`.
        workers: number of networks trained in parallel, each in its own process if more than 1; "auto" picks a number.
        executor: "inline" (this process), "pool" (processes of this machine), "ray", or an `Execution`, which also says
            which GPUs, which Ray cluster and how much of it a trial takes; "auto" takes one of the first two.
        seed: for the validation split, suggestions, weights and data order.
        sampler: "forecast", "tpe", "nsga2", "gp" or "random"; "auto" chooses.
        baselines: train all-conv and all-product networks too, small ones first.
        early_stopping: stop trials that could hardly reach the front, where the costs that are minimised are known
            before a training (flops, params).
        until_flat: end before `trials` where further ones are likely to bring little.
        trial_timeout: how long a trial may train ("10m", or seconds); its worker is then replaced.
        retries: how often a trial that lost its worker, or took too long, is taken up again from its checkpoint.
        keep_weights: "front" removes those of trials that others beat; they can be trained again.
        lag: number of trials just before one on which it does not depend, so that the number of workers, up to this,
            changes nothing.
        warm_start: folders of earlier searches of the same images, whose trials in this space are used.
        storage: URL of an Optuna storage (default: SQLite in the run's folder).
        data_dir: directory with the datasets (default: $PURE_NAS_DATA or ~/.cache/pure-nas/data).
        image_size: scale images to this height and width, pixels (default: their own size).
        skip_corrupt: skip images that cannot be decoded instead of stopping.
        restore_weights: retrain every completed trial whose weights are missing, not only those on the front.
        log: where trainings are told to besides: "tensorboard", "mlflow", "wandb", "trackio".
        on_trial: called with every trial that ends.

    Raises:
        UsageError: a name or value cannot be used.
        DataError: the images are not available.
        RunError: the run is in use, damaged, or was started with other settings.

    Example:
        >>> run = pure_nas.search("digits", study="short", trials=2, epochs=1, baselines=False)
        >>> len(run.trials), run.path.name
        (2, 'short')
    """
    require_trackers(log)
    with process_kept(device):
        settings = settings_for(
            dataset,
            space,
            study=study,
            objectives=objectives,
            epochs=epochs,
            trials=trials,
            limits=limits,
            seed=seed,
            data_dir=path_of(data_dir),
            time_seconds=None if time is None else seconds_of(time),
            confirm=None if confirm is None else share_of(confirm),
            device=str(device),
            workers=workers,
            execution=execution_of(executor),
            sampler=sampler,
            baselines=baselines,
            early_stopping=early_stopping,
            until_flat=until_flat,
            keep_weights=keep_weights,
            trial_timeout=None if trial_timeout is None else seconds_of(trial_timeout),
            retries=retries,
            lag=lag,
            warm_start=warm_start,
            storage=storage,
            image_size=image_size,
            skip_corrupt=skip_corrupt,
        )
        folder = expanded(os.fspath(out))
        with (
            searching.opened(searching.prepare(settings), folder, restore_weights=restore_weights) as found,
            tracked(Quiet(on_trial), log, found.driver.run) as listener,
        ):
            found.driver.go(found.plan, listener)
    return Run(folder / settings.study)


@checked
def race(
    dataset: AnyDataset,
    space: AnySpace = None,
    *,
    time: float | str | None = None,
    trials: Positive | None = None,
    seeds: Positive = 2,
    against: OptunaSampler = "tpe",
    out: AnyPath = "runs",
    study: str | None = None,
    epochs: int | None = None,
    device: AnyDevice = "auto",
    workers: Workers = 1,
    data_dir: AnyPath | None = None,
    image_size: ImageSize | None = None,
    skip_corrupt: bool = False,
    on_trial: Callable[[TrialRecord], None] | None = None,
) -> Race:
    """Find out whether the search pays on your images, as `pure-nas race` does, and write what came out as a page.

    It runs `search` with forecasts and with another sampler, which trains every network to its end, seed by seed. The
    same call again resumes it. It raises what `search` does.

    Args:
        dataset, space, epochs, device, workers, data_dir, image_size, skip_corrupt, on_trial: as in `search`.
        time: of one search, in seconds, or such as "20m".
        trials: of one search, instead of a time.
        seeds: how often each search is run.
        against: the other sampler.
        out: folder that holds runs; the race is `out / study`, with a run for each search.
        study: name of the race (default: race-DATASET).

    Example:
        >>> race = pure_nas.race("digits", trials=6, seeds=1, epochs=1)
        >>> len(race.prices("epochs")), [search.path.name for search in race.searches]
        (1, ['forecast-0', 'tpe-0'])
    """
    with process_kept(device):
        settings = settings_of_race(
            dataset,
            space,
            time_seconds=None if time is None else seconds_of(time),
            trials=trials,
            study=study,
            against=against,
            seeds=seeds,
            epochs=epochs,
            device=str(device),
            workers=workers,
            data_dir=path_of(data_dir),
            image_size=image_size,
            skip_corrupt=skip_corrupt,
        )
        folder, searches = expanded(os.fspath(out)) / settings.search.study, settings.searches()
        first = next(searches)
        run_race(chain([first], searches), folder, lambda _: nullcontext(Quiet(on_trial)))
        found = race_of(settings, folder, first.space)
        write_race_report(found)
    return found


@checked
def experiment(
    name: AnyPath,
    *,
    out: AnyPath = "runs",
    study: str | None = None,
    scale: str | None = None,
    dataset: AnyDataset | None = None,
    seeds: Positive | None = None,
    time: float | str | None = None,
    device: AnyDevice = "auto",
    workers: Workers = 1,
    executor: AnyExecution = "auto",
    data_dir: AnyPath | None = None,
    skip_corrupt: bool = False,
) -> Experiment:
    """Train a grid of networks, recipes and seeds that answers a question, as `pure-nas experiment` does.

    A call that was interrupted, or that asks for more seeds, resumes the run. It raises what `search` does.

    Args:
        name: a built-in experiment, or a .toml file.
        out: the folder that holds runs; the run is `out / study`, or `out` where that is one and no `study` is named.
        study: name of the run (default: NAME-SCALE, or NAME-SCALE-DATASET where `dataset` is given).
        scale: its size, such as "smoke" (default: the first in the file).
        dataset: as in `search` (default: from the scale).
        seeds: number of trainings per network (default: from the scale).
        time: seconds after which this call stops, or such as "2h".
        device, workers, executor, data_dir, skip_corrupt: as in `search`.

    Raises:
        RunError: trainings failed.
    """
    source = find_experiment(os.fspath(name))
    settings = ExperimentSettings(
        source=source,
        scale_name=scale,
        dataset=None if dataset is None else dataset_name(dataset),
        seeds=seeds,
        time_seconds=None if time is None else seconds_of(time),
        study=study,
        device=str(device),
        workers=workers,
        execution=execution_of(executor),
        data_dir=path_of(data_dir),
        skip_corrupt=skip_corrupt,
    )
    folder = settings.folder_in(expanded(os.fspath(out)))
    with process_kept(device), session.opened(session.prepare(settings.going_on_in(folder)), folder) as found:
        found.driver.go(found.plan, Quiet())
    if failed := found.plan.failed:
        training, reason = failed[0]
        raise RunError(
            f"{len(failed)} of {found.grid.trainings} trainings failed, first {training.name}: {reason}.",
            hint="The same call tries them again.",
        )
    return Experiment(folder)


@checked
def train(
    architecture: Architecture | Candidate | str,
    dataset: AnyDataset,
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    output: AnyPath | None = None,
    device: AnyDevice = "auto",
    seed: Count = 0,
    data_dir: AnyPath | None = None,
    image_size: ImageSize | None = None,
    skip_corrupt: bool = False,
) -> TrainedNetwork:
    """Train one network and evaluate it on the validation images, as `pure-nas train` does.

    The same call again resumes it, and returns what has ended.

    Args:
        architecture: an architecture, with its recipe as a `Candidate`; or such as "pure20", an architecture.json or
            RUN:TRIAL. One without a recipe takes the usual one for its units.
        dataset, device, seed, data_dir, image_size, skip_corrupt: as in `search`.
        epochs, batch_size, learning_rate: replace the recipe's; the rate is then that of every parameter.
        output: folder to write (default: runs/train-ARCHITECTURE-DATASET).

    Raises:
        RunError: the folder holds something else, or the network could not be trained.

    Example:
        >>> trained = pure_nas.train(pure_nas.Architecture(units=(("product",),), base_width=4), "digits", epochs=1)
        >>> trained.load()(torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 10])
    """
    settings = training.TrainSettings(
        architecture=architecture,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        dataset=dataset_name(dataset),
        data_dir=path_of(data_dir),
        image_size=image_size,
        skip_corrupt=skip_corrupt,
        device=str(device),
        seed=seed,
    )
    with process_kept(device):
        prepared = training.prepare(settings)
        folder = path_of(output) or prepared.default_folder
        result = training.train(prepared, folder, Quiet())
    if result["state"] != "complete":
        raise RunError(f"The training in {folder} is {result['state']}: {result['reason']}.")
    return TrainedNetwork(folder, result["metrics"], result["cost"], result["seconds"])


@checked
def evaluate(
    network: Network | AnyPath,
    dataset: AnyDataset | None = None,
    *,
    split: Split = "test",
    noises: Sequence[Noise] = (),
    views: Views | None = None,
    factors: Sequence[float] = (),
    seed: Count = 0,
    device: AnyDevice = "auto",
    data_dir: AnyPath | None = None,
    image_size: ImageSize | None = None,
    skip_corrupt: bool = False,
) -> Evaluation:
    """Evaluate a trained network on labelled images: accuracy per class, confusions, calibration, robustness to noise.

    Args:
        network: a network of this package, or RUN:TRIAL, a .safetensors file or the folder of a training.
        dataset: as in `search` (default: the one it was trained on).
        split: "test", which no search reads, or "validation".
        noises: noise to evaluate it under as well; see `usual_noises`.
        views: crops and sizes of an image to average probabilities over; see `Views`.
        factors: factors of the image intensity to evaluate it at as well.
        seed: for the noise.
        device, data_dir, image_size, skip_corrupt: as in `search`.

    Raises:
        UsageError: the network and the images do not fit each other, or it was trained on the validation images.
        DataError: the images are not available.

    Example:
        >>> found = pure_nas.evaluate("runs/digits:best", split="validation")
        >>> 0 <= found.quality.accuracy <= 1
        True
    """
    if isinstance(network, Network):
        trained = Trained(name="the network", weights=(), architecture=network.architecture, images=None)
    else:
        trained = find_trained(os.fspath(network))
        network = trained.load()
    views = views or Views()
    wanted = WantedImages(
        dataset=None if dataset is None else dataset_name(dataset),
        split=split,
        data_dir=path_of(data_dir),
        image_size=image_size,
        skip_corrupt=skip_corrupt,
    )
    with process_kept(device):
        found = wanted.load(trained.name, trained.images, trained.architecture.image_size)
        (images,) = images_for([trained], found, views, wanted)
        return evaluate_network(
            network,
            images,
            resolve_device(device),
            classes=found.classes,
            noises=noises,
            views=views,
            factors=factors,
            seed=seed,
        )
