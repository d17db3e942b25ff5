# The library with its page, and the fleet of the demo: what the profile `demo` of docker-compose.yml runs.
FROM python:3.13-slim AS built
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
COPY --from=built /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[ui,metrics]"
COPY examples/demo_fleet /app/examples/demo_fleet
WORKDIR /app
USER 65534
ENV PYTHONUNBUFFERED=1
