using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>Templates that try to take the host's time, memory or stack.</summary>
[TestFixture]
internal sealed class ChatTemplateLimitTests
{
    private static readonly string[] Hostile =
    [
        "{% for a in range(10**9) %}x{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}"
            + "{% endfor %}{% endfor %}",
        "{{ 'a' * 10**9 }}",
        "{{ 'a' * 10**30 }}",
        "{{ [0] * 10**9 }}",
        "{{ (1, 2) * 2147483647 }}",
        "{{ 10 ** 1000 }}",
        "{{ 2 ** 100000 }}",
        "{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}"
            + "{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x='a') %}{% for i in range(99999) %}{% set ns.x = ns.x ~ ns.x ~ i %}"
            + "{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}"
            + "{{ ns.x }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}"
            + "{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x={}) %}{% for i in range(99) %}{% set ns.x = {'a': ns.x, 'b': ns.x} %}"
            + "{% endfor %}{{ ns.x|tojson }}",
        "{% set ns = namespace(x=(1,), y=(1,)) %}{% for i in range(40) %}{% set ns.x = (ns.x, ns.x) %}"
            + "{% set ns.y = (ns.y, ns.y) %}{% endfor %}{{ ns.x == ns.y }}{{ {ns.x: 1} }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = ns.x + ['a' * 100000] %}"
            + "{% endfor %}",
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        "{% macro f(x) %}{% for i in range(3) %}{{ f(x) }}{% endfor %}{% endmacro %}{{ f(1) }}",
        "{% macro f() %}{{ caller() }}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}"
            + "{% call f() %}x{% endcall %}",
        "{% macro f() %}{{ ['f']|map('f')|list }}{% endmacro %}"
            + "{{ ('a' * 10000)|replace('a', 'b' * 10000)|length }}",
        "{{ ('a' * 1000000).split('a')|map('replace', '', 'b' * 100)|list }}",
        "{{ ('a' * 100000)|replace('', 'b' * 100000) }}",
        "{{ ('a' * 100000)|list|join('b' * 100000) }}",
        "{% set big = 'a' * 4000000 %}{{ ('a' * 2000000 ~ 'b' ~ 'a' * 1000000) in big }}"
            + "{% for i in range(99999) %}"
            + "{{ ('a' * 200000 ~ 'b') in big }}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{{ ''|indent('x' * 10000, true) }}"
            + "{% endfor %}{% endfor %}",
        "{{ ('\n' * 1000000)|indent(1000, true, true) }}",
        "{{ [[[[[[1]]]]]]|tojson(indent=' ' * 10000000) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ range(99999)|list|tojson(indent=100000) }}",
        "{{ range(99999)|map('string')|join|int }}",
        "{% for i in range(99999) %}{{ ('1' * 300)|int ** 2 * 7 // 3 % 10 ** 200 }}{% endfor %}",
        "{% set ns = namespace() %}{% for i in range(99999) %}{% set ns.a = ns %}{% endfor %}"
            + "{{ [ns, [ns]]|tojson }}",
        "{% for i in range(99999) %}{{ range(99999)|sort|first }}{% endfor %}",
        "{{ range(99999)|map(attribute='a.' * 1000000)|list }}",
        "{% set d = {'k' * 4000000: 1} %}{% for i in range(99999) %}{{ dict(d)|length }}{% endfor %}",
        "{% set d = {'k' * 4000000: 1} %}{% for i in range(99999) %}{% set n = namespace(**d) %}{% endfor %}",
    ];

    [TestCaseSource(nameof(Hostile))]
    public void A_hostile_template_ends_with_a_typed_error_in_little_memory(string source)
    {
        long before = GC.GetTotalAllocatedBytes();
        ChatTemplate template = ChatTemplate.Parse(source, "hostile");
        Assert.That(() => template.Render(Json("[]")), Throws.InstanceOf<RequestException>());
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(2L << 30), "bytes allocated in all");
    }

    [TestCase("{{ ", "(", "1", ")", " }}")]
    [TestCase("{{ ", "[", "", "]", " }}")]
    [TestCase("{{ ", "{1:", "1", "}", " }}")]
    [TestCase("{{ ", "not ", "1", "", " }}")]
    [TestCase("{{ ", "- ", "1", "", " }}")]
    [TestCase("{{ ", "f(", "", ")", " }}")]
    [TestCase("{{ ", "a[", "1", "]", " }}")]
    [TestCase("{{ ", "1 if 1 else ", "1", "", " }}")]
    [TestCase("", "{% if 1 %}", "", "{% endif %}", "")]
    [TestCase("", "{% for a in b %}", "", "{% endfor %}", "")]
    [TestCase("", "{% set a %}", "", "{% endset %}", "")]
    [TestCase("", "{% macro a() %}", "", "{% endmacro %}", "")]
    [TestCase("{% set ", "(", "a", ")", " = 1 %}")]
    [TestCase("{% for ", "(", "a", ",)", " in [] %}{% endfor %}")]
    [TestCase("{{ 1", " + 1", "", "", " }}")]
    [TestCase("{{ a", ".a", "", "", " }}")]
    [TestCase("{{ 'a'", "|upper", "", "", " }}")]
    [TestCase("{{ 1", " and 1", "", "", " }}")]
    [TestCase("{{ 1", " if 1", "", "", " }}")]
    [TestCase("{{ a", "()", "", "", " }}")]
    public void Deep_nesting_ends_with_a_typed_error_on_a_small_stack(
        string start, string open, string inner, string close, string end)
    {
        const int Copies = 10_000;
        string source = start + string.Concat(Enumerable.Repeat(open, Copies)) + inner
            + string.Concat(Enumerable.Repeat(close, Copies)) + end;
        Exception? error = null;
        Thread thread = new(() => error = Caught(source), maxStackSize: 512 << 10);
        thread.Start();
        thread.Join();
        Assert.That(error, Is.InstanceOf<PdEngineException>());
    }

    [Test]
    public void The_deepest_nesting_allowed_fits_a_small_stack()
    {
        string source = "{{ " + new string('(', 45) + "messages|length" + new string(')', 45) + " }}"
            + "{% macro f(n) %}{{ f(n - 1) if n else 'end' }}{% endmacro %}{{ f(60) }}";
        Exception? error = null;
        Thread thread = new(() => error = Caught(source), maxStackSize: 512 << 10);
        thread.Start();
        thread.Join();
        Assert.That(error, Is.Null);
    }

    [Test]
    public void Too_long_a_source_is_refused() =>
        Assert.That(
            () => ChatTemplate.Parse(new string('x', 1 << 20), "long"), Throws.TypeOf<CheckpointException>());

    [Test]
    public void Limits_grow_with_the_messages()
    {
        const int Count = 1000;
        string content = new('x', 5000);
        string message = $"{{\"role\":\"user\",\"content\":\"{content}\"}}";
        string messages = $"[{string.Join(',', Enumerable.Repeat(message, Count))}]";
        ChatTemplate template = ChatTemplate.Parse(
            "{% for m in messages %}"
                + "{{ ('<' + m.role + '>' + m.content|trim).split('</think>')[-1].lstrip() }}"
            + "{% endfor %}",
            "long chat");
        Assert.That(template.Render(Json(messages)), Has.Length.EqualTo(Count * (content.Length + 6)));
    }

    [Test]
    public void Deep_messages_are_refused()
    {
        string deep = new string('[', 500) + new string(']', 500);
        using JsonDocument messages = JsonDocument.Parse(
            $"[{{\"role\":\"user\",\"x\":{deep}}}]", new JsonDocumentOptions { MaxDepth = 2000 });
        ChatTemplate template = ChatTemplate.Parse("{{ messages }}", "t");
        Assert.That(() => template.Render(messages.RootElement), Throws.TypeOf<RequestException>());
    }

    private static Exception? Caught(string source)
    {
        try
        {
            ChatTemplate.Parse(source, "deep").Render(Json("[]"));
            return null;
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return error;
        }
    }

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;
}
