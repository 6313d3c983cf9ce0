"""Simulators as processes: how they start, what they are given, how they end. All are real."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from processes import FAMILY_SIZE, ended, eventually, family, is_alive, log, pids_in, script
from uerl_shm import launcher_process
from uerl_shm.errors import SimulatorLost, SimulatorNotFound, UerlError
from uerl_shm.launcher import Launcher


def test_simulator_is_given_name_lane_and_environment(launch, launched):
    show = script(launched / "show", 'echo "$UERL_SHM_NAME $UERL_SHM_LANE $X $1"; exit 1')
    launcher = launch([show, "{name}/{lane}"], 2, environ={"X": "yes"})
    launcher.start(0)
    launcher.start(1)
    ended(launcher, 0), ended(launcher, 1)
    assert log(launcher, 0) == "train 0 yes train/0\n"
    assert log(launcher, 1) == "train 1 yes train/1\n"


def test_simulator_has_an_empty_input_one_log_and_no_other_file(launch, launched):
    leaked = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leaked, True)
    try:
        text = "cat; echo to-error >&2; ls /proc/self/fd | tr '\\n' ' '; exit 1"
        launcher = launch(script(launched / "show", text))
        launcher.start(0)
        ended(launcher)
    finally:
        os.close(leaked)
    assert log(launcher) == "to-error\n0 1 2 3 "  # 3 is the folder that ls reads


def test_simulator_starts_in_its_folder(launch, launched):
    launcher = launch(["sh", "-c", "pwd; exit 1"], cwd=launched)
    launcher.start(0)
    ended(launcher)
    assert log(launcher) == f"{launched}\n"


def test_folder_that_does_not_exist_is_an_error_that_names_it(launch):
    launcher = launch("sleep 100", cwd="/no/such")
    with pytest.raises(SimulatorLost, match="cwd '/no/such' is no folder, expected one"):
        launcher.start(0)


def test_missing_command_is_an_error_before_anything_starts(launch):
    with pytest.raises(SimulatorNotFound, match="'no-such-game' does not exist"):
        launch("no-such-game", 4)


def test_file_that_the_kernel_cannot_run_is_an_error_that_says_so(launch, launched):
    path = Path(script(launched / "game", ""))
    path.write_bytes(b"\x7fELF" + b"\0" * 60)
    launcher = launch(str(path))
    with pytest.raises(SimulatorLost, match=r"game could not be run, .*: Exec format error"):
        launcher.start(0)
    assert launcher.poll(0) is None
    assert launcher.pid(0) is None


def test_missing_uerl_launch_is_an_error_that_says_what_to_do(launch, monkeypatch):
    monkeypatch.setattr(launcher_process, "UERL_LAUNCH", "/no/uerl-launch")
    launcher = launch("sleep 100")
    with pytest.raises(UerlError, match="uerl-launch is missing, expected /no/uerl-launch: run"):
        launcher.start(0)


@pytest.mark.parametrize(
    ("text", "said", "returncode"),
    [
        ("exit 0", "exit code 0", 0),
        ("exit 3", "exit code 3", 3),
        ("kill -KILL $$", "signal 9 (SIGKILL)", -9),
        ("kill -SEGV $$", "signal 11 (SIGSEGV)", -11),
        ("sh -c 'kill -KILL $$'; exit $?", "exit code 137 (a shell's word for SIGKILL)", 137),
        ("exit 255", "exit code 255", 255),
    ],
)
def test_exit_status_says_how_the_simulator_ended(launch, launched, text, said, returncode):
    launcher = launch(script(launched / "end", text))
    launcher.start(0)
    assert str(ended(launcher)) == said
    assert ended(launcher).returncode == returncode


def test_report_of_a_simulator_that_ends_at_once_shows_its_last_lines_and_its_log(launch, launched):
    launcher = launch(script(launched / "game", "seq 30; echo no GPU >&2; exit 3"))
    launcher.start(0)
    ended(launcher)
    assert launcher.log_tail(0, lines=2) == "30\nno GPU"
    report = launcher.report(0, lines=2)
    assert report.startswith("simulator of lane 0 ended with exit code 3; command: /")
    assert f"log: {launcher.log_path(0)}; its last lines:\n30\nno GPU" in report


def test_report_of_a_silent_simulator_that_runs_says_so(launch):
    launcher = launch("sleep 100")
    launcher.start(0)
    report = launcher.report(0)
    assert f"runs as process {launcher.pid(0)}" in report
    assert report.endswith("it is empty")


def test_pid_is_that_of_the_simulator_itself(launch):
    launcher = launch("sleep 1000")
    launcher.start(0)
    command = Path(f"/proc/{launcher.pid(0)}/cmdline").read_bytes()
    assert command.endswith(b"sleep\x001000\0")
    assert launcher.command(0)[1:] == ["1000"]


def test_second_simulator_on_a_lane_is_refused(launch):
    launcher = launch("sleep 1000")
    launcher.start(0)
    with pytest.raises(UerlError, match=rf"lane 0 has a simulator \(process {launcher.pid(0)}\)"):
        launcher.start(0)


def test_restart_kills_the_old_simulator_and_goes_on_in_its_log(launch, launched):
    launcher = launch(script(launched / "game", "echo hello; exec sleep 1000"))
    launcher.start(0)
    old = launcher.pid(0)
    assert eventually(lambda: log(launcher))
    launcher.restart(0)
    assert not is_alive(old)
    assert is_alive(launcher.pid(0))
    assert eventually(lambda: log(launcher).count("hello") == 2)
    assert "hello\n--- started again: /" in log(launcher)


def test_log_of_an_earlier_learner_is_not_taken_for_this_one_s(launch, launched):
    game = script(launched / "game", "echo hello; exit 1")
    for _ in range(2):
        launcher = launch(game)
        launcher.start(0)
        ended(launcher)
        launcher.close()
    assert log(launcher) == "hello\n"


def test_kill_ends_grandchildren_also_those_that_left_the_session(launch, launched):
    game, pids = family(launched)
    launcher = launch(game)
    launcher.start(0)
    members = pids_in(pids, FAMILY_SIZE)
    assert all(map(is_alive, members))
    launcher.kill(0)
    assert not any(map(is_alive, members))
    assert str(launcher.poll(0)) == "signal 9 (SIGKILL)"


def test_simulator_that_ends_takes_what_it_started_with_it(launch, launched):
    pids = launched / "pids"
    launcher = launch(script(launched / "game", f"sleep 1000 & echo $! > {pids}; exit 7"))
    launcher.start(0)
    assert str(ended(launcher)) == "exit code 7"
    assert not is_alive(*pids_in(pids, 1))


def test_terminate_reaches_the_game_behind_a_script_and_lets_it_end_in_order(launch, launched):
    done, pids = launched / "done", launched / "pids"
    game = script(
        launched / "game",
        f"trap 'sleep 0.3; echo saved > {done}; exit 0' TERM; echo $$ > {pids}\n"
        "while true; do sleep 0.05; done",
    )
    launcher = launch(script(launched / "start.sh", f"{game}\nexit 1"))
    launcher.start(0)
    pids_in(pids, 1)
    launcher.terminate(0)
    assert str(ended(launcher)) == "signal 15 (SIGTERM)"
    assert done.read_text() == "saved\n"


def test_close_waits_for_a_simulator_that_is_about_to_end(launch, launched):
    launcher = launch(script(launched / "game", "trap 'exit 9' TERM; sleep 0.3; exit 4"))
    launcher.start(0)
    launcher.close(grace_s=30)
    assert str(launcher.poll(0)) == "exit code 4"


def test_close_asks_and_then_kills_and_is_bounded(launch, launched, monkeypatch):
    ready = launched / "ready"
    stubborn = f"trap 'echo asked' TERM; echo > {ready}; while true; do sleep 0.05; done"
    launcher = launch(script(launched / "game", stubborn))
    launcher.start(0)
    assert eventually(ready.exists)
    begin = time.monotonic()
    launcher.close(grace_s=0)
    assert 1.5 < time.monotonic() - begin < 60
    assert "asked" in log(launcher)
    assert str(launcher.poll(0)) == "signal 9 (SIGKILL)"


def test_close_may_be_called_again_and_nothing_starts_after_it(launch):
    launcher = launch("sleep 1000")
    launcher.start(0)
    launcher.close(0)
    launcher.close(0)
    assert not is_alive(launcher.pid(0))
    with pytest.raises(UerlError, match="launcher is closed, expected an open one"):
        launcher.start(0)


def test_interrupt_while_closing_kills_at_once(launch, launched, monkeypatch):
    launcher = launch(script(launched / "game", "trap '' TERM; sleep 1000"))
    launcher.start(0)
    wait = launcher_process.SimulatorProcess.wait

    def interrupted(process, timeout_s):
        monkeypatch.setattr(launcher_process.SimulatorProcess, "wait", wait)
        raise KeyboardInterrupt

    monkeypatch.setattr(launcher_process.SimulatorProcess, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        launcher.close(grace_s=1000)
    assert not is_alive(launcher.pid(0))


def test_launcher_that_nobody_holds_ends_its_simulators(launched):
    launcher = Launcher("sleep 1000", name="train", num_lanes=1)
    launcher.start(0)
    pid = launcher.pid(0)
    del launcher
    assert not is_alive(pid)


def test_simulators_outlive_the_thread_that_started_them(launch):
    launcher = launch("sleep 1000", 8)
    threads = [threading.Thread(target=launcher.start, args=(lane,)) for lane in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(0.3)
    pids = {launcher.pid(lane) for lane in range(8)}
    assert len(pids) == 8
    assert all(map(is_alive, pids))


def test_simulator_is_out_of_reach_of_ctrl_c_at_the_terminal(launch):
    launcher = launch("sleep 1000")
    launcher.start(0)
    assert os.getpgid(launcher.pid(0)) == launcher.pid(0)
    between = int(Path(f"/proc/{launcher.pid(0)}/stat").read_text().split()[3])
    assert os.getpgid(between) == between


def test_simulator_shares_the_learners_session_and_so_its_autogroup(launch):
    # A session of its own would be scheduled as a group of its own: docs/decisions/0002-waiting.md.
    launcher = launch("sleep 1000")
    launcher.start(0)
    assert os.getsid(launcher.pid(0)) == os.getsid(0)


def test_simulator_dies_when_uerl_launch_is_killed(launch):
    launcher = launch("sleep 1000")
    launcher.start(0)
    between = int(Path(f"/proc/{launcher.pid(0)}/stat").read_text().split()[3])
    os.kill(between, signal.SIGKILL)
    assert eventually(lambda: not is_alive(launcher.pid(0)))
    assert str(ended(launcher)) == "signal 9 (SIGKILL)"


def test_fifty_starts_and_closes_leave_no_file_descriptor_no_process_and_no_log(launch, launched):
    def state() -> tuple[int, set[str]]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return len(os.listdir("/proc/self/fd")), set(children)

    game = script(
        launched / "game", "trap 'exit 0' TERM; echo hello; while true; do sleep 0.01; done"
    )
    before = state()
    for _ in range(50):
        launcher = launch(game, 2)
        launcher.start(0)
        launcher.start(1)
        assert eventually(lambda launcher=launcher: log(launcher, 0) and log(launcher, 1))
        launcher.close(0)
    assert state() == before
    assert not launcher.log_path(0).parent.exists()


def test_log_is_kept_after_a_bad_end_and_in_a_folder_that_was_asked_for(launch, launched):
    bad = launch(script(launched / "bad", "echo hello; exit 1"))
    good = launch(script(launched / "good", "echo hello"), log_dir=launched / "logs")
    for launcher in (bad, good):
        launcher.start(0)
        launcher.close(10)
        assert log(launcher) == "hello\n"
    assert bad.log_path(0).parent.name == "train"
    assert good.log_path(0) == launched / "logs" / "lane-0.log"


def test_log_of_a_lane_that_was_started_again_is_kept(launch, launched):
    launcher = launch(script(launched / "game", "echo hello"))
    launcher.start(0)
    ended(launcher)
    launcher.start(0)
    launcher.close(10)
    assert log(launcher).count("hello") == 2
