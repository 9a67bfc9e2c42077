"""Explaining errors of the machine in one line, with the way out."""

import errno
from collections.abc import Iterator

_FEWER = "lower data.workers, or load in the main process with data.workers=0"


def explain_trouble(error: BaseException) -> str | None:
    """Explain an error of the machine and what to do about it. Return None if the error is of another kind.

    Example:
        >>> explain_trouble(OSError(24, "Too many open files")).partition(":")[0]
        'too many files are open at once'
    """
    for each in _chain(error):
        if _is_memory(each):
            reason = reason_of(each)
            return (
                f"the memory is too small{f' ({reason})' if reason else ''}. Use less of it: a smaller data.batch_size "
                "or data.crop in training, windows.size=[512,512] in prediction, or fewer data.workers"
            )
        text = str(each)
        if "unable to mmap" in text or "Bus error" in text or "unable to write to file </torch" in text:
            return f"shared memory is full (/dev/shm): enlarge it (docker --shm-size=8g), {_FEWER}"
        if isinstance(each, RuntimeError) and "DataLoader worker" in text:
            return (
                f"a process that loads data was killed, as the memory was probably full ({reason_of(each)}): {_FEWER}"
            )
        if getattr(each, "errno", None) in (errno.EMFILE, errno.ENFILE) or any(word in text for word in _FILES):
            return f"too many files are open at once: allow more (ulimit -n 4096), {_FEWER}"
        if type(each).__name__ in _COMPILER:
            return f"{reason_of(each)}. {COMPILER}"
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory is too small, on a GPU or not."""
    return any(_is_memory(each) for each in _chain(error))


_FILES = ("Too many open files", "received 0 items of ancdata")
COMPILER = "Compiling needs a C++ compiler (apt-get install g++); trainer.compile=false works without one"
"""The way out if there is no compiler."""

_COMPILER = ("InvalidCxxCompiler", "CppCompileError", "TritonMissing", "InductorError")


def _is_memory(error: BaseException) -> bool:
    texts = ("can't allocate memory", "out of memory", "Cannot allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | OSError) and any(text in str(error) for text in texts)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        following = error.__cause__ or error.__context__
        if following is None:
            return
        error = following


def reason_of(error: BaseException) -> str:
    """Return the line of an error's message that says what happened.

    It is the last line if the message is a loading process's traceback, else the first line.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[-1] if lines[0].startswith("Caught ") else lines[0]
