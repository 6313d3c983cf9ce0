"""`uerl-shm k8s`: manifests for Kubernetes, with sizes that fit the spec."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uerl_shm.cli.output import bytes_text, say, warn

if TYPE_CHECKING:
    from uerl_shm.k8s import Training

HELP = """Manifests for Kubernetes, with sizes that fit the spec.

Examples:
    uerl-shm k8s render --help
"""


def render(
    num_sims: Annotated[
        int, typer.Option("--sims", min=1, help="Simulators in each Pod, one world each.")
    ],
    simulator: Annotated[
        str,
        typer.Option(
            "--simulator", metavar="CMD", help="Command line of one, as its image has it."
        ),
    ],
    spec: Annotated[
        Path | None,
        typer.Option("--spec", metavar="FILE", help="Its spec; default: CMD is asked, here."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Write a kustomize tree there."),
    ] = None,
    num_steps: Annotated[
        int, typer.Option("--num-steps", min=1, help="Steps of a rollout; the segment holds two.")
    ] = 128,
    num_pods: Annotated[
        int, typer.Option("--pods", min=1, help="Pods with simulators, on Ray.")
    ] = 2,
    simulator_mib: Annotated[
        int, typer.Option("--simulator-mib", min=1, help="Memory of one simulator.")
    ] = 256,
    learner_mib: Annotated[
        int, typer.Option("--learner-mib", min=1, help="Memory of the learner, without segment.")
    ] = 2048,
) -> None:
    """Write the manifests of a training: a Job, Ray's variants, a game's server with clients.

    Examples:
        uerl-shm k8s render --sims 16 --simulator "/game/MyGame.sh -nullrhi" --spec spec.json -o k8s
        uerl-shm k8s render --sims 8 --simulator "uerl-sim apples" | kubectl apply -f -

    /dev/shm and memory limits are computed from the spec, as a learner computes its segment: room
    for two, since a learner that takes over from a dead one makes its own before the old one goes.
    Without -o the training in one Pod is printed. With it, FOLDER also gets random passwords for
    k8s/storage, unless they are there.
    """
    from uerl_shm import k8s
    from uerl_shm.launcher import describe
    from uerl_shm.spec import EnvSpec

    found = describe(simulator) if spec is None else EnvSpec.load(spec)
    training = k8s.Training(
        found, simulator, num_sims, num_steps, num_pods, simulator_mib, learner_mib
    )
    if output is None:
        print(k8s.stream(training), end="")
        return
    for name, text in k8s.render(training).items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    make_credentials(output / "storage")
    _tell(training, output)


def _tell(training: Training, output: Path) -> None:
    size = bytes_text(training.segment_bytes(training.num_sims))
    say(f"wrote {output}  {training.num_sims} simulators in a Pod, segment of {size}")
    say(f"kubectl apply -k {output / 'base'}")


def make_credentials(folder: Path) -> None:
    """Write random passwords that only this user can read; old ones stay."""
    user, password = "uerl-shm", secrets.token_urlsafe(32)
    files = {
        "minio-root.env": {
            "MINIO_ROOT_USER": f"root-{secrets.token_hex(4)}",
            "MINIO_ROOT_PASSWORD": secrets.token_urlsafe(32),
        },
        "storage-credentials.env": {
            "BUCKET": "uerl-shm",
            "RCLONE_CONFIG_STORAGE_TYPE": "s3",
            "RCLONE_CONFIG_STORAGE_PROVIDER": "Minio",
            "RCLONE_CONFIG_STORAGE_ENDPOINT": "http://minio:9000",
            "RCLONE_CONFIG_STORAGE_ACCESS_KEY_ID": user,
            "RCLONE_CONFIG_STORAGE_SECRET_ACCESS_KEY": password,
        },
    }
    for name, values in files.items():
        try:
            fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            warn(f"kept {folder / name}")
            continue
        with os.fdopen(fd, "w") as file:
            file.writelines(f"{key}={value}\n" for key, value in values.items())
