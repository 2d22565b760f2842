"""Writes ChatTemplateCases.json: what Python's jinja2, in the environment that HF transformers sets up, makes of
each template here. Run it where jinja2 is installed: python3 ChatTemplateCases.py"""

import datetime
import json
import pathlib

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def refuse(message):
    raise jinja2.exceptions.TemplateError(message)


NOW = datetime.datetime(2024, 7, 6, 5, 4, 3)
ENVIRONMENT = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
ENVIRONMENT.filters["tojson"] = to_json
ENVIRONMENT.globals["raise_exception"] = refuse
ENVIRONMENT.globals["strftime_now"] = NOW.strftime

VARIABLES = {
    "s": "Hello, World", "empty": "", "u": "Zürich 東京 😀!", "spaces": "  a b\t c \n", "lines": "one\ntwo\r\n\nfour\n",
    "n": 7, "f": 2.5, "yes": True, "no": False, "nil": None, "big": 1e20, "tiny": 1e-7, "whole": 3.0,
    "huge": 123456789012345678901234567890, "list": [3, 1, 2], "words": ["banana", "Apple", "cherry", "apple"],
    "mixed": [1, "a", None, True, 2.0], "map": {"b": 2, "a": 1, "C": 3}, "items_key": {"items": [1, 2], "keys": "k"},
    "people": [{"name": "Ann", "age": 30, "tags": ["x"]}, {"name": "bob", "age": 25, "tags": []},
               {"name": "Cid", "age": 30}],
    "nested": {"a": {"b": {"c": [10, 20, 30]}}}, "quotes": "it's \"q\" \\ \u00e9 \u200b \u0001 \n",
    "html": "<b>&'\"</b>", "pairs": [[1, "a"], [2, "b"]],
}

EXPRESSIONS = r"""
s | u | n | f | yes | nil | big | tiny | whole | huge | list | map | mixed | undefined_name | people | nested
1 + 2 * 3 - 4 | 7 // 2 | -7 // 2 | 7 % 3 | -7 % 3 | 7 / 2 | 6 / 2 | 2 ** 10 | 2 ** -1 | 2.5 * 2 | 7.5 // 2 | -7.5 % 2
1e3 | 1_000 | 0x1F | 0b101 | 0o17 | 1.5e-3 | .5 if false else 1 | 5 % -3 | -5 // 3.0 | 1/3 | 10/4*2 | 2 ** 3 ** 2
'a' + 'b' | 'a' ~ 1 ~ none ~ true ~ 1.0 | 'ab' * 3 | 3 * 'ab' | [1, 2] + [3] | (1, 2) + (3,) | [0] * 3 | 'a' 'b'
'%s is %d' % ('a', 3) | '%5.2f|%-5s|' % (3.14159, 'x') | '%s' % 'z' | '%05d' % 42 | "%s-%s"|format(1, 'b')
true and 1 | 0 or 'x' | not 0 | not not 5 | 1 and 0 or 3 | none or undefined_name or 'd' | '' or [] or {}
1 < 2 < 3 | 1 < 3 < 2 | 1 == 1.0 | true == 1 | '1' == 1 | 'a' < 'b' | [1, 2] < [1, 3] | none == none | 3 >= 3 != 4
'ell' in s | 'x' not in s | 1 in list | 'a' in map | 'z' in map | 1 in undefined_name | not 1 in list | (1, 2) == [1, 2]
undefined_name == undefined_name | undefined_name is defined | undefined_name|default('d') | {'a': 1} == {'a': 1.0}
'yes' if n > 5 else 'no' | 'yes' if n > 50 | 1 if no else 2 if nil else 3 | (1 if yes else 2) + 1
list[0] | list[-1] | list[5] | list[1:] | list[::-1] | list[:-1] | list[::2] | list[-2:] | list[5:] | list[2:0:-1]
s[0] | s[-1] | s[:5] | s[::-1] | u[7] | u[-2] | u[::-1] | u[3:] | s[100] | s[2:100] | s[-3:-1] | u[-2:-1]
map.a | map['a'] | map.zzz | map['zzz'] | map.get('a') | map.get('q') | map.get('q', 5) | nested.a.b.c[1] | nested['a'].b['c'][-1]
map.items()|list | map.keys()|list | map.values()|list | map.items() | map.keys() | items_key['items'] | map.C
people.0.name | people[0]['name'] | mixed.1 | list.0 | {'items': 1}['items'] | {'a': [1, {'b': 2}]} | {1: 'a', none: 2} | {}
[1, [2, (3,)], 'x'] | (1,) | () | (1, 2) | [] | [1, 2,] | 'x', 'y' | ['a\n', "it's", 'say "hi"', 'both \' "'] | [quotes]
s|upper | s|lower | s|length | u|length | list|length | map|length | undefined_name|length | s|title | 'foo bar-baz (qux)'|title
'hELLO wORLD'|capitalize | spaces|trim | '--a--'|trim('-') | 5|string ~ 'x' | nil|trim | s|replace('l', 'L') | s|replace('l', 'L', 1)
'aaa'|replace('', '-') | s|reverse | list|reverse|list | list|first | list|last | s|first | s|last | []|first | empty|first
list|sort | words|sort | words|sort(case_sensitive=true) | list|sort(reverse=true) | people|sort(attribute='age')|map(attribute='name')|join(',')
people|sort(attribute='age,name')|map(attribute='name')|list | words|unique|list | words|unique(case_sensitive=true)|list | [1, 1.0, true, 2]|unique|list
people|map(attribute='name')|join(', ') | people|map(attribute='tags.0')|list | people|map(attribute='zip', default='-')|list | words|map('upper')|list
words|map('replace', 'a', 'o')|join('|') | list|map('string')|list | list|join | list|join('-') | people|join('/', attribute='name') | map|join(',')
people|selectattr('age', 'equalto', 30)|map(attribute='name')|list | people|selectattr('age', '==', 25)|list|length | people|selectattr('tags')|list|length
people|rejectattr('age', 'gt', 26)|map(attribute='name')|list | list|select('odd')|list | list|reject('odd')|list | mixed|select('string')|list | mixed|select|list
people|selectattr('tags', 'defined')|map(attribute='name')|list | people|rejectattr('tags', 'defined')|list | ['a','b']|select('in', ['b'])|list
map|dictsort | map|dictsort(by='value') | map|dictsort(case_sensitive=true) | map|dictsort(reverse=true) | map|items|list | undefined_name|items|list
3.7|int | '42'|int | '4x'|int | '4x'|int(-1) | '3.9'|int | nil|int | 'ff'|int(base=16) | '2.5'|float | 'x'|float | 3|float | true|int | ' 12 '|int
5|round | 2.5|round | 3.5|round | 2.567|round(2) | 42.55|round(1, 'floor') | 42.1|round(0, 'ceil') | 1234|round(-2) | (-3)|abs | -3|abs | 2.5|abs
[1, 2, 3]|sum | people|sum(attribute='age') | list|max | list|min | words|min | people|max(attribute='age') | [1.5, 2]|sum | [[1],[2]]|sum(start=[])
s|list | map|list | html|e | html|escape | html|safe | html|safe + html | html + 'a'|safe | html|safe ~ html | html|e == html|e|e | 'a'|safe == 'a' | {'a': 1}['a'|safe] | lines|indent | lines|indent(2, true) | lines|indent(2, first=true, blank=true) | 'a\nb'|indent('>> ')
nil|default('x') | nil|default('x', true) | empty|d('y', true) | undefined_name|d | 0|default(5, boolean=true) | s|default('no')
map|tojson | people|tojson | u|tojson | quotes|tojson | whole|tojson | big|tojson | tiny|tojson | huge|tojson | nil|tojson | yes|tojson | 1e5|tojson | html|tojson
people|tojson(indent=2) | map|tojson(sort_keys=true) | []|tojson(indent=4) | {}|tojson(indent=4) | u|tojson(ensure_ascii=true) | map|tojson(separators=(',', ':')) | (1, (2,))|tojson
{1: 2, none: 3, true: 4, 1.5: 5}|tojson | [[], {}, [[]]]|tojson(indent=1) | {'a': []}|tojson(indent=2) | nested|tojson(indent=4) | [1.0, 1e16, 1e15, 0.0001, 0.00001]|tojson
1e16 | 1e15 | 123456789.123 | 0.0001 | 0.00001 | 1.0 | 100000.0 | 1e100 | 5e-324 | 1.7976931348623157e308 | 0.1 + 0.2 | -0.0 | 1e22 | 123456789012345680.0
s is string | n is string | n is number | yes is number | n is integer | yes is integer | f is float | f is integer | nil is none | nil is not none | map is mapping
list is sequence | s is sequence | map is sequence | map.items() is sequence | undefined_name is sequence | list is iterable | n is iterable | yes is boolean | n is boolean
yes is true | n is true | no is false | 0 is false | n is odd | n is even | n is divisibleby 7 | n is divisibleby(2) | n is in list | 3 is in list | n is eq 7 | n is gt 5
s is defined and n is odd | n is not odd or yes | not n is odd | s is upper | 'ABC' is upper | 'abc' is lower | range is callable | s is callable | n is sameas 7 | nil is sameas none
s.upper() | s.lower() | s.startswith('He') | s.endswith(('x', 'ld')) | s.split(', ') | spaces.split() | 'a,b,c'.split(',', 1) | 'a,b,c'.rsplit(',', 1) | '  a  b '.split(None, 1)
'a b  c'.rsplit(None, 1) | spaces.strip() | '[' ~ spaces.lstrip() ~ ']' | '[' ~ spaces.rstrip() ~ ']' | 'xxaxx'.strip('x') | 'aXbX'.replace('X', '-') | 'aXbX'.replace('X', '-', 1)
s.find('World') | s.find('zzz') | s.rfind('l') | u.find('!') | s.index('o') | s.count('l') | ', '.join(['a', 'b']) | s.title() | "it's ok".title() | 'aBc'.swapcase() | 'hELLO'.capitalize()
'12'.isdigit() | 'ab'.isalpha() | 'a1'.isalnum() | ' '.isspace() | 'AB'.isupper() | 'ab'.islower() | ''.isdigit() | lines.splitlines() | lines.splitlines(true) | 'a=b=c'.partition('=') | 'a=b=c'.rpartition('=')
'prefix-x'.removeprefix('prefix-') | 'x-suf'.removesuffix('-suf') | ''.split(',') | ''.split() | ','.split(',') | s.startswith('World', 7) | list.index(1) | list.count(3) | [1, 1].count(1)
range(3)|list | range(1, 4)|list | range(10, 0, -3)|list | range(0)|list | range(5)[1:3]|list | 2 in range(3) | dict(a=1, b='x') | dict([('a', 1)]) | dict({'a': 1}, b=2)
strftime_now('%Y-%m-%d') | strftime_now('%d %b %Y') | strftime_now('%B %-d, %Y %H:%M:%S %p %I %j %a %A %y %%') | strftime_now('%e|%F|%T|%D|%c|%x|%X|%w|%u')
'\x41\u00e9\n\t\\\'\"\101\q' | "a\
b" | 'multi
line' | 'tab	' | {'k': s}.k | [s, u][1] | (s) | ((((1)))) | -n | +n | - - n | -n|abs | (-n)|abs | not yes | n|string|length | 2*3|string
(list|sort)[0] | (list|map('string')|list)[0] | list|sort|first | people|map(attribute='name')|map('upper')|list | map.items()|list|first | people|first|tojson | {'a': 1}.items()|first
s|default|upper|lower|title | words|map('length')|sum | words|select('in', ['Apple'])|first|upper | pairs|map('first')|list | pairs|map('last')|join | [[1, 2], [3]]|map('length')|list
people|selectattr('name', 'in', ['Ann', 'Cid'])|map(attribute='age')|list | people|selectattr('nope', 'undefined')|list|length | people|selectattr('age', 'divisibleby', 5)|list|length
1 if people|selectattr('name', 'equalto', 'nobody') else 2 | 1 if people|selectattr('name', 'equalto', 'nobody')|list else 2 | {'a': 1, 'b': {'c': none}} | {'x': 1.50, 'y': 1e3}
'ß'|length | 'é'|upper | 'ÀÉ'|lower | '😀😀'[1] | '😀a😀'|reverse | '😀'|list | 'a😀b'.find('b') | '😀' * 2 | ['😀', '\U0001F600', '\u200d', '\xa0', '\x7f'] | 'Σ'|lower | 'ǆ'|upper
5|attr('x') | s|attr('upper') is defined | none ~ '' | [none, true] | (true, false) | 3 == 3.0 == true | 1 != 2 | 'a' != 1 | [] == () | {} == [] | true + true | true * 5 | -true
1 is defined | undefined_name is undefined | map.zzz is defined | map.zzz is none | map.zzz or 'alt' | map.zzz|default('alt') | nested.a.q is defined | undefined_name ~ 'x' | [undefined_name]
loop is defined | caller is defined | s|d|d | s | list.append is defined | list.append is undefined | map.pop is defined | {'pop': 1}['pop'] | {'pop': 1}.pop is defined | 'abc' > 'abd' | 'a' in ['a'] and 'b' not in 'cd' | 10 > 9 > 8 | '10' < '9' | 'Z' < 'a' | '😀' > '\uffff'
"""

TEMPLATES = [
    "{% for x in list %}{{ loop.index }}/{{ loop.length }}:{{ x }}{% if not loop.last %},{% endif %}{% endfor %}",
    "{% for x in list %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }} {% endfor %}",
    "{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}",
    "{% for x in list %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in [1, 1, 2, 2] %}{{ loop.changed(x) }}{% endfor %}",
    "{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in map|items %}{{ k }}={{ v }};{% endfor %}{% for k, v in map|dictsort %}{{ k }}{% endfor %}",
    "{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for x in list if x > 1 %}{{ loop.index }}{{ loop.length }}{{ loop.last }}{{ x }} {% endfor %}",
    "{% for x in [] %}a{% else %}none{% endfor %}{% for x in list %}a{% else %}none{% endfor %}",
    "{% for x in list if x > 9 %}a{% else %}none{% endfor %}",
    "{% for x in list %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in list %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in list %}{% break %}{% else %}E{% endfor %}|{% for x in list %}{% continue %}{% else %}E{% endfor %}",
    "{% for x in list %}{% for y in list %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{{ loop.index }}{% endfor %}",
    "{% for c in 'a😀' %}[{{ c }}]{% endfor %}{% for k in map %}{{ k }}{% endfor %}{% for x in undefined_name %}{{ x }}{% endfor %}",
    "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}{% for x in (1, 2) if x %}{{ x }}{% endfor %}",
    "{% set x = 1 %}{% for y in list %}{% set x = x + y %}{{ x }} {% endfor %}{{ x }}",
    "{% set ns = namespace(x=1, found=false) %}{% for y in list %}{% set ns.x = ns.x + y %}{% endfor %}{{ ns.x }}{{ ns.found }}{{ ns.zzz is defined }}",
    "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns['b'] }}{% set ns.c = [ns.a] %}{{ ns.c }}",
    "{% set ns = namespace(found=false) %}{% for x in list if not ns.found %}{{ x }}{% set ns.found = true %}{% endfor %}",
    "{% if n > 5 %}{% set z = 'in' %}{% endif %}{{ z }}{% if no %}{% set q = 1 %}{% endif %}{{ q is defined }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}{% set t = 1, %}{{ t }}",
    "{% set body %}  x {{ n }}\n y{% endset %}[{{ body }}]{% set up | upper | trim %} abc {% endset %}[{{ up }}]",
    "{% set body %}{% set inner = 1 %}{{ inner }}{% endset %}{{ body }}{{ inner is defined }}",
    "{% filter upper %}abc {{ s }}{% endfilter %}{% filter replace('a', 'b')|upper %}aa{% endfilter %}",
    "{% with a = 1, b = a is defined %}{{ a }}{{ b }}{% set c = 2 %}{% endwith %}{{ a is defined }}{{ c is defined }}",
    "{% macro m(a, b='B', c=a ~ b) %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 2) }} {{ m(b=3, a=4) }} {{ m(1, c='z') }} {{ m() }}",
    "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}body {{ n }}{% endcall %}",
    "{% macro each(items) %}{% for i in items %}{{ caller(i, loop.index) }}{% endfor %}{% endmacro %}{% call(x, k) each(list) %}[{{ k }}:{{ x }}]{% endcall %}",
    "{% macro fact(n) %}{% if n <= 1 %}1{% else %}{{ n * (fact(n - 1)|int) }}{% endif %}{% endmacro %}{{ fact(6) }}",
    "{% macro m(x) %}{{ x }}{{ later }}{% endmacro %}{% set later = 'L' %}{{ m('a') }}{% set r = m('b') %}{{ r|length }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
    "{% macro m(msg) -%}\n  {{ msg }}\n{%- endmacro %}\n{{ m('x') }}|{{ m(*['y']) }}|{{ m(**{'msg': 'z'}) }}",
    "{% macro m(n) %}{{ m2 is defined }}{% set n = n + 1 %}{{ n }}{% endmacro %}{{ m(1) }}{{ n }}",
    "{% if no %}a{% elif nil %}b{% elif n == 7 %}c{% else %}d{% endif %}{% if empty %}x{% endif %}{% if [0] %}y{% endif %}",
    "{% if not n is defined %}a{% elif s is string and s|length > 3 %}b{% endif %}",
    "a\n{% if yes %}\nb\n{% endif %}\nc\n", "a\n  {% if yes %}\n  b\n  {% endif %}\nc\n\n", "  {% if yes %}  x  {% endif %}  \n y",
    "a  {%- if yes -%}  b  {%- endif -%}  c", "a \n {{- s -}} \n b", "a {{ s }} \n b", "x {%+ if yes %}y{% endif +%}\nz",
    "  {%+ if yes %}y{%+ endif %}\nz", "{# c #}\na{# c #}b\n  {# c #}\nd", "a {#- c -#} b", "a\n  {#+ c +#}\nb", "{#\n{{ x }}\n#}ok",
    "{% raw %}{{ x }}{% if %}{% endraw %}!", "a {%- raw -%} {{ x }} {%- endraw -%} b", "{% raw %}\n a\n {% endraw %}\nb",
    "a\n  {%- raw %}\n  b {{ }}\n  {% endraw %}\n c", "{{ '{{' }}{{ '%}' }}{{ \"}}\" }}{{ {'a': {'b': 1}} }}", "\n\na\n\n", "\n", "", "a\r\nb\rc\n",
    "{% set x = 1 -%}\n   {{ x }}", "{%set x=1%}{{x}}{%if x%}1{%endif%}", "{{ s -}}\n\n\n{{- s }}", "{{-s-}}", "{{ 1 -1 }}", "{{ n-1 }}",
    "a{% if yes %}b\n{% else %}c\n{% endif %}d", "  a\n\t{% for x in list %}\n\t{{ x }}\n\t{% endfor %}\n  b", "text { { }} %} #} { {% if yes %}k{% endif %}",
    "{{ s }}\n{{ s }}\n", "{% if yes %}\n\n x{% endif %}\n\n", "{%- for x in list %}\n{{ x }}\n{%- endfor %}\n", "line\n    {{ s }}\n", "\u00a0{% if yes %}x{% endif %}",
    "{% generation %}{{ s }}{% set inside = 1 %}{% endgeneration %}{{ inside is defined }}",
    "{% for m in people %}{% generation %}{{ m.name }}{{ loop.index }}{% endgeneration %}{% endfor %}",
    "{% print s, n %}{% print 'x' %}", "{{ 'a' if yes }}{{ 'b' if no }}", "{{ dict(a=1).a }}",
    "{{ raise_exception('bad role: ' ~ s) }}", "{% if yes %}{{ undefined_name.x }}{% endif %}", "{{ nil.x.y }}", "{{ map.zzz.y }}", "{{ map['zzz'][0] }}",
    "{{ 1 + 'a' }}", "{{ 'a' + none }}", "{{ none + 1 }}", "{{ undefined_name + 1 }}", "{{ 'a' in none }}", "{{ 1 in 'abc' }}", "{{ 1 < 'a' }}", "{{ 1 / 0 }}", "{{ 1 % 0 }}",
    "{{ none < 1 }}", "{{ list.append(1) }}", "{{ map.pop('a') }}", "{{ map.update({}) }}", "{{ undefined_name() }}", "{{ s() }}", "{{ n|length }}", "{{ list|map('nofilter')|list }}",
    "{{ range(1000000) }}", "{% set s.x = 1 %}", "{% set q.x = 1 %}", "{% for a, b in [1] %}{% endfor %}", "{% for a, b in [[1, 2, 3]] %}{% endfor %}", "{% for x in 5 %}{% endfor %}",
    "{{ [[1]]|unique|list }}", "{{ {[1]: 2} }}", "{{ ['a', 1]|sort }}", "{{ undefined_name|tojson }}", "{{ range|tojson }}", "{{ map[[1]] }}", "{{ list['a'] }}", "{{ s.nope }}", "{{ s.nope() }}",
    "{{ '' | int('x') }}", "{{ list | join(1) }}", "{{ 's'.join(list) }}", "{{ 's'.split('') }}", "{{ s.index('zz') }}", "{{ nil[1:] }}", "{{ undefined_name[1:] }}", "{{ map[1:] }}", "{{ list[::0] }}",
    "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}", "{{ caller() }}", "{{ loop.index }}",
    "{{ s.__class__ }}", "{{ s.__class__.__mro__ }}", "{{ ''.__class__ is defined }}", "{{ map.__init__ is defined }}", "{{ m.__globals__ is defined }}",
    "{{ (1 }}", "{{ 1) }}", "{{ }}", "{% if %}{% endif %}", "{% if yes %}", "{% endif %}", "{% for %}{% endfor %}", "{% foo %}", "{{ 'abc }}", "{{ s", "{% if yes", "{# c", "{% raw %}x", "{{ s|nofilter }}",
    "{% if no %}{{ s|nofilter }}{{ s is notest }}{% endif %}ok", "{% if yes %}{{ s|nofilter }}{% endif %}", "{{ nil|list }}",
    "{{ nil|selectattr('x')|list }}{{ nil|map('upper')|list }}{{ 0|reject|list }}", "{{ nil|join }}", "{{ nil|first }}",
    "{{ s is notest }}", "{{ a b }}", "{{ [1 2] }}", "{{ {1} }}", "{{ {'a' 1} }}", "{% set 1 = 2 %}", "{% set none = 2 %}", "{% macro (a) %}{% endmacro %}", "{% break %}", "{{ s. }}", "{{ s[ }}", "{{ $ }}",
    "{{ s is string is string }}", "{{ f(a=1, 2) }}", "{% for x in list %}{% endif %}", "{% else %}", "{% macro m(a=1, b) %}{% endmacro %}", "{{ 1 if }}", "{{ not }}", "{{ 1 + }}", "{{ s..x }}",
]

CHAT = json.loads(r"""[
{"messages": [{"role": "system", "content": "Be terse."}, {"role": "user", "content": " Hi 😀 "},
 {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello."}, {"role": "user", "content": "Bye"}]},
{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "",
  "tool_calls": [{"type": "function", "id": "abcdefghi", "function": {"name": "get_weather",
   "arguments": {"city": "Zürich", "days": 2.0}}}]},
 {"role": "tool", "content": "{\"temp\": 21}", "name": "get_weather", "tool_call_id": "abcdefghi"}],
 "tools": [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city",
  "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "a city"},
  "days": {"type": ["integer", "null"], "default": 1e5}}, "required": ["city"]}}}]},
{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]},
{"messages": [{"role": "assistant", "content": "a"}], "add_generation_prompt": false},
{"messages": []},
{"messages": [{"role": "user", "content": "\n1 < 2?"}, {"role": "assistant", "content": " Yes. "},
 {"role": "user", "content": "Sure & \"certain\"?"}], "tools": []}
]""")


def folder_templates():
    folder = pathlib.Path(__file__).parent / "ChatTemplates"
    return [(path.name, path.read_text()) for path in sorted(folder.glob("*.jinja"))]


def render(template, variables):
    try:
        return {"rendered": ENVIRONMENT.from_string(template).render(**variables)}
    except Exception as error:  # whatever Python makes of it, the template fails
        return {"fails": f"{type(error).__name__}: {error}"}


def main():
    cases = []
    for line in EXPRESSIONS.replace("a\\\nb", "a\\\0b").replace("'multi\nline'", "'multi\0line'").splitlines():
        for expression in (part for part in line.split(" | ") if part):
            template = "{{ " + expression.strip().replace("\0", "\n") + " }}"
            cases.append({"template": template, **render(template, VARIABLES)})
    for template in TEMPLATES:
        cases.append({"template": template, **render(template, VARIABLES)})
    chats = []
    for name, source in folder_templates():
        for index, chat in enumerate(CHAT):
            variables = {"tools": None, "documents": None, "add_generation_prompt": True,
                         "bos_token": "<s>", "eos_token": "</s>", **chat}
            chats.append({"file": name, "chat": index, **render(source, variables)})
    out = {"variables": VARIABLES, "cases": cases, "chat": CHAT, "chats": chats}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(out, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    fails = [case for case in cases if "fails" in case]
    print(len(cases), "cases,", len(fails), "fail,", len(chats), "chats")


if __name__ == "__main__":
    main()
