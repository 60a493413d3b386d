"""The language told from its own tables: `words` has what names mean, `schema` tells editors, `page` tells people.

`python -m pm_autoaccept.policy.language` prints the page.
"""
