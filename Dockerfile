# The base can be any Debian-based image with python3 3.11 or newer and the venv module. See docs/image.md.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python3 -m venv /opt/pm-autoaccept
# Dependencies change less often than the code, so install them first and reuse their cached layer.
COPY requirements.lock ./
RUN /opt/pm-autoaccept/bin/pip install --require-hashes --no-deps --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY pm_autoaccept pm_autoaccept
COPY policies policies
# `pip check` fails the build if requirements.lock lacks a dependency from pyproject.toml.
RUN /opt/pm-autoaccept/bin/pip wheel --no-deps --wheel-dir wheel . \
 && /opt/pm-autoaccept/bin/pip install --no-index --no-deps wheel/*.whl \
 && /opt/pm-autoaccept/bin/pip check \
 && /opt/pm-autoaccept/bin/pip uninstall --yes setuptools pip

FROM ${BASE}
LABEL org.opencontainers.image.title="pm-autoaccept" \
      org.opencontainers.image.description="Answers ENERGY STAR Portfolio Manager connection and share requests by policy" \
      org.opencontainers.image.licenses="Apache-2.0"
# USER below is numeric, so that an orchestrator can verify that it is not root.
RUN groupadd --gid 10001 pm-autoaccept \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/pm-autoaccept --no-create-home --shell /usr/sbin/nologin pm-autoaccept \
 && install --directory --mode 0750 --owner 10001 --group 10001 /var/lib/pm-autoaccept \
 && install --directory --mode 0755 /etc/pm-autoaccept/policy
COPY --from=build /opt/pm-autoaccept /opt/pm-autoaccept
ENV PATH=/opt/pm-autoaccept/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PM_AUTOACCEPT_POLICY=/etc/pm-autoaccept/policy \
    PM_AUTOACCEPT_LEDGER=sqlite:////var/lib/pm-autoaccept/pm-autoaccept.db \
    PM_AUTOACCEPT_HEARTBEAT=/tmp/pm-autoaccept.heartbeat
WORKDIR /var/lib/pm-autoaccept
USER 10001:10001
VOLUME ["/var/lib/pm-autoaccept"]
# `run` touches the heartbeat after each good cycle, so a container that runs but gets nothing done is unhealthy.
HEALTHCHECK --interval=1m --timeout=10s --start-period=10m --retries=2 \
    CMD ["python", "-I", "-c", "import os, sys, time; beat = os.environ['PM_AUTOACCEPT_HEARTBEAT']; fresh = os.path.exists(beat) and time.time() - os.path.getmtime(beat) < 600; sys.exit(None if fresh else f'no good cycle within 10 minutes, by {beat}: read the log of this container')"]
ENTRYPOINT ["pm-autoaccept"]
CMD ["run"]
