"""Fifty texts as a model could give them, of which none may do anything but be read.

Each tries to call `executed`, to open a dialog, to load something, or to make what stands around it unreadable.
"""

from __future__ import annotations

_SCRIPTS = (
    "<script>executed()</script>",
    "<img src=x onerror=executed()>",
    "<svg onload=executed()>",
    "<svg><script>executed()</script></svg>",
    "<svg><animate onbegin=executed() attributeName=x dur=1s></svg>",
    "<body onload=executed()>",
    "<iframe srcdoc='<script>parent.executed()</script>'></iframe>",
    "<iframe src=javascript:parent.executed()></iframe>",
    "<a href=javascript:executed() autofocus>click</a>",
    "<input onfocus=executed() autofocus>",
    "<details open ontoggle=executed()>",
    "<video><source onerror=executed()></video>",
    "<object data=javascript:executed()></object>",
    "<embed src=javascript:executed()>",
    "<form action=javascript:executed()><button>go</button></form>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=executed()>",
    "<template><script>executed()</script></template>",
    "<link rel=stylesheet href=//evil.test/x.css>",
    "<base href=//evil.test/>",
    "<meta http-equiv=refresh content='0;url=javascript:executed()'>",
    "<style>@import '//evil.test/x.css'; * { display: none }</style>",
    "<img src=//evil.test/leak.png>",
    "</pre></bdi></div><script>executed()</script>",
    '"><script>executed()</script>',
    "' onmouseover='executed()' x='",
    "`${executed()}`",
    "${executed()}",
    "{{constructor.constructor('executed()')()}}",
    "javascript:executed()",
    "data:text/html,<script>executed()</script>",
    "]]><script>executed()</script>",
    "<!--><script>executed()</script>-->",
    "<noscript><p title='</noscript><img src=x onerror=executed()>'>",
    "\\u003cscript\\u003eexecuted()\\u003c/script\\u003e",
    "&lt;script&gt;executed()&lt;/script&gt;",
    "<scr<script>ipt>executed()</scr</script>ipt>",
    "+ADw-script+AD4-executed()+ADw-/script+AD4-",
    "__proto__",
    "constructor",
)

_TEXTS = (
    "\x1b[2J\x1b[31mred\x1b[0m \x1b]8;;javascript:executed()\x07link\x1b]8;;\x07 \x1b]0;title\x07",
    "\x1b]52;c;ZXhlY3V0ZWQoKQ==\x07 and \x9b31m and \x07\x08\x7f",
    "access \u202e)(detucexe\u202c granted \u2066\u2067\u2068",
    "\u200b\u200c\u200d\u2060\ufeff" * 50,
    "z\u0300\u0301\u0302\u0303\u0304\u0305\u0306" * 200,
    "\u0645\u0631\u062d\u0628\u0627 " * 40 + "<img src=x onerror=executed()>",
    "W" * 20_000,
    "line\n" * 5_000,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 200,
    "\ufdfd" * 300,
    "%s%n%x ../../etc/passwd '; DROP TABLE runs; --",
)

HOSTILE: tuple[str, ...] = (*_SCRIPTS, *_TEXTS)
