"""One env of `probe` simulators, driven call by call; every row that comes back is compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from support import probe_pattern
from uerl_shm import SpecError, StepTimeout, VecEnv
from verify.checker import Checker, Tally
from verify.holding import Holdings, chosen_rows
from verify.model import RECEIVED, Envs

NUM_ACTIONS = 4099  # of a pool; prime, so that no env meets the same action again soon
MAX_ATTEMPTS = 10000  # of one call that times out
FINALS = ("final_obs", "_final_obs", "final_info", "_final_info")


class Session:
    """A `VecEnv` over `probe`, a model of its envs, and a tally of what was wrong.

    Attributes:
        pending: bool, for each world: a command was sent and its result was not received.

    Args:
        env: The env. It is closed by whoever made it.
        rng: What every choice is drawn from.
        envs_per_simulator: Worlds of each.
        max_held: How many batches may be held at once.
        max_rollout_steps: Of a rollout.
        impatient: Waits are meant to be too short now and then; else StepTimeout is an error.
        episode_steps: The simulators' option of that name, if it was given.
    """

    def __init__(
        self,
        env: VecEnv,
        rng: np.random.Generator,
        *,
        envs_per_simulator: int,
        max_held: int,
        max_rollout_steps: int = 1,
        impatient: bool = False,
        episode_steps: int | None = None,
    ) -> None:
        self.env, self.rng = env, rng
        self.tally = Tally()
        self.max_rollout_steps, self.impatient = max_rollout_steps, impatient
        self.envs_per_lane = envs_per_simulator
        self.num_envs, self.num_lanes = env.num_worlds, env.num_worlds // envs_per_simulator
        groups = env.spec.groups
        self.names = [group.name for group in groups]
        self.agents = groups[0].agents
        # What an env id names: a row where there is one group, else a world.
        self.rows_per_id = self.agents if len(groups) == 1 else 1
        self.mode = env.autoreset_mode.value
        self.model = Envs(self.num_envs, len(groups), self.agents, self.mode, episode_steps)
        self.checker = Checker(env.spec, envs_per_simulator, self.tally)
        self.holdings = Holdings(self.checker, rng, self.agents, max_held)
        self.all = np.arange(self.num_envs)
        self.pending = np.zeros(self.num_envs, bool)
        rows = self.num_envs * self.agents
        self._pool = rng.uniform(-1, 1, (NUM_ACTIONS + rows, 4)).astype(np.float32)
        self._pool_sums = probe_pattern.action_sum(self._pool)

    # Commands ------------------------------------------------------------------------------------

    def actions(self, envs: np.ndarray, order: np.ndarray | None = None) -> tuple[Any, np.ndarray]:
        """Draw actions; return them as the env wants them, and their sums ``(groups, n, agents)``.

        Args:
            envs: Worlds, whose rows the actions are for.
            order: Which id each row of the actions is for; None: ascending.
        """
        rows = len(envs) * self.agents
        drawn, sums = {}, []
        for name in self.names:
            start = int(self.rng.integers(NUM_ACTIONS))
            action = self._pool[start : start + rows]
            sums.append(self._pool_sums[start : start + rows].reshape(len(envs), self.agents))
            if order is not None:
                action = action.reshape(len(order), -1, 4)[order].reshape(rows, 4)
            drawn[name] = action
        return (drawn if len(drawn) > 1 else drawn[self.names[0]]), np.array(sums)

    def step(self) -> Any:
        """Step every env; return the actions. After a timeout recv() waits for this same step."""
        actions, sums = self.actions(self.all)
        self.model.step(self.all, sums)
        self.pending[:] = True
        try:
            batch = self.env.step(actions)
        except StepTimeout:
            self._timed_out()
            self.drain()
        else:
            self.pending[:] = False
            self._delivered(self.all, *batch)
        return actions

    def send(self, lanes: np.ndarray) -> None:
        """Send actions to all envs of these lanes, their ids in any order."""
        envs = self.envs_of(lanes)
        everybody = len(envs) == self.num_envs and self.rng.random() < 0.5
        if everybody:
            envs = self.all
        ids = (envs[:, None] * self.rows_per_id + np.arange(self.rows_per_id)).reshape(-1)
        order = None if everybody else self.rng.permutation(len(ids))
        actions, sums = self.actions(envs, order)
        self.env.send(actions, None if order is None else ids[order])
        self.model.step(envs, sums)
        self.pending[envs] = True

    def receive(
        self, least: int | None = None, most: int | None = None, timeout_s: float | None = None
    ) -> None:
        """Receive `least` to `most` lanes; after a timeout nothing has changed."""
        per_lane = self.envs_per_lane * self.rows_per_id
        try:
            batch = self.env.recv(
                None if least is None else least * per_lane,
                None if most is None else most * per_lane,
                timeout_s,
            )
        except StepTimeout:
            self._timed_out()
            return
        envs = batch.env_ids[:: self.rows_per_id] // self.rows_per_id
        if not self.pending[envs].all() or len(set(envs.tolist())) < len(envs):
            self.tally.repeated += len(envs)
        self.pending[envs] = False
        self._delivered(envs, *batch[:5])

    def drain(self) -> None:
        """Receive whatever is pending, however often that takes too long."""
        for _ in range(MAX_ATTEMPTS):
            if not self.pending.any():
                return
            self.receive()
        self.tally.lost += int(self.pending.sum())
        raise TimeoutError(f"{MAX_ATTEMPTS} calls of recv() in a row ended with StepTimeout")

    def reset(self, mask: np.ndarray | None = None) -> None:
        """Reset the worlds of `mask` (None: all); pending ones among them are given up."""
        mask = None if mask is None else mask.copy()  # it may be the model's own
        chosen = self.all if mask is None else np.flatnonzero(mask)
        was_pending = bool(self.pending.any())
        for attempt in range(1, MAX_ATTEMPTS):
            seeds, argument = self._seeds(explicit=attempt > 1)
            if attempt == 1:
                self.model.reset(chosen, seeds[chosen])
            options: dict[str, Any] = {} if self.rng.random() < 0.5 else {"note": attempt}
            if mask is not None:
                options["reset_mask"] = np.repeat(mask, self.rows_per_id)
            try:
                observation, info = self.env.reset(seed=argument, options=options)
                break
            except StepTimeout:
                self._timed_out()
                if attempt == 1 and not was_pending and self.rng.random() < 0.5:
                    self._receive_reset(chosen)
                    return
        else:
            raise TimeoutError(f"{MAX_ATTEMPTS} resets in a row ended with StepTimeout")
        self.pending[:] = False
        if attempt > 1:
            self._settle(chosen, seeds[chosen], attempt, info)
        self._compare(self.all, observation, info)
        self.checker.masks(info, np.ones_like(self.pending) if mask is None else mask)

    def _timed_out(self) -> None:
        """Within an except clause: count it, or raise it again."""
        if not self.impatient:
            raise
        self.tally.timeouts += 1

    def _seeds(self, explicit: bool) -> tuple[np.ndarray, Any]:
        """Draw seeds: one int64 for each world (-1: none), and reset()'s argument."""
        kind = self.rng.integers(1 if explicit else 0, 3)
        if kind == 0:
            return np.full(self.num_envs, -1), None
        if kind == 1:
            first = int(self.rng.integers(2**62))
            return first + self.all, first
        seeds = self.rng.integers(0, 2**62, self.num_envs)
        if not explicit:
            seeds[self.rng.random(self.num_envs) < 0.3] = -1
        by_world = [None if seed < 0 else seed for seed in seeds.tolist()]
        return seeds, [seed for seed in by_world for _ in range(self.rows_per_id)]

    def _receive_reset(self, envs: np.ndarray) -> None:
        """A late reset is delivered by recv(), as any command is: lanes as a whole."""
        reset = np.zeros(self.num_envs, bool)
        reset[envs] = True
        self.pending[:] = np.repeat(self.lanes_with(reset), self.envs_per_lane)
        self.model.skip(np.flatnonzero(self.pending & ~reset))
        steps = self.tally.env_steps
        self.drain()
        self.tally.env_steps = steps

    def _settle(self, envs: np.ndarray, seeds: np.ndarray, attempts: int, info: Any) -> None:
        """Of several resets only the last was surely sent: count those that came before it."""
        own = info[self.names[0]] if len(self.names) > 1 else info
        received = np.asarray(own["received"])[:: self.agents][envs]
        extra = received - self.model.shown(envs).words[RECEIVED]
        self.model.reset_again(envs, seeds, np.clip(extra, 0, attempts - 1))

    # Results -------------------------------------------------------------------------------------

    def _delivered(
        self, envs: np.ndarray, observation: Any, reward: Any, terminated: Any, truncated: Any,
        info: Any,
    ) -> None:  # fmt: skip
        self.tally.env_steps += len(envs)
        if self.mode == "SameStep":
            info = self._without_finals(envs, info)
        outcome = self.model.outcome(envs), reward, terminated, truncated
        self._compare(envs, observation, info, outcome)
        self.checker.masks(info, np.ones(len(envs), bool))

    def _compare(self, envs: np.ndarray, observation: Any, info: Any, outcome: Any = None) -> None:
        shown = self.model.shown(envs)
        self.checker.rows(shown, observation, info, outcome)
        self.holdings.offer(shown, observation, info)

    def _without_finals(self, envs: np.ndarray, info: Any) -> Any:
        """Compare the terminal rows; return the info without them."""
        groups = info if len(self.names) > 1 else {self.names[0]: info}
        rest = {
            name: {key: value for key, value in own.items() if key not in FINALS}
            for name, own in groups.items()
        }
        done = self.model.done[envs]
        rows = np.repeat(done, self.agents)
        finals = {
            name: {key: own[key] for key in FINALS if key in own} for name, own in groups.items()
        }
        if any(("final_obs" in own) != done.any() for own in finals.values()):
            self.tally.wrong_outcomes += int(done.sum()) + 1
        elif done.any():
            self._finals(envs[done], rows, finals)
        return rest if len(self.names) > 1 else rest[self.names[0]]

    def _finals(self, envs: np.ndarray, rows: np.ndarray, finals: dict[str, Any]) -> None:
        observation, info = {}, {}
        for name, own in finals.items():
            masks = [own["_final_obs"], own["_final_info"]]
            masks += [own["final_info"][key] for key in own["final_info"] if key.startswith("_")]
            self.tally.wrong_outcomes += sum(not np.array_equal(mask, rows) for mask in masks)
            observation[name], info[name] = own["final_obs"], own["final_info"]
        if len(self.names) == 1:
            observation, info = observation[self.names[0]], info[self.names[0]]
        shown = self.model.finals(envs)
        self.checker.rows(shown, chosen_rows(observation, rows), chosen_rows(info, rows))
        self.holdings.offer(shown, observation, info, rows)

    # Lanes ---------------------------------------------------------------------------------------

    def envs_of(self, lanes: np.ndarray) -> np.ndarray:
        """Worlds of these lanes, in their order."""
        return (lanes[:, None] * self.envs_per_lane + np.arange(self.envs_per_lane)).reshape(-1)

    def lanes_with(self, envs: np.ndarray) -> np.ndarray:
        """Lanes of which any world is set in the bool array `envs`, as a bool array."""
        return envs.reshape(self.num_lanes, self.envs_per_lane).any(axis=1)

    def end(self) -> None:
        """Receive what is pending, and make sure that nothing more would come."""
        self.drain()
        try:
            batch = self.env.recv(timeout_s=0.0)
        except SpecError:
            pass
        else:
            self.tally.repeated += len(batch.env_ids)
        stats = self.env.stats()
        self.tally.superseded += stats["superseded"]
        self.tally.copied += stats["copied_batches"]
