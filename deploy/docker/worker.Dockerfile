# A worker in an image. From the root of the repository, with an application as its example:
#
#   docker build -f deploy/docker/worker.Dockerfile --build-arg APP=deploy/docker/shop.py \
#     -t portless-worker .
#   docker run --read-only --cap-drop ALL --tmpfs /state:uid=10001,mode=0700 portless-worker
#
# In an application's own image the lines that matter are the one that installs portless, the
# directory of the state file, the user, and that nothing is EXPOSEd.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/app
COPY pyproject.toml README.md ./
COPY collector collector
COPY doctor doctor
COPY telemetry telemetry
RUN /opt/app/bin/pip install --no-cache-dir ".[broker]" "psycopg2-binary>=2.9,<3"

FROM python:3.12-slim
ARG APP=deploy/docker/shop.py
COPY --from=build /opt/app /opt/app
COPY ${APP} /app/
# Outlives a process, so that one that was killed goes on counting; never the container.
RUN install -d -o 10001 -g 10001 -m 0700 /state
ENV PATH=/opt/app/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PORTLESS_STATE_DIR=/state
WORKDIR /app
USER 10001:10001
# A worker has no port: its health is asked by a command, inside.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["portless", "health", "ready"]
ENTRYPOINT ["celery", "-A", "shop"]
CMD ["worker", "--loglevel", "INFO"]
