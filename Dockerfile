# The runtime image: d4py and what it needs, on a base that has Python. images/runtime/README.md says how it is built and used.
ARG BASE=python:3.12-slim
# Where wheels are installed: an image with the same Python and with pip, its settings and certificates. Nothing else of it goes on.
ARG BUILDER=${BASE}

FROM ${BUILDER} AS build
ARG EXTRAS=mpi
COPY pyproject.toml README.md LICENSE /src/
COPY platform /src/platform
COPY operators /src/operators
RUN python3 -m venv --without-pip /opt/d4py \
 && python3 -m pip --python /opt/d4py/bin/python install --no-cache-dir "/src[${EXTRAS}]"

FROM ${BASE}
LABEL org.opencontainers.image.title="d4py" \
      org.opencontainers.image.description="Stream workflows of Python processing elements" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/d4py /opt/d4py
RUN grep -q :1000:1000: /etc/passwd || { echo d4py:x:1000:1000::/data:/bin/sh >>/etc/passwd && echo d4py:x:1000: >>/etc/group; } \
 && mkdir -p /data && chown 1000:1000 /data && chmod 1777 /data
ENV PATH=/opt/d4py/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/data LANG=C.UTF-8 PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /data
VOLUME /data
ENTRYPOINT ["/opt/d4py/bin/d4py"]
CMD ["help"]
