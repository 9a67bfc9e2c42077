"""Errors that a user can mend. The commands print them without a traceback and exit with the error's code."""


class SegrnnError(Exception):
    """The user's input or machine is at fault. The message says what was found, what was expected, and the fix."""

    exit_code = 2


class DataError(SegrnnError):
    """A dataset, an image or a label file is missing or broken."""


class DownloadError(SegrnnError):
    """A file can't be downloaded, or the downloaded file is not the expected one."""


class ConfigError(SegrnnError):
    """The configuration asks for something that does not exist or can't work."""


class ShapeError(SegrnnError, ValueError):
    """A feature map does not fit the module that should process it."""


class CheckpointError(SegrnnError):
    """A checkpoint is missing, broken, or does not belong to the data."""


class OutputError(SegrnnError):
    """A result can't be written, or would overwrite an earlier one."""


class ExportError(SegrnnError):
    """A network can't be exported, or the exported network does not compute the same."""


class TrainingError(SegrnnError):
    """Training can't go on: the loss is infinite or NaN, or the memory is too small."""


class Interrupted(SegrnnError):  # noqa: N818  # not an error: nobody has made a mistake
    """A run was told to end, and has saved its state."""

    def __init__(self, reason: str, step: int, exit_code: int) -> None:
        super().__init__(f"the run was ended after step {step}: {reason}")
        self.exit_code = exit_code


class Pruned(SegrnnError):  # noqa: N818  # not an error either
    """A search has ended a run because it has fallen behind the others."""

    exit_code = 0
