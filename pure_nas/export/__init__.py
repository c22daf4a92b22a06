"""Internal: a network as files that work without pure-nas."""

from pure_nas.export.files import About, ExportFormat, export_trained, python_source, write_export

__all__ = ["About", "ExportFormat", "export_trained", "python_source", "write_export"]
