"""`uerl-shm shm-init`: looks at a Pod's /dev/shm before anybody needs it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated

import typer

from uerl_shm.cli.output import bytes_text, plural, say, warn


def shm_init(
    num_bytes: Annotated[
        int, typer.Option("--bytes", min=1, help="For segments: free, or living ones' already.")
    ],
    group: Annotated[
        int | None,
        typer.Option("--group", min=0, metavar="GID", help="Whose members make and map segments."),
    ] = None,
) -> None:
    """Check that /dev/shm can hold a training's segments, and remove dead ones.

    Examples:
        uerl-shm shm-init --bytes 24000000
        uerl-shm shm-init --bytes 24000000 --group 3000

    The first container of a Pod: what is wrong stops the Pod here, with one line, and not a
    simulator later. It makes nothing: the learner makes the segment. It may run again, also while a
    learner lives: what living segments take was asked for, too. Exit code 0: fit; 2: the line says
    what is wrong and what to do.
    """
    from uerl_shm.segment import SHM_DIRECTORY, clean_segments, list_segments

    check_mount(SHM_DIRECTORY, Path("/proc/self/mountinfo"))
    check_access(SHM_DIRECTORY, group)
    removed = clean_segments()
    if removed:
        freed = bytes_text(sum(segment.num_bytes for segment in removed))
        say(f"removed {plural(len(removed), 'dead segment')}, {freed}")
    living_bytes = sum(each.num_bytes for each in list_segments() if each.state == "alive")
    check_room(SHM_DIRECTORY, num_bytes, living_bytes)
    in_use = f", {bytes_text(living_bytes)} of it in use" if living_bytes else ""
    say(f"{SHM_DIRECTORY} is fit: {bytes_text(num_bytes)} and more are there{in_use}")


def check_mount(folder: Path, mountinfo: Path) -> None:
    """Check that memory is mounted there, and warn of a mount that other containers may not share.

    Args:
        folder: /dev/shm.
        mountinfo: As proc(5) describes it.

    Raises:
        SegmentError: No tmpfs is mounted there.
    """
    from uerl_shm.errors import SegmentError

    kind, source = mount_of(folder, mountinfo)
    if kind != "tmpfs":
        raise SegmentError(
            f"{folder} is {kind or 'no mount of its own'}, expected tmpfs: mount an emptyDir with "
            "medium: Memory there, the same in every container of the Pod"
        )
    if source == "shm":  # as container runtimes name what they mount; a kubelet's is named tmpfs
        warn(
            f"uerl-shm: {folder} is the container runtime's own: a container that mounts another "
            "one there would not see the segment"
        )


def mount_of(folder: Path, mountinfo: Path) -> tuple[str, str]:
    """Return type and source of what is mounted at a folder; both empty if nothing is."""
    found = "", ""
    for line in mountinfo.read_text().splitlines():
        about, _, rest = line.partition(" - ")
        if about.split()[4] == str(folder):
            kind, source = rest.split()[:2]
            found = kind, source  # the last mount is the one on top
    return found


def check_access(folder: Path, group: int | None) -> None:
    """Check that this process, and members of the group, may make files there.

    Raises:
        SegmentError: They may not.
    """
    from uerl_shm.errors import SegmentError

    status = folder.stat()
    mode = stat.S_IMODE(status.st_mode)
    found = f"{folder} has mode {mode:04o}, uid {status.st_uid}, gid {status.st_gid}"
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SegmentError(
            f"{found}, expected one that uid {os.geteuid()} may write to: set fsGroup of the Pod, "
            "and mount it without readOnly"
        )
    if group is None:
        return
    if group not in {os.getegid(), *os.getgroups()}:
        raise SegmentError(
            f"this process is in groups {sorted({os.getegid(), *os.getgroups()})}, expected "
            f"{group} among them: set runAsGroup or supplementalGroups of the Pod"
        )
    bits = stat.S_IWGRP | stat.S_IXGRP if status.st_gid == group else stat.S_IWOTH | stat.S_IXOTH
    if mode & bits != bits:
        raise SegmentError(
            f"{found}, expected one that group {group} may write to: set fsGroup: {group} of the "
            "Pod"
        )


def check_room(folder: Path, num_bytes: int, living_bytes: int) -> None:
    """Check that so much is free, or taken by living segments.

    Args:
        folder: /dev/shm.
        num_bytes: For all segments.
        living_bytes: Of those that a learner has: they are among the former.

    Raises:
        SegmentFull: It is not.
    """
    from uerl_shm.cli.doctor_memory import MORE_ROOM
    from uerl_shm.errors import SegmentFull

    mount = os.statvfs(folder)
    if mount.f_blocks == 0:  # no limit of its own
        return
    size, free = mount.f_blocks * mount.f_frsize, mount.f_bavail * mount.f_frsize
    if free + living_bytes < num_bytes:
        needed = bytes_text(num_bytes - living_bytes)
        raise SegmentFull(
            f"{folder} has {bytes_text(free)} free of {bytes_text(size)}, expected {needed} free: "
            f"{MORE_ROOM}"
        )
