"""Where blobs are, as a URL says it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from redis_mob.errors import ValidationError

SCHEMES = ("file", "s3")


def checked_url(url: str) -> str:
    """The URL of a place for blobs. Raises ValidationError for what names none, without showing a password."""
    try:
        parts = urlsplit(url)
        has_login = "@" in parts.netloc
    except ValueError:
        raise ValidationError("blobs must be a URL such as file:///srv/blobs or s3://bucket/prefix") from None
    if parts.scheme not in SCHEMES:
        raise ValidationError(
            f"blobs must be a URL such as file:///srv/blobs or s3://bucket/prefix, not one with scheme {parts.scheme!r}"
        )
    if has_login or parts.query or parts.fragment:
        raise ValidationError(
            "the URL of blobs has no login, query or fragment: give credentials in the environment (AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, ...)"
        )
    if parts.scheme == "file" and (parts.netloc or not directory_of(url).is_absolute()):
        raise ValidationError(f"blobs must name a directory by its whole path, as file:///srv/blobs does, not {url!r}")
    if parts.scheme == "s3" and not parts.netloc:
        raise ValidationError(f"blobs must name a bucket, as s3://bucket/prefix does, not {url!r}")
    return url.rstrip("/")


def directory_of(url: str) -> Path:
    """The directory that a file URL names."""
    return Path(unquote(urlsplit(url).path))
