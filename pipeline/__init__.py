"""The engine of tailrace: knows no concrete stage."""

if __name__ != "tailrace.pipeline":  # found as a directory of the repository: a second copy of every module
    raise ImportError("the engine is the package tailrace.pipeline: import it by that name", name=__name__)
