"""A policy for whatever a spec names: an eye for each observation array, a hand for each action.

An eye turns rows of its array into rows of numbers. A hand turns rows of parameters into
distributions, and what is drawn from them into the array that a simulator expects.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import math
import os
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal

from uerl_shm import ArraySpec, EnvSpec, GroupSpec, SpecError

MODEL = "policy:Policy"  # the network of a checkpoint that names none
SMALLEST_PICTURE = 16  # pixels; arrays with shorter sides are not seen by convolutions


def layer(module: Any, gain: float = math.sqrt(2)) -> Any:
    """Begin with orthogonal weights."""
    nn.init.orthogonal_(module.weight, gain)
    nn.init.zeros_(module.bias)
    return module


def torch_dtype(spec: ArraySpec) -> torch.dtype:
    return torch.from_numpy(np.empty(0, spec.dtype)).dtype


# Eyes ---------------------------------------------------------------------------------------------


def make_eye(spec: ArraySpec, hidden: int) -> tuple[nn.Module, int]:
    """Return an eye for an array, and how many numbers it makes of a row."""
    if spec.nvec is not None:
        one_hot = OneHot(spec)
        return one_hot, one_hot.width
    if len(spec.shape) in (2, 3) and min(spec.shape[:2]) >= SMALLEST_PICTURE:
        picture = Picture(*(*spec.shape, 1)[:3])
        return nn.Sequential(Scale(spec), picture), picture.width
    linear = layer(nn.Linear(math.prod(spec.shape), hidden))
    return nn.Sequential(Scale(spec), Flat(), linear, nn.Tanh()), hidden


class Flat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), -1)


class Scale(nn.Module):
    """Brings numbers to about [-1, 1]: by their bounds, else by the mean and spread seen so far."""

    def __init__(self, spec: ArraySpec) -> None:
        super().__init__()
        low, high = (torch.as_tensor(bound.astype(np.float64)) for bound in spec.bounds())
        self.bounded = bool((high - low).max() < 1e6)
        mean, spread = (low + high) / 2, ((high - low) / 2).clamp(min=1e-6)
        if not self.bounded:
            mean, spread = torch.zeros(spec.shape), torch.ones(spec.shape)
        self.register_buffer("count", torch.tensor(0.0))
        self.register_buffer("mean", mean.float())
        self.register_buffer("spread", spread.float())

    def forward(self, x: Tensor) -> Tensor:
        scaled = (x.float() - self.mean) / self.spread
        return scaled if self.bounded else scaled.clamp(-10.0, 10.0)

    def see(self, x: Tensor) -> None:
        """Add rows to mean and spread."""
        if self.bounded or len(x) == 0:
            return
        x, share = x.float(), len(x) / (self.count + len(x))
        step = x.mean(0) - self.mean
        variance = self.spread**2 * (1 - share) + x.var(0, correction=0) * share
        self.spread.copy_((variance + step**2 * share * (1 - share)).sqrt().clamp(min=1e-4))
        self.mean.add_(step * share)
        self.count.add_(len(x))


class OneHot(nn.Module):
    """Turns whole numbers into ones among zeros."""

    def __init__(self, spec: ArraySpec) -> None:
        super().__init__()
        low = torch.as_tensor(np.broadcast_to(spec.bounds()[0], spec.shape).astype(np.int64))
        counts = torch.tensor(spec.nvec).flatten()
        self.width = int(counts.sum())
        self.register_buffer("shift", counts.cumsum(0) - counts - low.flatten())

    def forward(self, x: Tensor) -> Tensor:
        places = x.reshape(len(x), -1).long() + self.shift
        return torch.zeros(len(x), self.width).scatter_(1, places, 1.0)


class Picture(nn.Module):
    """Convolutions that shrink a picture (rows, height, width, channels) to at most 5 x 5."""

    def __init__(self, height: int, width: int, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        depth, kernel, stride = 16, 8, 4
        while max(height, width) > 5 and min(height, width) >= kernel:
            layers += [layer(nn.Conv2d(channels, depth, kernel, stride)), nn.ReLU()]
            height, width = (height - kernel) // stride + 1, (width - kernel) // stride + 1
            channels, depth, kernel, stride = depth, min(2 * depth, 64), 3, 2
        self.layers = nn.Sequential(*layers)
        self.width = channels * height * width

    def forward(self, x: Tensor) -> Tensor:
        x = x if x.dim() == 4 else x.unsqueeze(-1)
        return self.layers(x.permute(0, 3, 1, 2)).flatten(1)


# Hands --------------------------------------------------------------------------------------------


def make_hand(spec: ArraySpec) -> Numbers | Choices:
    """Return a hand for an action array."""
    return Numbers(spec) if spec.kind == "box" else Choices(spec)


class Numbers(nn.Module):
    """A box: one normal distribution for each entry, clipped to the bounds if there are any."""

    def __init__(self, spec: ArraySpec) -> None:
        super().__init__()
        self.spec = spec
        self.width = math.prod(spec.shape)
        self.columns = [self.width]
        self.counts = None
        self.log_std = nn.Parameter(torch.full((self.width,), -0.5))
        low, high = (torch.as_tensor(bound.astype(np.float64)) for bound in spec.bounds())
        self.bounded = bool((high - low).isfinite().all())
        self.low, self.half, self.dtype = low, (high - low) / 2, torch_dtype(spec)

    def distributions(self, parameters: Tensor) -> list[Any]:
        return [Normal(parameters, self.log_std.exp(), validate_args=False)]

    def action(self, choice: Tensor) -> Tensor:
        """Return rows of the array: -1 and 1 stand for the bounds."""
        action = choice.reshape(-1, *self.spec.shape)
        if self.bounded:
            action = self.low + (action.clamp(-1.0, 1.0) + 1.0) * self.half
        return (action if self.dtype.is_floating_point else action.round()).to(self.dtype)


class Choices(nn.Module):
    """Discrete, multi-discrete or multi-binary: one categorical distribution for each entry."""

    def __init__(self, spec: ArraySpec) -> None:
        super().__init__()
        low, high = (np.broadcast_to(bound, spec.shape).reshape(-1) for bound in spec.bounds())
        self.spec = spec
        self.low, self.dtype = torch.as_tensor(low.astype(np.int64)), torch_dtype(spec)
        self.counts = (high.astype(np.int64) - low + 1).tolist()
        self.width = sum(self.counts)
        self.columns = [1] * len(self.counts)

    def distributions(self, parameters: Tensor) -> list[Any]:
        split = parameters.split(self.counts, dim=1)
        return [Categorical(logits=logits, validate_args=False) for logits in split]

    def action(self, choice: Tensor) -> Tensor:
        """Return rows of the array: entries counted from its smallest values."""
        action = choice.long() + self.low
        return action.reshape(-1, *self.spec.shape).to(self.dtype)


# The policy ---------------------------------------------------------------------------------------


class Policy(nn.Module):
    """What to do and what to expect of it: eyes, one hidden layer, hands, and a value.

    A choice is a row of float32: what was drawn, before bounds and dtypes. Probabilities are those
    of choices, so that clipping an action does not falsify them. Observations are arrays
    ``[rows, ...]``, or dicts of them.
    """

    def __init__(self, group: GroupSpec, hidden: int) -> None:
        super().__init__()
        self.observed, self.acted = list(group.observation), list(group.action)
        eyes = [make_eye(spec, hidden) for spec in group.observation.values()]
        self.eyes = nn.ModuleList(eye for eye, _ in eyes)
        self.body = nn.Sequential(layer(nn.Linear(sum(n for _, n in eyes), hidden)), nn.ReLU())
        self.hands = nn.ModuleList(make_hand(spec) for spec in group.action.values())
        self.head = layer(nn.Linear(hidden, sum(hand.width for hand in self.hands)), 0.01)
        self.value = layer(nn.Linear(hidden, 1), 1.0)

    def forward(self, observation: Any) -> tuple[Tensor, Tensor]:
        """Return parameters of distributions, ``(rows, width)``, and values, ``(rows,)``."""
        arrays = self._arrays(observation)
        seen = [eye(array) for eye, array in zip(self.eyes, arrays, strict=True)]
        features = self.body(torch.cat(seen, 1))
        return self.head(features), self.value(features).squeeze(1)

    def distributions(self, parameters: Tensor) -> list[Any]:
        """Return what to draw from, in the order of a choice's columns."""
        parts = parameters.split([hand.width for hand in self.hands], 1)
        pairs = zip(self.hands, parts, strict=True)
        return [entry for hand, part in pairs for entry in hand.distributions(part)]

    def _arrays(self, observation: Any) -> list[Tensor]:
        many = isinstance(observation, dict)
        return [observation[name] for name in self.observed] if many else [observation]

    def draw(self, distributions: list[Any], greedy: bool = False) -> Tensor:
        """Return choices, shape ``(rows, columns)``: drawn, or the most likely ones."""
        drawn = [d.mode if greedy else d.sample() for d in distributions]
        return torch.cat([entries.float().reshape(len(entries), -1) for entries in drawn], 1)

    def log_prob(self, distributions: list[Any], choice: Tensor) -> Tensor:
        """Return logarithms of probabilities, shape ``(rows,)``."""
        parts = choice.split([columns for hand in self.hands for columns in hand.columns], 1)
        pairs = zip(distributions, parts, strict=True)
        each = [d.log_prob(part.reshape(d.batch_shape)) for d, part in pairs]
        return torch.stack([part.reshape(len(choice), -1).sum(1) for part in each]).sum(0)

    def entropy(self, distributions: list[Any]) -> Tensor:
        """Return how undecided the distributions are, shape ``(rows,)``."""
        each = [d.entropy() for d in distributions]
        return torch.stack([part.reshape(len(part), -1).sum(1) for part in each]).sum(0)

    def action(self, choice: Tensor) -> Any:
        """Return what `VecEnv.step` expects."""
        parts = choice.split([sum(hand.columns) for hand in self.hands], 1)
        actions = [hand.action(part) for hand, part in zip(self.hands, parts, strict=True)]
        return actions[0] if len(actions) == 1 else dict(zip(self.acted, actions, strict=True))

    @torch.no_grad()
    def act(self, observation: Any, greedy: bool = True) -> Any:
        """Return actions, for whoever only plays."""
        parameters, _ = self(observation)
        return self.action(self.draw(self.distributions(parameters), greedy))

    @torch.no_grad()
    def see(self, observation: Any) -> None:
        """Let the eyes for numbers without bounds learn their mean and spread."""
        for eye, array in zip(self.eyes, self._arrays(observation), strict=True):
            for part in eye.modules():
                if isinstance(part, Scale):
                    part.see(array)


def rows_of(observation: Any, index: Any) -> Any:
    """Index an array, or every array of a dict."""
    if isinstance(observation, dict):
        return {name: array[index] for name, array in observation.items()}
    return observation[index]


def make_policy(group: GroupSpec, hidden: int | None, model: str = MODEL) -> Any:
    """Return a network for a group.

    Args:
        group: The arrays that it sees and sets.
        hidden: Width of its layers; None is not passed on.
        model: Its class, ``module:Class``, or with further arguments ``module:Class(depth=3)``. The
            module is imported as Python imports any, from the current folder too. A class derived
            from `Policy` needs a `forward` of its own only.
    """
    found, options = find_class(model)
    options |= {} if hidden is None else {"hidden": hidden}
    try:
        inspect.signature(found).bind(group, **options)
    except TypeError as error:
        raise SpecError(f"model {model!r}: {error}, expected those of its class") from None
    return found(group, **options)


def find_class(model: str) -> tuple[type[nn.Module], dict[str, Any]]:
    """Return the class that a text names, and the arguments that it says."""
    expected = "expected module:Class, or module:Class(name=value), on Python's path"
    parts = re.fullmatch(r"([\w.]+):(\w+)(?:\((.*)\))?", model)
    if parts is None:
        raise SpecError(f"model {model!r}, {expected}")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        said: Any = ast.parse(f"dict({parts[3] or ''})", mode="eval").body
        options = {str(part.arg): ast.literal_eval(part.value) for part in said.keywords}
        found = getattr(importlib.import_module(parts[1]), parts[2])
    except (SyntaxError, ValueError, ImportError, AttributeError) as error:
        raise SpecError(f"model {model!r} ({error}), {expected}") from None
    if said.args or not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise SpecError(f"model {model!r}, expected a class derived from nn.Module, and names")
    return found, options


def save_policy(
    path: Path, policy: Any, hidden: int, spec: EnvSpec, simulator: str, model: str = MODEL
) -> None:
    """Write a policy with what is needed to make it (see `make_policy`) and to play it."""
    data = {"spec": spec.to_json(), "hidden": hidden, "simulator": simulator, "model": model}
    torch.save({**data, "policy": policy.state_dict()}, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return what a file holds: numbers and texts, for nothing in it is run."""
    try:
        data = torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SpecError(f"{path} ({reason}), expected a file that save_policy wrote") from None
    if not isinstance(data, dict):
        raise SpecError(f"{path} has a {type(data).__name__}, expected what save_policy wrote")
    return data


def load_weights(path: Path, policy: Any, weights: Any) -> None:
    """Give a network its weights."""
    try:
        policy.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise SpecError(f"weights of {path}: {reason}; expected those of this model") from None


def load_policy(path: Path) -> tuple[Any, EnvSpec, str]:
    """Return a policy, the spec it was trained for, and the command line of its simulator.

    Args:
        path: A policy.pt or a checkpoint.pt of train_ppo.py.
    """
    data = load_checkpoint(path)
    if isinstance(args := data.get("args"), dict):  # checkpoint.pt: the options of its run
        data = {**args, "simulator": args["simulator"] or f"uerl-sim {args['scene']}", **data}
    missing = [name for name in ("spec", "hidden", "simulator", "policy") if name not in data]
    if missing:
        raise SpecError(f"{path} has no {missing[0]!r}, expected what save_policy wrote")
    spec = EnvSpec.from_json(data["spec"])
    policy = make_policy(spec.groups[0], data["hidden"], data.get("model", MODEL))
    load_weights(path, policy, data["policy"])
    return policy, spec, data["simulator"]
