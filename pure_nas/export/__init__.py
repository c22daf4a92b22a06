"""Internal: a network as files that work without pure-nas."""

from pure_nas.export.files import ExportFormat, export_trained, write_export
from pure_nas.export.python_file import About, python_source

__all__ = ["About", "ExportFormat", "export_trained", "python_source", "write_export"]
