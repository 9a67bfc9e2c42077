"""The configuration of the command that opens a page in the browser."""

from dataclasses import dataclass

from segrnn.config.knobs import ALLOW, CHECKPOINT, COMPARE, EXAMPLES, ONNXRUNTIME_WEB, REQUIRED, Limits, knob
from segrnn.config.parsing import Config


@dataclass(kw_only=True)
class Demo(Config):
    """The configuration `conf/demo.yaml`."""

    ckpt: str = knob(CHECKPOINT, REQUIRED)
    compare: str | None = knob(COMPARE, None)
    port: int = knob("the port on this machine; 0 takes any that is free", 0, Limits(at_least=0))
    open: bool = knob("open the page in the browser", True)
    examples: list[str] = knob(EXAMPLES, [])
    onnxruntime_web: str | None = knob(ONNXRUNTIME_WEB, None)
    allow: list[str] = knob(ALLOW, [])
