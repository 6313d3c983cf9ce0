"""What examples/ray_ddp.py does so that ranks agree, and what it tells of them."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]
pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("ray", reason="ray is not installed")
pytest.importorskip("ray.train", reason="packages that Ray Train needs are not installed")
import ray_ddp
import torch


@pytest.mark.parametrize("num_valid", [0, 1, 3, 12])
def test_every_rank_takes_equally_many_gradient_steps(num_valid):
    valid = torch.zeros(4, 3, dtype=torch.bool)
    valid.view(-1)[:num_valid] = True
    parts = list(ray_ddp.picks(valid, 4))
    assert len(parts) == 4
    used = [cell for pick, weight in parts if weight for cell in torch.stack(pick).T.tolist()]
    assert sorted(used) == valid.nonzero().tolist(), "each valid row once, and no other"
    assert all(len(pick[0]) for pick, _ in parts)


def test_a_hash_differs_when_one_bit_of_a_parameter_does():
    first = torch.nn.Linear(3, 2)
    second = copy.deepcopy(first)
    assert ray_ddp.policy_hash(first) == ray_ddp.policy_hash(second)
    with torch.no_grad():
        second.weight[0, 0] = torch.nextafter(second.weight[0, 0], torch.tensor(torch.inf))
    assert ray_ddp.policy_hash(first) != ray_ddp.policy_hash(second)


RANK = """
import sys
import torch, ray_ddp
from policy import Scale
from uerl_shm import ArraySpec

rank, store = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=2)
scale = Scale(ArraySpec.box(-float("inf"), float("inf"), (3,)))
for number in range(2):
    torch.manual_seed(10 * rank + number)
    scale.see(torch.randn(8 + rank, 3) * (1 + rank) + rank)
    seen = ray_ddp.policy_hash(scale)
    ray_ddp.agree(scale)
    print(seen, ray_ddp.policy_hash(scale))
"""


def test_ranks_scale_observations_alike_though_each_sees_its_own(tmp_path):
    folders = os.pathsep.join(str(Path(ray_ddp.__file__).parents[n]) for n in range(2))
    command = [sys.executable, "-W", "ignore", "-c", RANK]
    ranks = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store")],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": folders},
        )
        for rank in range(2)
    ]
    hashes = [rank.communicate(timeout=100)[0].split() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    assert hashes[0][0::2] != hashes[1][0::2], "they saw different rows"
    assert hashes[0][1::2] == hashes[1][1::2]


def told(iteration: int, hashes: str, lost: int = 0) -> dict[str, object]:
    ranks = [
        {"iteration": iteration, "env_steps": 100, "seconds": 1.0 + rank, "return": 2.0 * rank,
         "hash": digit, "lost_simulators": lost, "node": str(rank), "pid": rank}
        for rank, digit in enumerate(hashes)
    ]  # fmt: skip
    return {"ranks": ranks}


def test_a_result_counts_iterations_whose_parameters_differ():
    lines = [told(1, "aa"), told(2, "ab", lost=1), {"lost": [1]}, told(2, "bb", lost=1)]
    result = ray_ddp.result_of(lines)
    assert result["unequal_hashes"] == 1
    assert result["iterations"] == 2 and result["ranks"] == result["nodes"] == 2
    assert result["steps_per_s"] == 100  # 3 times 200 steps, 2 s each: the slower rank's
    assert result["mean_return"] == 1.0
    assert result["lost_ranks"] == 1 and result["lost_simulators"] == 2


def test_a_log_is_read_as_it_was_written(tmp_path):
    log = ray_ddp.Log(tmp_path / "log.jsonl")
    assert ray_ddp.read_log(log.path) == []
    line = told(1, "aa")
    log.after_report(None, line["ranks"], checkpoint=None)
    log.after_exception(None, {1: RuntimeError("lost")})
    assert ray_ddp.read_log(log.path) == [json.loads(json.dumps(line)), {"lost": [1]}]
    assert "iteration 1 rank 1 parameters a return 2.00 50 steps/s" in ray_ddp.texts_of(line)
