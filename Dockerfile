# syntax=docker/dockerfile:1
# All commands of cxr in one image:
#
#   docker build -t cxr .                                   for CPUs
#   docker build -t cxr --build-arg TORCH_BACKEND=cu128 .   for NVIDIA GPUs
#   docker run --rm --shm-size 8g -v "$PWD/xrays:/xrays:ro" -v "$PWD/runs:/runs" \
#       cxr cxr-search --data /xrays/train.csv --out /runs/xrays
#
# TORCH_BACKEND is what uv calls a build of PyTorch: cpu, cu126, cu128 and so on. The drivers of
# a GPU are the host's: `docker run --gpus all`.
FROM python:3.12-slim

ARG TORCH_BACKEND=cpu
# tini passes stop signals on, and reaps what Ray leaves; KubeRay needs the other two
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends procps tini wget \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 --gid 0 ray \
    && mkdir -p /xrays /runs /home/ray/.cache/cxr \
    && chown -R ray:0 /xrays /runs /home/ray \
    && chmod -R g=u /xrays /runs /home/ray
# the user may be any other of group 0, as on OpenShift, who has no home of its own
ENV HOME=/home/ray
# hadolint ignore=DL3013
RUN pip install --no-cache-dir uv
WORKDIR /home/ray/cxr
COPY pyproject.toml README.md ./
COPY search search
COPY trainable trainable
COPY analysis analysis
# the version of Ray is that of kubernetes.yaml
RUN uv pip install --system --no-cache --compile-bytecode --torch-backend "${TORCH_BACKEND}" \
    ".[cluster,dicom,excel,export,timm]" "ray==2.60.0"
USER 1000
WORKDIR /home/ray
VOLUME ["/home/ray/.cache/cxr"]
ENTRYPOINT ["tini", "-g", "--"]
CMD ["cxr-search", "--help"]
