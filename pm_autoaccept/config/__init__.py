"""Configuration: settings from options, environment variables, secret files and the settings file."""

from __future__ import annotations

from pm_autoaccept.config.display import ListedSetting, list_settings
from pm_autoaccept.config.formats import SQLITE_IN_MEMORY, host_and_port, ledger_exists, ledger_file, password_in
from pm_autoaccept.config.notice_targets import Target
from pm_autoaccept.config.origins import PREFIX, Origin, read_variable
from pm_autoaccept.config.precedence import (
    ENVIRONMENT_SETTINGS,
    PolicyNames,
    Program,
    ledger_address,
    load_accounts,
    load_program,
    load_settings,
    load_valid_accounts,
    policy_folder,
    policy_folders,
    policy_names,
    review_settings,
)
from pm_autoaccept.config.reviewers import ReviewSettings
from pm_autoaccept.config.settings import DEFAULT_NAME, EPA_HOST, SERVICES, Settings

__all__ = [
    "DEFAULT_NAME",
    "ENVIRONMENT_SETTINGS",
    "EPA_HOST",
    "PREFIX",
    "SERVICES",
    "SQLITE_IN_MEMORY",
    "ListedSetting",
    "Origin",
    "PolicyNames",
    "Program",
    "ReviewSettings",
    "Settings",
    "Target",
    "host_and_port",
    "ledger_address",
    "ledger_exists",
    "ledger_file",
    "list_settings",
    "load_accounts",
    "load_program",
    "load_settings",
    "load_valid_accounts",
    "password_in",
    "policy_folder",
    "policy_folders",
    "policy_names",
    "read_variable",
    "review_settings",
]
