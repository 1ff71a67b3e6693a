"""Fetching a published model from the Hugging Face Hub, with every way that can fail said in a sentence."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nucloop.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CONFIG", "WEIGHT_FILES", "fetch_model"]

CONFIG = "config.json"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""What the hub calls weights; the first that is there is taken."""
ELSEWHERE = "Or download it on another computer and give the folder."


def fetch_model(repo: str, *, token: str | None = None, cache: Path | None = None, endpoint: str | None = None) -> Path:
    """Return a folder with a model's config.json and weights, from the cache where they were fetched before.

    Parameters
    ----------
    repo : str
        Such as ``MahmoodLab/UNI``.
    token : str, optional
        Access token; the one that `hf auth login` or HF_TOKEN has left when absent.
    cache : Path, optional
        The library's own folder when absent.
    endpoint : str, optional
        A mirror of the hub.

    Raises
    ------
    WeightsError
        If it is gated, unknown, out of reach, or there is no room for it.
    """
    place: dict[str, Any] = {"token": token, "cache_dir": cache, "endpoint": endpoint}
    folder = _fetch_first(repo, [CONFIG], place).parent
    _fetch_first(repo, WEIGHT_FILES, place)
    return folder


def _fetch_first(repo: str, names: Sequence[str], place: dict[str, Any]) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    for name in names:
        try:
            return Path(hf_hub_download(repo, name, **place))
        except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
            raise _out_of_reach(repo, error) from error
        except EntryNotFoundError:
            continue
        except GatedRepoError as error:
            raise _gated(repo) from error
        except RepositoryNotFoundError as error:
            raise _unknown(repo) from error
        except HFValidationError as error:
            raise WeightsError(f"{repo!r} is no name of a model on the Hugging Face Hub. Write OWNER/MODEL.") from error
        except HfHubHTTPError as error:
            raise _refused(repo, getattr(error.response, "status_code", 0)) from error
        except OSError as error:
            raise _unkept(repo, error) from error
    raise WeightsError(
        f"{repo} on the Hugging Face Hub has no {' or '.join(names)}, so it cannot be loaded. "
        "Check the name, or give a folder that holds the model."
    )


def _gated(repo: str) -> WeightsError:
    return WeightsError(
        f"{repo} is given only to people who accept its terms. Open its page on the Hugging Face Hub, ask for access "
        f"with your account, and log in with `hf auth login` (or set HF_TOKEN). {ELSEWHERE}"
    )


def _unknown(repo: str) -> WeightsError:
    return WeightsError(
        f"The Hugging Face Hub does not show {repo}. Check the name; if it is private or gated, log in with "
        "`hf auth login` using a valid token of an account that has access."
    )


def _out_of_reach(repo: str, error: BaseException) -> WeightsError:
    cause = error.__cause__
    while cause is not None:
        # the library calls a file "not found here" whatever kept it from being fetched
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            return _unkept(repo, cause)
        status = getattr(getattr(cause, "response", None), "status_code", 0)
        if status:
            return _refused(repo, status)
        cause = cause.__cause__
    return WeightsError(
        f"{repo} is not on this computer yet, and the Hugging Face Hub cannot be reached. Connect to the network and "
        f"try again. {ELSEWHERE}"
    )


def _refused(repo: str, status: int) -> WeightsError:
    if status in (401, 403):
        return WeightsError(
            f"The Hugging Face Hub refuses {repo} to the access token in use: it is wrong, has expired, or may not "
            "read gated models. Make a new token with that right, and log in with `hf auth login`."
        )
    return WeightsError(
        f"The Hugging Face Hub cannot give {repo} at present (status {status or 'unknown'}). Try again later. "
        f"{ELSEWHERE}"
    )


def _unkept(repo: str, error: OSError) -> WeightsError:
    if error.errno is None:
        return _out_of_reach(repo, error)
    return WeightsError(
        f"Cannot keep {repo} on this computer: {error.strerror or error}. These models take up to 5 GB: make room, or "
        "let HF_HOME name a folder on another disk."
    )
