namespace PdEngine;

/// <summary>Filters that order or compare items; strings compare without case unless asked.</summary>
internal static class JinjaSortFilters
{
    public static JinjaValue Sort(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("sort", "reverse", "case_sensitive", "attribute");
        List<KeyValuePair<JinjaValue[], JinjaValue>> keyed = [];
        JinjaValue[] paths = Paths(bound[2]);
        foreach (JinjaValue item in context.Items(value))
        {
            context.ChargeItems(1 + paths.Length);
            keyed.Add(new(Keys(context, item, paths, bound[1] is { IsTrue: true }), item));
        }
        SortKeyed(context, keyed, bound[0] is { IsTrue: true });
        return JinjaValue.List([.. keyed.Select(static pair => pair.Value)]);
    }

    public static JinjaValue DictSort(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("dictsort", "case_sensitive", "by", "reverse");
        if (value.Kind != JinjaKind.Mapping)
            throw new JinjaException($"'dictsort' needs a mapping, not '{value.TypeName}'");
        string by = bound[1] is { IsString: true } text ? text.AsString : "key";
        if (by is not ("key" or "value"))
            throw new JinjaException("'dictsort' sorts by \"key\" or \"value\"");
        context.ChargeItems(3L * value.AsMapping.Count);
        List<KeyValuePair<JinjaValue[], JinjaValue>> keyed = [];
        foreach (JinjaValue pair in value.AsMapping.Pairs())
        {
            JinjaValue key = pair.AsSequence.Items[by == "key" ? 0 : 1];
            keyed.Add(new([Folded(context, key, bound[0] is { IsTrue: true })], pair));
        }
        SortKeyed(context, keyed, bound[2] is { IsTrue: true });
        return JinjaValue.List([.. keyed.Select(static pair => pair.Value)]);
    }

    public static JinjaValue Unique(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("unique", "case_sensitive", "attribute");
        HashSet<JinjaValue> seen = new(JinjaKeyComparer.Instance);
        List<JinjaValue> kept = [];
        foreach (JinjaValue item in context.Items(value))
        {
            context.ChargeItems(2);
            JinjaValue key = bound[1] is { IsNone: false } path
                ? JinjaAccess.Path(context, item, path)
                : item;
            key = Folded(context, key, bound[0] is { IsTrue: true });
            JinjaComparison.RequireHashable(key);
            context.Charge(key.Weight);
            if (seen.Add(key))
                kept.Add(item);
        }
        return JinjaValue.Sequence([.. kept], JinjaSequenceKind.Generator);
    }

    public static JinjaValue Min(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        Extreme(context, "min", value, arguments, sign: 1);

    public static JinjaValue Max(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        Extreme(context, "max", value, arguments, sign: -1);

    private static JinjaValue Extreme(
        JinjaContext context, string name, JinjaValue value, JinjaArguments arguments, int sign)
    {
        JinjaValue?[] bound = arguments.Bind(name, "case_sensitive", "attribute");
        JinjaValue[] paths = Paths(bound[1]);
        JinjaValue? best = null;
        JinjaValue[] bestKeys = [];
        foreach (JinjaValue item in context.Items(value))
        {
            context.Charge(1);
            JinjaValue[] keys = Keys(context, item, paths, bound[0] is { IsTrue: true });
            if (best is not null && Compare(context, keys, bestKeys) * sign >= 0)
                continue;
            best = item;
            bestKeys = keys;
        }
        return best ?? JinjaValue.Undefined("there is no item, the sequence is empty");
    }

    private static void SortKeyed(
        JinjaContext context, List<KeyValuePair<JinjaValue[], JinjaValue>> keyed, bool isReversed)
    {
        int sign = isReversed ? -1 : 1;
        JinjaSorting.Sort(keyed, (left, right) => sign * Compare(context, left.Key, right.Key));
    }

    private static int Compare(JinjaContext context, JinjaValue[] left, JinjaValue[] right)
    {
        for (int index = 0; index < left.Length; index++)
        {
            context.Charge(1);
            int order = JinjaComparison.AreEqual(context, left[index], right[index])
                ? 0
                : JinjaComparison.Order(context, left[index], right[index]);
            if (order != 0)
                return order;
        }
        return 0;
    }

    private static JinjaValue[] Paths(JinjaValue? attribute)
    {
        if (attribute is not { IsNone: false } path)
            return [];
        return path.IsString ? [.. path.AsString.Split(',').Select(JinjaValue.String)] : [path];
    }

    private static JinjaValue[] Keys(
        JinjaContext context, JinjaValue item, JinjaValue[] paths, bool caseSensitive)
    {
        if (paths.Length == 0)
            return [Folded(context, item, caseSensitive)];
        JinjaValue[] keys = new JinjaValue[paths.Length];
        for (int index = 0; index < keys.Length; index++)
            keys[index] = Folded(context, JinjaAccess.Path(context, item, paths[index]), caseSensitive);
        return keys;
    }

    private static JinjaValue Folded(JinjaContext context, JinjaValue value, bool caseSensitive) =>
        caseSensitive || !value.IsString ? value : context.Text(value.AsString.ToLowerInvariant());
}
