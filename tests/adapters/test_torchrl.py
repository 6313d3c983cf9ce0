"""TorchRLEnv: TorchRL's own checker, the same data as the env under it, collectors."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

pytest.importorskip("torchrl", reason="torchrl is not installed")
import torch
from tensordict import TensorDict

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torchrl tells of its own deprecations
    from torchrl.collectors import Collector
    from torchrl.envs.utils import check_env_specs

from adapters.conftest import APPLES, BASIC, DICTS, PROBE, kill
from support.bundled import UERL_SIM
from uerl_shm import ArraySpec, SpecError
from uerl_shm.integrations.torchrl import TorchRLEnv, _choice_of, _spec_of

NUM_STEPS = 30
SLOTS = NUM_STEPS + 3


@pytest.fixture
def adapt(make):
    """A function that makes a TorchRLEnv."""

    def adapt(simulator: str, num_envs: int = 3, **options: Any) -> TorchRLEnv:
        options = {"autoreset_mode": "SameStep", "output": "torch", "slots": SLOTS, **options}
        return TorchRLEnv(make(simulator, num_envs, **options))

    return adapt


SCENES = {
    "basic": BASIC,
    "picture": APPLES,
    "dict": DICTS,
    "agents": f"{UERL_SIM} tennis",
    "probe": f"{PROBE} --observation count:int32:2 --observation flag:bool:3",
}


@pytest.mark.parametrize("scene", SCENES)
def test_torchrls_checker_passes(adapt, scene):
    env = adapt(SCENES[scene], 4)
    check_env_specs(env, seed=3, break_when_any_done="both")


@pytest.mark.parametrize("simulator", [BASIC, APPLES, DICTS])
def test_a_rollout_is_what_the_envs_did(adapt, make, simulator):
    """Compared with an env in the mode DISABLED, whose ended rows are reset by hand."""
    env = adapt(simulator)
    env.set_seed(4)
    found = env.rollout(NUM_STEPS, break_when_any_done=False)
    by_hand = make(simulator, 3, autoreset_mode="Disabled", output="torch", copy=True)
    observation, _ = by_hand.reset(seed=4)
    num_ended = 0
    for t in range(NUM_STEPS):
        row = found[:, t]
        assert same(row, observation)
        step = by_hand.step(row["action"])
        observation, reward, terminated, truncated, _ = step
        done = terminated | truncated
        assert same(row["next"], observation)
        assert torch.equal(row["next", "reward"].squeeze(1), reward)
        assert torch.equal(row["next", "terminated"].squeeze(1), terminated)
        assert torch.equal(row["next", "truncated"].squeeze(1), truncated)
        assert torch.equal(row["next", "done"].squeeze(1), done)
        assert row["next", "valid"].all() and not row["done"].any()
        num_ended += int(done.sum())
        if done.any():
            observation, _ = by_hand.reset(options={"reset_mask": done.numpy()})
    assert num_ended >= 3


def same(row: TensorDict, observation: Any) -> bool:
    named = observation if isinstance(observation, dict) else {"observation": observation}
    return all(torch.equal(row[key], value) for key, value in named.items())


def test_the_end_of_an_episode_costs_no_reset_of_its_own(adapt, monkeypatch):
    env = adapt(BASIC)
    step = env.reset()
    monkeypatch.setattr(env.env, "reset", None)
    num_done = 0
    for _ in range(NUM_STEPS):
        before, step = env.step_and_maybe_reset(env.rand_action(step))
        num_done += int(before["next", "done"].sum())
    assert num_done >= 3


def test_rows_that_go_on_can_be_reset_alone(adapt):
    env = adapt(PROBE)
    step = env.reset()
    for _ in range(3):
        _, step = env.step_and_maybe_reset(env.rand_action(step))
    seen = step["observation"]
    before = seen.clone()
    again = env.reset(step.set("_reset", torch.tensor([[True], [False], [True]])))
    assert torch.equal(again["observation"][1], before[1])
    assert not torch.equal(again["observation"][0], before[0])
    assert torch.equal(seen, before), "a view of the segment was written to"
    env.step(env.rand_action(again))
    assert episodes(env) == [1, 0, 1]


def test_a_reset_after_an_end_takes_the_episode_that_has_begun(adapt):
    """As rollout() does, which stops where an episode ends and resets all rows."""
    env = adapt(f"{UERL_SIM} probe --observation state:float32:8 --episode-steps 3")
    step = env.reset()
    for _ in range(3):
        step = env.step(env.rand_action(step))["next"]
    assert step["done"].all() and episodes(env) == [1, 1, 1]
    begun = env.reset()
    assert episodes(env) == [1, 1, 1]
    assert torch.equal(begun["observation"], env.env._current()[0])
    again = env.reset()
    assert episodes(env) == [2, 2, 2], "the same episode was begun twice"
    env.step(env.rand_action(again))
    env.reset()
    assert episodes(env) == [3, 3, 3]


def episodes(env: TorchRLEnv) -> list[int]:
    """Number of each row's episode, from 0."""
    return env.env._current()[1]["episode"].tolist()


def test_a_seed_counts_for_one_reset(adapt):
    env = adapt(APPLES)
    env.set_seed(5)
    first, later = env.reset()["observation"], env.reset()["observation"]
    env.set_seed(5)
    assert torch.equal(env.reset()["observation"], first)
    assert torch.equal(env.reset()["observation"], later)
    assert not torch.equal(first, later)


def test_a_seed_counts_also_where_rows_have_just_ended(adapt):
    env = adapt(f"{UERL_SIM} apples --frame 16x12 --episode-steps 2")
    env.set_seed(5)
    first = env.reset()
    expected = first["observation"].clone()
    for _ in range(2):
        step = env.step(env.rand_action(first))["next"]
    assert step["done"].all()
    env.set_seed(5)
    assert torch.equal(env.reset()["observation"], expected)


def test_observations_are_the_segment(adapt):
    env = adapt(BASIC)
    step = env.reset()
    assert step["observation"].data_ptr() == env.env._current()[0].data_ptr()
    step = env.step(env.rand_action(step))
    assert step["next", "observation"].data_ptr() == env.env._current()[0].data_ptr()
    assert env.env.stats()["copied_batches"] == 0


def test_steps_without_a_simulator_are_told_not_to_be_valid(adapt):
    env = adapt(PROBE)
    step = env.reset()
    kill(env.env, 1)
    told, steps = [], []
    while len(told) < 2 or not (told[-1] and told[-2]):
        before, step = env.step_and_maybe_reset(env.rand_action(step))
        assert before["next", "valid"][[0, 2]].all()
        told.append(bool(before["next", "valid"][1]))
        steps.append(int(env.env._current()[1]["step"][1]))
        assert before["next", "done"][1].item() == (len(told) == 1)
        assert len(told) < 10_000
    back = told.index(True)
    assert back > 0 and steps[back - 1 : back + 1] == [0, 1]


def test_a_collector_yields_batches_that_fit_together(adapt):
    env = adapt(BASIC, slots=20 + 3)
    frames = Collector(env, frames_per_batch=60, total_frames=120)
    last = None
    for data in frames:
        assert data.shape == (3, 20)
        goes_on = ~data["next", "done"].squeeze(-1)[:, :-1]
        led_to, came = data["next", "observation"][:, :-1], data["observation"][:, 1:]
        assert torch.equal(led_to[goes_on], came[goes_on])
        if last is not None:
            runs = ~last["next", "done"][:, -1].squeeze(-1)
            assert torch.equal(
                last["next", "observation"][:, -1][runs], data["observation"][:, 0][runs]
            )
        last = data.clone()
    frames.shutdown()


def test_choices_that_do_not_count_from_zero_are_moved():
    spec = ArraySpec.discrete(3, start=5)
    assert _choice_of(spec, 2, "cpu").rand().max() < 3
    assert _spec_of(spec, 2, "cpu").shape == (2,)


@pytest.mark.parametrize(
    "spec",
    [
        ArraySpec.box(-1, 1, (2,)),
        ArraySpec.box(None, None, (2,), "float64"),
        ArraySpec.image(4, 5, 3),
        ArraySpec.discrete(4),
        ArraySpec.multi_discrete([2, 3]),
        ArraySpec.multi_binary(3),
    ],
)
def test_drawn_actions_are_in_the_space(spec):
    drawn = _choice_of(spec, 7, "cpu").rand()
    assert drawn.shape == (7, *spec.shape)
    assert drawn.numpy().dtype == spec.dtype
    assert all(row in spec.space() for row in drawn.numpy())


def test_other_modes_outputs_and_names_are_refused(make):
    with pytest.raises(SpecError, match="autoreset_mode 'NextStep', TorchRLEnv expected"):
        TorchRLEnv(make(BASIC, output="torch"))
    with pytest.raises(SpecError, match="has output 'numpy', TorchRLEnv expected 'torch'"):
        TorchRLEnv(make(BASIC, autoreset_mode="SameStep"))
    with pytest.raises(SpecError, match="has the groups red, blue, TorchRLEnv expected one"):
        TorchRLEnv(make("uerl-sim gather", 1, autoreset_mode="SameStep", output="torch"))
    command = f"{UERL_SIM} probe --observation done:float32:1 --observation state:float32:1"
    with pytest.raises(SpecError, match="array 'done' has the name of a key of TorchRL"):
        TorchRLEnv(make(command, autoreset_mode="SameStep", output="torch"))
