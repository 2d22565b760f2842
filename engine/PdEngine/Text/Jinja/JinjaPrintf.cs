using System.Globalization;
using System.Text;

namespace PdEngine;

/// <summary>
/// The part of Python's <c>%</c> formatting that templates use: s, d, i, f, x, with width and precision.
/// </summary>
internal static class JinjaPrintf
{
    private const int WidestField = 1000;

    public static JinjaValue Format(JinjaContext context, string format, JinjaValue arguments)
    {
        bool isTuple = arguments.Kind == JinjaKind.Sequence
            && arguments.AsSequence.Kind == JinjaSequenceKind.Tuple;
        JinjaValue[] values = isTuple ? arguments.AsSequence.TakeAll() : [arguments];
        int next = 0;
        StringBuilder text = new();
        for (int at = 0; at < format.Length; at++)
        {
            if (format[at] != '%')
            {
                text.Append(format[at]);
                continue;
            }
            int conversion = at + 1;
            while (conversion < format.Length
                && "-0123456789.".Contains(format[conversion], StringComparison.Ordinal))
                conversion++;
            if (conversion >= format.Length)
                throw new JinjaException("incomplete format");
            if (format[conversion] == '%')
                text.Append('%');
            else if (next >= values.Length)
                throw new JinjaException("not enough arguments for format string");
            else
                AppendField(context, text, format[(at + 1)..conversion], format[conversion], values[next++]);
            at = conversion;
        }
        if (next < values.Length && arguments.Kind != JinjaKind.Mapping)
            throw new JinjaException("not all arguments converted during string formatting");
        return context.Text(text.ToString());
    }

    private static void AppendField(
        JinjaContext context, StringBuilder text, string flags, char conversion, JinjaValue value)
    {
        string[] parts = flags.TrimStart('-', '0').Split('.');
        int width = Number(parts[0], 0);
        int precision = parts.Length > 1 ? Number(parts[1], 0) : -1;
        string field = conversion switch
        {
            's' => Cut(JinjaText.Of(context, value), precision),
            'd' or 'i' when value.IsNumber => JinjaText.Of(context, JinjaNumbers.Truncate(value.AsDouble)),
            'x' when value.IsInteger =>
                ((long)value.ToInt("'%x'")).ToString("x", CultureInfo.InvariantCulture),
            'f' when value.IsNumber => value.AsDouble.ToString(
                $"F{(precision < 0 ? 6 : precision)}", CultureInfo.InvariantCulture),
            _ =>
                throw new JinjaException(
                    $"format '%{flags}{conversion}' is not supported for '{value.TypeName}'"),
        };
        context.ChargeChars(field.Length + width);
        bool zeros = flags.StartsWith('0') && conversion != 's';
        text.Append(flags.StartsWith('-') ? field.PadRight(width)
            : zeros && field.StartsWith('-') ? "-" + field[1..].PadLeft(width - 1, '0')
            : field.PadLeft(width, zeros ? '0' : ' '));
    }

    private static string Cut(string text, int precision) =>
        precision >= 0 && precision < text.Length ? text[..precision] : text;

    private static int Number(string digits, int whenEmpty)
    {
        if (digits.Length == 0)
            return whenEmpty;
        if (!int.TryParse(digits, CultureInfo.InvariantCulture, out int value)
            || value is < 0 or > WidestField)
            throw new JinjaException($"a format width is malformed or over {WidestField}");
        return value;
    }
}
