"""Configurations: what can be overridden, and what is refused before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from mmengine.config import Config

from datasets.pairs import PairOptions
from tracker.config import load_config, preset_names
from tracker.errors import TrackerError
from tracker.typed import typed
from tracker.validation import pair_options, validate


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_valid(name):
    validate(load_config(name))


@pytest.mark.parametrize(("key", "value"), [
    ("search.mixbin.beta_end", 20.0),
    ("data.pairs.max_gap", 10),
    ("data.pairs.search_view.scale", 0.4),
    ("data.pairs.colour.blur", 0),
    ("data.pairs.anywhere", 0.2),
    ("data.pairs.paste.distractor", 0.5),
    ("data.weights.lasot", 0.3),
    ("fp.distillation.cls", 0.5),
    ("finetune.distillation.cls", 0.5),
    ("finetune.distillation.blocks", 0.5),
    ("finetune.latent_decay", 1e-4),
    ("finetune.batchnorm_batches", 0),
    ("finetune.recipe.scale", "learned"),
    ("finetune.recipe.real_weights", 0.3),
    ("tracking.window_influence", 0.2),
    ("tracking.score_memory", 0.5),
    ("model.backbone.width", 0.5),
    ("model.head.channels", 24),
    ("model.full_precision.neck.0", "correlated"),
    ("runtime.threads", 1),
])
def test_documented_fields_can_be_overridden_and_survive_a_file(key, value):
    config = load_config("demo", {key: value})
    validate(config)
    section, *path = key.replace("neck.0", "neck_0").split(".")
    node = Config.fromstring(config.pretty_text, ".py")[section]
    for name in path:
        node = node[name.replace("neck_0", "neck.0")]
    assert node == value


def test_an_override_changes_its_field_alone():
    before, after = load_config("demo"), load_config("demo", {"data.pairs.max_gap": 10})
    assert after.data.pairs == {"max_gap": 10}
    after.data.pairs = {}
    assert after.to_dict() == before.to_dict()


def test_sections_of_the_other_network_have_its_fields():
    validate(load_config("siamfc", {"tracking.scales": 5}))
    with pytest.raises(TrackerError, match=r"tracking\.scales: .*'scales'; known are .*penalty_k"):
        load_config("demo", {"tracking.scales": 5})


@pytest.mark.parametrize(("key", "message"), [
    ("fp.iteration", r"'iteration'; known are distillation, iterations"),
    ("search.mixbin.beta", r"'beta'; known are .*beta_end"),
    ("data.pairs.search_view.size", r"'size'; known are aspect, rotation, scale, shift"),
    ("fp.distillation.clas", r"'clas'; known are blocks, box, cls, features"),
    ("fp.recipe", r"'recipe'; known are distillation"),
    ("finetune.recipe.colour", r"'colour'; known are estimator, kurtosis"),
    ("model.backbone.depth", r"'depth'; known are .*width"),
    ("model.neck.width", r"'neck'; known are .*neck_channels"),
    ("fp.iterations.x", r"fp\.iterations has no fields"),
    ("speed", r"'speed'; known are data, finetune"),
    ("speed.x", r"'speed'; known are data, finetune"),
    ("fp.", r"''; known are"),
])
def test_unknown_fields_list_the_known_ones(key, message):
    with pytest.raises(TrackerError, match=f"--cfg-options {key}: .*{message}"):
        load_config("demo", {key: 1})


@pytest.mark.parametrize(("key", "value", "allowed"), [
    ("model.backbone.width", "abc", "a number"),
    ("model.backbone.width", 9, "a multiplier"),
    ("model.backbone.stride", 4, "8 or 16"),
    ("model.backbone.activation", "elu", "relu, prelu"),
    ("model.head.channels", 0, "at least 1"),
    ("model.head.depth", 0, "at least 1"),
    ("model.neck_channels", 0, "at least 1"),
    ("model.template_cells", 4, "odd"),
    ("model.template_cells", 9, "8 x 8 cells"),
    ("model.full_precision", {"neck.0": 3}, "texts by name"),
    ("data.batch_size", 0, "at least 1"),
    ("data.workers", -1, "at least 0"),
    ("data.weights.lasot", -0.5, "at least 0"),
    ("data.weights.lasot", None, "a number"),
    ("data.pairs.negative", 1.5, "from 0 to 1"),
    ("data.pairs.mirror", 1, "True or False"),
    ("data.pairs.search_view.scale", -1, "at least 0"),
    ("data.pairs.search_view.rotation", -0.1, "at least 0"),
    ("data.pairs.anywhere", 1.5, "from 0 to 1"),
    ("data.pairs.paste.target", 1.5, "from 0 to 1"),
    ("data.pairs.paste.view.shift", -1, "at least 0"),
    ("fp.iterations", 0, "at least 1"),
    ("fp.iterations", 1.5, "an integer"),
    ("fp.iterations", True, "an integer"),
    ("search.lr", 0, "above 0"),
    ("search.lr", float("nan"), "a number"),
    ("finetune.weight_decay", -1e-4, "at least 0"),
    ("finetune.distillation", 3, "a section with fields of Distillation"),
    ("finetune.distillation.box", -1, "at least 0"),
    ("search.mixbin.beta_end", 0.1, "at least beta_start"),
    ("finetune.distillation.blocks", -1, "at least 0"),
    ("finetune.recipe", 3, "a section with fields of Recipe"),
    ("finetune.recipe.estimator", "foo", "one of ste, bireal"),
    ("finetune.recipe.scale", "foo", "one of mean, learned"),
    ("finetune.recipe.kurtosis", "foo", "a number"),
    ("finetune.recipe.kurtosis_target", 0.5, "at least 1"),
    ("finetune.recipe.real_weights", 1, "below 1"),
    ("runtime.precision", "foo", "float32 or bfloat16"),
    ("runtime.ema", 1.0, "below 1"),
    ("runtime.checkpoint_interval", 0, "at least 1"),
    ("runtime.log_interval", 0, "at least 1"),
    ("runtime.threads", 0, "at least 1 or None"),
    ("tracking.window_influence", 2, "from 0 to 1"),
    ("tracking.score_memory", 1.0, "below 1"),
    ("tracking.found_above", 0.2, "at least lost_below"),
])
def test_bad_values_are_named_with_what_is_allowed(key, value, allowed):
    with pytest.raises(TrackerError) as error:
        validate(load_config("demo", {key: value}))
    message = str(error.value)
    assert message.startswith(f"{key} is {value!r}") and allowed in message and "\n" not in message


def test_mimicry_refines_how_pairs_are_drawn():
    config = load_config("nano", {"data.pairs.max_gap": 7, "fp.mimic.pairs.search_view.rotation": 0.3})
    validate(config)
    plain, mimic = pair_options(config, "fp"), pair_options(config, "mimic")
    assert plain == pair_options(config, "finetune") == PairOptions(max_gap=7)
    assert (mimic.max_gap, mimic.anywhere, mimic.search_view.rotation) == (7, 0.4, 0.3)
    assert mimic.search_view.aspect == plain.search_view.aspect
    with pytest.raises(TrackerError, match=r"fp\.mimic\.pairs\.anywhere is 2; it must be from 0 to 1"):
        validate(load_config("nano", {"fp.mimic.pairs.anywhere": 2}))


def test_a_source_without_a_weight_is_named():
    with pytest.raises(TrackerError, match=r"data\.weights\.lasot is missing"):
        validate(load_config("demo", {"data.weights": {"got10k": 1.0}}))


def test_a_value_in_the_place_of_a_section_is_named():
    with pytest.raises(TrackerError, match="fp is 3; it must be a section"):
        validate(load_config("demo", {"fp": 3}))


@pytest.mark.parametrize("name", ["template_size", "search_size"])
def test_pairs_and_network_agree_on_sizes(name):
    size = 160
    with pytest.raises(TrackerError, match=rf"data\.pairs\.{name} is \d+, but model\.{name} is 160"):
        validate(load_config("demo", {f"model.{name}": size}))
    validate(load_config("demo", {f"model.{name}": size, f"data.pairs.{name}": size}))


@pytest.mark.parametrize(("text", "message"), [
    ("fp = (", "config.py"),
    ("colour = dict()", "unknown section 'colour'"),
    ("fp = dict()", "section 'data' is missing"),
])
def test_broken_files_are_named(tmp_path, text, message):
    file = tmp_path / "config.py"
    file.write_text(text)
    with pytest.raises(TrackerError, match=message):
        load_config(file)


@dataclass(frozen=True)
class Inner:
    a: int
    b: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: str = "x"
    inner: Inner = field(default_factory=lambda: Inner(a=7, b=0.25))
    other: Inner | None = None


def test_fields_left_out_of_a_nested_section_are_the_parents_defaults():
    assert typed(Outer, {}, "outer") == Outer()
    assert typed(Outer, {"inner": {"b": 1}}, "outer").inner == Inner(a=7, b=1)
    assert typed(Outer, {"other": {"a": 1}}, "outer").other == Inner(a=1)
    assert typed(Outer, {"other": None}, "outer").other is None
    with pytest.raises(TrackerError, match=r"outer\.other\.a is missing"):
        typed(Outer, {"other": {}}, "outer")
    with pytest.raises(TrackerError, match=r"unknown field outer\.inner\.c; known are a, b"):
        typed(Outer, {"inner": {"c": 1}}, "outer")
