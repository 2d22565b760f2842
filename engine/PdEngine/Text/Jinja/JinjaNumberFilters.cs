using System.Globalization;
using System.Numerics;

namespace PdEngine;

/// <summary>Filters that give numbers.</summary>
internal static class JinjaNumberFilters
{
    public static JinjaValue Abs(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        arguments.Bind("abs");
        if (!value.IsNumber)
            throw new JinjaException($"bad operand type for abs(): '{value.TypeName}'");
        return value.IsInteger
            ? JinjaValue.Integer(BigInteger.Abs(value.AsInteger))
            : JinjaValue.Float(Math.Abs(value.AsDouble));
    }

    public static JinjaValue Int(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("int", "default", "base");
        JinjaValue whenBad = bound[0] ?? JinjaValue.Integer(0);
        int radix = bound[1]?.ToInt("the base of 'int'") ?? 10;
        if (value.IsInteger)
            return JinjaValue.Integer(value.AsInteger);
        if (value.Kind == JinjaKind.Float)
            return double.IsFinite(value.AsDouble) ? JinjaNumbers.Truncate(value.AsDouble) : whenBad;
        if (!value.IsString)
            return whenBad;
        string digits = Digits(value.AsString);
        if (radix is 2 or 8 or 16)
            return WithRadix(digits, radix) ?? whenBad;
        const NumberStyles Whole = NumberStyles.AllowLeadingSign;
        if (BigInteger.TryParse(digits, Whole, CultureInfo.InvariantCulture, out BigInteger whole))
            return JinjaValue.Integer(whole);
        return ParseDouble(digits) is { } number && double.IsFinite(number)
            ? JinjaNumbers.Truncate(number)
            : whenBad;
    }

    public static JinjaValue Float(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue whenBad = arguments.Bind("float", "default")[0] ?? JinjaValue.Float(0);
        if (value.IsNumber)
            return JinjaValue.Float(value.AsDouble);
        return value.IsString && ParseDouble(Digits(value.AsString)) is { } number
            ? JinjaValue.Float(number)
            : whenBad;
    }

    public static JinjaValue Round(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("round", "precision", "method");
        string method = bound[1] is { IsString: true } text ? text.AsString : "common";
        if (method is not ("common" or "ceil" or "floor"))
            throw new JinjaException("method must be common, ceil or floor");
        int digits = Math.Clamp(bound[0]?.ToInt("the precision of 'round'") ?? 0, -300, 300);
        return JinjaNumbers.Round(value, digits, method);
    }

    public static JinjaValue Sum(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("sum", "attribute", "start");
        JinjaValue total = bound[1] ?? JinjaValue.Integer(0);
        foreach (JinjaValue item in context.Items(value))
        {
            context.Charge(1);
            JinjaValue term = bound[0] is { IsNone: false } path
                ? JinjaAccess.Path(context, item, path)
                : item;
            if (total.IsString)
                throw new JinjaException("'sum' cannot add strings; use 'join'");
            total = JinjaNumbers.Binary(context, "+", total, term);
        }
        return total;
    }

    private static string Digits(string text)
    {
        string digits = JinjaString.Strip(text, null, start: true, end: true).Replace(
            "_", "", StringComparison.Ordinal);
        return digits.Length <= 300
            ? digits
            : throw new JinjaException("a number has more than 300 characters");
    }

    private static double? ParseDouble(string digits)
    {
        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint
            | NumberStyles.AllowExponent;
        if (double.TryParse(digits, Style, CultureInfo.InvariantCulture, out double number)
            && !digits.AsSpan().ContainsAny("∞yN"))
            return number;
        return digits.TrimStart('+', '-').ToLowerInvariant() switch
        {
            "inf" or "infinity" => digits[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity,
            "nan" => double.NaN,
            _ => null,
        };
    }

    private static JinjaValue? WithRadix(string digits, int radix)
    {
        bool isNegative = digits.StartsWith('-');
        string body = digits.TrimStart('-', '+').ToLowerInvariant();
        string prefix = radix == 16 ? "0x" : radix == 8 ? "0o" : "0b";
        if (body.StartsWith(prefix, StringComparison.Ordinal))
            body = body[2..];
        BigInteger value = 0;
        foreach (char c in body)
        {
            int digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : radix;
            if (digit >= radix)
                return null;
            value = (value * radix) + digit;
        }
        return body.Length == 0 ? null : JinjaValue.Integer(isNegative ? -value : value);
    }
}
