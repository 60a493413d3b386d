"""The tests of a policy: parse the cases in `*.test.yaml` files, run them, and compare with what they expect.

`case` defines a case, `case_files` parses the files, `requests`, `facts` and `data` its parts, `runner` runs it.
"""
