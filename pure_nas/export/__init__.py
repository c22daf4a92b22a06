"""Internal: a network as files that work without pure-nas."""

from pure_nas.export.chosen import ChosenWeights, Origin, choose_weights
from pure_nas.export.files import About, ExportFormat, python_source, write_export

__all__ = ["About", "ChosenWeights", "ExportFormat", "Origin", "choose_weights", "python_source", "write_export"]
