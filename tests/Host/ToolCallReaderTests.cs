using System.Text;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>Tool calls in text, whole and letter by letter.</summary>
public sealed class ToolCallReaderTests
{
    private static readonly HashSet<string> Names = ["f", "g"];

    [TestCase("hello", "hello")]
    [TestCase("a <b> <tool", "a <b> <tool")]
    [TestCase("""<tool_call>{"name":"f","arguments":{"x":1}}</tool_call>""", """[f {"x":1}]""")]
    [TestCase("""sure <tool_call>{"name":"f","arguments":{}}</tool_call>""", """sure[f {}]""")]
    [TestCase("""<tool_call>{"name":"f"}</tool_call> <tool_call>{"name":"g"}</tool_call>""", "[f {}][g {}]")]
    [TestCase("""<tool_call>{"name":"f","arguments":{"x":1}}""", """[f {"x":1}]""")]
    [TestCase("""<tool_call>{"name":"f","arguments":"{\"x\":1}"}</tool_call>""", """[f {"x":1}]""")]
    [TestCase("""<tool_call>{"name":"f",</tool_call>""", """<tool_call>{"name":"f",</tool_call>""")]
    [TestCase("""<tool_call>{"name":"h"}</tool_call>x""", """<tool_call>{"name":"h"}</tool_call>x""")]
    [TestCase("""<tool_call>{"name":"f","arguments":3}</tool_call>""",
        """<tool_call>{"name":"f","arguments":3}</tool_call>""")]
    [TestCase("""{"name":"f","parameters":{"x":"<"}}""", """[f {"x":"<"}]""")]
    [TestCase("""<|python_tag|>{"name":"f","parameters":{}}""", "[f {}]")]
    [TestCase("""{"name":"f","parameters":{}}; {"name":"g","parameters":{"a":";"}}""",
        """[f {}][g {"a":";"}]""")]
    [TestCase("""{"name":"f","parameters":{}} {"name":"g"}""", "[f {}][g {}]")]
    [TestCase("""[{"name":"f"},{"name":"g"}]""", "[f {}][g {}]")]
    [TestCase("""{"name":"h","parameters":{}}""", """{"name":"h","parameters":{}}""")]
    [TestCase("""{"answer": 4}""", """{"answer": 4}""")]
    [TestCase("""{"name":"f","parameters":{}} and so on""", """{"name":"f","parameters":{}} and so on""")]
    [TestCase("\n\n", "\n\n")]
    [TestCase("", "")]
    public void Calls_are_found_wherever_the_text_is_cut(string text, string expected)
    {
        foreach (int length in new[] { 1, 2, 3, 7, int.MaxValue })
        {
            ToolCallReader reader = new(Names);
            StringBuilder read = new();
            for (int at = 0; at < text.Length; at += Math.Min(length, text.Length))
            {
                int end = (int)Math.Min((long)at + length, text.Length);
                reader.Add(text[at..end]).ForEach(piece => Append(read, piece));
            }
            reader.End().ForEach(piece => Append(read, piece));
            Assert.That(read.ToString(), Is.EqualTo(expected), $"in parts of {length}");
        }
    }

    [Test]
    public void Without_tools_all_is_text()
    {
        ToolCallReader reader = new(new HashSet<string>());
        const string Text = """<tool_call>{"name":"f"}</tool_call>""";
        Assert.That(reader.Add(Text).Single().Text, Is.EqualTo(Text));
        Assert.That(reader.End(), Is.Empty);
    }

    private static void Append(StringBuilder read, ToolCallReader.Piece piece) => read.Append(
        piece.Call is { } call ? $"[{call.Name} {call.Arguments}]" : piece.Text);
}
