"""A network as files that work without pure-nas."""

from pure_nas.export.files import ExportFormat, weights_bytes, write_export
from pure_nas.export.python import python_source

__all__ = ["ExportFormat", "python_source", "weights_bytes", "write_export"]
