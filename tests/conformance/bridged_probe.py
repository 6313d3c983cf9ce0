"""probe.py over a bridge: whatever the suite finds must not depend on how the bytes come."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance import probe
from support import bridged

if __name__ == "__main__":
    if not os.environ.get("UERL_SHM_DESCRIBE"):
        bridged.put_bridge_between()
    with tempfile.NamedTemporaryFile() as token:
        token.write(bridged.TOKEN)
        token.flush()
        os.environ["UERL_SHM_BRIDGE_TOKEN_FILE"] = token.name
        probe.main()
