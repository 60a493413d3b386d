"""How calls leave this machine: directly, or through a proxy. For Portfolio Manager, for data, and for `doctor`.

`proxy` reads one proxy's address and `routes` chooses among those that are set; both are values without I/O. `passage`
keeps a proxy's password from being tried too often. aiohttp is told the proxy of each call and never looks at the
environment itself: its `trust_env` also reads passwords from ~/.netrc.
"""

from __future__ import annotations

from pm_autoaccept.egress.proxy import Proxy, parse_proxy, refusal
from pm_autoaccept.egress.routes import DIRECTLY, Proxies, Route, is_this_machine, proxy_variables

__all__ = ["DIRECTLY", "Proxies", "Proxy", "Route", "is_this_machine", "parse_proxy", "proxy_variables", "refusal"]
