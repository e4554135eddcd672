"""The stages that are used where a configuration names none."""

LINES = "parse.raw"  # for files that no parse stage is for
STANDARD_OUTPUT = "write.stdout"  # of a replay
PACED_OUTPUT = "tailrace.stages.outputs.pace:PacedStdout"  # of a replay at a pace
FIRST_SINK = "write.file"  # the only sink there was when states did not say what made their marks
