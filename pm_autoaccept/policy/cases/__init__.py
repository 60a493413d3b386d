"""The tests of a policy: what each file `*.test.yaml` says must come of which request, and whether it does.

`case` is what a case is, `reading` reads the files, `requests` and `facts` what a case says of a request and around it,
`running` asks the policy.
"""
