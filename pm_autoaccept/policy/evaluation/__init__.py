"""How a request is judged: conditions made ready to be asked, the rule that decides found, and why it does."""
