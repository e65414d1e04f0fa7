"""The hub: fetch a model at its pinned revision, and know before anything starts which models it would refuse."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import HfApi, get_token, hf_hub_url, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    GatedRepoError,
    HFValidationError,
    HTTPError,  # of the library that this one asks the hub with: a hub out of reach raises it as it is
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, get_session, validate_repo_id  # type: ignore[attr-defined]

from pipeline.errors import InputError, one_line
from pipeline.models.entries import Hub
from pipeline.store.layout import SCRATCH, whole_or_nothing

FILES = ["*.json", "*.safetensors", "tokenizer.model", "merges.txt", "vocab.txt", "*.jinja"]
# The same weights once more, in the form of the maker's own code: Mistral's, Llama's.
CONFIG_SECONDS = 5
OTHERWISE = ["consolidated*", "original/*"]
PATIENCE = ("HF_XET_CLIENT_RETRY_MAX_DURATION", "60s")
"""For how long a hub that refuses is asked again for weights, where nobody says otherwise: hf_xet takes five minutes, and heeds
no number without its unit."""


def snapshot(hub: Hub, where: Path) -> Path:
    """The local folder of a model at its revision, fetched if need be. Raises InputError, naming the entry `where`, for what
    is gated, missing or out of reach."""
    os.environ.setdefault(*PATIENCE)  # read when the first weights are fetched
    try:
        return Path(snapshot_download(hub.id, revision=hub.revision, allow_patterns=FILES, ignore_patterns=OTHERWISE))
    except GatedRepoError:
        raise InputError(
            f"{where}: {hub.id} is gated: ask for access on its page at the hub, then set HF_TOKEN to a token that may read it"
        ) from None
    except RevisionNotFoundError:
        raise InputError(f"{where}: {hub.id} has no revision {hub.revision}") from None
    except RepositoryNotFoundError:
        raise InputError(f"{where}: the hub has no model {hub.id} that this HF_TOKEN may see") from None
    except LocalEntryNotFoundError:
        raise InputError(f"{where}: {hub.id} is not in the local cache and the hub cannot be reached") from None
    except (HTTPError, OSError, RuntimeError) as error:  # the last from Xet, which brings the weights
        raise InputError(f"{where}: {hub.id} could not be fetched: {one_line(error)}") from None


def config_folder(hub: Hub) -> Path | None:
    """A folder that has the config of a model: that of the local cache, or one of scratch into which it alone is fetched (some
    kilobytes, asked for once and not waited for); None where the hub does not give it, which a stage would explain."""
    if (held := _held(hub, "config.json")) is not None:
        return Path(held).parent
    kept = SCRATCH / "configs" / hub.revision / "config.json"
    if not kept.exists():
        url = hf_hub_url(hub.id, "config.json", revision=hub.revision)
        try:
            answer = get_session().get(url, headers=build_hf_headers(), timeout=CONFIG_SECONDS, follow_redirects=True)
            answer.raise_for_status()
        except Exception:  # each version of the hub's library has errors of its own
            return None
        with whole_or_nothing(kept) as scratch:
            scratch.write_bytes(answer.content)
    return kept.parent


def revision_of(id_: str, wanted: str | None) -> str:
    """The commit (40 digits) that a branch or tag of a model is at now; `wanted` None: its main branch. A whole commit is
    itself, without asking. Raises InputError."""
    try:
        validate_repo_id(id_)
        if wanted is not None and re.fullmatch("[0-9a-f]{40}", wanted):
            return wanted
        return str(HfApi().model_info(id_, revision=wanted).sha)
    except HFValidationError:
        raise InputError(f"HUB={id_}: no id of a model of the hub; write HUB=org/model, not its address") from None
    except (HTTPError, OSError) as error:
        raise InputError(f"HUB={id_}: the hub does not say its revision: {one_line(error)}") from None


def is_cached(hub: Hub) -> bool:
    """Whether the local cache has the revision: its config, and its weights in one file or in all that the index names."""
    if _held(hub, "config.json") is None:
        return False
    index = _held(hub, "model.safetensors.index.json")
    if index is None:
        return _held(hub, "model.safetensors") is not None
    files = set(json.loads(Path(index).read_text())["weight_map"].values())
    return all(_held(hub, name) is not None for name in files)


def _held(hub: Hub, name: str) -> str | None:
    found = try_to_load_from_cache(hub.id, name, revision=hub.revision)
    return found if isinstance(found, str) else None


def missing(hubs: Iterable[Hub]) -> list[Hub]:
    """What would have to be fetched, each revision once."""
    return [hub for hub in {(h.id, h.revision): h for h in hubs}.values() if not is_cached(hub)]


def refused(wanted: Iterable[Hub]) -> list[str]:
    """Ids of those that the hub would not give: gated ones while there is no token, and those that the token may not read.

    The hub is asked only where there is a token; where it does not answer, nothing is known, and nothing is said.
    """
    if not get_token():
        return [hub.id for hub in wanted if hub.gated]
    found = []
    for hub in wanted:
        try:
            HfApi().auth_check(hub.id)
        except (GatedRepoError, RepositoryNotFoundError):
            found.append(hub.id)
        except (HTTPError, OSError):
            break
    return found


def check_access(wanted: Iterable[Hub]) -> None:
    """Raise InputError, one message that lists every model that the hub would refuse, and says what to do."""
    if ids := refused(wanted):
        why = "this HF_TOKEN may not read" if get_token() else "gated, and there is no token for"
        raise InputError(
            f"{why} {len(ids)} of the models:",
            *(f"  https://huggingface.co/{id_}" for id_ in ids),
            "Ask for access on each page, set HF_TOKEN to a token that may read them (or run `hf auth login`), and start again;"
            " or take them out of params.yaml. Nothing has been started.",
        )
