namespace PdEngine;

/// <summary>Equality and order as Python has them.</summary>
internal static class JinjaComparison
{
    public static void RequireHashable(JinjaValue key)
    {
        if (key.Kind == JinjaKind.Mapping
            || (key.Kind == JinjaKind.Sequence && key.AsSequence.Kind != JinjaSequenceKind.Tuple))
            throw new JinjaException($"unhashable type: '{key.TypeName}'");
        if (key.Kind != JinjaKind.Sequence)
            return;
        foreach (JinjaValue item in key.AsSequence.Items)
            RequireHashable(item);
    }

    public static bool AreEqual(JinjaContext context, JinjaValue left, JinjaValue right)
    {
        context.Charge(Math.Min(left.Weight, right.Weight));
        return AreEqual(left, right);
    }

    /// <summary>Equality without a budget: for values that are paid for already.</summary>
    public static bool AreEqual(JinjaValue left, JinjaValue right)
    {
        if (left.IsNumber && right.IsNumber)
        {
            return left.IsInteger && right.IsInteger
                ? left.AsInteger == right.AsInteger
                : left.AsDouble == right.AsDouble;
        }
        if (left.Kind != right.Kind)
            return false;
        if (left.IsSame(right))
            return true;
        return left.Kind switch
        {
            JinjaKind.Undefined => true,
            JinjaKind.Sequence => SequencesEqual(left.AsSequence, right.AsSequence),
            JinjaKind.Mapping => MappingsEqual(left.AsMapping, right.AsMapping),
            _ => false,
        };
    }

    /// <summary>
    /// Negative, zero or positive as <paramref name="left"/> sorts before, with or after the other.
    /// </summary>
    public static int Order(JinjaContext context, JinjaValue left, JinjaValue right)
    {
        context.Charge(Math.Min(left.Weight, right.Weight));
        return Order(left, right);
    }

    /// <summary>Order by code point; UTF-16 order differs above the surrogates.</summary>
    public static int OrderText(string left, string right)
    {
        int common = left.AsSpan().CommonPrefixLength(right);
        if (common == left.Length || common == right.Length)
            return left.Length.CompareTo(right.Length);
        return Rank(left[common]).CompareTo(Rank(right[common]));
    }

    public static bool AreOrdered(JinjaContext context, string operation, JinjaValue left, JinjaValue right)
    {
        if (left.IsNumber && right.IsNumber && (double.IsNaN(left.AsDouble) || double.IsNaN(right.AsDouble)))
            return false;
        int order = Order(context, left, right);
        return operation switch
        {
            "<" => order < 0,
            "<=" => order <= 0,
            ">" => order > 0,
            _ => order >= 0,
        };
    }

    public static bool Contains(JinjaContext context, JinjaValue container, JinjaValue item)
    {
        switch (container.Kind)
        {
            case JinjaKind.Undefined:
                return false;
            case JinjaKind.String:
                if (!item.IsString)
                {
                    throw new JinjaException(
                        $"'in <string>' requires string as left operand, not {item.TypeName}");
                }
                context.ChargeSearch(container.AsString.Length, item.AsString.Length);
                return container.AsString.Contains(item.AsString, StringComparison.Ordinal);
            case JinjaKind.Mapping:
                context.Charge(item.Weight);
                RequireHashable(item);
                return container.AsMapping.TryGet(item, out _);
            case JinjaKind.Sequence:
                foreach (JinjaValue candidate in container.AsSequence.TakeAll())
                {
                    if (AreEqual(context, candidate, item))
                        return true;
                }
                return false;
            default:
                throw new JinjaException($"argument of type '{container.TypeName}' is not iterable");
        }
    }

    private static int Rank(char c) => c >= '\uE000' ? c - 0x800 : char.IsSurrogate(c) ? c + 0x2000 : c;

    private static int Order(JinjaValue left, JinjaValue right)
    {
        if (left.IsUndefined || right.IsUndefined)
            throw (left.IsUndefined ? left : right).UndefinedError();
        if (left.IsNumber && right.IsNumber)
        {
            return left.IsInteger && right.IsInteger
                ? left.AsInteger.CompareTo(right.AsInteger)
                : left.AsDouble.CompareTo(right.AsDouble);
        }
        if (left.IsString && right.IsString)
            return OrderText(left.AsString, right.AsString);
        if (left.Kind == JinjaKind.Sequence && right.Kind == JinjaKind.Sequence
            && left.AsSequence.Kind == right.AsSequence.Kind
                && left.AsSequence.Kind <= JinjaSequenceKind.Tuple)
            return OrderSequences(left.AsSequence, right.AsSequence);
        throw new JinjaException(
            $"'<' not supported between instances of '{left.TypeName}' and '{right.TypeName}'");
    }

    private static int OrderSequences(JinjaSequence left, JinjaSequence right)
    {
        int common = Math.Min(left.Items.Length, right.Items.Length);
        for (int index = 0; index < common; index++)
        {
            if (!AreEqual(left.Items[index], right.Items[index]))
                return Order(left.Items[index], right.Items[index]);
        }
        return left.Items.Length.CompareTo(right.Items.Length);
    }

    private static bool SequencesEqual(JinjaSequence left, JinjaSequence right)
    {
        if (left.Kind != right.Kind || left.Items.Length != right.Items.Length
            || left.Kind > JinjaSequenceKind.Range)
            return false;
        for (int index = 0; index < left.Items.Length; index++)
        {
            if (!AreEqual(left.Items[index], right.Items[index]))
                return false;
        }
        return true;
    }

    private static bool MappingsEqual(JinjaMapping left, JinjaMapping right)
    {
        if (left.Count != right.Count)
            return false;
        foreach (KeyValuePair<JinjaValue, JinjaValue> entry in left.Entries)
        {
            if (!right.TryGet(entry.Key, out JinjaValue other) || !AreEqual(entry.Value, other))
                return false;
        }
        return true;
    }
}
