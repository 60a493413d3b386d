"""HTTP proxies: whether a host is reached directly or through a proxy, for Portfolio Manager, data and `doctor`.

`routes` chooses the proxy from the setting, the environment variables and NO_PROXY. `proxy` parses one proxy's address
and explains its refusals. `proxy_password` limits how often a proxy's password is tried. aiohttp is given the proxy of
each call and never reads the environment itself: its `trust_env` also takes passwords from ~/.netrc.
"""

from __future__ import annotations

from pm_autoaccept.egress.proxy import Proxy, parse_proxy, proxy_error
from pm_autoaccept.egress.routes import DIRECT, Proxies, Route, is_this_machine, proxy_variables

__all__ = ["DIRECT", "Proxies", "Proxy", "Route", "is_this_machine", "parse_proxy", "proxy_error", "proxy_variables"]
