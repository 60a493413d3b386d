"""Fair share of accounts: how many each live replica should hold, so that all hold about the same number."""

from __future__ import annotations

from dataclasses import dataclass

from pm_autoaccept.daemon.account_worker import AccountWorker


@dataclass(slots=True)
class ReplicaShare:
    """How many of the accounts this replica should hold.

    Attributes:
        accounts: the workers of all accounts in this process.
        replicas: how many replicas are alive.
    """

    accounts: list[AccountWorker]
    replicas: int = 1

    @property
    def fair_count(self) -> int:
        """The accounts for each replica if all hold the same number, rounded up."""
        return -(-len(self.accounts) // max(self.replicas, 1))

    @property
    def held(self) -> int:
        """The accounts that this replica holds now."""
        return sum(each.held for each in self.accounts)

    def wants_account(self) -> bool:
        """Whether this replica should take another account."""
        return self.held < self.fair_count

    def should_release(self) -> bool:
        """Whether this replica should leave an account to another replica."""
        return self.held > self.fair_count
