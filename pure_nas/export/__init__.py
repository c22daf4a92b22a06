"""Internal: a network as files that work without pure-nas."""

from pure_nas.export.chosen import ChosenWeights, Origin, choose_weights
from pure_nas.export.files import ExportFormat, write_export
from pure_nas.export.python import python_source

__all__ = ["ChosenWeights", "ExportFormat", "Origin", "choose_weights", "python_source", "write_export"]
