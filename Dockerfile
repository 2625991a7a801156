# One image: numeric non-root user, any uid, read-only root. No VOLUME line: an anonymous volume only pretends to keep things.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /app
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
      -r requirements/runtime.txt -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY app/ app/
COPY migrations/ migrations/
COPY docker/ docker/
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --editable . \
 && /venv/bin/pip uninstall --yes --quiet hatchling editables pip \
 && /venv/bin/python -m compileall -q app migrations docker

FROM ${BASE_IMAGE}
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
# Owned by the user below and open to any other uid of group 0, as a named volume takes over what it finds here.
RUN install -d -o 1000 -g 0 -m 0775 /data /data/uploads
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DATA_DIR=/data \
    HOST=0.0.0.0 \
    PORT=8080
USER 1000:0
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/_health', timeout=4)"]
ENTRYPOINT ["/app/docker/entrypoint.sh"]
