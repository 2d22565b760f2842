using System.Globalization;
using System.Text;

namespace PdEngine;

/// <summary>Dates in the notation of C's <c>strftime</c>, in English.</summary>
internal static class JinjaTime
{
    public static string Format(string format, DateTimeOffset now)
    {
        StringBuilder text = new();
        for (int at = 0; at < format.Length; at++)
        {
            if (format[at] != '%' || at + 1 == format.Length)
            {
                text.Append(format[at]);
                continue;
            }
            bool unpadded = format[at + 1] == '-' && at + 2 < format.Length;
            at += unpadded ? 2 : 1;
            string? field = Field(format[at], now);
            if (field is null)
                text.Append('%').Append(unpadded ? "-" : "").Append(format[at]);
            else
                text.Append(unpadded ? Unpadded(field) : field);
        }
        return text.ToString();
    }

    private static string Unpadded(string field)
    {
        string trimmed = field.TrimStart('0', ' ');
        return trimmed.Length == 0 ? "0" : trimmed;
    }

    private static string? Field(char conversion, DateTimeOffset now) => conversion switch
    {
        'Y' => Net(now, "yyyy"),
        'y' => Net(now, "yy"),
        'm' => Net(now, "MM"),
        'B' => Net(now, "MMMM"),
        'b' or 'h' => Net(now, "MMM"),
        'd' => Net(now, "dd"),
        'e' => now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
        'A' => Net(now, "dddd"),
        'a' => Net(now, "ddd"),
        'w' => ((int)now.DayOfWeek).ToString(CultureInfo.InvariantCulture),
        'u' => ((((int)now.DayOfWeek + 6) % 7) + 1).ToString(CultureInfo.InvariantCulture),
        'H' => Net(now, "HH"),
        'I' => Net(now, "hh"),
        'M' => Net(now, "mm"),
        'S' => Net(now, "ss"),
        'f' => Net(now, "ffffff"),
        'p' => Net(now, "tt"),
        'j' => now.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
        'F' => Net(now, "yyyy-MM-dd"),
        'T' or 'X' => Net(now, "HH:mm:ss"),
        'R' => Net(now, "HH:mm"),
        'D' or 'x' => Net(now, "MM'/'dd'/'yy"),
        'c' => Net(now, "ddd MMM ") + now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2)
            + Net(now, " HH:mm:ss yyyy"),
        // The reference takes a time without a zone, whose name and offset are empty.
        'z' or 'Z' => "",
        'n' => "\n",
        't' => "\t",
        '%' => "%",
        _ => null,
    };

    private static string Net(DateTimeOffset now, string format) =>
        now.ToString(format, CultureInfo.InvariantCulture);
}
