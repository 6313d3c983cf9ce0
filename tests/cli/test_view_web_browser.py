"""What Chromium shows of `uerl-shm view --web`."""

from __future__ import annotations

import io
import subprocess
from contextlib import closing

import numpy as np
import pytest

import uerl_shm
from command_line import ENVIRONMENT, PROGRAM
from support import browser
from support.marker_simulator import BAR, BLUE, GREEN, GROUNDS, HEIGHT, RED, WIDTH, frame
from support.web_page import serving

pytest.importorskip("websocket", reason="driving Chromium needs websocket-client")
image = pytest.importorskip("PIL.Image", reason="reading PNGs needs pillow")
pytestmark = pytest.mark.skipif(
    browser.path() is None, reason="needs Chromium (Debian: apt-get install chromium)"
)


def patch(shot: np.ndarray, box: dict, y: float, x: float) -> np.ndarray:
    """Mean colour of a small square, at a place of a frame, in a picture of the page."""
    top = int(box["top"] + y / HEIGHT * box["height"])
    left = int(box["left"] + x / WIDTH * box["width"])
    return shot[top - 2 : top + 3, left - 2 : left + 3, :3].reshape(-1, 3).mean(axis=0)


def test_page_shows_every_env_upright_in_its_colours(stepped):
    with serving(stepped.segment_name) as server, browser.Browser(1280, 800) as page:
        page.open(server.url)
        page.wait_for("+document.body.dataset.looks >= 2")
        shot = np.asarray(image.open(io.BytesIO(page.picture())).convert("RGB"))
        assert shot.shape == (800, 1280, 3)
        boxes = page.run(
            "[...document.querySelectorAll('.card canvas')].map(c => c.getBoundingClientRect())"
            ".map(b => ({top: b.top, left: b.left, width: b.width, height: b.height}))"
        )
        assert len(boxes) == 4
        for env, box in enumerate(boxes):
            assert box["width"] / box["height"] == pytest.approx(WIDTH / HEIGHT, rel=0.02)
            places = {(5, 6): RED, (5, 42): GREEN, (27, 6): BLUE, (27, 42): GROUNDS[env]}
            places |= {(16, 3 * 3 + 1.5): BAR}  # the third step
            for (y, x), colour in places.items():
                assert patch(shot, box, y, x) == pytest.approx(colour, abs=3), (env, y, x)
        inside = page.run(
            "Array.from(document.querySelectorAll('.card canvas')[1].getContext('2d')"
            f".getImageData(0, 0, {WIDTH}, {HEIGHT}).data)"
        )
        shown = np.array(inside, np.uint8).reshape(HEIGHT, WIDTH, 4)[..., :3]
        assert np.array_equal(shown, frame(1, 3))


def test_page_tells_rates_lanes_numbers_and_a_row_that_is_chosen(stepped):
    with serving(stepped.segment_name) as server, browser.Browser() as page:
        page.open(server.url)
        page.wait_for("document.querySelectorAll('#lanes tbody tr').length === 4")
        text = page.text()
        assert stepped.segment_name in text and "4/4 simulators" in text.replace("\n", " ")
        assert page.run("document.querySelector('#state').textContent") == "alive"
        cards = page.run("[...document.querySelectorAll('.card')].map(c => c.innerText)")
        for card, value in zip(cards, ("0.5", "-1.5", "2.25", "nan"), strict=True):
            assert "reward +0.5" in card and f"value\n{value}" in card
        assert all("place\n" in card and "speed\n0.75" in card for card in cards)
        page.run("document.querySelector('[data-row=\"2\"]').click()")
        page.wait_for("document.querySelectorAll('#row img').length === 2")
        row = page.run("document.querySelector('#row').innerText")
        assert "observation/place\t2 3" in row and "info/speed\t0.75" in row
        names = page.run("performance.getEntriesByType('resource').map(e => e.name)")
        assert names and all(
            name.startswith((server.url.partition("?")[0], "data:")) for name in names
        )


def test_page_is_dark_or_light_as_the_person_likes(stepped):
    ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    with serving(stepped.segment_name) as server, browser.Browser() as page:
        page.open(server.url)
        page.dark(True)
        assert max(page.run(ground)) < 60
        page.dark(False)
        assert min(page.run(ground)) > 200
        page.run("document.querySelector('#theme').click()")
        assert max(page.run(ground)) < 60


def test_page_says_when_the_learner_and_the_server_have_ended(name):
    with browser.Browser() as page:
        with closing(uerl_shm.VecEnv("uerl-sim basic", num_envs=2, name=name)) as env:
            env.reset()
            command = [*PROGRAM, "view", name, "--web"]
            viewing = subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True)
            assert viewing.stdout is not None
            page.open(viewing.stdout.readline().strip())
            page.wait_for("document.querySelectorAll('.card').length === 2")
        page.wait_for("document.querySelector('#state').textContent === 'ended'")
        viewing.kill()
        viewing.communicate()
        page.wait_for("document.querySelector('#said').textContent.includes('has ended')")


def test_person_chooses_another_picture(stepped):
    canvas = "document.querySelector('.card canvas')"
    corner = f"{canvas}.getContext('2d').getImageData(3, 3, 1, 1).data[0]"
    with serving(stepped.segment_name) as server, browser.Browser() as page:
        page.open(server.url)
        page.wait_for(f"{canvas} && {corner} === {RED[0]}")
        page.run(
            "(() => { const s = document.querySelector('#array'); s.value = 'info/spectator';"
            "s.dispatchEvent(new Event('change')); })()"
        )
        page.wait_for(f"{corner} === {255 - RED[0]}")
