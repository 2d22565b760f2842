namespace PdEngine;

/// <summary>Filters on runs of items.</summary>
internal static class JinjaListFilters
{
    public static JinjaValue Attr(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue name = arguments.Bind("attr", "name")[0]
            ?? throw new JinjaException("'attr' needs a name");
        if (value.IsUndefined)
            throw value.UndefinedError();
        return JinjaAccess.TryMethod(context, value, JinjaText.Of(context, name), out JinjaValue attribute)
            ? attribute
            : JinjaValue.Undefined($"'{value.TypeName}' object has no such attribute");
    }

    public static JinjaValue First(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        arguments.Bind("first");
        if (value.Kind == JinjaKind.Sequence)
            return value.AsSequence.TryTakeFirst(out JinjaValue first) ? first : Empty("first");
        if (value.IsString && value.AsString.Length > 0)
            return JinjaValue.String(JinjaString.Slice(value.AsString, new JinjaRange(0, 1, 1)));
        JinjaValue[] items = context.Items(value);
        return items.Length > 0 ? items[0] : Empty("first");
    }

    public static JinjaValue Last(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        arguments.Bind("last");
        JinjaValue[] items = context.Items(value);
        return items.Length > 0 ? items[^1] : Empty("last");
    }

    public static JinjaValue List(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        arguments.Bind("list");
        return context.List(context.Items(value));
    }

    public static JinjaValue Items(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        arguments.Bind("items");
        if (value.IsUndefined)
            return JinjaValue.Sequence([], JinjaSequenceKind.Generator);
        if (value.Kind != JinjaKind.Mapping)
            throw new JinjaException("can only get item pairs from a mapping");
        context.ChargeItems(3L * value.AsMapping.Count);
        return JinjaValue.Sequence(value.AsMapping.Pairs(), JinjaSequenceKind.Generator);
    }

    public static JinjaValue Join(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("join", "d", "attribute");
        string separator = bound[0] is { } between ? JinjaText.Of(context, between) : "";
        JinjaValue[] items = context.Items(value);
        string[] parts = new string[items.Length];
        context.ChargeItems(items.Length);
        for (int index = 0; index < parts.Length; index++)
        {
            JinjaValue item = bound[1] is { IsNone: false } path
                ? JinjaAccess.Path(context, items[index], path)
                : items[index];
            parts[index] = JinjaText.Of(context, item);
            context.ChargeChars(parts[index].Length + (long)separator.Length);
        }
        return JinjaValue.String(string.Join(separator, parts));
    }

    public static JinjaValue Reverse(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        arguments.Bind("reverse");
        if (value.IsString)
            return JinjaAccess.Slice(context, value, null, null, -1);
        JinjaValue[] items = [.. context.Items(value)];
        Array.Reverse(items);
        return context.List(items, JinjaSequenceKind.Generator);
    }

    /// <summary>
    /// An attribute of each item, or a filter on each; what is false, none included, has no items.
    /// </summary>
    public static JinjaValue Map(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        Func<JinjaValue, JinjaValue> map = arguments.Positional.Count > 0
            ? FilterOf(context, arguments)
            : AttributeOf(context, arguments);
        JinjaValue[] items = value.IsTrue ? context.Items(value) : [];
        JinjaValue[] mapped = new JinjaValue[items.Length];
        context.ChargeItems(items.Length);
        for (int index = 0; index < mapped.Length; index++)
            mapped[index] = map(items[index]);
        return JinjaValue.Sequence(mapped, JinjaSequenceKind.Generator);
    }

    private static Func<JinjaValue, JinjaValue> FilterOf(JinjaContext context, JinjaArguments arguments)
    {
        string name = JinjaText.Of(context, arguments.Positional[0]);
        JinjaFilter filter = JinjaFilters.Find(name)
            ?? throw new JinjaException($"there is no filter '{name}'");
        JinjaArguments rest = arguments.Skip(1);
        return item =>
        {
            context.Enter(context.Line);
            JinjaValue result = filter(context, item, rest);
            context.Leave();
            return result;
        };
    }

    private static Func<JinjaValue, JinjaValue> AttributeOf(JinjaContext context, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("map", "attribute", "default");
        JinjaValue path = bound[0] ?? throw new JinjaException("'map' needs a filter or an attribute");
        return item =>
        {
            JinjaValue found = JinjaAccess.Path(context, item, path);
            return found.IsUndefined && bound[1] is { } whenAbsent ? whenAbsent : found;
        };
    }

    private static JinjaValue Empty(string which) =>
        JinjaValue.Undefined($"there is no {which} item, the sequence is empty");
}
