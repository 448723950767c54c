"""Faults of the fake CoinGecko, set through its admin API."""

import contextlib
import json
import os
import urllib.request

FAKE = os.environ["FAKE"]
ADMIN = os.environ["ADMIN"]


def _ask(method, body=None):
    request = urllib.request.Request(ADMIN, data=body and body.encode(), method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


@contextlib.contextmanager
def fault(body):
    """The fault of a TOML body, which must have touched something when it is cleared. Yields how often it has so far."""
    _ask("POST", 'name = "it"\n' + body)
    try:
        yield lambda: json.loads(_ask("GET"))["faults"][0]["touched"]
        assert json.loads(_ask("GET"))["faults"][0]["touched"] > 0, f"touched nothing: {body}"
    finally:
        _ask("DELETE")


def fails(call, *errors):
    """The error of a call that must fail with one of these."""
    try:
        answer = call()
    except errors as error:
        return error
    raise AssertionError(f"answered {answer!r}, not one of {errors}")
