from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_mob.connection.servers.address import (
    Address,
    ClusterAddress,
    Credentials,
    EmbeddedAddress,
    MemoryAddress,
    SentinelAddress,
    TcpAddress,
    UnixAddress,
)
from redis_mob.connection.servers.tls import Tls
from redis_mob.connection.servers.url import parse_address, storage_url
from redis_mob.errors import ValidationError

SECRET = "s3cr3t-pass"  # noqa: S105


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("memory:", MemoryAddress()),
        ("embedded:", EmbeddedAddress()),
        ("embedded:/var/lib/fleet", EmbeddedAddress(Path("/var/lib/fleet"))),
        ("embedded:///var/lib/fleet", EmbeddedAddress(Path("/var/lib/fleet"))),
        ("embedded:/with%20space/ä", EmbeddedAddress(Path("/with space/ä"))),
        ("redis://localhost", TcpAddress("localhost", 6379)),
        ("REDIS://localhost:7000/3", TcpAddress("localhost", 7000, 3)),
        ("redis://[::1]:7000/", TcpAddress("::1", 7000)),
        ("redis://:pw@h", TcpAddress("h", credentials=Credentials(None, "pw"))),
        ("redis://me:p%40%2F%3A@h/1", TcpAddress("h", 6379, 1, Credentials("me", "p@/:"))),
        ("unix:///run/redis.sock", UnixAddress("/run/redis.sock")),
        ("unix:///run/a%20b.sock?db=4", UnixAddress("/run/a b.sock", 4)),
        ("unix://me:pw@/run/redis.sock", UnixAddress("/run/redis.sock", 0, Credentials("me", "pw"))),
        ("redis+cluster://a:7000,b.example,c:7002", ClusterAddress((("a", 7000), ("b.example", 6379), ("c", 7002)))),
        (
            "Redis+Cluster://[::1]:7000,h:7001,[fe80::2]/",
            ClusterAddress((("::1", 7000), ("h", 7001), ("fe80::2", 6379))),
        ),
        ("redis+cluster://h,[::1]", ClusterAddress((("h", 6379), ("::1", 6379)))),
        ("redis+cluster://me:p%40%2C@h:1,i:2", ClusterAddress((("h", 1), ("i", 2)), Credentials("me", "p@,"))),
        ("redis+cluster://:a,b@h", ClusterAddress((("h", 6379),), Credentials(None, "a,b"))),
        ("rediss://me:pw@h", TcpAddress("h", 6379, 0, Credentials("me", "pw"), Tls())),
        ("Rediss://[::1]:7000/2?", TcpAddress("::1", 7000, 2, tls=Tls())),
        ("rediss+cluster://a,b:1", ClusterAddress((("a", 6379), ("b", 1)), tls=Tls())),
        ("redis+sentinel://a:1,b/jobs", SentinelAddress((("a", 1), ("b", 26379)), "jobs")),
        ("redis+sentinel://[::1],[fe80::2]:1/jobs/3", SentinelAddress((("::1", 26379), ("fe80::2", 1)), "jobs", 3)),
        ("redis+sentinel://h/my%2Fjobs%3F/", SentinelAddress((("h", 26379),), "my/jobs?")),
        ("redis+sentinel://me:p%40@h/s", SentinelAddress((("h", 26379),), "s", 0, Credentials("me", "p@"))),
        (
            "redis+sentinel://h/s?sentinel_user=guard&sentinel_password=a+b%26c=",
            SentinelAddress((("h", 26379),), "s", sentinel_credentials=Credentials("guard", "a+b&c=")),
        ),
        ("rediss+sentinel://h/s/1", SentinelAddress((("h", 26379),), "s", 1, tls=Tls())),
    ],
)
def test_supported_urls(url: str, address: Address) -> None:
    assert parse_address(url) == address
    assert parse_address(address.url) == address


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "embedded:"),
        ("localhost:6379", "embedded:"),
        ("redis", "embedded:"),
        ("http://localhost", "embedded:"),
        ("memory:fleet", "nothing may follow"),
        ("memory://host", "nothing may follow"),
        ("embedded:data", "absolute"),
        ("embedded:/data%00", "directory holds a zero byte"),
        ("unix:///run%00.sock", "path of the socket holds a zero byte"),
        ("embedded://host/data", "directory"),
        ("embedded:/data?fsync=1", "directory"),
        ("redis://", "names no host"),
        ("redis://:6379", "names no host"),
        ("redis://localhost:port", "port"),
        ("redis://localhost:0", "port"),
        ("redis://localhost:65536", "port"),
        ("redis://localhost/one", "database"),
        ("redis://localhost/-1", "database"),
        ("redis://localhost/0/1", "database"),
        ("redis://localhost?db=1", "'db' is none of its options: redis:// takes none"),
        ("redis://me:p?w@localhost", "%3F"),
        ("redis+sentinel://a:1/jobs?sentinel_user=me@host", "%40"),
        ("redis://localhost?ca=/ca.pem", "ca needs TLS, as in rediss://"),
        ("redis://[::1", "host"),
        ("redis://local\nhost", "control character"),
        ("redis://localhost#1", "%23"),
        ("unix://run/redis.sock", "three slashes"),
        ("unix:///", "no socket"),
        ("unix:redis.sock", "no socket"),
        ("unix:///run/redis.sock?db=x", "database"),
        ("unix:///run/redis.sock?timeout=1", "'timeout' is none of its options: unix:// has db"),
        ("redis+cluster://", "a host is missing"),
        ("redis+cluster:a:1,b:2", "write redis+cluster://"),
        ("redis+cluster://a:1,,b:2", "a host is missing"),
        ("redis+cluster://a:1,", "a host is missing"),
        ("redis+cluster://a:1,:2", "a host is missing"),
        ("redis+cluster://a:1,b:port", "port"),
        ("redis+cluster://a:0", "port"),
        ("redis+cluster://a:65536", "port"),
        ("redis+cluster://a:1,[::1", "host cannot be read"),
        ("redis+cluster://a:1,b:2/0", "no databases"),
        ("redis+cluster://a:1?db=0", "'db' is none of its options"),
        ("redis+cluster://a:1#2", "%23"),
        ("rediss://", "names no host"),
        ("rediss://h?verify=no", "'verify' is none of its options: rediss:// has ca, cert, key"),
        ("rediss://h?ca", "the option ca is empty"),
        ("rediss://h?ca=", "the option ca is empty"),
        ("rediss://h?ca=/a.pem&ca=/b.pem", "the option ca is given twice"),
        ("rediss://h?key=/our.key", "key: is of no use without cert"),
        ("rediss://h?ca=ca.pem", f"ca=ca.pem: must be absolute, as in ca={Path('ca.pem').absolute()}"),
        ("rediss+cluster://a:1,b:2/0", "no databases"),
        ("redis+sentinel://a:1,b:2", "the name of a service follows the hosts"),
        ("redis+sentinel://a:1/", "the name of a service follows the hosts"),
        ("redis+sentinel://a:1/jobs/0/1", "the name of a service follows the hosts"),
        ("redis+sentinel://a:1/jobs/x", "the database is a number"),
        ("redis+sentinel://a:1,/jobs", "a host is missing, as in redis+sentinel://"),
        ("redis+sentinel:///jobs", "a host is missing"),
        ("redis+sentinel://a:0/jobs", "port"),
        ("redis+sentinel://a/jobs?password=x", "redis+sentinel:// has sentinel_user, sentinel_password"),
        ("redis+sentinel://a/jobs?cert=/x", "cert needs TLS"),
    ],
)
def test_other_urls_are_refused_with_a_reason(url: str, word: str) -> None:
    with pytest.raises(ValidationError, match="storage URL") as refusal:
        parse_address(url)
    assert word in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://me:{SECRET}@host:x",
        f"redis://me:{SECRET}@host/one",
        f"redis://:{SECRET}@host?db=1",
        f"rediss://me:{SECRET}@host/one",
        f"rediss://me:{SECRET}@host?ca=/no/such/file",
        f"redis://me:p@ss{SECRET}@host:x",
        f"redis://host/0?password={SECRET}",
        f"redis//me:{SECRET}@host",
        f"redis://me:?{SECRET}=1@host",
        f"redis://me:{SECRET}#@host",
        f"http://me:{SECRET}@host",
        f"unix://me:{SECRET}@host/x",
        f"unix:///x?password={SECRET}",
        f"redis+cluster://me:{SECRET}@a:1,b:x",
        f"redis+cluster://me:{SECRET}@a:1,,b",
        f"redis+cluster://me:p@ss{SECRET}@a:1/0",
        f"redis+cluster://a:1?password={SECRET}",
        f"redis+sentinel://me:{SECRET}@a:1",
        f"redis+sentinel://a:1/s?sentinel_password={SECRET}&sentinel_user=",
        f"redis+sentinel://a:1/s/x?sentinel_password={SECRET}",
        f"redis+sentinel://a:1/s?sentinel_pasword={SECRET}",
        f"rediss+sentinel://a:1/s?sentinel_password={SECRET}&ca=/no/such/file",
        f"me:{SECRET}@host",
    ],
)
def test_a_refusal_does_not_show_the_password(url: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        parse_address(url)
    shown = f"{refusal.value!r} {refusal.value.__cause__!r} {refusal.value.__context__!r}"
    assert SECRET not in shown


@pytest.mark.parametrize(
    "url",
    [
        f"redis://me:{SECRET}@host:7000/1",
        f"rediss://me:{SECRET}@host:7000/1",
        f"unix://:{SECRET}@/run/s",
        f"redis+cluster://me:{SECRET}@a:7000,b:7001",
        f"redis+sentinel://me:{SECRET}@a:7000,b:7001/service",
        f"redis+sentinel://me:pw@a:7000,b:7001/service?sentinel_password={SECRET}",
    ],
)
def test_an_address_shows_its_password_only_in_its_url(url: str) -> None:
    address = parse_address(url)
    assert SECRET in address.url
    assert SECRET not in f"{address} {address!r}"


_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
_CREDENTIALS = st.builds(Credentials, st.none() | _TEXT, st.none() | _TEXT)
_HOSTS = st.sampled_from(["h", "h.example", "127.0.0.1", "::1"])
_PORTS = st.integers(1, 65535)
_PLACES = st.lists(st.tuples(_HOSTS, _PORTS), min_size=1, max_size=4).map(tuple)
_DATABASES = st.integers(0, 15)
_TLS = st.none() | st.builds(Tls, *(st.none() | _TEXT for _ in range(3)))


def no_context(_tls: Tls) -> None:
    """A double of `Tls.context`, which would read files that do not exist."""


@given(
    st.builds(TcpAddress, _HOSTS, _PORTS, _DATABASES, _CREDENTIALS, _TLS)
    | st.builds(ClusterAddress, _PLACES, _CREDENTIALS, _TLS)
    | st.builds(SentinelAddress, _PLACES, _TEXT, _DATABASES, _CREDENTIALS, _CREDENTIALS, _TLS)
    | st.builds(UnixAddress, _TEXT.map(lambda text: f"/{text.lstrip('/')}/s"), _DATABASES, _CREDENTIALS)
    | st.builds(EmbeddedAddress, st.none() | _TEXT.map(lambda text: Path("/", text.lstrip("/"))))
)
def test_the_url_of_an_address_reads_back_as_the_same_address(address: Address) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tls, "context", no_context)
        assert parse_address(address.url) == address


@pytest.mark.parametrize(
    ("given_url", "environment", "url"),
    [
        ("redis://a", {"REDIS_MOB_URL": "redis://b"}, "redis://a"),
        (None, {"REDIS_MOB_URL": "redis://b"}, "redis://b"),
        (None, {"REDIS_MOB_URL": ""}, "embedded:"),
        (None, {}, "embedded:"),
    ],
)
def test_the_url_comes_from_the_caller_else_the_environment_else_is_embedded(
    given_url: str | None, environment: dict[str, str], url: str
) -> None:
    assert storage_url(given_url, environment) == url


def test_a_node_of_a_cluster_takes_credentials_and_certificates_of_the_cluster() -> None:
    address = ClusterAddress((("a", 1),), Credentials("me", "pw"), Tls("/ca"))
    assert address.node("b", 2) == TcpAddress("b", 2, 0, Credentials("me", "pw"), Tls("/ca"))


def test_servers_and_sentinels_take_credentials_of_their_own() -> None:
    address = SentinelAddress((("a", 1),), "s", 3, Credentials("me", "pw"), Credentials("guard", "pw2"), Tls("/ca"))
    assert address.server("b", 2) == TcpAddress("b", 2, 3, Credentials("me", "pw"), Tls("/ca"))
    assert address.sentinel("b", 2) == TcpAddress("b", 2, 0, Credentials("guard", "pw2"), Tls("/ca"))


@pytest.mark.parametrize("prefix", ["", "me"])
@pytest.mark.parametrize(
    "character", ["/", "@", "#", "?", "%", "%ff", "%4", "[", "]", "[x]", "/1", "12/34", "12?34", "?a=b"]
)
@pytest.mark.parametrize(
    "form",
    [
        "redis://{}@h:6379/0",
        "valkey://{}@h:6379/0",
        "rediss://{}@h",
        "redis+cluster://{}@h1:7000,h2:7000",
        "redis+sentinel://{}@h1:26379,h2/jobs/1",
        "unix://{}@/run/redis.sock",
    ],
)
def test_a_password_is_percent_encoded_and_never_shown(form: str, character: str, prefix: str) -> None:
    """It is neither in the message nor in the causes of the error: urlsplit quotes the host that it cannot read."""
    encoded = form.format(f"{prefix}:{quote(SECRET + character + SECRET, safe='')}")
    assert parse_address(encoded).url.count(quote(SECRET + character + SECRET, safe="")) == 1
    for password in (SECRET + character + SECRET, f"1{character}{SECRET}"):
        try:
            parse_address(form.format(f"{prefix}:{password}"))
        except ValidationError as error:
            assert "percent-encoded" in str(error)
            assert "%2F" in str(error)
            assert SECRET not in everything(error)
        else:
            assert set(character) & set("[]"), "only brackets are understood as they are, where hosts have none"


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        (f"redis://:{SECRET}", "no host"),
        (f"redis://me:{SECRET}", "port"),
        (f"redis://me:{SECRET}/0", "port"),
        (f"redis+cluster://a:7000,b:{SECRET}", "port"),
        (f"redis+sentinel://h/jobs?sentinel_password={SECRET}&{SECRET}", "none of its options"),
        (f"redis+sentinel://h/jobs?sentinel_password=%{SECRET}", "percent-encoded"),
        (f"redis://me:{SECRET}\u2100@h", "percent-encoded"),
        (f"http://me:{SECRET}@h", "http: is no supported kind of storage"),
    ],
)
def test_what_may_be_a_password_is_not_shown(url: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=hint) as refused:
        parse_address(url)
    assert SECRET not in everything(refused.value)


@pytest.mark.parametrize(
    ("form", "part"),
    [
        ("redis{}://h", "scheme"),
        ("{}", "scheme"),
        (f"redis://{{}}:{SECRET}@h", "user name"),
        (f"redis://me:{SECRET}{{}}@h", "password"),
        (f"rediss://{SECRET}{{}}@h", "user name"),
        (f"redis+cluster://:{SECRET}{{}}@a,b:1", "password"),
        (f"redis+sentinel://:{SECRET}{{}}@a,b:1/jobs", "password"),
        (f"unix://:{SECRET}{{}}@/run/redis.sock", "password"),
        ("redis://h{}:1", "host"),
        ("redis+cluster://a:1,{}:2", "host"),
        ("redis://h:{}", "host"),
        ("redis://h/{}", "path"),
        ("redis+sentinel://h/{}", "service"),
        ("rediss+sentinel://h/jobs/{}", "service"),
        ("valkey+sentinel://h/{}", "service"),
        ("unix:///run/{}.sock", "path of the socket"),
        ("unix:///run/redis.sock?db={}", "option db"),
        ("embedded:/var/lib/{}", "directory"),
        ("embedded:{}", "directory"),
        ("memory:{}", "path"),
        ("rediss://h?ca=/{}.pem", "option ca"),
        ("redis+sentinel://h/jobs?sentinel_user={}", "option sentinel_user"),
        (f"redis+sentinel://h/jobs?sentinel_user=u&sentinel_password={SECRET}{{}}", "option sentinel_password"),
        (f"redis+sentinel://h/jobs?sentinel_password=a&{SECRET}{{}}", "options"),
        ("redis://h#{}", "fragment"),
    ],
)
@pytest.mark.parametrize("surrogate", ["\ud800", "\udc80", "a\udfffb"])
def test_a_lone_surrogate_is_refused_by_the_name_of_its_part(form: str, part: str, surrogate: str) -> None:
    url = form.format(surrogate)
    for source in (url, storage_url(None, {"REDIS_MOB_URL": url})):
        with pytest.raises(ValidationError, match=f"its {part} holds a lone surrogate") as refused:
            parse_address(source)
        str(refused.value).encode()  # which a terminal or a log does
        assert SECRET not in everything(refused.value)


@pytest.mark.parametrize("url", [7, b"memory:", ["memory:"], object()])
def test_a_url_is_a_text(url: Any) -> None:
    with pytest.raises(ValidationError, match="url must be a str, not a value of type"):
        parse_address(storage_url(url))


@pytest.mark.parametrize(
    "url", ["http://h", "https://h", "postgres://h", "redis+unix:///s", "valkeyx://h", "host:6379"]
)
def test_another_scheme_is_told_which_ones_there_are(url: str) -> None:
    with pytest.raises(
        ValidationError, match=r"no supported kind of storage; write one of memory:, .*redis://.*valkey://"
    ):
        parse_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:pw@h:7000/3",
        "rediss://h",
        "redis+cluster://a:1,b:2",
        "rediss+cluster://a:1,b:2",
        "redis+sentinel://a:1,b:2/jobs/4?sentinel_user=u&sentinel_password=p",
        "rediss+sentinel://a:1/jobs",
    ],
)
def test_valkey_in_a_scheme_means_redis(url: str) -> None:
    assert parse_address(url.replace("redis", "valkey", 1)) == parse_address(url)
    assert parse_address(url.replace("redis", "VALKEY", 1)) == parse_address(url)


def test_a_long_url_is_not_shown_as_a_whole() -> None:
    with pytest.raises(ValidationError) as refused:
        parse_address(f"redis://{'h' * 10_000}/x")
    assert len(str(refused.value)) < 1000
    assert "characters)" in str(refused.value)


def test_a_socket_may_have_an_at_in_its_name() -> None:
    assert parse_address("unix:///run/a@b.sock") == UnixAddress("/run/a@b.sock")


def everything(error: BaseException) -> str:
    """The texts of an error and of its causes."""
    texts: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        texts += [str(seen), repr(seen), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    return " ".join(texts)
