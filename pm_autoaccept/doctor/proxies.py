"""Through which proxy each address is reached, and whose signature under a certificate is trusted. Nothing is asked."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pm_autoaccept.config import Settings
from pm_autoaccept.doctor.finding import Finding, ok, problem, warning
from pm_autoaccept.policy import Policy
from pm_autoaccept.policy.messages import some

_OTHERS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""Variables that name an authority file to other programs."""


def ways(settings: Settings, policy: Policy | None) -> Iterator[Finding]:
    """How the service and each address of the policy's data are reached."""
    yield _way("proxy", settings, settings.base_url)
    for source in () if policy is None else policy.sources.values():
        if source.url is not None:
            yield _way(f"proxy for data {source.name}", settings, source.url)


def _way(check: str, settings: Settings, url: str) -> Finding:
    host = urlsplit(url).hostname
    try:
        route = settings.proxies.route(url)
    except ValueError as error:
        return problem(check, f"{host}: {error}", "correct it, or set PROXY to another address, or to none")
    if route.proxy is None:
        return ok(check, f"{host} is reached directly: {route.why}")
    signed_in = "" if route.proxy.credentials is None else ", with a username and a password"
    return ok(check, f"{host} is reached through {route.proxy}{signed_in}")


def authorities() -> Finding:
    """Which file or folder names the authorities that may sign a service's or a proxy's certificate."""
    check, paths = "certificate authorities", ssl.get_default_verify_paths()
    named: list[str] = []
    for variable, default, is_there, kind in (
        (paths.openssl_cafile_env, paths.cafile, Path.is_file, "file"),
        (paths.openssl_capath_env, paths.capath, Path.is_dir, "folder"),
    ):
        path = os.environ.get(variable)
        if path and not is_there(Path(path)):
            return problem(
                check, f"{variable} names {path}, which is no {kind}", "correct the variable, or take it out"
            )
        if path or default:
            named.append(f"{path} ({variable})" if path else f"{default} (the default)")
    if not named:
        advice = f"install your system's ca-certificates, or name a file of certificates in {paths.openssl_cafile_env}"
        return problem(check, "there is neither a file nor a folder of them", advice)
    found, file = " and ".join(named), os.environ.get(paths.openssl_cafile_env)
    try:
        ssl.create_default_context(cafile=file or None)
    except OSError as error:
        return problem(check, f"{file} cannot be read: {error.strerror or error}", "name a file of certificates in PEM")
    others = [variable for variable in _OTHERS if os.environ.get(variable)]
    if others and not file:
        advice = f"if that file is needed here too, name it in {paths.openssl_cafile_env}"
        return warning(check, f"{found}; {some(others)}, which this program does not read, names another file", advice)
    return ok(check, found)
