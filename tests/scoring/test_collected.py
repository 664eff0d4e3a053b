from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from divmetrics.arrays.summaries import Moments, Rows, Sample
from divmetrics.errors import MeasureError, MissingLayer, SourceError
from divmetrics.records.results import Side, Skipped
from divmetrics.scoring.collected import Collected, EncoderInfo

INFO = EncoderInfo("57934424", "bicubic-aa-224", "torch")


def some(n: int, seed: int, info: EncoderInfo = INFO, labels: tuple[str, ...] | None = None) -> Collected:
    features = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))
    counts = None if labels is None else {name: labels.count(name) for name in sorted(set(labels))}
    return Collected(
        side=Side(f"set{seed}", n, f"sha256:{seed}", counts, (Skipped(f"bad{seed}.png", "truncated"),)),
        encoders={"a/net?x=/y": info},
        summaries={("a/net?x=/y", "pooled", "Rows"): Rows.from_array(features)},
        paths=tuple(f"{seed}/{i}.png" for i in range(n)),
        labels=labels,
    )


def rows(collected: Collected) -> Rows:
    return collected.get("a/net?x=/y", "pooled", Rows)


def test_file_round_trip(tmp_path: Path) -> None:
    one = some(4, 1, labels=("a", "a", "b", "b"))
    one.save(tmp_path / "one.dms")
    back = Collected.load(tmp_path / "one.dms")
    assert (back.side, back.encoders, back.paths, back.labels) == (one.side, one.encoders, one.paths, one.labels)
    torch.testing.assert_close(rows(back).features, rows(one).features, rtol=0, atol=0)


@pytest.mark.parametrize("n", [2, 9])  # fewer rows than the 3 columns, whose scatter is kept as rows, and more
def test_moments_survive_the_file(n: int, tmp_path: Path) -> None:
    whole = some(n, 1)
    key = ("a/net?x=/y", "pooled", "Moments")
    moments = whole.get("a/net?x=/y", "pooled", Moments)
    replace(whole, summaries={key: moments}, paths=()).save(tmp_path / "x.dms")
    back = Collected.load(tmp_path / "x.dms").summaries[key]
    torch.testing.assert_close(back.covariance, moments.covariance, rtol=0, atol=0)


def test_other_summaries_are_made_from_the_rows() -> None:
    one = some(5, 1)
    made = one.get("a/net?x=/y", "pooled", Moments)
    torch.testing.assert_close(made.mean, rows(one).features.double().mean(0))
    with pytest.raises(MissingLayer, match="holds no logits features of single samples"):
        one.get("a/net?x=/y", "logits", Rows)


def test_merged_shards_keep_the_order_of_their_samples() -> None:
    first, second = some(3, 1, labels=("a",) * 3), some(2, 2, labels=("b",) * 2)
    both = first.merge(second)
    torch.testing.assert_close(rows(both).features, torch.cat([rows(first).features, rows(second).features]))
    assert rows(both).index.tolist() == [0, 1, 2, 3, 4]
    assert both.paths == first.paths + second.paths
    assert both.side.labels == {"a": 3, "b": 2}
    assert (both.side.n, both.side.source, len(both.side.skipped)) == (5, "set1+set2", 2)


def test_shards_of_different_encoders_do_not_merge() -> None:
    with pytest.raises(SourceError, match="different extractors"):
        some(3, 1).merge(some(3, 2, EncoderInfo("0000", "bicubic-aa-224", "torch")))


def test_the_engine_may_differ() -> None:
    assert some(3, 1).merge(some(3, 2, EncoderInfo("57934424", "bicubic-aa-224", "openvino"))).side.n == 6


@pytest.mark.parametrize("content", [b"", b"not a file of ours", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_damaged_or_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.dms").write_bytes(content)
    with pytest.raises(SourceError, match="make it again"):
        Collected.load(tmp_path / "x.dms")
    with pytest.raises(SourceError, match="there is no file"):
        Collected.load(tmp_path / "absent.dms")


def test_no_damage_is_read_in_silence(tmp_path: Path) -> None:
    path, whole = tmp_path / "x.dms", some(5, 3)
    whole.save(path)
    content, wanted = path.read_bytes(), Collected.load(path)
    unseen = 0
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x04]) + content[place + 1 :])
        try:
            found = Collected.load(path)
        except SourceError:
            continue
        unseen += 1
        assert (found.header(), found.summaries.keys()) == (wanted.header(), wanted.summaries.keys())
        for key, summary in wanted.summaries.items():
            for name, value in vars(summary).items():
                assert np.array_equal(getattr(found.summaries[key], name), value)
    assert unseen == 0
    for end in range(0, len(content), 9):
        path.write_bytes(content[:end])
        with pytest.raises(SourceError, match="make it again"):
            Collected.load(path)


@pytest.mark.parametrize(
    "header",
    [
        "[]",
        "{",
        "3",
        "[" * 100_000,
        '{"schema": "divmetrics.samples/1"}',
        '{"schema": "divmetrics.samples/1", "sides": []}',
    ],
)
def test_headers_of_any_form_are_refused_in_a_sentence(header: str, tmp_path: Path) -> None:
    save_file({"a/b/pooled/Rows/features": torch.zeros(2, 2)}, tmp_path / "x.dms", {"header": header})
    with pytest.raises(SourceError, match=r"x\.dms (is damaged|has schema).*make it again"):
        Collected.load(tmp_path / "x.dms")


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("divmetrics.scoring.collected.save_file", full)
    with pytest.raises(MeasureError, match=r"x\.dms cannot be written: .*No space left"):
        some(5, 3).save(tmp_path / "x.dms")
    assert list(tmp_path.iterdir()) == []


def test_images_of_a_later_shard_keep_their_places_too() -> None:
    def shard(n: int, seed: int) -> Collected:
        one = some(n, seed)
        images = Sample.of(torch.rand(n, 3, 4, 4), torch.arange(n))
        return Collected(one.side, one.encoders, {("a/net?x=/y", "pixels", "Sample"): images}, one.paths)

    both = shard(3, 1).merge(shard(2, 2))
    assert sorted(both.get("a/net?x=/y", "pixels", Sample).index.tolist()) == [0, 1, 2, 3, 4]
