"""The smallest loop: eight simulators, random actions, the return of each episode that ends."""

import numpy as np

import uerl_shm

env = uerl_shm.VecEnv("uerl-sim apples", num_envs=8)  # or the command line of your own simulator
observation, info = env.reset(seed=0)
returns = np.zeros(env.num_envs)

for _ in range(1000):
    action = env.action_space.sample()  # your policy goes here
    observation, reward, terminated, truncated, info = env.step(action)
    returns += reward
    for row in np.flatnonzero(terminated | truncated):
        print(f"env {row}: return {returns[row]:g}")
        returns[row] = 0.0

env.close()
