"""What schemathesis must not ask of an HTTP server."""

import schemathesis


@schemathesis.hook
def filter_case(context, case) -> bool:
    # A header that nobody knows is no error in HTTP: proxies and clients add their own.
    headers = case.headers or {}
    return not any(name.lower().startswith("x-schemathesis-unknown") for name in headers)
