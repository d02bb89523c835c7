"""Webhook signatures: equal to the official validator, and broken by any change to any part."""

import hashlib
import string
from urllib.parse import parse_qsl, urlencode

from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from ringfence.providers.twilio.signature import expected_signature, is_valid_signature

TOKEN = "12345"
URL = "https://example.com/myapp.php?foo=1&bar=2"
PARAMS = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675310"),
    ("Digits", "1234"),
    ("From", "+14158675310"),
    ("To", "+18005551212"),
]
KNOWN = "L/OH5YylLD5NRKLltdqwSvS0BnU="

names = st.text(alphabet=string.ascii_letters + string.digits + "é字", min_size=1, max_size=12)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
forms = st.lists(st.tuples(names, values), max_size=12)
tokens = st.text(alphabet=string.hexdigits, min_size=1, max_size=32)
schemes = st.sampled_from(["http", "https"])
hosts = st.sampled_from(["example.com", "crm.example.org", "127.0.0.1"])
ports = st.sampled_from(["", ":80", ":443", ":8443"])
paths = st.text(alphabet=string.ascii_letters + "/-_%~", max_size=30).map(lambda path: "/" + path.lstrip("/"))
queries = st.dictionaries(names, values, max_size=3).map(lambda query: "?" + urlencode(query) if query else "")
urls = st.tuples(schemes, hosts, ports, paths, queries).map(
    lambda parts: f"{parts[0]}://{parts[1]}{parts[2]}{parts[3]}{parts[4]}"
)


class Fields(dict[str, str]):
    """Form fields in the shape the official validator reads from web frameworks."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def getlist(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]


def valid(
    *,
    token: str = TOKEN,
    url: str = URL,
    params: list[tuple[str, str]] = PARAMS,
    header: str | None = KNOWN,
    body: bytes | None = None,
) -> bool:
    """Validity of the known-answer request with some parts changed."""
    return is_valid_signature(token=token, url=url, params=params, header=header, body=body)


def test_the_known_answer_of_twilios_documentation() -> None:
    assert expected_signature(TOKEN, URL, PARAMS) == KNOWN
    assert valid()
    assert valid(params=PARAMS[::-1])


def test_a_change_to_any_part_is_noticed() -> None:
    assert valid()
    assert not valid(token="12346")
    assert not valid(url=URL.replace("https", "http"))
    assert not valid(url=URL.replace("example.com", "example.org"))
    assert not valid(url=URL.replace("myapp", "Myapp"))
    assert not valid(url=URL.replace("foo=1&bar=2", "bar=2&foo=1"))
    assert not valid(url=URL + "&x=")
    assert not valid(params=[*PARAMS, ("Extra", "1")])
    for index, (name, value) in enumerate(PARAMS):
        rest = PARAMS[:index] + PARAMS[index + 1 :]
        assert not valid(params=rest)
        assert not valid(params=[*rest, (name + "x", value)])
        assert not valid(params=[*rest, (name, value + "0")])
        assert not valid(params=[*PARAMS, (name, "second")])


def test_a_missing_or_odd_header_is_invalid_and_raises_nothing() -> None:
    assert valid()
    for header in (None, "", " ", "é", "字" * 28, "\ud800", KNOWN[:-1], KNOWN + "=", KNOWN.lower(), "x" * 10_000):
        assert not valid(header=header)


def test_an_empty_token_validates_nothing() -> None:
    assert not valid(token="", header=expected_signature("", URL, PARAMS))
    assert valid(token="x", header=expected_signature("x", URL, PARAMS))


def test_odd_urls_and_fields_raise_nothing() -> None:
    for url in ("", "https://", "https://[::1", "https://h:99999/", "https://h:x/", "no url", "https://h/\ud800"):
        assert not valid(url=url)
    assert not valid(params=[("Body", "\ud83d")])


def test_fragment_and_user_info_do_not_count() -> None:
    assert valid(url=URL + "#rc=2&rp=all")
    assert valid(url=URL.replace("//", "//user:pass@"))


def test_the_port_may_be_written_or_left_out() -> None:
    plain, ported, other = "https://h.example/x?y=1", "https://h.example:443/x?y=1", "https://h.example:8443/x?y=1"
    for signed, asked, accepted in [
        (plain, ported, True),
        (ported, plain, True),
        (plain, other, True),
        (other, other, True),
        (other, plain, False),
        (ported, other, False),
    ]:
        header = expected_signature(TOKEN, signed, PARAMS)
        assert valid(url=asked, header=header) is accepted, (signed, asked)


def test_an_ipv6_host_keeps_its_brackets() -> None:
    header = expected_signature(TOKEN, "http://[::1]/x", PARAMS)
    assert valid(url="http://[::1]:8080/x", header=header)
    assert valid(url="http://[::1]/x", header=header)


def test_a_json_body_must_match_the_hash_in_the_signed_url() -> None:
    body = '{"text": "grüße"}'.encode()
    url = f"https://example.com/hook?bodySHA256={hashlib.sha256(body).hexdigest()}"
    header = expected_signature(TOKEN, url, [])
    assert valid(url=url, params=[], header=header, body=body)
    assert not valid(url=url, params=[], header=header, body=body + b" ")
    assert not valid(url=url, params=[], header=header, body=b"")
    assert not valid(url=url, params=[], header=header)
    plain = "https://example.com/hook"
    assert valid(url=plain, params=[], header=expected_signature(TOKEN, plain, []))
    assert not valid(url=plain, params=[], header=expected_signature(TOKEN, plain, []), body=body)
    official = RequestValidator(TOKEN)
    assert official.validate(url, body.decode(), header)


@given(tokens, urls, forms)
def test_what_the_official_validator_computes_is_what_we_compute(
    token: str, url: str, form: list[tuple[str, str]]
) -> None:
    official = RequestValidator(token).compute_signature(url, Fields(form))
    assert expected_signature(token, url, form) == official


@given(tokens, urls, forms, st.booleans())
def test_what_the_official_validator_accepts_is_what_we_accept(
    token: str, url: str, form: list[tuple[str, str]], swap: bool
) -> None:
    signed = url.replace("https://", "http://") if swap else url
    header = expected_signature(token, signed, form)
    accepted = is_valid_signature(token=token, url=url, params=form, header=header)
    assert accepted == RequestValidator(token).validate(url, Fields(form), header)
    assert accepted == (signed == url)


@given(forms)
def test_fields_survive_the_wire_encoding_they_arrive_in(form: list[tuple[str, str]]) -> None:
    header = expected_signature(TOKEN, URL, form)
    received = parse_qsl(urlencode(form), keep_blank_values=True)
    assert valid(params=received, header=header)
