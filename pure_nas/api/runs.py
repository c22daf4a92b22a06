"""What searches, experiments and trainings leave behind, opened again."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from pure_nas.data.sources.own import AnyDataset, dataset_name
from pure_nas.devices import AnyDevice, resolve_device
from pure_nas.errors import PureNasError
from pure_nas.export import ExportFormat, Quantization, export_trained
from pure_nas.findings.experiment_results import ExperimentResults, load_experiment_results
from pure_nas.findings.findings import findings_of
from pure_nas.findings.pick import Pick, Wish, measured_costs, pick
from pure_nas.nn.network import Network
from pure_nas.paths import AnyPath, expanded, path_of
from pure_nas.plans.plan import Listener
from pure_nas.plans.retrain import Retrain, select_trials
from pure_nas.process_state import global_random_state, usual_defaults
from pure_nas.report import write_experiment_report, write_report
from pure_nas.report.data import report_data
from pure_nas.report.experiment.tables import networks_table
from pure_nas.report.search_tables import trials_table
from pure_nas.report.table import Table
from pure_nas.run.directory import RunDirectory
from pure_nas.run.retrained import Retraining, load_retraining
from pure_nas.run.schema import Positive
from pure_nas.run.search_results import Results, TrialRecord, load_results
from pure_nas.run.selection import Origin, choose_trained
from pure_nas.space.recipe import Epochs
from pure_nas.validation import checked
from pure_nas.workers.executor import AnyExecution, execution_of
from pure_nas.workers.resources import Workers

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Run:
    """A search, read from its folder `path`, even while it runs.

    Example:
        >>> run = pure_nas.open_run("runs/digits")
        >>> all(trial.error <= 1 for trial in run.front)
        True
        >>> network = run.load("knee")
        >>> network(torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 10])
    """

    path: Path

    @property
    def results(self) -> Results:
        """Trials, front, baselines and hypervolume, read from disk each time."""
        return load_results(RunDirectory.open(self.path))

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """Every trial that has ended, by number."""
        return self.results.trials

    @property
    def front(self) -> tuple[TrialRecord, ...]:
        """The trials that no other beats in every objective, lowest error first."""
        return self.results.front

    @property
    def retraining(self) -> Retraining | None:
        """Test accuracies of the retrained networks; None if there are none."""
        found = load_retraining(RunDirectory.open(self.path))
        return found if found.rows else None

    @checked
    def trial(self, which: str | int = "knee") -> TrialRecord:
        """The trial called "best", "knee" or "smallest", or by its number; a `UsageError` if not complete."""
        return self.results.select(str(which))

    @checked
    def pick(
        self,
        trial: str | int | None = None,
        *,
        max_params: Positive | None = None,
        max_flops: Positive | None = None,
        max_latency: float | None = None,
        max_memory: Positive | None = None,
        within: float | None = None,
        one_se: bool = False,
        weights: Mapping[str, float] | None = None,
        device: AnyDevice = "auto",
    ) -> Pick:
        """Choose one complete trial by limits on its costs and at most one rule, with the reason for it.

        Without a rule it is the one with the lowest error that keeps the limits; without limits either, the knee.

        Args:
            trial: as in `trial`; the limits are then only checked.
            max_params, max_flops, max_latency, max_memory: the most it may cost, whether or not the search had them as
                objectives; for one image: FLOPs, latency in milliseconds, memory in bytes that training keeps.
            within: the cheapest whose error is at most so much above the lowest: 0.01 is a point.
            one_se: the cheapest whose error is within a standard error of the lowest.
            weights: of "error" and costs, such as {"error": 2, "flops": 1}: the one with the lowest sum, each from 0
                to 1 over the front, costs by their logarithm.
            device: where latency is measured.

        Raises:
            UsageError: nothing keeps the limits, or there are two rules.

        Example:
            >>> found = run.pick(max_params=10_000)
            >>> found.costs["params"] <= 10_000
            True
            >>> network = run.load(found.trial.number)
        """
        limits = {"params": max_params, "flops": max_flops, "latency": max_latency, "memory": max_memory}
        wish = Wish(
            trial=None if trial is None else str(trial),
            limits={name: bound for name, bound in limits.items() if bound is not None},
            within=within,
            one_se=one_se,
            weights=weights or {},
        )
        with process_kept(device):
            return pick(RunDirectory.open(self.path), wish, measured_costs(str(device)))

    def to_dataframe(self) -> pandas.DataFrame:
        """One row for each trial that has ended, with the columns of trials.csv; needs pandas."""
        return _dataframe(trials_table(report_data(RunDirectory.open(self.path))))

    @checked
    def load(self, which: str | int = "knee", *, origin: Origin = "auto", seed: int | None = None) -> Network:
        """A trained network, on the CPU and in evaluation mode.

        Args:
            which: as in `trial`.
            origin: "search" or "retrain": whose weights; "auto" prefers retrained ones.
            seed: of the retrained weights (default: the one whose last training loss is nearest to the mean).

        Raises:
            UsageError: there is no such trial, or it was not retrained with that seed.
            RunError: the weights are missing or damaged.
        """
        return choose_trained(self.path, str(which), origin=origin, seed=seed).load()

    @checked
    def export(
        self,
        which: str | int = "knee",
        output: AnyPath | None = None,
        *,
        format: ExportFormat = "python",  # noqa: A002 - the word of the command line
        quantize: Quantization | None = None,
        fold_norms: bool = False,
        origin: Origin = "auto",
        seed: int | None = None,
        overwrite: bool = False,
    ) -> list[Path]:
        """Export a network as files that work without pure-nas; returns their paths.

        What can run is loaded again and compared with the network on its validation images first: receipt.json says
        how alike they are, how accurate and how fast.

        Args:
            which, origin, seed: as in `load`.
            output: where to write (default: export/TRIAL in the run's folder).
            format: "python" (a .py file with weights), "onnx", "pt2" (torch.export), "timm" (a file that registers it),
                "hf" (a folder for the Hugging Face Hub), "safetensors" (weights, architecture.json) or "json" (that).
            quantize: "int8", of ONNX: weights and activations of 8 bits, by the most accurate of several methods.
            fold_norms: fold norms into the layers before them, of "onnx" and "pt2".
            overwrite: replace files that differ.

        Raises:
            UsageError: options that do not go together.
            RunError: the weights are missing or damaged, or a file that differs is in the way.
            PureNasError: a package is missing, or what was exported computes something else.

        Example:
            >>> [path.name for path in run.export("smallest", "my_network")]
            ['network.py', 'weights.safetensors', 'architecture.json', 'receipt.json']
        """
        chosen = choose_trained(self.path, str(which), origin=origin, seed=seed)
        found = export_trained(
            chosen, path_of(output), format=format, quantize=quantize, fold_norms=fold_norms, overwrite=overwrite
        )
        return found.files

    @checked
    def retrain(
        self,
        trials: str | int | Sequence[str | int] = "front",
        *,
        seeds: Positive = 3,
        epochs: Epochs | None = None,
        dataset: AnyDataset | None = None,
        device: AnyDevice = "auto",
        workers: Workers = 1,
        executor: AnyExecution = "auto",
        data_dir: AnyPath | None = None,
    ) -> Retraining:
        """Train networks and their twins from scratch on train + validation and evaluate them once on the test split.

        What was retrained before is not trained again, so that the same call resumes an interrupted one.

        Args:
            trials: "front", or trials by name or number.
            seeds: how often each network is trained.
            epochs: of each training (default: as in the search).
            dataset: where the run's images are now (default: where they were); other images are refused.
            device, workers, executor, data_dir: as in `search`.

        Raises:
            UsageError: there is no such trial.
            RunError: the images have changed, the run is in use, or memory ran out.
        """
        which = trials if isinstance(trials, str | int) else ",".join(map(str, trials))
        run = RunDirectory.open(self.path)
        with process_kept(device):
            chosen = select_trials(load_results(run), str(which))
            with run.locked():
                retraining = Retrain(
                    run,
                    chosen,
                    seeds=seeds,
                    epochs=epochs,
                    device=str(device),
                    data_dir=path_of(data_dir),
                    workers=workers,
                    execution=execution_of(executor),
                    dataset=None if dataset is None else dataset_name(dataset),
                )
                return retraining.go(Quiet())

    def report(self) -> Path:
        """Write the report's page, tables and figures into the run's folder; returns the page."""
        with process_kept():
            return _page(write_report(RunDirectory.open(self.path)))


@dataclass(frozen=True)
class Experiment:
    """An experiment, read from its folder `path`."""

    path: Path

    @property
    def results(self) -> ExperimentResults:
        """The grid and the measurements of each of its trainings, read from disk each time."""
        return load_experiment_results(RunDirectory.open(self.path))

    def to_dataframe(self) -> pandas.DataFrame:
        """One row for each network, with the columns of experiment.csv; needs pandas."""
        return _dataframe(networks_table(findings_of(self.results)))

    @checked
    def load(self, training: str) -> Network:
        """The network of a training, such as "resnet20-seed1", on the CPU and in evaluation mode.

        Raises:
            RunError: it has not ended, or its weights are missing or damaged.
        """
        return choose_trained(self.path / "trials" / training).load()

    def report(self) -> Path:
        """Write the report's page, tables and figures into the folder; returns the page."""
        with process_kept():
            return _page(write_experiment_report(RunDirectory.open(self.path)))


@dataclass(frozen=True)
class TrainedNetwork:
    """What `train` returns: a folder with a network that was trained once."""

    path: Path  # the folder
    metrics: dict[str, float]  # error, accuracy and loss on the validation images
    cost: dict[str, float]  # "params", "flops" and their parts
    seconds: float  # of training

    @checked
    def load(self) -> Network:
        """The network, on the CPU and in evaluation mode."""
        return choose_trained(self.path).load()

    @checked
    def export(
        self,
        output: AnyPath | None = None,
        *,
        format: ExportFormat = "python",  # noqa: A002 - the word of the command line
        overwrite: bool = False,
    ) -> list[Path]:
        """Export the network as files that work without pure-nas, as `Run.export` does."""
        return export_trained(choose_trained(self.path), path_of(output), format=format, overwrite=overwrite).files


@checked
def open_run(path: AnyPath) -> Run | Experiment:
    """A search or an experiment from its folder.

    Raises:
        RunError: there is no run, or it is damaged.

    Example:
        >>> pure_nas.open_run("runs/digits").trial("best").state
        'complete'
    """
    run = RunDirectory.open(expanded(os.fspath(path)))
    return Experiment(run.path) if run.is_experiment else Run(run.path)


@dataclass(frozen=True)
class Quiet(Listener[object]):
    """Says nothing, but of trials to whoever asked for it."""

    on_trial: Callable[[TrialRecord], None] | None = None

    def ended(self, record: object) -> None:
        if self.on_trial is not None and isinstance(record, TrialRecord):
            self.on_trial(record)


@contextmanager
def process_kept(device: AnyDevice = "cpu") -> Iterator[None]:
    """Put back what a call changes of the process meanwhile; one call at a time."""
    place = resolve_device(device)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
    try:
        with global_random_state(device=place), usual_defaults():
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _page(written: Sequence[Path]) -> Path:
    return next(path for path in written if path.suffix == ".html")


def _dataframe(table: Table) -> pandas.DataFrame:
    try:
        import pandas
    except ImportError as error:
        raise PureNasError("A data frame needs pandas.", hint="Install it: pip install pandas") from error
    return pandas.read_csv(io.StringIO(table.csv()))
