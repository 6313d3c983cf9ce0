"""The rules of the house, each shown to hold here and to fail where it is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidy import c_rules, python_rules, text_rules, words
from tidy.seeds import BROKEN, CLEAN
from tidy.tree import Tree, read_tree

RULES = {
    rule.__module__.partition(".")[2] + "." + rule.__name__: rule
    for rule in (
        text_rules.lines_fit,
        text_rules.files_are_small,
        text_rules.files_say_their_purpose,
        text_rules.nothing_is_left_over,
        text_rules.no_path_of_a_build_machine,
        text_rules.no_package_registry,
        words.names_use_our_words,
        python_rules.functions_are_small,
        python_rules.modules_stand_on_floors,
        python_rules.frameworks_have_one_file,
        c_rules.includes_go_down,
        c_rules.simulators_see_only_the_public_header,
        c_rules.memory_orders_stand_in_atomics_h,
        c_rules.synchronisation_names_its_partner,
        c_rules.labels_pair,
        c_rules.functions_are_small,
    )
}


def planted(folder: Path, files: dict[str, str]) -> Tree:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return read_tree(folder)


@pytest.mark.parametrize("rule", RULES)
def test_rule_holds_in_this_repository(rule):
    found = list(RULES[rule](read_tree()))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("rule", "seed"), [(rule, i) for rule in RULES for i in range(len(BROKEN[rule]))]
)
def test_rule_finds_what_breaks_it(rule, seed, tmp_path):
    files, said = BROKEN[rule][seed]
    found = list(RULES[rule](planted(tmp_path, files)))
    assert len(found) == 1, found
    assert said in found[0]


@pytest.mark.parametrize("rule", RULES)
def test_rule_lets_a_tidy_tree_alone(rule, tmp_path):
    assert not list(RULES[rule](planted(tmp_path, CLEAN)))
