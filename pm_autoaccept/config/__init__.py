"""The settings: a settings file, `PM_AUTOACCEPT_…` variables, `…_FILE` secrets, and what the command line says."""

from __future__ import annotations

from pm_autoaccept.config.display import SaidSetting, said
from pm_autoaccept.config.formats import host_and_port, ledger_file, password_in
from pm_autoaccept.config.load import (
    IN_THE_ENVIRONMENT,
    ForPolicy,
    Program,
    ledger_address,
    load_accounts,
    load_settings,
    load_sound_accounts,
    policy_folder,
    policy_folders,
    policy_names,
)
from pm_autoaccept.config.origins import PREFIX, Origin, variable
from pm_autoaccept.config.settings import DEFAULT_NAME, EPA_HOST, SERVICES, Settings

__all__ = [
    "DEFAULT_NAME",
    "EPA_HOST",
    "IN_THE_ENVIRONMENT",
    "PREFIX",
    "SERVICES",
    "ForPolicy",
    "Origin",
    "Program",
    "SaidSetting",
    "Settings",
    "host_and_port",
    "ledger_address",
    "ledger_file",
    "load_accounts",
    "load_settings",
    "load_sound_accounts",
    "password_in",
    "policy_folder",
    "policy_folders",
    "policy_names",
    "said",
    "variable",
]
