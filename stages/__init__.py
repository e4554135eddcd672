"""The stages that come with tailrace: one file each, named as in the configuration."""

if __name__ != "tailrace.stages":  # found as a directory of the repository: a second copy of every module
    raise ImportError("the stages are the package tailrace.stages: import them by that name", name=__name__)
