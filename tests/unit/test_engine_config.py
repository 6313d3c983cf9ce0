"""Settings of an engine: what stands in the segment, and what is refused."""

from __future__ import annotations

import json

import pytest

from uerl_shm import EngineConfig, EnvSpec, SpecError
from uerl_shm.segment import text_of
from uerl_shm.spec import ArraySpec

SPEC = EnvSpec.single(ArraySpec((2,), "float32"), ArraySpec((1,), "float32"))


def test_settings_stand_in_the_segments_text():
    engine = {
        "training": EngineConfig(fixed_fps=20, time_scale=10.0, resolution=(320, 240)),
        "inference": EngineConfig(quality_level=4, target_fps=0),
        "agent_configs": [],
    }
    found = json.loads(text_of(SPEC, {}, engine))["engine"]
    assert found == {
        "training": {"fixed_fps": 20, "time_scale": 10.0, "resolution": [320, 240]},
        "inference": {"quality_level": 4, "target_fps": 0},
        "agent_configs": [],
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"fixed_fps": 0},
        {"time_scale": -1.0},
        {"target_fps": -1},
        {"quality_level": 5},
        {"resolution": (320,)},
        {"resolution": (320, 0)},
        {"fixed_fps": float("nan")},
        {"fixed_fps": "20"},
        {"quality_level": 1.5},
        {"resolution": "320x240"},
        {"resolution": ("a", "b")},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(SpecError, match=f"{next(iter(wrong))} .*expected"):
        EngineConfig(**wrong)


def test_an_engine_that_is_no_dict_is_refused():
    with pytest.raises(SpecError, match=r"engine \[1\], expected a dict"):
        text_of(SPEC, {}, [1])
