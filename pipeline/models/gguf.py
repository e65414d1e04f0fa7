"""GGUF files: put together from their parts, and dequantised once into a folder of safetensors that loads like any other."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import gguf as library
import numpy as np
import torch
from gguf import GGUFReader, LlamaFileType
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from pipeline.errors import InputError, one_line
from pipeline.models import inspection, packages
from pipeline.models.entries import Gguf
from pipeline.store.layout import taken, whole_or_nothing


def dequantised(gguf: Gguf, where: Path) -> Path:
    """A safetensors copy of a GGUF file, made once; its name holds the file's digest, so another file is another copy.

    Raises InputError, naming the entry `where`, for a package that is not installed or another, a part that is missing,
    swapped or broken, a whole of another digest, and a file that cannot be read.
    """
    copy = packages.copy_of(gguf)
    if copy.is_dir():
        if inspection.is_as_sealed(copy):
            return copy
        print(f"{copy}: not what was made of {gguf.name}; it is made again", file=sys.stderr)
    with _whole_file(gguf, where) as path:
        print(f"dequantising {gguf.name}, once", file=sys.stderr)
        try:
            # transformers draws a progress bar here that no setting turns off
            with whole_or_nothing(copy) as scratch, contextlib.redirect_stderr(io.StringIO()), parsed_once():
                loader: Any = AutoModelForCausalLM
                options = {"dtype": torch.float32, "quantization_config": GgufConfig(dequantize=True)}
                model, info = loader.from_pretrained(path.parent, gguf_file=path.name, output_loading_info=True, **options)
                inspection.nothing_lacks(info, gguf.name, where)
                model.save_pretrained(scratch)
                AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(scratch)
                kind = LlamaFileType(library.GGUFReader(str(path)).fields["general.file_type"].contents()).name
                words = f"{kind.removeprefix('MOSTLY_')} (GGUF {gguf.name}), dequantised to fp32"
                (scratch / "gguf.json").write_text(json.dumps({"weights": words, "sha256": gguf.sha256}))
                inspection.seal(scratch)
        except InputError:
            raise
        except Exception as error:  # the parser meets a broken file with errors of every kind (struct.error, IndexError ...)
            raise InputError(f"{where}: cannot read the GGUF file {gguf.name}: {one_line(error)}") from error
    return copy


class _Reader(GGUFReader):
    """The library's reader, which makes a numpy memmap of every token of a vocabulary; here it is a plain array, ten times as
    fast."""

    def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> np.ndarray:
        order = self.byte_order if override_order is None else override_order
        return np.frombuffer(self.data, np.dtype(dtype).newbyteorder(order), int(count), int(offset))


def parsed_once() -> contextlib.AbstractContextManager[Any]:
    """Within, a GGUF file is parsed once: transformers opens it for the config, the weights and the tokenizer, and makes the
    names of all tensors anew for every module."""
    return patch.multiple(library, GGUFReader=cache(_Reader), get_tensor_name_map=cache(library.get_tensor_name_map))


@contextlib.contextmanager
def _whole_file(gguf: Gguf, where: Path) -> Iterator[Path]:
    """A GGUF file as one file: as it lies, or put together from its parts and gone when it has been dequantised."""
    found = packages.paths(gguf, where)
    if gguf.parts is None:
        yield found[0]
        return
    copy = packages.copy_of(gguf)
    with taken(copy.with_name(f"{copy.name}.parts")) as folder:  # or another process would take the file away from under this
        try:
            path, digest = folder / gguf.name, hashlib.sha256()
            with path.open("wb") as whole:
                for part in found:
                    with part.open("rb") as file:
                        while block := file.read(2**24):
                            whole.write(block)
                            digest.update(block)
            if digest.hexdigest() != gguf.sha256:
                raise InputError(
                    f"{where}: gguf.sha256: its {len(found)} parts, each as it should be, make {digest.hexdigest()}: the order"
                    " of the parts is another, or one lacks"
                )
            yield path
        finally:
            shutil.rmtree(folder, ignore_errors=True)
