using System.Globalization;
using System.Numerics;
using System.Text;

namespace PdEngine;

/// <summary>Values as Python's <c>str</c> and <c>repr</c> print them.</summary>
internal static class JinjaText
{
    /// <summary>Python's <c>str(value)</c>; an undefined value is empty.</summary>
    public static string Of(JinjaContext context, JinjaValue value)
    {
        if (value.IsString)
            return value.AsString;
        if (value.Kind is not (JinjaKind.Sequence or JinjaKind.Mapping))
            return value.IsUndefined ? "" : Scalar(value);
        context.Charge(value.Weight);
        StringBuilder text = new();
        Append(context, text, value);
        return text.ToString();
    }

    /// <summary>Python's shortest text of a float that reads back as itself.</summary>
    public static string OfDouble(double value)
    {
        if (!double.IsFinite(value))
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        string round = value.ToString("R", CultureInfo.InvariantCulture);
        string sign = round.StartsWith('-') ? "-" : "";
        string mantissa = round.TrimStart('-');
        int exponent = 0;
        int mark = mantissa.IndexOf('E', StringComparison.Ordinal);
        if (mark >= 0)
        {
            exponent = int.Parse(
                mantissa.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            mantissa = mantissa[..mark];
        }
        int point = mantissa.IndexOf('.', StringComparison.Ordinal);
        int wholeDigits = point < 0 ? mantissa.Length : point;
        string digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        int leadingZeros = digits.Length - digits.TrimStart('0').Length;
        digits = digits.Trim('0');
        if (digits.Length == 0)
            return sign + "0.0";
        return sign + Place(digits, wholeDigits - leadingZeros + exponent);
    }

    private static string Place(string digits, int point)
    {
        if (point is > 16 or < -3)
        {
            string fraction = digits.Length > 1 ? $".{digits[1..]}" : "";
            return $"{digits[0]}{fraction}e{(point > 0 ? '+' : '-')}{Math.Abs(point - 1):00}";
        }
        if (point <= 0)
            return $"0.{new string('0', -point)}{digits}";
        return digits.Length <= point
            ? $"{digits.PadRight(point, '0')}.0"
            : $"{digits[..point]}.{digits[point..]}";
    }

    private static string Scalar(JinjaValue value) => value.Kind switch
    {
        JinjaKind.None => "None",
        JinjaKind.Boolean => value.IsTrue ? "True" : "False",
        JinjaKind.Integer => OfInteger(value.AsInteger),
        JinjaKind.Float => OfDouble(value.AsDouble),
        JinjaKind.Undefined => "Undefined",
        _ => $"<{value.TypeName}>",
    };

    private static string OfInteger(BigInteger value) => value.ToString(CultureInfo.InvariantCulture);

    private static void Append(JinjaContext context, StringBuilder text, JinjaValue value)
    {
        int before = text.Length;
        switch (value.Kind)
        {
            case JinjaKind.String:
                AppendQuoted(text, value.AsString);
                break;
            case JinjaKind.Sequence:
                AppendSequence(context, text, value.AsSequence);
                return;
            case JinjaKind.Mapping:
                AppendMapping(context, text, value.AsMapping);
                return;
            default:
                text.Append(Scalar(value));
                break;
        }
        context.ChargeChars(text.Length - before);
    }

    private static void AppendSequence(JinjaContext context, StringBuilder text, JinjaSequence sequence)
    {
        if (sequence.Kind is JinjaSequenceKind.Generator or JinjaSequenceKind.Range)
            throw new JinjaException($"a {sequence.TypeName} has no text of its own; add '|list'");
        bool isTuple = sequence.Kind == JinjaSequenceKind.Tuple;
        bool isView = sequence.Kind > JinjaSequenceKind.Tuple;
        if (isView)
            text.Append(sequence.TypeName).Append('(');
        text.Append(isTuple ? '(' : '[');
        string separator = "";
        foreach (JinjaValue item in sequence.Items)
        {
            text.Append(separator);
            separator = ", ";
            Append(context, text, item);
        }
        text.Append(isTuple ? (sequence.Items.Length == 1 ? ",)" : ")") : "]");
        if (isView)
            text.Append(')');
        context.ChargeChars(2L * (sequence.Items.Length + 1));
    }

    private static void AppendMapping(JinjaContext context, StringBuilder text, JinjaMapping mapping)
    {
        string separator = "{";
        foreach (KeyValuePair<JinjaValue, JinjaValue> entry in mapping.Entries)
        {
            text.Append(separator);
            separator = ", ";
            Append(context, text, entry.Key);
            text.Append(": ");
            Append(context, text, entry.Value);
        }
        text.Append(mapping.Count == 0 ? "{}" : "}");
        context.ChargeChars(4L * (mapping.Count + 1));
    }

    private static void AppendQuoted(StringBuilder text, string value)
    {
        char quote = value.Contains('\'', StringComparison.Ordinal)
            && !value.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        text.Append(quote);
        for (int at = 0; at < value.Length; at++)
        {
            char c = value[at];
            if (c == quote || c == '\\')
                text.Append('\\').Append(c);
            else if (c is '\n' or '\r' or '\t')
                text.Append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
            else if (c is >= ' ' and < '\x7f')
                text.Append(c);
            else
                at += AppendRune(text, value, at) - 1;
        }
        text.Append(quote);
    }

    private static int AppendRune(StringBuilder text, string value, int at)
    {
        bool isPair = at + 1 < value.Length && char.IsSurrogatePair(value[at], value[at + 1]);
        int code = isPair ? char.ConvertToUtf32(value[at], value[at + 1]) : value[at];
        int units = isPair ? 2 : 1;
        bool isPrintable = CharUnicodeInfo.GetUnicodeCategory(code) is not (UnicodeCategory.Control
            or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
            or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
        if (isPrintable)
            text.Append(value, at, units);
        else if (code < 0x100)
            text.Append(CultureInfo.InvariantCulture, $"\\x{code:x2}");
        else if (code < 0x10000)
            text.Append(CultureInfo.InvariantCulture, $"\\u{code:x4}");
        else
            text.Append(CultureInfo.InvariantCulture, $"\\U{code:x8}");
        return units;
    }
}
