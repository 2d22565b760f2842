using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;

namespace PdEngine;

/// <summary>JSON in and out: numbers keep Python's form and mappings their order.</summary>
internal static class JinjaJson
{
    private const int LongestNumber = 4300;

    /// <summary>Values and characters of a JSON text, by which a rendering's limits grow.</summary>
    public static JinjaValue Read(JsonElement element, int depth = 0)
    {
        if (depth > JinjaLimits.ValueDepth)
            throw new JinjaException($"JSON nests more than {JinjaLimits.ValueDepth} deep");
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                JinjaMapping mapping = new();
                foreach (JsonProperty property in element.EnumerateObject())
                    mapping.Set(ReadName(property), Read(property.Value, depth + 1));
                return JinjaValue.Mapping(mapping);
            case JsonValueKind.Array:
                JinjaValue[] items = new JinjaValue[element.GetArrayLength()];
                int index = 0;
                foreach (JsonElement item in element.EnumerateArray())
                    items[index++] = Read(item, depth + 1);
                return JinjaValue.List(items);
            case JsonValueKind.String:
                return JinjaValue.String(ReadText(element));
            case JsonValueKind.Number:
                return ReadNumber(element.GetRawText());
            case JsonValueKind.True or JsonValueKind.False:
                return JinjaValue.Boolean(element.GetBoolean());
            default:
                return JinjaValue.None;
        }
    }

    public static string ReadText(JsonElement element)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new JinjaException("a string holds half of a surrogate pair");
        }
    }

    /// <summary>Python's <c>json.dumps</c> with the options that HF's <c>tojson</c> takes.</summary>
    public static JinjaValue Write(JinjaContext context, JinjaValue value, JinjaJsonStyle style)
    {
        context.Charge(value.Weight);
        StringBuilder text = new();
        Write(context, text, value, style, depth: 0);
        return JinjaValue.String(text.ToString());
    }

    private static string ReadName(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw new JinjaException("a name holds half of a surrogate pair");
        }
    }

    private static JinjaValue ReadNumber(string text)
    {
        if (text.Length > LongestNumber)
            throw new JinjaException($"a number has more than {LongestNumber} characters");
        return text.AsSpan().ContainsAny('.', 'e', 'E')
            ? JinjaValue.Float(double.Parse(text, CultureInfo.InvariantCulture))
            : JinjaValue.Integer(BigInteger.Parse(text, CultureInfo.InvariantCulture));
    }

    private static void Write(
        JinjaContext context, StringBuilder text, JinjaValue value, JinjaJsonStyle style, int depth)
    {
        int before = text.Length;
        switch (value.Kind)
        {
            case JinjaKind.None or JinjaKind.Boolean:
                text.Append(value.IsNone ? "null" : value.IsTrue ? "true" : "false");
                break;
            case JinjaKind.Integer:
                text.Append(JinjaText.Of(context, value));
                break;
            case JinjaKind.Float:
                text.Append(OfDouble(value.AsDouble));
                break;
            case JinjaKind.String:
                AppendQuoted(text, value.AsString, style.AsciiOnly);
                break;
            case JinjaKind.Mapping:
                WriteMapping(context, text, value.AsMapping, style, depth + 1);
                return;
            case JinjaKind.Sequence when value.AsSequence.Kind <= JinjaSequenceKind.Tuple:
                WriteSequence(context, text, value.AsSequence, style, depth + 1);
                return;
            default:
                throw new JinjaException($"object of type {value.TypeName} is not JSON serializable");
        }
        context.ChargeChars(text.Length - before);
    }

    private static void WriteSequence(
        JinjaContext context, StringBuilder text, JinjaSequence sequence, JinjaJsonStyle style, int depth)
    {
        text.Append('[');
        bool first = true;
        foreach (JinjaValue item in sequence.Items)
        {
            Separate(context, text, style, depth, ref first);
            Write(context, text, item, style, depth);
        }
        Close(context, text, style, depth, isEmpty: first, ']');
    }

    private static void WriteMapping(
        JinjaContext context, StringBuilder text, JinjaMapping mapping, JinjaJsonStyle style, int depth)
    {
        text.Append('{');
        bool first = true;
        IEnumerable<KeyValuePair<JinjaValue, JinjaValue>> entries = mapping.Entries;
        if (style.SortKeys)
        {
            List<KeyValuePair<JinjaValue, JinjaValue>> sorted = [.. entries];
            JinjaSorting.Sort(sorted, (left, right) => JinjaComparison.Order(context, left.Key, right.Key));
            entries = sorted;
        }
        foreach (KeyValuePair<JinjaValue, JinjaValue> entry in entries)
        {
            Separate(context, text, style, depth, ref first);
            if (entry.Key.Kind is JinjaKind.Sequence or JinjaKind.Object or JinjaKind.Undefined)
                throw new JinjaException(
                    $"JSON names must be str, int, float, bool or None, not {entry.Key.TypeName}");
            if (entry.Key.IsString)
            {
                Write(context, text, entry.Key, style, depth);
            }
            else
            {
                text.Append('"');
                Write(context, text, entry.Key, style, depth);
                text.Append('"');
            }
            text.Append(style.NameSeparator);
            Write(context, text, entry.Value, style, depth);
        }
        Close(context, text, style, depth, isEmpty: first, '}');
    }

    private static void Separate(
        JinjaContext context, StringBuilder text, JinjaJsonStyle style, int depth, ref bool first)
    {
        int before = text.Length;
        if (!first)
            text.Append(style.ItemSeparator);
        first = false;
        NewLine(context, text, style, depth);
        context.ChargeChars(text.Length - before + style.NameSeparator.Length + 2);
    }

    private static void Close(
        JinjaContext context, StringBuilder text, JinjaJsonStyle style, int depth, bool isEmpty, char bracket)
    {
        if (!isEmpty)
            NewLine(context, text, style, depth - 1);
        text.Append(bracket);
        context.ChargeChars(2);
    }

    private static void NewLine(JinjaContext context, StringBuilder text, JinjaJsonStyle style, int depth)
    {
        if (style.Indent is not { } indent)
            return;
        context.ChargeChars((long)indent.Length * depth);
        text.Append('\n');
        for (int level = 0; level < depth; level++)
            text.Append(indent);
    }

    private static string OfDouble(double value) => double.IsFinite(value) ? JinjaText.OfDouble(value)
        : double.IsNaN(value) ? "NaN"
        : value > 0 ? "Infinity" : "-Infinity";

    private static void AppendQuoted(StringBuilder text, string value, bool asciiOnly)
    {
        const string Marked = "\"\\\n\r\t\b\f";
        const string Marks = "\"\\nrtbf";
        text.Append('"');
        foreach (char c in value)
        {
            int mark = Marked.IndexOf(c, StringComparison.Ordinal);
            if (mark >= 0)
                text.Append('\\').Append(Marks[mark]);
            else if (c < ' ' || (asciiOnly && c > '~'))
                text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                text.Append(c);
        }
        text.Append('"');
    }
}
