r"""Secrets that stand in a running text behind their names: JSON, headers, queries, .env files,
reprs. Works on text that was cut, and on JSON inside JSON strings, whose quotes are `\"`.

`search` finds the `names` and asks, by how the value begins, one of the modules beside it where it
ends: `strings`, `literals`, `elements`, `encodings`, `blocks`, `headers`, `words`.
"""
