"""A network as files that work without pure-nas."""

from pure_nas.export.choose import choose_weights
from pure_nas.export.chosen_weights import ChosenWeights
from pure_nas.export.files import ExportFormat, write_export
from pure_nas.export.python import python_source
from pure_nas.export.trial import Origin

__all__ = ["ChosenWeights", "ExportFormat", "Origin", "choose_weights", "python_source", "write_export"]
