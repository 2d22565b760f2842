using System.Text;
using System.Text.Json;

namespace PdEngine;

/// <summary>
/// Finds tool calls in text as it comes: between <c>&lt;tool_call&gt;</c> tags, as Qwen and Hermes write
/// them, or as a whole answer of JSON, as Llama 3 does. What is no call of a known tool stays text.
/// </summary>
/// <param name="names">Known tools; without any, all is text.</param>
internal sealed class ToolCallReader(IReadOnlySet<string> names)
{
    private const string Open = "<tool_call>";
    private const string Close = "</tool_call>";
    private const string PythonTag = "<|python_tag|>";

    private readonly StringBuilder _held = new();
    private Place _place;

    private enum Place
    {
        Start,
        Text,
        InCall,
        WholeAnswer,
    }

    /// <summary>Calls found so far.</summary>
    public int CallCount { get; private set; }

    /// <summary>Takes text; gives what is certain by now, in order.</summary>
    public List<Piece> Add(string text)
    {
        List<Piece> pieces = [];
        if (names.Count == 0)
        {
            AddText(pieces, text);
            return pieces;
        }
        _held.Append(text);
        // What can only be settled later is not looked at again with every letter.
        if (_place == Place.WholeAnswer || (_place == Place.InCall && !text.Contains('>')))
            return pieces;
        while (Advance(pieces))
        {
        }
        return pieces;
    }

    /// <summary>Gives what was held back; nothing follows.</summary>
    public List<Piece> End()
    {
        List<Piece> pieces = [];
        string rest = Take(_held.Length);
        if (_place == Place.WholeAnswer && WholeCalls(rest) is { } calls)
            calls.ForEach(call => AddCall(pieces, call));
        else if (_place == Place.InCall)
            AddCallOr(pieces, rest[Open.Length..], rest);
        else if (CallCount == 0 || !string.IsNullOrWhiteSpace(rest))
            AddText(pieces, rest);
        return pieces;
    }

    /// <summary>One step; false where more text is needed.</summary>
    private bool Advance(List<Piece> pieces)
    {
        string held = _held.ToString();
        switch (_place)
        {
            case Place.Start:
                return Begin(held);
            case Place.Text:
                int open = held.IndexOf(Open, StringComparison.Ordinal);
                if (open < 0)
                {
                    // Blanks before a call are not the answer's.
                    int certain = held.Length - OpenHeldBack(held);
                    AddText(pieces, Take(held.AsSpan(0, certain).TrimEnd().Length));
                    return false;
                }
                AddText(pieces, Take(open).TrimEnd());
                _place = Place.InCall;
                return true;
            case Place.InCall:
                int close = held.IndexOf(Close, StringComparison.Ordinal);
                if (close < 0)
                    return false;
                string whole = Take(close + Close.Length);
                AddCallOr(pieces, whole[Open.Length..close], whole);
                _place = Place.Text;
                return true;
            default:
                return false;
        }
    }

    /// <summary>An answer that starts as JSON may be calls as a whole.</summary>
    private bool Begin(string held)
    {
        string start = held.TrimStart();
        if (start.Length == 0
            || (start.Length < PythonTag.Length && PythonTag.StartsWith(start, StringComparison.Ordinal)))
            return false;
        bool isJson = start[0] is '{' or '[' || start.StartsWith(PythonTag, StringComparison.Ordinal);
        _place = isJson ? Place.WholeAnswer : Place.Text;
        return true;
    }

    private List<ToolCall>? WholeCalls(string text)
    {
        string json = text.Trim();
        if (json.StartsWith(PythonTag, StringComparison.Ordinal))
            json = json[PythonTag.Length..].Trim();
        List<ToolCall> calls = [];
        try
        {
            Utf8JsonReader reader = new(
                Encoding.UTF8.GetBytes(json), new JsonReaderOptions { AllowMultipleValues = true });
            while (reader.Read())
            {
                using JsonDocument value = JsonDocument.ParseValue(ref reader);
                IEnumerable<JsonElement> each = value.RootElement.ValueKind == JsonValueKind.Array
                    ? value.RootElement.EnumerateArray()
                    : [value.RootElement];
                foreach (JsonElement one in each)
                {
                    if (ToolCall.Read(one, names) is not { } call)
                        return null;
                    calls.Add(call);
                }
            }
        }
        catch (JsonException)
        {
            return Separated(json);
        }
        return calls.Count > 0 ? calls : null;
    }

    /// <summary>Llama puts semicolons between calls.</summary>
    private List<ToolCall>? Separated(string json)
    {
        List<ToolCall> calls = [];
        int start = 0;
        for (int i = 0; i <= json.Length; i++)
        {
            bool isEnd = i == json.Length || json[i] == ';';
            if (!isEnd || ToolCall.Parse(json[start..i], names) is not { } call)
                continue;
            calls.Add(call);
            start = i + 1;
        }
        return calls.Count > 0 && start > json.Length ? calls : null;
    }

    /// <summary>Letters at the end that may be the start of a tag.</summary>
    private static int OpenHeldBack(string held)
    {
        for (int length = Math.Min(Open.Length - 1, held.Length); length > 0; length--)
        {
            if (held.AsSpan(held.Length - length).SequenceEqual(Open.AsSpan(0, length)))
                return length;
        }
        return 0;
    }

    private string Take(int count)
    {
        string taken = _held.ToString(0, count);
        _held.Remove(0, count);
        return taken;
    }

    private void AddCallOr(List<Piece> pieces, string json, string otherwise)
    {
        if (ToolCall.Parse(json, names) is { } call)
            AddCall(pieces, call);
        else
            AddText(pieces, otherwise);
    }

    private void AddCall(List<Piece> pieces, ToolCall call)
    {
        CallCount++;
        pieces.Add(new(null, call));
    }

    private static void AddText(List<Piece> pieces, string text)
    {
        if (text.Length > 0)
            pieces.Add(new(text, null));
    }

    /// <summary>Text, or a call.</summary>
    public readonly record struct Piece(string? Text, ToolCall? Call);
}
