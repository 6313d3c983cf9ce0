"""The rules of the house that a machine can check; tests/test_tidy.py runs them.

A rule is a function from a tree of sources to the sentences that say what is wrong and what to do.
"""
