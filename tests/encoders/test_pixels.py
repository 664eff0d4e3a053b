import numpy as np
import torch

from divmetrics.encoders import load_encoder
from divmetrics.encoders._preparing import bicubic

IMAGE = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def test_native_pixels_are_the_grey_levels_channel_by_channel() -> None:
    encoder = load_encoder("pixels")
    pooled, pixels = encoder.network(encoder.prepare(IMAGE)[None])
    expected = torch.from_numpy(IMAGE.transpose(2, 0, 1) / 255).float()
    torch.testing.assert_close(pixels[0], expected)
    torch.testing.assert_close(pooled[0], expected.flatten())
    assert pooled.shape == (1, 3 * 12 * 10)


def test_size_resizes_and_stays_inside_the_unit_range() -> None:
    encoder = load_encoder("pixels?size=6")
    edge = np.zeros((32, 32, 3), np.uint8)
    edge[:, 15:] = 255
    pooled, pixels = encoder.network(torch.stack([encoder.prepare(IMAGE), encoder.prepare(edge)]))
    assert pooled.shape == (2, 3 * 6 * 6)
    torch.testing.assert_close(pixels[0], (bicubic(IMAGE, 6) / 255).clamp(0, 1))
    assert float(bicubic(edge, 6).min()) < 0 <= float(pixels.min()) <= float(pixels.max()) <= 1


def test_size_shows_in_digest_and_preprocessing() -> None:
    encoders = [load_encoder(spec) for spec in ("pixels", "pixels?size=6", "pixels?size=7")]
    assert len({encoder.digest for encoder in encoders}) == 3
    assert [encoder.preprocessing for encoder in encoders] == ["native", "bicubic-aa-6", "bicubic-aa-7"]
    assert all(len(bytes.fromhex(encoder.digest)) == 32 for encoder in encoders)
