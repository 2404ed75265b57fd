"""Tokens of the Planetary Computer, without which its images cannot be read."""

import warnings
from typing import Any

from srtools.errors import SRError
from srtools.images.raster import check_certificates
from srtools.sentinel2.services import (
    ServiceError,
    brief,
    keep_secrets_out_of_logs,
    within,
)
from srtools.urls import with_proxy

# A token lives 45 min or more.  One that is about to end is replaced before a
# reading starts, so that none ends in the middle of it.
LEAST_LIFE_SECONDS = 1800


def sign(href: str, timeout: float) -> str:
    """Add a token with at least `LEAST_LIFE_SECONDS` left to `href`."""
    keep_secrets_out_of_logs()
    cache = library().sas.TOKEN_CACHE
    for key, token in list(cache.items()):
        if token.ttl() < LEAST_LIFE_SECONDS:
            cache.pop(key, None)
    endpoint = library().settings.Settings.get().sas_url
    name = f"the token service {with_proxy(endpoint)}"
    try:
        return within(timeout, name, lambda: library().sign(href))
    except SRError:
        raise
    except (OSError, ValueError, TypeError) as error:  # requests' are OSErrors
        check_certificates(endpoint)
        raise ServiceError(
            f"{name} gives no token ({brief(error)}); try again later"
        ) from None


def forget() -> None:
    """Forget all tokens, so that the next one is new."""
    library().sas.TOKEN_CACHE.clear()


def library() -> Any:
    """Import planetary_computer, which only its own images need."""
    with warnings.catch_warnings():
        # Its models are declared in a way that newer pydantic warns about.
        warnings.simplefilter("ignore")
        import planetary_computer.sas
        import planetary_computer.settings
    return planetary_computer
