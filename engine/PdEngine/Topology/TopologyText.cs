using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace PdEngine;

/// <summary>Turns the bytes of a topology file into one YAML tree of bounded size, or refuses them.</summary>
/// <remarks>
/// The tree is built only after a pass over the events: the tree's own keys are hashed by content, which
/// takes
/// exponential time on keys that alias one another, and its builder recurses.
/// </remarks>
internal static class TopologyText
{
    public const int MaxBytes = 1 << 20;
    private const int MaxDepth = 24;
    private const int MaxEvents = 100_000;
    private const int MaxAliases = 1000;

    private static readonly (string Part, string Meaning)[] Causes =
    [
        ("expected key", "a key and its value are wanted here, at the depth of those before"),
        ("could not find expected ':'", "a key has no ':' behind it"),
        ("expected '-' indicator", "an item of the list is wanted here, '- ' and its value"),
        ("',' or ']'", "a list in [ ] is not ended, or a comma is missing in it"),
        ("',' or '}'", "a mapping in { } is not ended, or a comma is missing in it"),
        ("block entries are not allowed", "a list cannot begin here"),
        ("mapping values are not allowed", "a ':' stands where none can; put text that has one in quotes"),
        ("invalid mapping", "a ':' stands where none can; put text that has one in quotes"),
        ("unexpected end of stream", "a text in quotes is not ended"),
        ("escape", "a text in double quotes has an escape that YAML does not know"),
        ("quoted scalar", "a text in quotes is not ended as it should be"),
        ("cannot start any token", "this character cannot begin a value; put the text in quotes"),
        ("anchor", "an alias names an anchor that is not there"),
        ("alias", "an alias names an anchor that is not there"),
        ("expected <document start>", "more follows where the file should have ended"),
    ];

    public static YamlMappingNode Parse(string file, ReadOnlySpan<byte> bytes)
    {
        string text = Decode(file, bytes);
        RefuseTabs(file, text);
        int reachedLine = 1;
        try
        {
            Inspect(file, text, ref reachedLine);
            YamlStream stream = [];
            stream.Load(new StringReader(text));
            return stream.Documents[0].RootNode as YamlMappingNode ?? throw new TopologyException(file,
                (int)stream.Documents[0].RootNode.Start.Line,
                    "the file must be a mapping with the key 'sglang'");
        }
        catch (YamlException error)
        {
            throw new TopologyException(file, Math.Max(1, (int)error.Start.Line), Cause(error), error);
        }
        catch (Exception error) when (error is ArgumentException or InvalidOperationException
            or FormatException
            or OverflowException or IndexOutOfRangeException)
        {
            throw new TopologyException(
                file, reachedLine, "is not YAML: what begins here is not ended as it should be", error);
        }
    }

    private static string Decode(string file, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MaxBytes)
        {
            throw new TopologyException(file, null,
                $"the file has {bytes.Length} bytes, more than the {MaxBytes} that a topology may have");
        }
        if (bytes.StartsWith("\uFEFF"u8))
            bytes = bytes[3..];
        try
        {
            string text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
            return text.Contains('\0', StringComparison.Ordinal)
                ? throw new TopologyException(file, LineOf(text, text.IndexOf('\0',
                    StringComparison.Ordinal)),
                    "the file holds a zero byte; write it as UTF-8 text")
                : text;
        }
        catch (DecoderFallbackException error)
        {
            int line = bytes[..Math.Clamp(error.Index, 0, bytes.Length)].Count((byte)'\n') + 1;
            throw new TopologyException(file, line, "the file is not UTF-8 text", error);
        }
    }

    private static int LineOf(string text, int index) => text.AsSpan(0, index).Count('\n') + 1;

    private static void RefuseTabs(string file, string text)
    {
        int line = 1;
        foreach (ReadOnlySpan<char> row in text.AsSpan().EnumerateLines())
        {
            ReadOnlySpan<char> indent = row[..(row.Length - row.TrimStart(" \t").Length)];
            if (indent.Contains('\t') && indent.Length < row.Length)
                throw new TopologyException(file, line, "a tab indents this line; YAML indents with spaces");
            line++;
        }
    }

    private static void Inspect(string file, string text, ref int reachedLine)
    {
        Parser parser = new(new StringReader(text));
        // One entry per open collection: null for a sequence, else whether the next event is a key.
        Stack<bool?> open = new();
        int events = 0, aliases = 0, documents = 0;
        while (parser.MoveNext())
        {
            ParsingEvent next = parser.Current!;
            int line = reachedLine = (int)next.Start.Line;
            if (++events > MaxEvents)
                throw new TopologyException(file, line, $"the file has more than {MaxEvents} YAML items");
            if (next is DocumentStart && ++documents > 1)
                throw new TopologyException(file, line, "a second document starts here; a topology is one");
            if (next is AnchorAlias && ++aliases > MaxAliases)
                throw new TopologyException(file, line, $"the file has more than {MaxAliases} aliases");
            if (next is NodeEvent node && !node.Tag.IsEmpty && !node.Tag.IsNonSpecific)
                throw new TopologyException(file, line, $"the tag {node.Tag.Value} means nothing here; "
                    + "remove it");
            Follow(file, next, line, open);
        }
        if (documents == 0)
            throw new TopologyException(file, null, "the file is empty; it needs the key 'sglang'");
    }

    private static void Follow(string file, ParsingEvent next, int line, Stack<bool?> open)
    {
        if (next is MappingEnd or SequenceEnd)
        {
            open.Pop();
            return;
        }
        if (next is not (NodeEvent or AnchorAlias))
            return;
        if (open.TryPop(out bool? expectsKey))
        {
            if (expectsKey is true && next is not Scalar)
                throw new TopologyException(file, line, "a key must be a plain name");
            open.Push(expectsKey is { } key ? !key : null);
        }
        if (next is MappingStart or SequenceStart)
        {
            if (open.Count >= MaxDepth)
                throw new TopologyException(file, line, $"more than {MaxDepth} levels are nested here");
            open.Push(next is MappingStart ? true : null);
        }
    }

    /// <summary>What the parser noticed, in words of this file's grammar.</summary>
    private static string Cause(YamlException error)
    {
        string noticed = error.Message;
        if (noticed.StartsWith("Duplicate key", StringComparison.Ordinal))
            return $"{Shown.Line(noticed)}; give each key once";
        foreach ((string part, string meaning) in Causes)
        {
            if (noticed.Contains(part, StringComparison.OrdinalIgnoreCase))
                return $"is not YAML: {meaning}";
        }
        return $"is not YAML: the parser stopped here ({Shown.Line(noticed)})";
    }
}
