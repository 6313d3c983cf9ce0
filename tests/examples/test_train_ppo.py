"""train_ppo.py as people run it, in small."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
import train_ppo
from policy import load_policy

import uerl_shm
from command_line import ENVIRONMENT, PROGRAM
from support.bundled import UERL_SIM

SMALL = ["--num-steps", "16", "--num-envs", "4", "--eval-episodes", "0"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def numbers(output: str) -> dict[str, float]:
    """What the last line of the output says."""
    line = output.strip().splitlines()[-1]
    assert line.startswith("RESULT ")
    return {key: float(value) for key, value in re.findall(r"(\w+)=(\S+)", line)}


def train(*options: str) -> int:
    return train_ppo.main([*SMALL, *options])


def test_basic_is_solved_within_ten_thousand_steps(capsys):
    assert train_ppo.main(["--scene", "basic"]) == 0
    result = numbers(capsys.readouterr().out)
    assert list(result) == ["mean_return", "agent_steps", "seconds", "eval_min"]
    assert result["mean_return"] >= 0.9
    assert result["eval_min"] >= 0.89
    assert result["agent_steps"] <= 10_000


def test_a_policy_that_falls_short_is_said_and_fails(capsys):
    assert train("--scene", "basic", "--total-steps", "64", "--eval-episodes", "8") == 1
    captured = capsys.readouterr()
    assert numbers(captured.out)["mean_return"] < 0.9
    assert "mean_return" in captured.err and "train for longer" in captured.err


@pytest.mark.parametrize(
    "simulator",
    [
        "uerl-sim apples --episode-steps 20",
        "uerl-sim apples --frame 84x84 --depth --segmentation --episode-steps 20",
        "uerl-sim tennis --episode-steps 20",
        "uerl-sim probe --observation state:float32:7 --action count:int32:2 --episode-steps 9",
    ],
)
def test_any_simulator_of_one_group_trains_and_no_observation_is_copied(simulator, capsys):
    assert train("--simulator", simulator, "--total-steps", "192", "--eval-episodes", "4") == 0
    output = capsys.readouterr().out
    assert "copied_batches=0 gathered_rows=0 copied_rows=0\n" in output
    assert list(numbers(output)) == ["mean_return", "random_return", "env_steps", "seconds"]
    assert numbers(output)["env_steps"] == 192


def test_several_groups_are_refused():
    with pytest.raises(SystemExit, match="the simulator has 2 groups, expected 1"):
        train("--scene", "gather", "--total-steps", "64")


def test_a_run_leaves_a_curve_a_video_logs_and_checkpoints_and_names_them(capsys):
    options = ["--simulator", "uerl-sim apples --episode-steps 20", "--out", "out"]
    train(*options, "--total-steps", "256", "--eval-episodes", "4")
    wrote = re.findall(r"^wrote (.*)$", capsys.readouterr().out, re.M)
    kinds = {Path(path).name.split(".tfevents")[0] for path in wrote}
    assert kinds == {
        *("checkpoint.pt", "policy.pt", "learning_curve.png", "video.mp4"),
        "events.out",
    }
    assert {Path(path) for path in wrote} == set(Path("out").iterdir())
    assert Path("out/policy.pt").stat().st_size < 1_000_000
    _, spec, simulator = load_policy(Path("out/policy.pt"))
    assert (spec.name, simulator) == ("apples", options[1])


def test_a_run_goes_on_from_its_checkpoint(capsys):
    options = ["--simulator", "uerl-sim basic --episode-steps 10", "--out", "out", "--hidden", "9"]
    train(*options, "--total-steps", "128")
    first = torch.load("out/checkpoint.pt", weights_only=True)
    train_ppo.main(["--resume", "out/checkpoint.pt", "--total-steps", "320"])
    second = torch.load("out/checkpoint.pt", weights_only=True)
    assert (first["env_steps"], second["env_steps"]) == (128, 320)
    count = len(first["history"])
    assert count >= 4 and second["history"][:count] == first["history"]
    assert second["history"][count][0] > 128
    steps = [int(data["optimizer"]["state"][0]["step"]) for data in (first, second)]
    assert steps[0] > 0 and steps[1] / 320 == steps[0] / 128


def test_a_network_of_ones_own_trains_goes_on_and_plays(monkeypatch):
    page = (Path(train_ppo.__file__).parents[1] / "docs/cli.md").read_text()
    (network,) = re.findall(r"```python\n(from policy .*?)```", page, re.DOTALL)
    Path("nets_here.py").write_text(network)
    monkeypatch.setattr(sys, "path", list(sys.path))  # the current folder is added there
    model = "nets_here:Deep(depth=1)"
    train("--scene", "basic", "--out", "out", "--total-steps", "128", "--model", model)
    train_ppo.main(["--resume", "out/checkpoint.pt", "--total-steps", "192"])
    assert torch.load("out/checkpoint.pt", weights_only=True)["env_steps"] == 192
    made = [load_policy(Path("out", name))[0] for name in ("policy.pt", "checkpoint.pt")]
    assert [type(policy).__name__ for policy in made] == ["Deep", "Deep"]
    assert [len(policy.body) for policy in made] == [4, 4]
    weights = [policy.state_dict()["body.2.weight"] for policy in made]
    assert torch.equal(*weights)


def test_a_run_that_is_complete_stays_as_it_is():
    train("--scene", "basic", "--out", "out", "--total-steps", "128")
    first = torch.load("out/checkpoint.pt", weights_only=True)
    train_ppo.main(["--resume", "out/checkpoint.pt"])
    second = torch.load("out/checkpoint.pt", weights_only=True)
    for name in ("seconds", "env_steps", "history", "spec"):
        assert first[name] == second[name]
    torch.testing.assert_close(first["policy"], second["policy"], rtol=0, atol=0)


def test_another_spec_than_the_checkpoints_is_refused():
    train("--scene", "basic", "--out", "out", "--total-steps", "64")
    with pytest.raises(SystemExit, match=r"checkpoint\.pt was trained with another spec"):
        train("--resume", "out/checkpoint.pt", "--scene", "apples")


def test_returns_are_those_of_whole_episodes():
    # Basic's best return is 0.93; one step more or less of another episode would show.
    train("--simulator", "uerl-sim basic --episode-steps 5", "--out", "out", "--total-steps", "512")
    history = torch.load("out/checkpoint.pt", weights_only=True)["history"]
    allowed = {round(-0.01 * n + extra, 2) for n in range(3, 6) for extra in (0.0, 0.1)}
    assert len(history) > 50
    assert {round(total, 2) for _, total in history} <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])  # Ctrl-C, a Pod's end
def test_a_signal_ends_a_run_with_all_it_has(number):
    script = Path(train_ppo.__file__)
    command = [sys.executable, str(script), "--scene", "basic", "--total-steps", "100000000"]
    process = subprocess.Popen(
        [*command, "--out", "out"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # as at a terminal
    )
    output = process.stdout.readline()
    process.send_signal(number)
    output += process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "interrupted: go on with --resume out" in output
    assert torch.load("out/checkpoint.pt", weights_only=True)["env_steps"] < 100000000
    assert Path("out/learning_curve.png").exists()


@pytest.mark.slow
def test_sigterm_is_kept_for_the_run_that_uerl_shm_train_has_only_begun_to_load():
    command = [*PROGRAM, "train", "--scene", "basic", "--out", "out"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True)
    while "train_ppo.py" not in Path(f"/proc/{process.pid}/cmdline").read_text():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[0]
    assert (process.returncode, said) == (130, "")  # -15: it was ended without being asked
    assert not Path("out").exists()


def test_simulators_of_another_user_attach_by_themselves(monkeypatch, tmp_path):
    name, modes = f"sidecars-{os.getpid()}", []
    spec = tmp_path / "given.json"
    subprocess.run([UERL_SIM, "basic", "--describe", spec], check=True)

    def look(run):
        modes.append(os.stat(f"/dev/shm/{name}").st_mode & 0o777)
        return {"seconds": 0.0}

    monkeypatch.setattr(train_ppo, "evaluate", look)
    command = [UERL_SIM, "basic", "--name", name]
    simulators = [subprocess.Popen([*command, "--lane", str(lane)]) for lane in range(4)]
    # The program is not here: only its spec is.
    options = ["--simulator", "/in/another/image", "--spec", str(spec), "--shm-mode", "0660"]
    assert train("--name", name, *options, "--total-steps", "128") == 0
    assert modes == [0o660]
    assert [simulator.wait(30) for simulator in simulators] == [0] * 4


def test_a_simulator_that_does_not_exist_is_named():
    script = Path(train_ppo.__file__)
    command = [sys.executable, str(script), "--simulator", "no-such-game"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert process.returncode == 1
    assert "no-such-game" in process.stderr and "Traceback" not in process.stderr


# One rollout --------------------------------------------------------------------------------------


@pytest.fixture
def run():
    args = train_ppo.parse_args(["--scene", "apples", *SMALL])
    env = uerl_shm.VecEnv("uerl-sim apples --episode-steps 6", 4, slots=34, output="torch")
    with closing(env):
        run = train_ppo.Run(args, env)
        run.observation, run.info = env.reset(seed=0)
        yield run
        run.log.close()


def test_the_episode_of_a_lost_simulator_has_no_return(run):
    batch = run.collect()
    batch.reward[:] = 1.0
    batch.valid[2, 0], batch.truncated[2, 0] = False, True
    run.count_episodes(batch)
    whole, rest = 6.0, 3.0  # six steps each; the first of row 0 lost what it had
    first = [total for step, total in run.history if step <= 6 * 4]
    assert first == [rest, whole, whole, whole]


def test_the_loss_is_what_ppo_says(run):
    args, batch = run.args, run.collect()
    advantage = torch.linspace(-2, 2, 64).reshape(16, 4)
    pick = torch.tensor([0, 3, 7]), torch.tensor([1, 0, 2])
    moved = torch.tensor([0.5, 1.1, 1.5])  # ratios of new to old probability
    batch.log_prob[pick] -= moved.log()
    loss, parts = train_ppo.loss_of(run.policy, batch, advantage, pick, args)
    gain = advantage[pick]
    gain = (gain - gain.mean()) / gain.std(correction=0)
    kept = torch.tensor([0.8, 1.1, 1.2])
    policy_loss = -torch.min(moved * gain, kept * gain).mean()
    # Values were those of this policy, so what is left of their error is the advantage.
    value_loss = 0.5 * advantage[pick].square().mean()
    entropy = 2 * (0.5 * np.log(2 * np.pi * np.e) - 0.5)  # two normals, log deviation -0.5
    expected = policy_loss + args.value_weight * value_loss - args.entropy_weight * entropy
    assert loss.item() == pytest.approx(expected.item(), abs=1e-4)
    assert parts["policy"].item() == pytest.approx(policy_loss.item(), abs=1e-4)


def test_a_batch_is_the_segments_own_memory(run):
    begin = run.env._core.address
    end = begin + run.env._core.segment_bytes
    for _ in range(3):
        observation = run.collect().observation
        last = observation[-1, -1].data_ptr() + 42 * 42 * 3
        assert begin <= observation.data_ptr() < last <= end


def test_steps_that_only_reset_are_not_valid(run):
    batch = run.collect()
    ended = batch.terminated | batch.truncated
    assert ended.sum() == 2 * 4
    assert torch.equal(batch.valid[1:], ~ended[:-1])


def test_agents_that_are_absent_are_not_valid(run, monkeypatch):
    step, absent = run.env.step, torch.tensor([True, False, True, True])

    def step_with_a_mask(action):
        *batch, info = step(action)
        return *batch, {**info, "mask": absent}

    monkeypatch.setattr(run.env, "step", step_with_a_mask)
    batch = run.collect()
    assert batch.valid[0].all()  # the reset said nothing of a mask
    assert not batch.valid[1:, 1].any() and batch.valid[1:6, 0].all()


def test_values_and_probabilities_are_those_of_the_policy(run):
    batch = run.collect()
    with torch.no_grad():
        parameters, value = run.policy(batch.observation.flatten(0, 1))
    torch.testing.assert_close(batch.value[:-1].flatten(), value)
    chances = run.policy.distributions(parameters)
    log_prob = run.policy.log_prob(chances, batch.choice.flatten(0, 1))
    torch.testing.assert_close(batch.log_prob.flatten(), log_prob)


# The command line ---------------------------------------------------------------------------------


def test_every_option_has_a_line_of_help(capsys):
    with pytest.raises(SystemExit):
        train_ppo.parse_args(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name in train_ppo.Args.__dataclass_fields__:
        flag = f"--{name.replace('_', '-')}"
        assert re.search(rf"{flag} {name.upper()} [a-z]", text), flag


def test_a_scene_has_settings_of_its_own_which_options_override():
    assert train_ppo.parse_args(["--scene", "basic"]).total_steps == 8_192
    assert train_ppo.parse_args(["--scene", "basic", "--total-steps", "9"]).total_steps == 9
    assert train_ppo.parse_args(["--simulator", "x.sh"]).total_steps == 1_000_000


def test_a_run_is_named_after_its_scene_or_its_simulator():
    assert train_ppo.parse_args([]).out == "runs/apples"
    assert train_ppo.parse_args(["--simulator", "'/a b/Game.sh' -nullrhi"]).out == "runs/Game"


def test_a_run_goes_on_under_its_own_options():
    torch.save({"args": {"scene": "basic", "hidden": 9, "out": "old"}}, "checkpoint.pt")
    args = train_ppo.parse_args(["--resume", "checkpoint.pt", "--total-steps", "9"])
    assert (args.scene, args.hidden, args.out, args.total_steps) == ("basic", 9, "old", 9)


def test_gradient_descent_raises_the_probability_of_better_actions():
    torch.manual_seed(0)
    spec = uerl_shm.ArraySpec.box(-1, 1, (3,))
    group = uerl_shm.GroupSpec("agent", spec, uerl_shm.ArraySpec.discrete(2))
    policy = train_ppo.Policy(group, 16)
    optimizer = torch.optim.Adam(policy.parameters(), 1e-2)
    for _ in range(20):
        observation = torch.rand(8, 4, 3) * 2 - 1
        with torch.no_grad():
            chances = policy.distributions(policy(observation.flatten(0, 1))[0])
            choice = policy.draw(chances)
            log_prob = policy.log_prob(chances, choice).reshape(8, 4)
        no, yes = torch.zeros(8, 4, dtype=torch.bool), torch.ones(8, 4, dtype=torch.bool)
        reward = (choice.reshape(8, 4) == (observation[..., 0] > 0)).float()
        batch = train_ppo.Batch(
            observation, choice.reshape(8, 4, 1), log_prob, torch.zeros(9, 4), reward, yes, no, yes
        )
        train_ppo.learn(policy, optimizer, batch, train_ppo.Args(minibatch_rows=16))
    observation = torch.rand(200, 3) * 2 - 1
    right = policy.act(observation) == (observation[:, 0] > 0)
    assert np.mean(right.numpy()) > 0.9
