"""The version of this package, the only place where it is written: the build and the command read it here. What its
numbers promise is decision 0068.

Not asked of importlib.metadata, which would read the files of the installation at every import.
"""

__version__ = "0.1.0"
