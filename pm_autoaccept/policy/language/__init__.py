"""Documentation of the policy language made from its tables: the reference page and the JSON Schema for editors.

`words` describes every name, `schema` makes the schema, `page` makes the reference page, which
`python -m pm_autoaccept.policy.language` prints.
"""
