"""Authentication: is the key known, the signature right, the token current, the Region enabled?"""

import functools
import hashlib
import hmac
from urllib.parse import quote, unquote

from botocore.utils import normalize_url_path

from .call import Call, Signature
from .world import Credential, World

#: Services that answer for all Regions from one place, so that no Region has to be enabled for them.
GLOBAL_SERVICES = frozenset({"iam", "organizations", "account", "cloudfront", "route53", "support"})


def authenticate(world: World, call: Call) -> Credential:
    """Whose call it is. Raises Refusal as the service spells it: unknown key, bad signature, expired token."""
    signed = call.signature
    if signed is None:
        raise call.refuse("unsigned")
    credential = world.find_credential(signed.access_key_id)
    if credential is None or credential.token != call.token:
        raise call.refuse("unknown key")
    if not hmac.compare_digest(_expected(call, signed, credential.secret), signed.signature):
        raise call.refuse("bad signature")
    if credential.expires is not None and credential.expires <= world.now():
        raise call.refuse("expired")
    account = credential.caller.account
    if call.service not in GLOBAL_SERVICES and not world.region_enabled(account, call.region):
        if call.service == "sts":
            refusal = call.refuse("denied", f"STS is not activated in this region for account:{account}.")
            refusal.code = "RegionDisabledException"
            raise refusal
        raise call.refuse("unknown key")
    return credential


def _expected(call: Call, signed: Signature, secret: str) -> str:
    """The SigV4 signature of the request as it came ("Signature Version 4 for API requests", IAM User Guide)."""
    environ = call.environ
    timestamp = str(environ.get("HTTP_X_AMZ_DATE", ""))
    headers = "".join(f"{name}:{' '.join(_header(call, name).split())}\n" for name in signed.signed_headers)
    payload = environ.get("HTTP_X_AMZ_CONTENT_SHA256") or hashlib.sha256(call.body).hexdigest()
    path, _, query = str(environ.get("RAW_URI") or environ.get("PATH_INFO", "/")).partition("?")
    if call.service != "s3":
        path = quote(normalize_url_path(path), safe="/~")
    canonical = "\n".join(
        (
            str(environ["REQUEST_METHOD"]),
            path or "/",
            _canonical_query(query),
            headers,
            ";".join(signed.signed_headers),
            str(payload),
        )
    )
    scope = f"{signed.date}/{signed.region}/{signed.service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(secret, signed.date, signed.region, signed.service)
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def _header(call: Call, name: str) -> str:
    key = name.upper().replace("-", "_")
    value = call.environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", "")
    return str(value)


def _canonical_query(query: str) -> str:
    pairs = [item.partition("=")[::2] for item in query.split("&") if item]
    encoded = sorted((quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


@functools.lru_cache(maxsize=1024)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
