"""`uerl-sim probe` behind a websocket that Python serves: its command line is that of the others.

It serves one client with the `websockets` library's own synchronous server, without compression.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

from websockets.sync.server import serve

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))


def main(env: int, width: int, height: int, channels: int, step_us: int, wait_us: int) -> None:
    """Serve one client, and end with it."""
    from probe_pattern import expected, reward  # type: ignore[import-not-found]

    # Ready-made messages: the cost of numpy is no cost of websockets.
    messages = []
    for step in range(64):
        camera = expected("agent/observation/camera", env, 0, step, (height, width, channels), "u1")
        state = expected("agent/observation/state", env, 0, step, (64,), "f4")
        value = reward("agent", env, 0, step).astype("f4")
        messages.append(camera.tobytes() + state.tobytes() + value.tobytes() + bytes(2))

    def answer(connection: Any) -> None:
        for step, _ in enumerate(connection):
            if wait_us:
                time.sleep(wait_us * 1e-6)
            end = time.perf_counter() + step_us * 1e-6
            while step_us and time.perf_counter() < end:
                pass
            connection.send(messages[step % len(messages)])
        threading.Thread(target=server.shutdown).start()

    with serve(answer, "127.0.0.1", 0, compression=None) as server:
        print(server.socket.getsockname()[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:7]))
