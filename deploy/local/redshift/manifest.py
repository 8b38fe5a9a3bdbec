"""Which objects a COPY reads: a key prefix, or the entries of a manifest."""
import json
import urllib.parse

from .errors import internal
from .s3 import S3Error

COMPRESSED_MAGIC = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh")


class Source:
    def __init__(self, url, bucket, key, mandatory):
        self.url = url
        self.bucket = bucket
        self.key = key
        self.mandatory = mandatory


def parse_url(url):
    parts = urllib.parse.urlsplit(url)
    key = url[len("s3://") + len(parts.netloc) + 1:]
    if parts.scheme != "s3" or not parts.netloc:
        raise internal(f"Invalid S3 url: {url}", context="url")
    return parts.netloc, key


def _manifest(s3, spec):
    bucket, key = parse_url(spec.source)
    try:
        response = s3.get(bucket, key)
        body = response.read()
    except S3Error as error:
        raise internal(f"Problem reading manifest file - {error}", context=spec.source) from error
    if body.startswith(COMPRESSED_MAGIC):
        raise internal("Problem reading manifest file - a manifest cannot be compressed", context=spec.source)
    try:
        entries = json.loads(body.decode("utf-8"))["entries"]
        if not isinstance(entries, list):
            raise ValueError("entries is not a list")
    except (ValueError, KeyError, TypeError) as error:
        raise internal(f"Invalid manifest file - {spec.source}", context=str(error)) from error
    sources = []
    for entry in entries:
        url = entry.get("url") if isinstance(entry, dict) else None
        if not isinstance(url, str):
            raise internal("Mandatory url is not present in manifest file", context=spec.source)
        entry_bucket, entry_key = parse_url(url)
        if not entry_key:
            raise internal(f"Manifest entry without a full path: {url}", code=8001, context=spec.source)
        if spec.format in ("parquet", "orc") and "content_length" not in (entry.get("meta") or {}):
            raise internal("File has no content_length in the manifest", context=url)
        sources.append(Source(url, entry_bucket, entry_key, entry.get("mandatory") is True))
    return sources


def sources(s3, spec):
    """The objects of a COPY, in order; a file listed twice is there twice."""
    if spec.has("manifest"):
        return _manifest(s3, spec)
    bucket, prefix = parse_url(spec.source)
    try:
        keys = s3.list(bucket, prefix)
    except S3Error as error:
        raise internal(str(error), context=f"Listing bucket={bucket} prefix={prefix}") from error
    if not keys:
        raise internal(f"The specified S3 prefix '{prefix}' does not exist", context="S3")
    return [Source(f"s3://{bucket}/{key}", bucket, key, True) for key, size in keys if size > 0 or key == prefix]
