"""Ways to drive a session: in step, whoever is ready, everything mixed, rollouts."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.session import Session

MAX_TIMEOUT_S = 200e-6  # of a wait that is meant to be too short now and then


def sync(session: Session, num_steps: int) -> None:
    """step() of all envs; partial and whole resets between."""
    session.reset()
    while session.tally.env_steps < num_steps:
        session.step()
        _reset_between(session)


def asynchronous(session: Session, num_steps: int) -> None:
    """Whoever is ready gets its next action at once."""
    session.reset()
    while session.tally.env_steps < num_steps:
        idle = _free_lanes(session)
        if idle.any():
            session.send(np.flatnonzero(idle))
        elif not session.pending.any():
            session.reset(session.model.done)
        if session.pending.any():
            session.receive(*_least_and_most(session))


def mixed(session: Session, num_steps: int) -> None:
    """step, send, recv and resets in any order that is allowed."""
    _mixed(session, num_steps, impatient=False)


def timeouts(session: Session, num_steps: int) -> None:
    """As mixed, with waits that are too short: each is repeated until it succeeds."""
    _mixed(session, num_steps, impatient=True)


def _mixed(session: Session, num_steps: int, impatient: bool) -> None:
    rng = session.rng
    session.reset()
    while session.tally.env_steps < num_steps:
        choice = rng.random()
        if choice < 0.02:
            _superseding_reset(session)
        elif not session.pending.any() and (choice < 0.3 or session.model.done.all()):
            _reset_between(session)
            session.step()
        elif choice < 0.6 and (free := np.flatnonzero(_free_lanes(session))).size:
            session.send(rng.permutation(free)[: int(rng.integers(1, len(free) + 1))])
        elif session.pending.any():
            wait_s = float(rng.uniform(0, MAX_TIMEOUT_S)) if impatient else None
            session.receive(*_least_and_most(session), wait_s)


def rollouts(session: Session, num_steps: int) -> None:
    """Rollouts as long as the slots allow; some are held beyond the next ones."""
    session.reset()
    while session.tally.env_steps < num_steps:
        _rollout(session)
        _reset_between(session)


def _reset_between(session: Session) -> None:
    """Reset what has ended (DISABLED), and now and then some or all worlds."""
    if session.mode == "Disabled" and session.model.done.any():
        session.reset(session.model.done)
    choice = session.rng.random()
    if choice < 0.005:
        session.reset()
    elif choice < 0.02:
        mask = session.rng.random(session.num_envs) < session.rng.random()
        if mask.any():
            session.reset(mask)


def _superseding_reset(session: Session) -> None:
    """Every pending world must be among those that are reset."""
    mask = session.lanes_with(session.pending).repeat(session.envs_per_lane)
    mask |= session.rng.random(session.num_envs) < session.rng.random() * 0.5
    if mask.any():
        session.reset(mask)


def _free_lanes(session: Session) -> np.ndarray:
    """Lanes that may be sent a step, as a bool array."""
    busy = session.pending
    if session.mode == "Disabled":
        busy = busy | session.model.done
    return ~session.lanes_with(busy)


def _least_and_most(session: Session) -> tuple[int | None, int | None]:
    """What to ask recv() for, in lanes."""
    pending = int(session.lanes_with(session.pending).sum())
    if session.rng.random() < 0.2:
        return None, None
    least = int(session.rng.integers(1, pending + 1))
    if session.rng.random() < 0.3:
        return least, None
    return least, int(session.rng.integers(least, pending + 1))


def _rollout(session: Session) -> None:
    env, model, tally = session.env, session.model, session.tally
    before, actions, outcomes, fresh = [], [], [], []
    with env.rollout(int(session.rng.integers(1, session.max_rollout_steps + 1))) as rollout:
        for _ in range(rollout.num_steps):
            before.append(model.shown(session.all))
            actions.append(session.step())
            outcomes.append(model.outcome(session.all))
            fresh.append(model.fresh.copy())
            if session.mode == "Disabled" and model.done.any():
                break
    tally.wrong_outcomes += rollout.num_steps != len(before)
    session.checker.rows(model.shown(session.all), rollout.next_observation, None)
    for t, shown in enumerate(before):
        observation = _at(rollout.observation, t)
        came = (_at(part, t) for part in (rollout.reward, rollout.terminated, rollout.truncated))
        session.checker.rows(shown, observation, None, (outcomes[t], *came))
        session.holdings.offer(shown, observation, None)
        tally.shifted += not _same_actions(_at(rollout.action, t), actions[t])
        session.checker.flags(_at(rollout.valid, t), ~fresh[t])


def _at(tree: Any, step: int) -> Any:
    if isinstance(tree, dict):
        return {key: _at(value, step) for key, value in tree.items()}
    return tree[step]


def _same_actions(found: Any, sent: Any) -> bool:
    if isinstance(sent, dict):
        return all(_same_actions(found[name], sent[name]) for name in sent)
    return np.array_equal(np.asarray(found), sent)
