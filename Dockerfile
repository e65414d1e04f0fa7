# The environment that the stages run in; the checkout is mounted at /work and stays yours:
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -v "$PWD":/work \
#     -v ~/.cache/huggingface:/hf -e HF_HOME=/hf -e HF_TOKEN emotion-geometry
# runs `dvc repro`; other arguments go to dvc, e.g. `emotion-geometry repro vectors`. Make ~/.cache/huggingface first (mkdir -p):
# otherwise docker makes it, and root owns it.
ARG BASE_IMAGE=nvidia/cuda:13.0.1-base-ubuntu24.04
FROM ${BASE_IMAGE}

SHELL ["/bin/bash", "-euo", "pipefail", "-c"]

# hadolint ignore=DL3008
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates git python3 python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), f"the base has Python {sys.version}; 3.11 to 3.13 is needed"'

ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY locks /opt/locks
RUN python3 -m venv /opt/venv

# torch with its CUDA libraries, from hashes; for a CPU image: --build-arg TORCH="torch==2.13.0 --index-url ..."
ARG TORCH="--require-hashes -r /opt/locks/torch-cuda.txt"
# hadolint ignore=SC2086,DL3013
RUN pip install ${TORCH}
# hadolint ignore=DL3059
RUN pip install --no-deps --require-hashes -r /opt/locks/requirements.txt

# Any uid: a home that everyone may write, a user name for those without one, and git's trust in a checkout of another owner.
# DVC keeps its index of what it has seen in /var/tmp, which a read-only root has not.
ENV HOME=/tmp/home DVC_SITE_CACHE_DIR=/tmp/home/.cache/dvc USER=dvc PYTHONDONTWRITEBYTECODE=1 HF_HUB_DISABLE_TELEMETRY=1
RUN mkdir -p /tmp/home && chmod 1777 /tmp/home && git config --system --add safe.directory '*'

WORKDIR /work
# The build fails here rather than the run later.
RUN python -c "import torch, transformers, polars, xarray, zarr, altair, vl_convert, gguf; print(torch.__version__, torch.version.cuda)" \
 && dvc --version
ENTRYPOINT ["dvc"]
CMD ["repro"]
