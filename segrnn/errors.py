"""The errors that a user can mend. The commands print them without a traceback and exit with their code."""


class SegrnnError(Exception):
    """Something in the user's hands is wrong; the message says what was found, what was wanted and the fix."""

    exit_code = 2


class DataError(SegrnnError):
    """A dataset, an image or a label file is missing or broken."""


class DownloadError(SegrnnError):
    """A file can't be fetched, or what came is not what was wanted."""


class ConfigError(SegrnnError):
    """The configuration asks for something that does not exist or can't work."""


class ShapeError(SegrnnError, ValueError):
    """A feature map does not fit the module that it was given to."""


class CheckpointError(SegrnnError):
    """A checkpoint is missing, broken, or does not belong to the data."""


class OutputError(SegrnnError):
    """A result can't be written, or would overwrite an earlier one."""


class ExportError(SegrnnError):
    """A network can't be exported, or what came of it does not compute the same."""


class TrainingError(SegrnnError):
    """Training can't go on: the loss is no number any more, or the memory is too small."""


class Interrupted(SegrnnError):  # noqa: N818  # it is no error of anybody's
    """A run was told to end, and has saved what it had."""

    def __init__(self, reason: str, step: int, exit_code: int) -> None:
        super().__init__(f"the run was ended after step {step}: {reason}")
        self.exit_code = exit_code


class Pruned(SegrnnError):  # noqa: N818  # nor is this
    """A search has ended a run that has fallen behind the others."""

    exit_code = 0
