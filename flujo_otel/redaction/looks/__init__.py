"""Secrets that are known by their looks, wherever they stand.

Every expression is linear in the text: runs are possessive, and what is not is of bounded length.
Each begins with literal characters, which the search leaps to, and is tried only where one of its
needles is in the text: `in` costs a tenth of an expression, and most texts need none.
"""
