"""Imports what stages import of other people's: the process that stages are forks of does it once (`forks`)."""

from __future__ import annotations

import gc
from importlib import import_module

LIBRARIES = """
torch transformers.generation transformers.masking_utils transformers.modeling_utils transformers.models.auto.modeling_auto
transformers.models.auto.tokenization_auto huggingface_hub safetensors.torch gguf
numcodecs zarr xarray polars pydantic.fields ruamel.yaml
scipy.optimize scipy.stats sklearn.feature_extraction.text snowballstemmer altair jinja2 vl_convert
"""

gc.disable()  # or it would go through all that was imported again and again
for name in LIBRARIES.split():
    import_module(name)
gc.freeze()  # what forks share stays as it is
gc.enable()
