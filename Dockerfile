# The base is pinned by its digest: the same commit builds the same image. docs/operate.md says what checks it, and how to renew it.
ARG BASE=docker.io/library/python:3.11-slim-trixie@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7

# What is needed to install, such as pip, stays behind.
FROM ${BASE} AS install
WORKDIR /install
COPY requirements.txt .
RUN python3 -m venv --without-pip /venv \
    && python3 -m pip --python /venv/bin/python install --require-hashes --requirement requirements.txt
COPY bot /app/bot
RUN printf '#!/bin/sh\nexec python -m bot "$@"\n' > /venv/bin/tyk-key-bot \
    && chmod 0755 /venv/bin/tyk-key-bot \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /app

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="tyk-key-bot" \
      org.opencontainers.image.description="Self-service Tyk API tokens in Slack" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT"
# Nothing is written outside /data: the root file system may be read-only.
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    IMAGE_REVISION=${REVISION} \
    TYK_KEY_BOT_CONFIG=/etc/tyk-key-bot/config.yaml \
    DATABASE_URL=sqlite:////data/tyk-key-bot.db \
    HTTP_HOST=0.0.0.0
RUN groupadd --gid 10001 bot \
    && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --shell /usr/sbin/nologin bot \
    && install -d -o 10001 -g 10001 -m 0700 /data \
    && rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* \
              /usr/lib/python3/dist-packages/* /usr/lib/python3*/ensurepip /usr/bin/pip*
COPY --from=install /venv /venv
COPY --from=install /app /app
COPY LICENSE /app/LICENSE
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8080 9090
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as to; at = os.environ.get; http = at('SLACK_SIGNING_SECRET') or at('SLACK_SIGNING_SECRET_FILE'); to.urlopen('http://127.0.0.1:' + ((at('METRICS_PORT') or '9090') if http else at('HTTP_PORT') or '8080') + '/healthz', timeout=4)"]
ENTRYPOINT ["tyk-key-bot"]
CMD ["run"]
