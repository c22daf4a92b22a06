"""A network as files that work without pure-nas."""

from pure_nas.export.files import ExportFormat, write_export
from pure_nas.export.python import python_source
from pure_nas.export.trial import export_trial

__all__ = ["ExportFormat", "export_trial", "python_source", "write_export"]
