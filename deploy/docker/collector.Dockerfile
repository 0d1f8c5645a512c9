# The collector in an image. From the root of the repository:
#
#   docker build -f deploy/docker/collector.Dockerfile -t portless-collector .
#   docker run --read-only --cap-drop ALL -v state:/state -p 4318:4318 portless-collector
#
# It has the shipped otel-collector.yaml, which listens on loopback alone; deploy/compose and
# deploy/kubernetes mount one with logins in its place.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/portless
COPY pyproject.toml README.md ./
COPY collector collector
COPY doctor doctor
COPY telemetry telemetry
RUN /opt/portless/bin/pip install --no-cache-dir ".[collector]"

FROM python:3.12-slim
COPY --from=build /opt/portless /opt/portless
COPY otel-collector.yaml /etc/portless/otel-collector.yaml
# A volume that is made here belongs to who runs here.
RUN install -d -o 10001 -g 10001 -m 0700 /state
ENV PATH=/opt/portless/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
VOLUME /state
ENTRYPOINT ["portless-collector"]
CMD ["run", "--config", "/etc/portless/otel-collector.yaml", "--state-dir", "/state"]
