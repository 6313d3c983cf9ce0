"""The trainer's side of Learning Agents' protocol, against a mock of the engine's side."""

from __future__ import annotations

import gc
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time

import learning_agents_campaign as campaign
import learning_agents_fixtures as fixtures
import learning_agents_support as support
import numpy as np
import pytest
from learning_agents_fixtures import NUM_REGIONS, push_all

from tidy.tree import ROOT
from uerl_shm import errors, learning_agents_cleanup
from uerl_shm.learning_agents import Trainer
from uerl_shm.learning_agents_config import named_guids
from uerl_shm.learning_agents_controls import NETWORK, NETWORK_ID, Controls
from uerl_shm.learning_agents_engine import pids_mapping

learning_agents_program, stage = fixtures.learning_agents_program, fixtures.stage
pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="Trainer is for x86-64")


def test_every_byte_arrives_both_ways(learning_agents_program, tmp_path):
    found = campaign.train(learning_agents_program, tmp_path / "task", iterations=20, poll_us=100)
    assert found.pop("iteration_ms") > 0
    assert found == {
        "iterations": 20,
        "networks": 80,
        "wrong_bytes": 0,
        "ensures": 0,
        "left_behind": 0,
    }


def test_wrong_bytes_are_counted_on_both_sides(stage):
    trainer, initial, engine = stage.begin("--iterations=1", "--poll-us=100")
    with trainer.experience(timeout_s=20) as experience:
        assert support.wrong_bytes(experience, 1) == 0
        assert support.wrong_bytes(experience, 2) > 0
    push_all(trainer, initial, 3)
    assert trainer.experience(timeout_s=20) is None
    assert int(support.last_words(engine)["wrong_bytes"]) > 0


def test_killed_engine_is_noticed_and_nothing_stays_behind(learning_agents_program, tmp_path):
    found = campaign.kill(learning_agents_program, tmp_path / "task")
    assert found.pop("death_noticed_s") < float("inf")
    assert found == {"regions": NUM_REGIONS + 1, "left_behind": 0}


def test_engine_arguments_name_the_controls_and_the_absolute_folder(stage):
    flag, guid, configs = stage.trainer.engine_arguments
    assert flag == "-LearningAgentsUseExternalTrainingProcess"
    assert guid == f"-LearningAgentsControlsGuid={stage.trainer.guid}"
    assert configs == f"-LearningAgentsConfigPath={(stage.task_dir / 'Configs').resolve()}"


def test_controls_are_a_page_of_zeros_with_the_mode_asked_for(tmp_path):
    for mode in (0o600, 0o660, 0o666):
        with Trainer(tmp_path, shm_mode=mode) as trainer:
            path = support.SHM / trainer.guid
            assert path.stat().st_mode & 0o777 == mode
            assert path.read_bytes() == bytes(os.sysconf("SC_PAGESIZE"))
        assert not path.exists()


def test_config_tells_networks_replay_buffers_and_settings(stage):
    trainer, initial, _ = stage.begin()
    assert list(initial) == [0, 1, 2, 3]
    assert [n.name for n in trainer.config.networks.values()] == [
        *("Policy", "Critic", "Encoder", "Decoder"),
    ]
    assert trainer.config.replay_buffers[0].max_num_steps == support.MAX_STEPS
    assert trainer.config.settings["PPOSettings"]["DiscountFactor"] == 0.99
    assert trainer.config.schemas == {"Observations": [], "Actions": []}


def test_episodes_are_slices_without_a_copy(stage):
    trainer, _, _ = stage.begin()
    experience = trainer.experience(timeout_s=20)
    episodes = list(experience.episodes())
    assert len(episodes) == experience.num_episodes
    for i, episode in enumerate(episodes):
        start, length = experience.starts[i], experience.lengths[i]
        rays = episode.observations["Rays"]
        assert rays.shape == (length, 64)
        assert np.shares_memory(rays, experience.observations["Rays"][start])
        assert episode.final_observations["Default"].shape == (37,)
        assert episode.memory_states["Nothing"].shape == (length, 0)
        assert (episode.truncated, episode.terminated) == (
            experience.completion_modes[i] == 1,
            experience.completion_modes[i] == 2,
        )
    with pytest.raises(ValueError, match="read-only"):
        experience.rewards["Default"][:] = 0


def test_views_stay_readable_after_close(stage):
    trainer, _, engine = stage.begin()
    experience = trainer.experience(timeout_s=20)
    engine.kill()
    engine.wait()
    trainer.close()
    assert support.wrong_bytes(experience, 1) == 0


def test_timeouts_lose_nothing(stage):
    trainer = stage.trainer
    with pytest.raises(errors.StepTimeout, match=r"not attached .* for 0\.01 s"):
        trainer.wait_for_engine(timeout_s=0.01)
    engine = stage.start("--iterations=2", "--gather-us=300000", "--poll-us=30000")
    for _ in range(1000):
        try:
            initial = trainer.wait_for_engine(timeout_s=0.01)
            break
        except errors.StepTimeout:
            time.sleep(0.04)  # the engine answers meanwhile
    with pytest.raises(errors.StepTimeout, match="not sent its experience"):
        trainer.experience(timeout_s=0)
    for iteration in (1, 2):
        with trainer.experience(timeout_s=20) as experience:
            assert support.wrong_bytes(experience, iteration) == 0
        for network_id, own in initial.items():
            while True:
                try:
                    data = support.snapshot(own, network_id, iteration)
                    assert trainer.push_network(network_id, data, timeout_s=0.002)
                    break
                except errors.StepTimeout:
                    continue
    assert trainer.experience(timeout_s=20) is None
    words = support.last_words(engine)
    assert (words["networks"], words["wrong_bytes"]) == ("8", "0")


def test_stop_of_the_engine_ends_the_loop(stage):
    trainer, initial, engine = stage.begin("--iterations=1")
    assert not trainer.stop_requested
    with trainer.experience(timeout_s=20):
        push_all(trainer, initial, 1)
    assert trainer.experience(timeout_s=20) is None
    assert trainer.stop_requested
    assert trainer.push_network(0, initial[0]) is False
    assert trainer.complete() is False
    assert support.last_words(engine)["ended"] == "stop"


def test_stop_before_training_began_is_an_error(stage):
    np.memmap(support.SHM / stage.trainer.guid, "<i4", "r+", shape=(10,))[6] = 1
    with pytest.raises(errors.SimulatorLost, match="asked to stop before it had attached"):
        stage.trainer.wait_for_engine(timeout_s=20)


def test_signal_of_a_network_is_stored_after_its_bytes_and_its_id(stage, monkeypatch):
    trainer, initial, _ = stage.begin()
    region = support.SHM / trainer.config.networks[0].guid
    pushed = support.snapshot(initial[0], 0, 1)
    seen = []

    def store(controls: Controls, word: int, value: int) -> None:
        if word == NETWORK:
            seen.append((region.read_bytes()[: len(pushed)] == pushed, controls[NETWORK_ID]))
        setter(controls, word, value)

    setter = Controls.__setitem__
    with trainer.experience(timeout_s=20):
        monkeypatch.setattr(Controls, "__setitem__", store)
        assert trainer.push_network(0, pushed)
    assert seen == [(True, 0)]


def test_complete_ends_the_engine(stage):
    trainer, initial, engine = stage.begin()
    with trainer.experience(timeout_s=20):
        assert trainer.push_network(0, initial[0])
    assert trainer.complete() is True
    words = support.last_words(engine)
    assert (words["ended"], words["networks"], words["ensures"]) == ("complete", "1", "0")
    assert trainer.experience(timeout_s=20) is None


def test_complete_can_be_waited_for_again(stage):
    trainer, _, _ = stage.begin("--gather-us=200000")
    with pytest.raises(errors.StepTimeout, match="not seen the end"):
        trainer.complete(timeout_s=0.01)
    assert trainer.complete(timeout_s=20) is True


def test_pings_from_any_thread_keep_an_engine_waiting(stage):
    trainer, initial, engine = stage.begin("--iterations=1", "--timeout-s=0.5")
    over = threading.Event()

    def ping() -> None:
        while not over.wait(0.02):
            trainer.ping()

    thread = threading.Thread(target=ping)
    thread.start()
    with trainer.experience(timeout_s=20):
        time.sleep(0.8)
        assert all(push_all(trainer, initial, 1))
    over.set()
    thread.join()
    words = support.last_words(engine)
    assert words["ended"] == "stop"
    assert int(words["pings"]) > 1


def test_engine_that_is_not_pinged_gives_up(stage):
    trainer, _, engine = stage.begin("--iterations=1", "--timeout-s=0.1")
    trainer.experience(timeout_s=20)
    assert support.last_words(engine)["ended"] == "timeout"


def test_engine_that_never_attaches_is_lost_when_it_ends(stage):
    ended = subprocess.Popen([sys.executable, "-c", "import sys; sys.exit(3)"])
    with pytest.raises(errors.SimulatorLost, match="ended with exit code 3 before it had attached"):
        stage.trainer.wait_for_engine(ended, timeout_s=20)
    assert ended.wait() == 3


def test_engine_killed_while_it_waits_for_networks_is_lost(stage):
    trainer, initial, engine = stage.begin()
    experience = trainer.experience(timeout_s=20)
    engine.kill()
    with pytest.raises(errors.SimulatorLost, match=r"ended with signal 9 \(SIGKILL\)"):
        push_all(trainer, initial, 1)
    assert support.wrong_bytes(experience, 1) == 0


def test_experience_of_an_engine_that_died_since_is_delivered(stage):
    trainer, _, engine = stage.begin()
    controls = np.fromfile(support.SHM / trainer.guid, "<i4", 10)
    while not controls[2]:
        controls = np.fromfile(support.SHM / trainer.guid, "<i4", 10)
    engine.kill()
    engine.wait()
    with trainer.experience(timeout_s=20) as experience:
        assert support.wrong_bytes(experience, 1) == 0


def test_wrapper_that_ends_is_not_the_engine(stage):
    command = [stage.program, *stage.trainer.engine_arguments]
    shell = f"exec 3<&-; {' '.join(map(str, command))} >/dev/null & echo $!; sleep 0.5"
    wrapper = subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE, text=True)
    pid = int(wrapper.stdout.readline())
    try:
        for _ in range(2):
            stage.trainer.wait_for_engine(wrapper, timeout_s=20)
        wrapper.communicate()
        assert support.wrong_bytes(stage.trainer.experience(timeout_s=20), 1) == 0
    finally:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(errors.SimulatorLost, match=f"process {pid}"):
        stage.trainer.push_network(0, stage.trainer.wait_for_engine(timeout_s=0)[0])
        stage.trainer.complete(timeout_s=20)


def test_fork_of_the_learner_is_no_engine_and_cleans_nothing(stage):
    trainer, _, engine = stage.begin()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        trainer.close()
        os.write(writing, b"x")
        signal.pause()
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    os.close(writing)
    try:
        assert pids_mapping(trainer.guid) == [engine.pid]
        assert len(support.left_behind(stage.regions())) == NUM_REGIONS + 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_regions_of_a_living_engine_stay_until_it_has_ended(stage, monkeypatch):
    monkeypatch.setattr(learning_agents_cleanup, "PATIENCE_S", 0.05)
    trainer, _, engine = stage.begin("--gather-us=10000000")
    guids = stage.regions()
    with pytest.warns(RuntimeWarning, match="16 regions .* close\\(\\) again once it has ended"):
        trainer.close()
    assert support.left_behind(guids) == sorted(guids - {trainer.guid})
    engine.kill()
    engine.wait()
    trainer.close()
    assert support.left_behind(guids) == []


def test_trainer_that_is_forgotten_cleans_up(learning_agents_program, tmp_path):
    trainer = Trainer(tmp_path)
    guid = trainer.guid
    del trainer
    gc.collect()
    assert support.left_behind({guid}) == []


def test_loop_of_the_documentation_trains(learning_agents_program, tmp_path):
    page = (ROOT / "docs/howto/learning_agents.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "train.py").write_text(program)
    ended = subprocess.run(
        [sys.executable, "train.py", learning_agents_program, "--iterations=3", "--poll-us=100"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    num_episodes = sum(len(support.expected_columns(i)[0]) for i in (1, 2, 3))
    assert ended.stdout.count("mean reward") == num_episodes
    configs = tmp_path / "training" / "Configs"
    (named,) = configs.glob("shared-memory-*.json")
    controls = named.stem.removeprefix("shared-memory-")
    assert support.left_behind(named_guids(configs, controls) | {controls}) == []
