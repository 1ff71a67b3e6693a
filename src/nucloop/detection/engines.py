"""Engines: what runs a dense network. Torch on a GPU, ONNX Runtime on a CPU (several times faster than torch there)."""

from __future__ import annotations

import io
import logging
import os
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pooch
import torch
from torch import Tensor, nn

from nucloop.detection.cores import available_cores
from nucloop.errors import DeviceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Engine", "OnnxEngine", "OutOfMemoryError", "TorchEngine", "available_devices", "make_engine"]

_log = logging.getLogger(__name__)

CONVERSION = 3
"""Rises whenever the conversion to ONNX changes, so that what the cache holds from before is left alone."""


class OutOfMemoryError(Exception):
    """The device has no room for this batch; a smaller one may fit."""


class Engine(Protocol):
    """Maps RGB (N, H, W, 3) uint8 to the network's output (N, C, h, w) float32."""

    name: str
    cpu: bool

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run a batch; `OutOfMemoryError` when the device has no room for it."""


class _FromBytes(nn.Module):
    """A network that takes pixels as they lie in memory."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, rgb: Tensor) -> Tensor:
        out: Tensor = self.net(rgb.permute(0, 3, 1, 2).to(torch.float32))
        return out


class TorchEngine:
    """Torch in bf16 on CUDA, fp16 on Apple GPUs, fp32 on a CPU."""

    def __init__(self, net: nn.Module, device: str) -> None:
        self.device = torch.device(device)
        self.cpu = self.device.type == "cpu"
        self.dtype = {"cuda": torch.bfloat16, "mps": torch.float16}.get(self.device.type)
        self.name = {"cuda": "CUDA GPU, bf16", "mps": "Apple GPU, fp16"}.get(self.device.type, "CPU, torch")
        self.net = _FromBytes(net).to(self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    @torch.inference_mode()
    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run a batch on the device."""
        try:
            # pixels of a slide may be read-only, which torch does not know
            batch = torch.from_numpy(np.require(rgb, requirements="W")).to(self.device)
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
                out = self.net(batch)
            result: NDArray[np.float32] = out.float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise OutOfMemoryError(str(error)) from error
        except RuntimeError as error:
            if "out of memory" not in str(error).lower():
                raise
            raise OutOfMemoryError(str(error)) from error
        return result


class OnnxEngine:
    """ONNX Runtime on the CPU. The converted network is kept in the user's cache, by the weights' sha256."""

    name = "CPU, ONNX Runtime"
    cpu = True

    def __init__(self, net: nn.Module, sha256: str, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.log_severity_level = 3
        # tiles come in many shapes, and a plan of memory for each would be kept
        options.enable_mem_pattern = False
        # threads wait for each other by spinning, a sixth faster; between tiles the window needs the cores
        options.add_session_config_entry("session.force_spinning_stop", "1")
        # networks run one after another: one arena of memory serves them all
        options.add_session_config_entry("session.use_env_allocators", "1")
        _share_arena()
        model = converted(net, sha256)
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run a batch on the CPU's cores."""
        result: NDArray[np.float32] = self._session.run(None, {"rgb": np.ascontiguousarray(rgb)})[0]
        return result


@cache
def _share_arena() -> None:
    """Give all sessions of this process one arena; without it, each keeps the most that it ever needed."""
    import onnxruntime

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    # grows in powers of two; exactly as asked for, windows of many shapes leave pieces that fit nothing
    growth = {"arena_extend_strategy": 0}
    try:
        onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(growth))
    except RuntimeError as error:
        # another part of the process was first: sessions share that one
        _log.info("The arena of ONNX Runtime is another's: %s", error)


def converted(net: nn.Module, sha256: str) -> bytes:
    """Return `net` as ONNX, from the cache when these weights were converted before."""
    path = Path(pooch.os_cache("nucloop")) / "onnx" / f"{sha256}-{CONVERSION}-{torch.__version__}.onnx"
    if sha256 and path.is_file():
        return path.read_bytes()
    buffer = io.BytesIO()
    axes = {0: "n", 1: "height", 2: "width"}
    # the exporter that is wanted here takes a buffer; the annotations speak of the newer one, which needs most of a
    # minute for the same graph
    export: Any = torch.onnx.export
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export(
            _FromBytes(net).eval(),
            (torch.zeros(1, 256, 256, 3, dtype=torch.uint8),),
            buffer,
            dynamo=False,
            opset_version=18,
            input_names=["rgb"],
            output_names=["out"],
            dynamic_axes={"rgb": axes, "out": {0: "n", 2: "h", 3: "w"}},
        )
    model = buffer.getvalue()
    if sha256:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_bytes(model)
            os.replace(temporary, path)
        except OSError:
            pass  # a cache that cannot be written only costs a second the next time
    return model


def available_devices() -> list[str]:
    """Devices by the name a person types, the fastest first."""
    found = ["cuda"] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def make_engine(net: nn.Module, sha256: str, device: str = "auto") -> Engine:
    """Return the engine for a device: auto, cpu, cuda, cuda:1, mps, or torch-cpu for torch without a GPU.

    Raises
    ------
    DeviceError
        If that device is not there.
    """
    kind = device.partition(":")[0]
    if device == "torch-cpu":
        return TorchEngine(net, "cpu")
    if kind not in ("auto", "cpu", "cuda", "mps"):
        raise DeviceError(f"There is no device {device!r}. Choose auto, {', '.join(available_devices())}.")
    if kind == "auto":
        device = kind = available_devices()[0]
    if kind not in available_devices():
        raise DeviceError(f"{device} is not available on this machine. Choose auto or cpu.")
    if kind != "cpu":
        return TorchEngine(net, device)
    try:
        return OnnxEngine(net, sha256)
    except Exception as error:  # noqa: BLE001 - whatever the converter dislikes, torch can still run
        _log.warning("ONNX Runtime cannot run this network (%s); torch does, more slowly.", error)
        return TorchEngine(net, "cpu")
