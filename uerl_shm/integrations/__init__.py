"""Other people's interfaces over a `VecEnv`; each module alone imports its framework."""
