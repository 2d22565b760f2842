using System.Numerics;

namespace PdEngine;

/// <summary>
/// Arithmetic with Python's results: whole numbers of any size, floored division, true division.
/// </summary>
internal static class JinjaNumbers
{
    public static JinjaValue Binary(JinjaContext context, string operation, JinjaValue left, JinjaValue right)
    {
        if (left.IsUndefined || right.IsUndefined)
            throw (left.IsUndefined ? left : right).UndefinedError();
        if (left.IsNumber && right.IsNumber)
        {
            return left.IsInteger && right.IsInteger && operation != "/"
                ? OfIntegers(operation, left.AsInteger, right.AsInteger)
                : OfDoubles(operation, left.AsDouble, right.AsDouble);
        }
        if (operation == "+" && left.IsString && right.IsString)
            return Join(context, left, right);
        if (operation == "+" && AreListsOfOneKind(left, right))
        {
            JinjaSequence first = left.AsSequence;
            JinjaSequence second = right.AsSequence;
            context.ChargeItems(first.Items.Length + (long)second.Items.Length);
            return JinjaValue.Sequence([.. first.Items, .. second.Items], first.Kind);
        }
        if (operation == "*" && (left.IsInteger || right.IsInteger))
        {
            (JinjaValue value, JinjaValue count) = left.IsInteger ? (right, left) : (left, right);
            if (value.IsString || IsList(value))
                return Repeat(context, value, Math.Max(0, count.ToInt("a repeat count")));
        }
        if (operation == "%" && left.IsString)
            return JinjaPrintf.Format(context, left.AsString, right);
        throw new JinjaException(
            $"unsupported operand types for {operation}: '{left.TypeName}' and '{right.TypeName}'");
    }

    public static JinjaValue Negate(JinjaValue value)
    {
        if (value.IsUndefined)
            throw value.UndefinedError();
        if (!value.IsNumber)
            throw new JinjaException($"bad operand type for unary -: '{value.TypeName}'");
        return value.IsInteger ? JinjaValue.Integer(-value.AsInteger) : JinjaValue.Float(-value.AsDouble);
    }

    /// <summary>Python's <c>round</c> (<c>common</c>), or jinja2's <c>ceil</c> and <c>floor</c>.</summary>
    public static JinjaValue Round(JinjaValue value, int digits, string method)
    {
        if (!value.IsNumber)
            throw new JinjaException($"'round' needs a number, not '{value.TypeName}'");
        if (method == "common")
        {
            if (value.IsInteger && digits >= 0)
                return JinjaValue.Integer(value.AsInteger);
            double number = value.AsDouble;
            double unit = Math.Pow(10, -digits);
            double rounded = digits >= 0
                ? Math.Round(number, Math.Min(digits, 15), MidpointRounding.ToEven)
                : Math.Round(number / unit, MidpointRounding.ToEven) * unit;
            return value.IsInteger ? JinjaValue.Integer(new BigInteger(rounded)) : JinjaValue.Float(rounded);
        }
        double scale = Math.Pow(10, digits);
        double scaled = value.AsDouble * scale;
        return JinjaValue.Float((method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled)) / scale);
    }

    /// <summary>A float as a whole number, towards zero.</summary>
    public static JinjaValue Truncate(double value)
    {
        if (!double.IsFinite(value))
            throw new JinjaException($"cannot convert float {JinjaText.OfDouble(value)} to integer");
        return JinjaValue.Integer(new BigInteger(value));
    }

    private static JinjaValue Join(JinjaContext context, JinjaValue left, JinjaValue right)
    {
        bool isMarkup = left.IsMarkup || right.IsMarkup;
        string first = isMarkup ? JinjaTextFilters.Escaped(context, left) : left.AsString;
        string second = isMarkup ? JinjaTextFilters.Escaped(context, right) : right.AsString;
        context.ChargeChars((long)first.Length + second.Length);
        string joined = string.Concat(first, second);
        return isMarkup ? JinjaValue.Markup(joined) : JinjaValue.String(joined);
    }

    private static bool IsList(JinjaValue value) =>
        value.Kind == JinjaKind.Sequence && value.AsSequence.Kind <= JinjaSequenceKind.Tuple;

    private static bool AreListsOfOneKind(JinjaValue left, JinjaValue right) =>
        IsList(left) && IsList(right) && left.AsSequence.Kind == right.AsSequence.Kind;

    private static JinjaValue Repeat(JinjaContext context, JinjaValue value, int count)
    {
        if (value.IsString)
        {
            string text = value.AsString;
            context.ChargeChars((long)text.Length * count);
            return JinjaValue.String(text.Length == 0 ? "" : string.Concat(Enumerable.Repeat(text, count)));
        }
        JinjaSequence sequence = value.AsSequence;
        context.ChargeItems((long)sequence.Items.Length * count);
        JinjaValue[] items = new JinjaValue[sequence.Items.Length * count];
        for (int copy = 0; copy < count && items.Length > 0; copy++)
            sequence.Items.CopyTo(items.AsSpan(copy * sequence.Items.Length));
        return JinjaValue.Sequence(items, sequence.Kind);
    }

    private static JinjaValue OfIntegers(string operation, BigInteger left, BigInteger right)
    {
        if (operation is "//" or "%" && right.IsZero)
            throw new JinjaException("integer division or modulo by zero");
        if (operation == "**")
            return Power(left, right);
        BigInteger result = operation switch
        {
            "+" => left + right,
            "-" => left - right,
            "*" => left * right,
            "//" => FloorDivide(left, right),
            _ => left - (FloorDivide(left, right) * right),
        };
        return Limited(result);
    }

    private static BigInteger FloorDivide(BigInteger left, BigInteger right)
    {
        BigInteger quotient = BigInteger.DivRem(left, right, out BigInteger remainder);
        return !remainder.IsZero && (remainder.Sign < 0) != (right.Sign < 0) ? quotient - 1 : quotient;
    }

    private static JinjaValue Power(BigInteger left, BigInteger right)
    {
        if (right.Sign < 0)
            return OfDoubles("**", (double)left, (double)right);
        bool isSmall = BigInteger.Abs(left) <= 1;
        if (!isSmall && (right > JinjaLimits.IntegerBits
            || (left.GetBitLength() * (long)right) > JinjaLimits.IntegerBits * 2L))
            throw TooLarge();
        int exponent = isSmall ? (int)(right % 2) + (right.IsZero ? 0 : 2) : (int)right;
        return Limited(BigInteger.Pow(left, exponent));
    }

    private static JinjaValue Limited(BigInteger value) =>
        value.GetBitLength() > JinjaLimits.IntegerBits ? throw TooLarge() : JinjaValue.Integer(value);

    private static JinjaException TooLarge() =>
        new($"an integer has more than {JinjaLimits.IntegerBits} bits");

    private static JinjaValue OfDoubles(string operation, double left, double right)
    {
        if (right == 0 && operation is "/" or "//" or "%")
            throw new JinjaException("division by zero");
        return JinjaValue.Float(operation switch
        {
            "+" => left + right,
            "-" => left - right,
            "*" => left * right,
            "/" => left / right,
            "//" => Math.Floor((left - FloorRemainder(left, right)) / right),
            "%" => FloorRemainder(left, right),
            _ => Math.Pow(left, right),
        });
    }

    private static double FloorRemainder(double left, double right)
    {
        double remainder = left % right;
        return remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder;
    }
}
