# mirkit on the CPU, with the built-in methods:
#   docker build -t mirkit .
#   docker run --rm -it --user "$(id -u):$(id -g)" -v "$PWD/my_music:/music" -v mirkit-cache:/cache mirkit run /music
FROM python:3.13-slim AS build
COPY . /source
# --build-arg VERSION=0.2.0 states the version; without it, it is the fallback of pyproject.toml.
ARG VERSION
RUN if [ -n "$VERSION" ]; then export SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MIRKIT="$VERSION"; fi \
 && pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.13-slim
LABEL org.opencontainers.image.title="mirkit" \
      org.opencontainers.image.description="Turn a folder of music into a training set for music generators" \
      org.opencontainers.image.source="https://github.com/OWNER/mirkit" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl \
 && rm -r /wheels \
 && useradd --create-home --uid 1000 mirkit \
 && install --directory --owner=mirkit --mode=1777 /cache /music
# Compiled kernels, model weights and measured speeds; a volume here keeps them between runs, for any user.
ENV XDG_CACHE_HOME=/cache \
    HOME=/home/mirkit
VOLUME /cache
WORKDIR /music
USER 1000
ENTRYPOINT ["mirkit"]
CMD ["--help"]
