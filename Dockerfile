# The service in a container: no root, nothing but Python and alertbot.
#   docker build -t alertbot .
#   docker run --rm -v alertbot:/var/lib/alertbot -v ./alertbot.yaml:/etc/alertbot/alertbot.yaml:ro \
#     -e DOCSPACE_URL -e DOCSPACE_API_KEY -e SLACK_BOT_TOKEN -e SLACK_CHANNEL alertbot
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY alertbot alertbot
COPY rules rules
RUN python -m venv /opt/alertbot && /opt/alertbot/bin/pip install --no-cache-dir '.[postgres]'

FROM python:${PYTHON}-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/alertbot alertbot
COPY --from=build /opt/alertbot /opt/alertbot
ENV PATH=/opt/alertbot/bin:$PATH PYTHONUNBUFFERED=1 ALERTBOT_STORE=sqlite:////var/lib/alertbot/alertbot.db
USER 10001
WORKDIR /var/lib/alertbot
VOLUME /var/lib/alertbot
# SIGTERM lets the bot finish what is in flight.
STOPSIGNAL SIGTERM
ENTRYPOINT ["alertbot"]
CMD ["run"]
