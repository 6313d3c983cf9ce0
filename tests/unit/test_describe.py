"""Asking a simulator for its spec: what may go wrong, and when it is not asked again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from processes import FAMILY, FAMILY_SIZE, is_alive, pids_in, script
from uerl_shm import describe as describe_module
from uerl_shm import launcher_cache
from uerl_shm.errors import LayoutMismatch, SimulatorLost, SimulatorNotFound, SpecError, StepTimeout
from uerl_shm.launcher import describe
from uerl_shm.launcher_cache import SpecCache
from uerl_shm.spec import ArraySpec, EnvSpec

SPEC = EnvSpec.single({"camera": ArraySpec.image(8, 8, 3)}, {"move": ArraySpec.discrete(3)})
OTHER = EnvSpec.single({"camera": ArraySpec.image(9, 9, 3)}, {"move": ArraySpec.discrete(3)})


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Nothing is in memory from other tests."""
    monkeypatch.setattr(describe_module, "_cache", SpecCache())


class Game:
    """A simulator that writes a spec, and counts in another folder how often it was asked."""

    def __init__(self, folder: Path) -> None:
        self.calls = folder.parent / "calls"
        self.spec = folder.parent / "spec.json"
        self.path = folder / "Game.sh"
        SPEC.save(self.spec)
        self.write()

    def write(self, comment: str = "first") -> None:
        script(
            self.path,
            f'# {comment}\necho call >> {self.calls}\ncp {self.spec} "$UERL_SHM_DESCRIBE"',
        )

    def num_calls(self) -> int:
        return self.calls.read_text().count("call") if self.calls.exists() else 0

    def forget_memory(self, monkeypatch) -> None:
        monkeypatch.setattr(describe_module, "_cache", SpecCache())


@pytest.fixture
def game(launched) -> Game:
    return Game(launched)


def test_simulator_is_asked_by_a_file_name_and_is_given_no_segment(launched, monkeypatch):
    monkeypatch.setenv("UERL_SHM_NAME", "of another segment")
    seen = launched / "seen"
    SPEC.save(launched / "spec.json")
    text = (
        f'echo "[$UERL_SHM_NAME][$UERL_SHM_LANE][$X][$*]" > {seen}; pwd >> {seen}\n'
        'cp spec.json "$UERL_SHM_DESCRIBE"'
    )
    path = script(launched / "game", text)
    spec = describe([path, "{lane}", "-x"], environ={"X": "yes"}, cwd=launched)
    assert spec == SPEC
    assert seen.read_text() == f"[][][yes][0 -x]\n{launched}\n"


def test_nothing_is_left_of_the_files_that_it_was_asked_by(game, tmp_path):
    describe(str(game.path))
    assert not list(tmp_path.glob("uerl_shm-describe-*"))


def test_missing_simulator_is_an_error(launched):
    with pytest.raises(SimulatorNotFound, match="'no-such-game' does not exist"):
        describe("no-such-game")


def test_simulator_that_fails_is_an_error_with_its_last_lines(launched):
    path = script(launched / "game", "seq 30; echo no GPU; exit 3")
    with pytest.raises(SimulatorLost) as error:
        describe([path, "a b"])
    text = str(error.value)
    assert text.startswith(f"simulator {path} 'a b' ended with exit code 3 when it was asked for")
    assert text.endswith("its last lines:\n" + "\n".join(map(str, range(12, 31))) + "\nno GPU")


@pytest.mark.parametrize(
    "text",
    [
        "true",
        ': > "$UERL_SHM_DESCRIBE"',
        'ln -s /etc/hostname "$UERL_SHM_DESCRIBE"',
        'mkfifo "$UERL_SHM_DESCRIBE"',
        'mkdir "$UERL_SHM_DESCRIBE"',
    ],
)
def test_simulator_that_writes_no_spec_is_an_error_that_says_how_to_write_one(launched, text):
    path = script(launched / "game", text)
    with pytest.raises(SpecError, match="wrote no spec, expected one in the file that UERL_SHM_"):
        describe(path)


def test_wrong_spec_is_an_error_that_names_simulator_and_path_in_the_spec(launched):
    path = script(launched / "game", """echo '{"groups": [{}]}' > "$UERL_SHM_DESCRIBE" """)
    with pytest.raises(SpecError, match=r"game wrote a wrong spec: groups\[0\].observation is"):
        describe(path)


def test_spec_of_another_layout_is_a_mismatch(launched):
    path = script(launched / "game", """echo '{"layout": 9}' > "$UERL_SHM_DESCRIBE" """)
    with pytest.raises(LayoutMismatch, match="game wrote a wrong spec: spec has layout 9, this"):
        describe(path)


def test_spec_that_is_far_too_long_is_refused(launched):
    path = script(launched / "game", 'truncate -s 1T "$UERL_SHM_DESCRIBE"')
    with pytest.raises(SpecError, match="wrote a spec above 67108864 bytes"):
        describe(path)


def test_simulator_that_takes_too_long_is_killed_with_all_that_it_started(launched):
    pids = launched / "pids"
    path = script(launched / "game", "echo loading; " + FAMILY.format(pids=pids))
    with pytest.raises(StepTimeout, match=r"still ran after 1 s .*\nloading$") as error:
        describe(path, timeout_s=1)
    assert isinstance(error.value, TimeoutError)
    assert not any(map(is_alive, pids_in(pids, FAMILY_SIZE)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change to another user")
def test_another_user_can_be_asked(launched, readable, monkeypatch):
    SPEC.save(launched / "spec.json")
    text = (launched / "spec.json").read_text()
    argv = ["sh", "-c", f"""[ $(id -u) = 65534 ] && echo '{text}' > "$UERL_SHM_DESCRIBE" """]
    monkeypatch.setattr("tempfile.tempdir", str(readable))
    assert describe(argv, run_as_user="nobody") == SPEC


def test_simulator_is_asked_once_in_a_process_and_once_on_a_machine(game, monkeypatch):
    assert describe(str(game.path)) == SPEC
    assert describe(str(game.path)) == SPEC
    game.forget_memory(monkeypatch)
    assert describe(str(game.path)) == SPEC
    assert game.num_calls() == 1


def test_same_file_by_another_way_is_the_same_simulator(game, monkeypatch, launched):
    describe(str(game.path))
    describe("./Game.sh", cwd=launched, environ={"PATH": os.environ["PATH"]})
    assert game.num_calls() == 2  # the folder in which it starts may decide
    monkeypatch.chdir(launched)
    describe(str(game.path))
    describe("./Game.sh")
    assert game.num_calls() == 2


def change_contents(game: Game) -> None:
    game.write("other")


def touch(game: Game) -> None:
    os.utime(game.path)


def replace_by_one_of_the_same_size_and_times(game: Game) -> None:
    old = game.path.stat()
    game.path.rename(game.path.with_name("old"))
    game.write("third")
    os.utime(game.path, ns=(old.st_atime_ns, old.st_mtime_ns))
    game.path.with_name("old").unlink()
    assert game.path.stat().st_size == old.st_size


def write_in_place_and_set_the_times_back(game: Game) -> None:
    old = game.path.stat()
    game.write("third")
    os.utime(game.path, ns=(old.st_atime_ns, old.st_mtime_ns))


def change_a_file_beside(game: Game) -> None:
    binary = game.path.parent / "Game" / "Binaries" / "Linux" / "Game"
    binary.parent.mkdir(parents=True, exist_ok=True)
    binary.write_text("rebuilt")


@pytest.mark.parametrize(
    "change",
    [
        change_contents,
        touch,
        replace_by_one_of_the_same_size_and_times,
        write_in_place_and_set_the_times_back,
        change_a_file_beside,
    ],
)
def test_changed_simulator_is_asked_again(game, monkeypatch, change):
    assert describe(str(game.path)) == SPEC
    change(game)
    OTHER.save(game.spec)
    assert describe(str(game.path)) == OTHER
    game.forget_memory(monkeypatch)
    assert describe(str(game.path)) == OTHER
    assert game.num_calls() == 2


def test_logs_that_an_engine_writes_beside_itself_change_nothing(game):
    describe(str(game.path))
    saved = game.path.parent / "Game" / "Saved" / "Logs"
    saved.mkdir(parents=True)
    (saved / "Game.log").write_text("...")
    describe(str(game.path))
    assert game.num_calls() == 1


def test_other_arguments_environment_or_argument_files_are_asked_again(game, launched):
    config = launched.parent / "config.ini"
    config.write_text("1")
    path = str(game.path)
    for count, ask in enumerate(
        [
            lambda: describe([path, f"--config={config}"]),
            lambda: config.write_text("2") and describe([path, f"--config={config}"]),
            lambda: describe([path, str(config)]),
            lambda: config.write_text("3") and describe([path, str(config)]),
            lambda: describe([path, str(config), "-x"]),
            lambda: describe([path, str(config), "-x"], environ={"X": "1"}),
            lambda: describe([path, str(config), "-x"], environ={"X": "2"}),
        ],
        start=1,
    ):
        ask()
        assert game.num_calls() == count
    describe([path, str(config), "-x"], environ={"X": "2"})
    assert game.num_calls() == count


def test_packaged_project_is_asked_again_when_its_content_changes(launched, monkeypatch):
    binary = launched / "Game" / "Binaries" / "Linux" / "Game"
    pak = launched / "Game" / "Content" / "Paks" / "Game.pak"
    for path in (binary, pak):
        path.parent.mkdir(parents=True)
    pak.write_text("1")
    binary.write_bytes(b"\x7fELF")
    binary.chmod(0o755)
    calls = []
    monkeypatch.setattr(describe_module, "_ask", lambda *args: calls.append(args) or SPEC)
    monkeypatch.setattr(describe_module, "check_unreal_user", lambda *_: None)  # it is none
    describe(str(binary))
    describe(str(binary))
    assert len(calls) == 1
    pak.write_text("2")
    describe(str(binary))
    assert len(calls) == 2


@pytest.mark.parametrize("shebang", [True, False])
def test_python_simulator_is_asked_every_time_for_it_may_import_anything(
    launched, monkeypatch, shebang
):
    path = launched / "simulator.py"
    path.write_text(f"#!{sys.executable}\n")
    path.chmod(0o755)
    calls = []
    monkeypatch.setattr(describe_module, "_ask", lambda *args: calls.append(args) or SPEC)
    argv = [str(path)] if shebang else [sys.executable, str(path)]
    describe(argv)
    describe(argv)
    assert len(calls) == 2


def test_simulator_that_changes_while_it_is_asked_is_asked_again(game):
    SPEC.save(game.spec)
    script(
        game.path,
        f"echo call >> {game.calls}; echo >> {game.path.parent}/beside\n"
        f'cp {game.spec} "$UERL_SHM_DESCRIBE"',
    )
    describe(str(game.path))
    describe(str(game.path))
    assert game.num_calls() == 2


def cached_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "uerl_shm").iterdir())


@pytest.mark.parametrize("rubbish", [b"", b"{", b'{"groups": []}', b"\xff\x00", b'{"layout": 2}'])
def test_broken_cache_file_is_ignored_and_written_anew(game, tmp_path, monkeypatch, rubbish):
    describe(str(game.path))
    (file,) = cached_files(tmp_path)
    file.write_bytes(rubbish)
    game.forget_memory(monkeypatch)
    assert describe(str(game.path)) == SPEC
    assert game.num_calls() == 2
    assert cached_files(tmp_path) == [file]
    assert EnvSpec.load(file) == SPEC


def test_cache_that_cannot_be_written_is_done_without(game, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    assert describe(str(game.path)) == SPEC
    assert describe(str(game.path)) == SPEC
    assert game.num_calls() == 1


def test_cache_keeps_only_the_newest_specs(game, tmp_path, monkeypatch):
    monkeypatch.setattr(launcher_cache, "MAX_SPECS", 3)
    files = []
    for number in range(5):
        describe([str(game.path), str(number)])
        files += [file for file in cached_files(tmp_path) if file not in files]
    assert cached_files(tmp_path) == sorted(files[2:])


def test_failure_is_not_remembered(game):
    game.spec.write_text("{")
    with pytest.raises(SpecError):
        describe(str(game.path))
    SPEC.save(game.spec)
    assert describe(str(game.path)) == SPEC
