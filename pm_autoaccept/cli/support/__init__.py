"""What several commands share: options, ledger access, sign-in, confirmation, signal handling."""
