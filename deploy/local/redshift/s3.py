"""A small S3 client that signs its own requests (Signature Version 4). Blocking: it runs in a load's thread."""
import datetime
import hashlib
import hmac
import http.client
import time
import urllib.parse
import xml.etree.ElementTree

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
RETRIES = 3
TIMEOUT_SECONDS = 60


class S3Error(Exception):
    """The server's own code and message."""

    def __init__(self, status, code, message):
        super().__init__(f"S3ServiceException:{message},Status {status},Error {code},Rid 0000000000000000,"
                         f"ExtRid 0,CanRetry {1 if status >= 500 else 0}")
        self.status = status
        self.code = code


class Credentials:
    def __init__(self, access_key, secret_key, token=None):
        self.access_key = access_key
        self.secret_key = secret_key
        self.token = token


def encode(text, safe="-_.~"):
    return urllib.parse.quote(text, safe=safe)


def sign(method, host, path, query, credentials, region, now=None):
    """Headers of a signed request; path is encoded already, query a list of (name, value)."""
    now = now or datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"host": host, "x-amz-content-sha256": EMPTY_SHA256, "x-amz-date": stamp}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(headers))
    canonical = "\n".join([method, path, canonical_query(query),
                           "".join(f"{name}:{headers[name]}\n" for name in sorted(headers)), names, EMPTY_SHA256])
    scope = f"{day}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + credentials.secret_key).encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
                                f"SignedHeaders={names}, Signature={signature}")
    return headers


def canonical_query(query):
    return "&".join(f"{name}={value}" for name, value in sorted((encode(n), encode(v)) for n, v in query))


def _error(response):
    body = response.read()
    code, message = "Unknown", response.reason
    try:
        for element in xml.etree.ElementTree.fromstring(body).iter():
            tag = element.tag.rpartition("}")[2]
            if tag == "Code":
                code = element.text or code
            elif tag == "Message":
                message = element.text or message
    except xml.etree.ElementTree.ParseError:
        code = {403: "AccessDenied", 404: "NoSuchKey", 301: "PermanentRedirect"}.get(response.status, "Unknown")
    return S3Error(response.status, code, message.rstrip("."))


class S3:
    def __init__(self, endpoint, region, credentials):
        url = urllib.parse.urlsplit(endpoint)
        self.secure = url.scheme == "https"
        self.host = url.netloc
        self.region = region
        self.credentials = credentials
        self.slow_downs = 0
        self.connection = None

    def _request(self, method, path, query):
        """A response with status 200; retries what S3 asks to be retried."""
        failure = None
        for attempt in range(RETRIES):
            if attempt:
                time.sleep(0.05 * 2 ** attempt)
            if self.slow_downs:
                failure = S3Error(503, "SlowDown", "Please reduce your request rate.")
                continue
            try:
                if self.connection is None:
                    kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
                    self.connection = kind(self.host, timeout=TIMEOUT_SECONDS)
                target = path + ("?" + canonical_query(query) if query else "")
                self.connection.request(method, target, headers=sign(method, self.host, path, query,
                                                                     self.credentials, self.region))
                response = self.connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                failure = S3Error(500, "RequestTimeout", f"could not reach {self.host}: {error}")
                continue
            if response.status == 200:
                return response
            failure = _error(response)
            if response.status < 500:
                break
        raise failure

    def get(self, bucket, key):
        """The object as a file-like response; it must be read to its end before the next call."""
        return self._request("GET", f"/{encode(bucket)}/{encode(key, '/-_.~')}", [])

    def list(self, bucket, prefix):
        """(key, size) of every key that begins with prefix."""
        found, token = [], None
        while True:
            query = [("list-type", "2"), ("prefix", prefix)]
            if token:
                query.append(("continuation-token", token))
            root = xml.etree.ElementTree.fromstring(self._request("GET", f"/{encode(bucket)}", query).read())
            space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
            for item in root.iter(f"{space}Contents"):
                found.append((item.findtext(f"{space}Key"), int(item.findtext(f"{space}Size") or 0)))
            token = root.findtext(f"{space}NextContinuationToken")
            if root.findtext(f"{space}IsTruncated") != "true" or not token:
                return found

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None
