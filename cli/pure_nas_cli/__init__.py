"""The command line of pure-nas: one file a command, each a thin call into the library."""
