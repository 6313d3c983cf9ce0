"""Small trees that break one rule each, with a part of what it must say; and one that is clean."""

from __future__ import annotations

_LONG_PYTHON = '"""x."""\n\n\ndef f():\n' + "    a = 1\n" * 61
_LONG_C = "/* x.c: x. */\nstatic void f(int a)\n{\n" + "    a++;\n" * 61 + "}\n"
_LONG_METHOD = (
    "// x.hpp: x.\nnamespace n {\nclass C {\n    int f() const {\n" + "a;\n" * 61 + "}};\n}\n"
)
_UNPAIRED = "/* x.c: x. */\nvoid f(void)\n{\n    /* Why. */\n    store_release_u32(&word, 1);\n}\n"
_ABOVE = (
    "/* x.c: x. */\nvoid f(void)\n{\n"
    "    /* [A] Why. Pairs with [A]. */\n    g();\n\n    fence_seq_cst();\n}\n"
)
_HALF = "/* x.c: x. */\n/* [A] Why. Pairs with [B]. */\n"
_TWICE = "/* x.c: x. */\n/* [A] Why. Pairs with [A]. */\n\n// [A] Another.\n// Pairs with [A].\n"

BROKEN: dict[str, list[tuple[dict[str, str], str]]] = {
    "text_rules.lines_fit": [
        ({"uerl_shm/x.py": '"""x."""\n# ' + "x" * 99 + "\n"}, "x.py:2 has 101 characters"),
        ({"README.md": "# x\n\n" + "x" * 101 + "\n"}, "README.md:3"),
    ],
    "text_rules.files_are_small": [
        ({"csrc/core/x.c": "/* x.c: x. */\n" + "int a;\n" * 400}, "x.c has 401 lines"),
        ({"csrc/core/x.h": "/* x.h: x. */\n" + "/* about a */\n" * 600}, "at most 600"),
        ({"README.md": "# x\n" * 101}, "README.md has 101 lines, expected at most 100"),
        ({"setup.py": '"""x."""\n' * 86}, "setup.py has 86 lines, expected at most 85"),
    ],
    "text_rules.files_say_their_purpose": [
        ({"uerl_shm/x.py": "import os\n"}, "expected a docstring"),
        ({"csrc/core/x.c": "#include <stdio.h>\n"}, "expected `x.c: what it is for`"),
        ({"Makefile": "all:\n"}, "heading"),
    ],
    "text_rules.nothing_is_left_over": [
        ({"uerl_shm/x.py": '"""x."""\n# TO' + "DO: later\n"}, "x.py:2"),
    ],
    "text_rules.no_path_of_a_build_machine": [
        ({"Makefile": "# x\nall:\n\tls /ho" + "me/me\n"}, "Makefile:3"),
    ],
    "text_rules.no_package_registry": [
        ({"Makefile": "# x\nall:\n\tpip install --index" + "-url x\n"}, "Makefile:3"),
    ],
    "words.names_use_our_words": [
        ({"uerl_shm/x.py": '"""x."""\n\nnum_worker_rows = 1\n'}, "say simulator"),
        ({"csrc/core/x.c": "/* x.c: x. */\nint ring_head;\n"}, "x.c:2 names something 'ring_head'"),
        ({"csrc/core/x.hpp": "// x.hpp: x.\nint lastHeartbeat;\n"}, "say progress"),
    ],
    "python_rules.functions_are_small": [
        ({"uerl_shm/x.py": _LONG_PYTHON}, "x.py:4 f() has 62 lines"),
    ],
    "python_rules.modules_stand_on_floors": [
        ({"uerl_shm/new.py": '"""x."""\n'}, "stands on no floor"),
        (
            {"uerl_shm/spec.py": '"""x."""\nfrom uerl_shm.vec_env import VecEnv\n'},
            "imports vec_env",
        ),
        ({"uerl_shm/spec.py": '"""x."""\ndef f():\n    from . import host\n'}, "imports host"),
        ({"uerl_shm/spec.py": '"""x."""\nimport uerl_shm\n'}, "imports __init__"),
        (
            {
                "uerl_shm/spec.py": '"""x."""\nfrom .array_spec import a\n',
                "uerl_shm/array_spec.py": '"""x."""\nimport uerl_shm.spec\n',
            },
            "array_spec -> spec -> array_spec",
        ),
    ],
    "python_rules.frameworks_have_one_file": [
        (
            {
                "uerl_shm/a.py": '"""x."""\nimport torch.nn\n',
                "uerl_shm/b.py": "from torch import x\n",
            },
            "uerl_shm/a.py, uerl_shm/b.py",
        ),
        (
            {
                "uerl_shm/a.py": '"""x."""\nimport ray.train\nimport ray.rllib.env\n',
                "uerl_shm/b.py": "from ray.rllib import x\n",
            },
            "ray.rllib is imported by",
        ),
    ],
    "c_rules.includes_go_down": [
        ({"csrc/core/new.c": "/* new.c: x. */\n"}, "stands on no floor"),
        ({"csrc/core/ring.h": '#include "segment.h"\n'}, "includes segment.h"),
        (
            {
                "csrc/core/simulator.c": '#include "../learner/learner.hpp"\n',
                "csrc/learner/learner.hpp": "// learner.hpp: x.\n",
            },
            "simulator.c includes csrc/learner/learner.hpp",
        ),
        (
            {
                "csrc/learner/learner.hpp": '#include "core/simulator_private.h"\n',
                "csrc/core/simulator_private.h": "/* simulator_private.h: x. */\n",
            },
            "learner.hpp includes csrc/core/simulator_private.h",
        ),
    ],
    "c_rules.simulators_see_only_the_public_header": [
        (
            {"csrc/simulators/x.cpp": '#include "core/wait.h"\n', "csrc/core/wait.h": "/* x */\n"},
            "x.cpp includes csrc/core/wait.h",
        ),
    ],
    "c_rules.memory_orders_stand_in_atomics_h": [
        (
            {"csrc/core/x.c": "/* x.c: x. */\n__atomic_load_n(a, b);\n"},
            "x.c:2 says __atomic_load_n",
        ),
        ({"csrc/learner/x.hpp": "// x.hpp: x.\nstd::atomic<int> a;\n"}, "std::atomic"),
    ],
    "c_rules.synchronisation_names_its_partner": [
        ({"csrc/core/x.c": _UNPAIRED}, "x.c:5 synchronises"),
        ({"csrc/core/x.c": _ABOVE}, "x.c:7 synchronises"),
    ],
    "c_rules.labels_pair": [
        ({"csrc/core/x.c": _HALF}, "pairs with [B], which nobody is"),
        ({"csrc/core/x.c": _TWICE}, "[A] stands in"),
    ],
    "c_rules.functions_are_small": [
        ({"csrc/core/x.c": _LONG_C}, "x.c:3 f() has 63 lines"),
        ({"csrc/learner/x.hpp": _LONG_METHOD}, "f() has 63 lines"),
    ],
}

# What the rules must let pass.
CLEAN: dict[str, str] = {
    "README.md": "# x\n\n| " + "wide | " * 40 + "\n\n<https://" + "x" * 100 + ">\n",
    "Makefile": "# x.\nall:\n\tls ./home/x $(HOME)/x\n",
    "csrc/include/uerl_shm/layout.h": "/* layout.h: x. */\n" + "/* about a field */\n" * 500,
    "csrc/include/uerl_shm/uerl_shm.h": '/* uerl_shm.h: x. */\n#include "layout.h"\n',
    "csrc/core/atomics.h": "/* atomics.h: x. */\n__atomic_load_n(word, __ATOMIC_RELAXED);\n",
    "csrc/core/ring.h": (
        '/* ring.h: x. */\n#include "atomics.h"\nstatic inline void f(void)\n{\n'
        "    /* [A] A reason that takes\n     * two lines. Pairs with [B]. */\n"
        "    store_release_u32(&word,\n                      1);\n\n"
        "    /* [B] Head and tail: words of a comment. Pairs with [A]. */\n"
        '    if (load_acquire_u32(&word) == 0)\n        puts("the head of __atomic_x");\n}\n'
    ),
    "csrc/core/simulator.c": '/* simulator.c: x. */\n#include <stdio.h>\n#include "ring.h"\n',
    "csrc/learner/learner.hpp": '// learner.hpp: x.\n#include "../core/ring.h"\n',
    "csrc/learner/binding.cpp": '// binding.cpp: x.\n#include "learner.hpp"\n',
    "csrc/simulators/x.cpp": (
        '// x.cpp: x.\n#include "uerl_shm/uerl_shm.h"\n#include "y.hpp"\n'
        "namespace {\nconst int table[] = {\n" + "    1,\n" * 70 + "};\n" + "int a;\n" * 70 + "}\n"
    ),
    "csrc/simulators/y.hpp": "// y.hpp: x.\n",
    "uerl_shm/__init__.py": '"""x."""\nfrom uerl_shm.spec import Spec\nfrom uerl_shm import env\n',
    "uerl_shm/spec.py": (
        '"""x."""\nfrom typing import TYPE_CHECKING\n\nfrom uerl_shm import errors\n'
        "if TYPE_CHECKING:\n    from uerl_shm.vec_env import VecEnv\n\n\n"
        'def f(log_tail, worker, max_workers):\n    """x.\n' + "    more\n" * 70 + '    """\n'
    ),
    "uerl_shm/errors.py": '"""About workers in a docstring."""\n',
    "uerl_shm/env.py": '"""x."""\nimport torch\n\nfrom uerl_shm.spec import Spec\n',
    "uerl_shm/cli/__init__.py": '"""x."""\nimport uerl_shm\n\nfrom uerl_shm.cli import top\n',
    "uerl_shm/cli/top.py": '"""x."""\nfrom uerl_shm import VecEnv\nfrom uerl_shm.spec import A\n',
    "build/x.py": "# built: nobody wrote it\n",
}
