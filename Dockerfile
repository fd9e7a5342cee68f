# The service without torch, with the bundled models. `docker build -t carousel .`
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# optional extras in brackets, such as [grpc] or [grpc,tracing]
ARG EXTRAS=
WORKDIR /src
RUN python -m venv --without-pip /opt/carousel
# dependencies first: this layer is reused until what is declared or pinned changes
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY service/__init__.py service/
COPY training/__init__.py training/
# with what models with the holidays of a country need
RUN python -m pip --python /opt/carousel/bin/python install --quiet -c constraints.txt ".${EXTRAS}" holidays
COPY service service
COPY training training
RUN python -m pip --python /opt/carousel/bin/python install --quiet --no-deps --force-reinstall .

FROM ${PYTHON_IMAGE} AS service
ENV PATH=/opt/carousel/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY --from=build /opt/carousel /opt/carousel
# the image brings Python's own library without bytecode: compiled here once, and not for a second at every start
RUN PYTHONDONTWRITEBYTECODE= python -c "import service.serving"
COPY models models
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('CAROUSEL_PORT', '8000')), timeout=2); c.request('GET', '/v2/health/ready'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["carousel", "serve", "--host", "0.0.0.0"]
