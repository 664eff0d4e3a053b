import pytest

from divmetrics.errors import FeatureError, MissingLayer, TooFewSamples, UnknownName, UsageError
from divmetrics.records.metric import METRICS
from divmetrics.scoring.plan import Plan, Refused, Task

IMAGES = {"real": {"net": ["pooled", "logits"]}, "fake": {"net": ["pooled", "logits"]}}
FEATURES = {"real": {"features": ["pooled"]}, "fake": {"features": ["pooled"]}}
ENOUGH = {"real": 100, "fake": 100}


def keys(outcomes: list[Task | Refused], kind: type) -> list[str]:
    return [outcome.key for outcome in outcomes if isinstance(outcome, kind)]


def test_presets_are_what_the_records_say() -> None:
    quick = Plan.of("quick", "pixels")
    assert {r.name for r in quick.requests} == {m.name for m in METRICS if "quick" in m.presets}
    assert {r.name for r in Plan.of("full", "pixels").requests} == {m.name for m in METRICS}
    assert not any(request.explicit for request in quick.requests)


def test_a_named_metric_wins_over_its_preset() -> None:
    plan = Plan.of("quick,recall:k=3", "pixels")
    (recall,) = [r for r in plan.requests if r.metric.name == "recall"]
    assert (recall.explicit, recall.options["k"], recall.name) == (True, 3, "recall")


def test_several_k_at_once_have_their_own_keys() -> None:
    plan = Plan.of("recall:k=3,recall:k=5,recall:k=3,fid", "pixels")
    assert keys(plan.bind(FEATURES, ENOUGH), Task) == ["recall:k=3@features", "recall:k=5@features", "fid@features"]


def test_the_run_seed_reaches_metrics_that_draw() -> None:
    default, own = Plan.of("kid", "pixels", seed=7).requests[0], Plan.of("kid:seed=3", "pixels", seed=7).requests[0]
    assert (default.options["seed"], own.options["seed"]) == (7, 3)
    assert "seed" not in default.params


@pytest.mark.parametrize(
    ("metrics", "extractor", "message"),
    [
        ("recal", "pixels", "unknown metric or preset 'recal'. Did you mean 'recall'"),
        ("defualt", "pixels", "Did you mean 'default'"),
        ("recall:kk=3", "pixels", "unknown option of recall 'kk'"),
        ("recall:3", "pixels", "write recall:option=value"),
        ("recall:k=x", "pixels", "not a whole number"),
        ("fid", "pixel", "unknown extractor 'pixel'. Did you mean 'pixels'"),
        ("fid", "pixels?sise=3", "Did you mean 'size'"),
        ("fid", "pixels?size", "write pixels\\?option=value"),
        ("", "pixels", "no metric was named"),
        ("fid", "", "no extractor was named"),
        ("fid", "efficientnet-lite0,efficientnet-lite0?weights=w.pth", "score them in two runs"),
    ],
)
def test_what_does_not_exist_is_refused(metrics: str, extractor: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Plan.of(metrics, extractor)


def test_an_unknown_metric_is_an_unknown_name() -> None:
    with pytest.raises(UnknownName):
        Plan.of("nonsense", "pixels")


def test_images_that_are_known_to_be_too_small_are_refused_before_one_is_read() -> None:
    def bound(extractor: str, metrics: str = "ms_ssim") -> list[Task | Refused]:
        layers = {extractor: ("pooled", "pixels")}
        return Plan.of(metrics, extractor).bind({"real": layers, "fake": layers}, ENOUGH)

    with pytest.raises(
        FeatureError, match="at least 161 x 161 pixels, pixels\\?size=64 makes them 64 x 64; use pixels"
    ):
        bound("pixels?size=64")
    assert "ms_ssim@pixels?size=64" in keys(bound("pixels?size=64", "full"), Refused)
    assert keys(bound("pixels?size=192"), Task) == ["ms_ssim@pixels?size=192"]
    assert keys(bound("pixels"), Task) == ["ms_ssim@pixels"], "their own size is not known yet"


def test_a_preset_goes_on_without_what_it_cannot_compute() -> None:
    bound = Plan.of("full", "pixels").bind(FEATURES, ENOUGH)
    assert "inception_score@features" in keys(bound, Refused)
    assert "fid@features" in keys(bound, Task)


def test_the_default_takes_classes_and_held_out_samples_where_they_are_there() -> None:
    plan = Plan.of("default", "pixels")
    bare = keys(plan.bind(FEATURES, ENOUGH), Task)
    assert {"fid@features", "sym_recall@features"} <= set(bare)
    assert not keys(plan.bind(FEATURES, ENOUGH), Refused)
    sides = {side: {"features": ["pooled"], "labels": ["labels"]} for side in ("real", "fake", "held_out")}
    more = keys(plan.bind(sides, dict.fromkeys(sides, 99)), Task)
    assert set(more) - set(bare) == {"c_t@features", "effective_modes@labels"}


def test_a_named_metric_that_cannot_be_computed_is_an_error() -> None:
    with pytest.raises(MissingLayer, match="inception_score reads logits, and features gives pooled"):
        Plan.of("inception_score", "pixels").bind(FEATURES, ENOUGH)


def test_labels_are_preferred_and_asked_once_for_several_extractors() -> None:
    both = {side: {"a": ["pooled", "logits"], "b": ["pooled"], "labels": ["labels"]} for side in ("real", "fake")}
    bound = Plan.of("modes_found,fid", "pixels").bind(both, ENOUGH)
    assert keys(bound, Task) == ["modes_found@labels", "fid@a", "fid@b"]


def test_where_only_real_samples_have_labels_their_classes_are_counted_and_never_logits() -> None:
    one = {"real": {**IMAGES["real"], "labels": ["labels"]}, "fake": IMAGES["fake"]}
    (task,) = Plan.of("modes_found", "pixels").bind(one, ENOUGH)
    assert (task.key, task.layer, task.features) == ("modes_found@net", "classes", "pooled")
    other = {"real": IMAGES["real"], "fake": {**IMAGES["fake"], "labels": ["labels"]}}
    with pytest.raises(MissingLayer, match="modes_found reads labels or logits"):
        Plan.of("modes_found", "pixels").bind(other, ENOUGH)
    (task,) = Plan.of("modes_found", "pixels").bind(IMAGES, ENOUGH)
    assert task.layer == "logits"


def test_too_few_samples_say_how_many_and_the_way_out() -> None:
    with pytest.raises(TooFewSamples, match=r"recall with k=5 needs at least 6 .* fake has 4; .* recall:k=3"):
        Plan.of("recall", "pixels").bind(FEATURES, {"real": 100, "fake": 4})


def test_one_sample_is_no_set_even_for_a_preset() -> None:
    with pytest.raises(TooFewSamples, match="fake has 1 sample; a set needs"):
        Plan.of("quick", "pixels").bind(FEATURES, {"real": 9, "fake": 1})


def test_nothing_left_to_compute_is_an_error_even_from_a_preset() -> None:
    nothing = {"real": {"net": ["spatial"]}, "fake": {"net": ["spatial"]}}
    with pytest.raises(MissingLayer, match="net gives spatial"):
        Plan.of("quick", "pixels").bind(nothing, ENOUGH)
