# The dependencies are built apart, so that neither pip's cache nor a compiler ends up in what runs.
FROM python:3.11-slim AS dependencies
WORKDIR /build
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt

FROM python:3.11-slim
LABEL org.opencontainers.image.title="tyk-key-bot" \
      org.opencontainers.image.description="Self-service Tyk API tokens in Slack" \
      org.opencontainers.image.licenses="MIT"
# Nothing is written outside /data: the root file system may be read-only.
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATABASE_URL=sqlite:////data/tyk-key-bot.db \
    HTTP_HOST=0.0.0.0
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin bot \
    && install -d -o bot -g bot -m 0700 /data
COPY --from=dependencies /venv /venv
COPY bot /app/bot
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8080 9090
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as to; at = os.environ.get; http = at('SLACK_SIGNING_SECRET') or at('SLACK_SIGNING_SECRET_FILE'); to.urlopen('http://127.0.0.1:' + ((at('METRICS_PORT') or '9090') if http else at('HTTP_PORT') or '8080') + '/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m", "bot"]
CMD ["run", "--config", "/etc/tyk-key-bot/config.yaml"]
