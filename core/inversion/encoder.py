"""Inversion in one pass: the encoder network reads the latent off the matted face."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor, nn

from ..checks import expect_shape
from ..errors import FaceError
from ..faces.base import FaceCrop
from ..generators.base import Generator
from ..latent import Latent
from .matte import input_image


def weights_digest(net: nn.Module) -> str:
    """12 hex digits of the SHA-256 over a network's tensors, in name order."""
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        values = np.ascontiguousarray(tensor.detach().to("cpu", torch.float32).numpy())
        digest.update(f"{name}{values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()[:12]


class EncoderInverter:
    """Image -> w by a feed-forward network, the same w in every row: the most editable inversion, and the
    quickest.

    ``encoder`` maps (B, 3, R, R) in [-1, 1] to (B, w_dim). With ``matte`` the background becomes grey first,
    as the generator's card asks.
    """

    def __init__(
        self, encoder: nn.Module, generator: Generator, device: str = "cpu", *, matte: bool = True
    ) -> None:
        self._generator = generator
        self._device = device
        self._matte = matte
        self._key = f"encoder-1 weights={weights_digest(encoder)} matte={int(matte)} device={torch.device(device).type}"
        self._encoder = encoder.to(device).eval()

    @property
    def key(self) -> str:
        """Method, weights, matting and the kind of device: another kind gives slightly other numbers."""
        return self._key

    def invert(self, crop: FaceCrop) -> Latent:
        """One face. Raises ValueError for a crop of another size, FaceError for an empty or unreadable
        one.
        """
        return self.invert_batch([crop])[0]

    def invert_batch(self, crops: list[FaceCrop]) -> list[Latent]:
        """Several faces in one pass, in the given order."""
        images = [input_image(crop, self._generator.resolution, matte=self._matte) for crop in crops]
        w = self._encode(torch.from_numpy(np.stack(images)))
        ws = np.repeat(w.numpy()[:, None, :], self._generator.num_ws, axis=1)  # (B, num_ws, w_dim)
        return [Latent(np.ascontiguousarray(rows), self._generator.id, "w") for rows in ws]

    def _encode(self, images: Tensor) -> Tensor:
        with torch.inference_mode():
            w: Tensor = self._encoder(images.to(self._device)).float().cpu()
        expect_shape(w, "B w", name="encoder output", B=images.shape[0], w=self._generator.w_dim)
        if not bool(torch.isfinite(w).all()):
            raise FaceError(
                "The encoder returned numbers that are not finite for this face.",
                remedy="Check the crop's exposure, or try another frame of the shot.",
            )
        return w
