using System.Text;
using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>Mutates templates and messages; whatever comes of them must be text or a typed error.</summary>
internal static class ChatTemplateFuzz
{
    private const int LongestSourceChars = 32 << 10;

    private static readonly string[] Fragments =
    [
        "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "-%}", "{%-", "|", "(", ")", "[", "]", "{", "}", ":",
        ",", ".", "~", "*", "**", "//", "%", "==", "<", " if ", " else ", " for x in ", "endfor", "endif",
        " is ", " not ", " in ", "'", "\"", "\\", "0", "1", "-1", "99999", "1e300", "10**9", "range(",
        "range(99999)", "messages", "loop.", "namespace(", "|tojson", "|list", "|join", "|sort", "|map(",
        "|selectattr('role')", "|replace('', 'x')", "|length", "|reverse", "|indent(", ".items()",
        ".split(", ".strip()", "[::-1]", "[1:]", "*999999", "\n", " ", "\r\n", "é", "😀", "\ud800", "\0",
        "{% set ", "{% macro f(x) %}", "{% endmacro %}", "{{ f(1) }}", "{% break %}", "{% raw %}",
        "{% endraw %}", "{% generation %}", "none", "true", "undefined_name", "raise_exception('x')",
        "strftime_now('%Y')", "{% call f() %}", "{% endcall %}",
    ];

    private static readonly JinjaLimits Limits = new(Steps: 10_000, Chars: 1 << 18);

    /// <summary>
    /// Runs <paramref name="count"/> mutations and returns how many were refused; a failure names the seed of
    /// its own mutation.
    /// </summary>
    public static int Run(int count, int seed)
    {
        int refused = 0;
        string[] sources = Sources();
        string[] chats = Chats();
        for (int index = 0; index < count; index++)
        {
            Random random = new(unchecked((seed * 1_000_003) + index));
            string source = Mutate(sources[random.Next(sources.Length)], sources, random);
            string chat = random.Next(3) == 0 ? Mutate(chats[random.Next(chats.Length)], chats, random)
                : chats[random.Next(chats.Length)];
            try
            {
                refused += RunOne(source, chat) ? 0 : 1;
            }
            catch (Exception error) when (error is not PdEngineException)
            {
                throw new AssertionException(
                    $"Mutation {index} of seed {seed}: {error}\n{source}\n{chat}", error);
            }
        }
        return refused;
    }

    private static bool RunOne(string source, string chat)
    {
        JsonDocument messages;
        try
        {
            messages = JsonDocument.Parse(chat);
        }
        catch (Exception malformed) when (malformed is JsonException or ArgumentException)
        {
            messages = JsonDocument.Parse("""[{"role":"user","content":"x"}]""");
        }
        using (messages)
        {
            try
            {
                ChatTemplateOptions options = new() { BosToken = "<s>", Tools = messages.RootElement };
                ChatTemplate.Parse(source, "fuzz", Limits).Render(messages.RootElement, options);
                return true;
            }
            catch (PdEngineException)
            {
                return false;
            }
        }
    }

    private static string Mutate(string text, string[] others, Random random)
    {
        StringBuilder mutated = new(text);
        for (int edits = 1 + random.Next(6); edits > 0; edits--)
        {
            int at = random.Next(mutated.Length + 1);
            int length = Math.Min(random.Next(12), mutated.Length - at);
            switch (random.Next(6))
            {
                case 0:
                    mutated.Remove(at, length);
                    break;
                case 1 or 2:
                    mutated.Insert(at, Fragments[random.Next(Fragments.Length)]);
                    break;
                case 3:
                    mutated.Remove(at, length).Insert(at, Fragments[random.Next(Fragments.Length)]);
                    break;
                case 4:
                    string piece = mutated.ToString(at, length);
                    mutated.Insert(
                        at, string.Concat(Enumerable.Repeat(piece, random.Next(random.Next(200) + 1))));
                    break;
                default:
                    string other = others[random.Next(others.Length)];
                    int from = random.Next(other.Length);
                    mutated.Insert(at, other.AsSpan(from, Math.Min(random.Next(60), other.Length - from)));
                    break;
            }
            if (mutated.Length > LongestSourceChars)
                mutated.Length = LongestSourceChars;
        }
        return mutated.ToString();
    }

    private static string[] Sources()
    {
        string folder = Path.Combine(TestFiles.Root, "tests", "Text");
        using JsonDocument recorded = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(folder, "ChatTemplateCases.json")));
        return
        [
            .. recorded.RootElement.GetProperty("cases").EnumerateArray().Select(
                item => item.GetProperty("template").GetString()!),
            .. Directory.GetFiles(Path.Combine(folder, "ChatTemplates")).Order(StringComparer.Ordinal)
                .SelectMany(file => Enumerable.Repeat(File.ReadAllText(file), 60)),
        ];
    }

    private static string[] Chats() =>
    [
        "[]",
        """
        [{"role":"system","content":"s"},{"role":"user","content":"Hello 😀"},
         {"role":"assistant","content":null}]
        """,
        """
        [{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],
          "n":[1,2.5,1e400,-0,{"a":{}}]}]
        """,
        """
        [{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"x":1}}}]},
         {"role":"tool","content":"r"}]
        """,
    ];
}
