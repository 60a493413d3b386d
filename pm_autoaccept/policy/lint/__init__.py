"""What a policy that loads says in vain: warnings, each of them sure, and none of what cannot be told from the text.

`implying` proves what follows from conditions, `warnings` says what that means for the rules.
"""
