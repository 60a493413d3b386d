"""Reports which proxy each host is reached through, and which certificate authorities are trusted. Sends nothing."""

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

_OTHER_PROGRAMS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""Variables with which other programs find their authority file."""


def check_proxies(settings: Settings, policy: Policy | None) -> Iterator[Finding]:
    """Report how the service and each URL of the policy's data are reached."""
    yield _route("proxy", settings, settings.base_url)
    for source in () if policy is None else policy.sources.values():
        if source.url is not None:
            yield _route(f"proxy for data {source.name}", settings, source.url)


def _route(check: str, settings: Settings, url: str) -> Finding:
    host = urlsplit(url).hostname
    try:
        route = settings.proxies.route(url)
    except ValueError as error:
        return problem(check, f"{host}: {error}", "correct it, or set PROXY to another address or to none")
    if route.proxy is None:
        return ok(check, f"{host} is reached directly: {route.why}")
    signed_in = "" if route.proxy.credentials is None else ", with username and password"
    return ok(check, f"{host} is reached through {route.proxy}{signed_in}")


def check_certificate_authorities() -> Finding:
    """Report which file or folder holds the trusted certificate authorities, for the service and for proxies."""
    check, paths = "certificate authorities", ssl.get_default_verify_paths()
    named: list[str] = []
    for variable, default, is_there, kind in (
        (paths.openssl_cafile_env, paths.cafile, Path.is_file, "file"),
        (paths.openssl_capath_env, paths.capath, Path.is_dir, "folder"),
    ):
        path = os.environ.get(variable)
        if path and not is_there(Path(path)):
            return problem(check, f"{variable} names {path}, which is not a {kind}", "correct or remove the variable")
        if path or default:
            named.append(f"{path} ({variable})" if path else f"{default} (the default)")
    if not named:
        advice = f"install your system's ca-certificates, or set {paths.openssl_cafile_env} to a file of certificates"
        return problem(check, "no file or folder of certificate authorities found", advice)
    found, file = " and ".join(named), os.environ.get(paths.openssl_cafile_env)
    try:
        ssl.create_default_context(cafile=file or None)
    except OSError as error:
        return problem(check, f"cannot read {file}: {error.strerror or error}", "use a file of PEM certificates")
    others = [variable for variable in _OTHER_PROGRAMS if os.environ.get(variable)]
    if others and not file:
        advice = f"if this program needs that file too, set {paths.openssl_cafile_env} to it"
        return warning(check, f"{found}; {some(others)} names another file, which this program does not use", advice)
    return ok(check, found)
