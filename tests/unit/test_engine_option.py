"""`VecEnv(engine=...)`: what the engine's plugin reads in the segment's text."""

import json

import pytest

import uerl_shm
from uerl_shm import segment
from uerl_shm.errors import SpecError

SPEC = uerl_shm.EnvSpec.single(
    {"state": uerl_shm.ArraySpec.box(-1, 1, (2,), "float32")},
    {"move": uerl_shm.ArraySpec.discrete(2)},
)


def test_what_the_engine_is_told_stands_in_the_text():
    engine = {"agent_configs": [{"agent_id": "Agent1"}], "training": {"fixed_fps": 20}}
    text = json.loads(segment.text_of(SPEC, {}, engine))
    assert text["engine"] == engine
    assert "engine" not in json.loads(segment.text_of(SPEC, {}))


@pytest.mark.parametrize("engine", [{"fps": float("nan")}, {"agents": {1, 2}}, {(1, 2): 3}])
def test_what_is_no_json_is_refused_before_anything_exists(engine):
    with pytest.raises(SpecError, match=r"is not JSON .*expected dicts with text keys"):
        uerl_shm.VecEnv(num_envs=1, spec=SPEC, engine=engine, startup_timeout_s=0.1)
