namespace PdEngine;

/// <summary>
/// Filters that keep some items by a test on the item or on an attribute of it; what is false has no items.
/// </summary>
internal static class JinjaSelectFilters
{
    public static JinjaValue Select(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        Keep(context, value, arguments, wanted: true, attribute: null);

    public static JinjaValue Reject(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        Keep(context, value, arguments, wanted: false, attribute: null);

    public static JinjaValue SelectAttr(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        KeepByAttribute(context, value, arguments, wanted: true);

    public static JinjaValue RejectAttr(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        KeepByAttribute(context, value, arguments, wanted: false);

    private static JinjaValue KeepByAttribute(
        JinjaContext context, JinjaValue value, JinjaArguments arguments, bool wanted)
    {
        if (arguments.Positional.Count == 0)
            throw new JinjaException("the name of an attribute is missing");
        return Keep(context, value, arguments.Skip(1), wanted, arguments.Positional[0]);
    }

    private static JinjaValue Keep(
        JinjaContext context, JinjaValue value, JinjaArguments arguments, bool wanted, JinjaValue? attribute)
    {
        JinjaTest? test = null;
        JinjaArguments rest = arguments;
        if (arguments.Positional.Count > 0)
        {
            string name = JinjaText.Of(context, arguments.Positional[0]);
            test = JinjaTests.Find(name) ?? throw new JinjaException($"there is no test '{name}'");
            rest = arguments.Skip(1);
        }
        List<JinjaValue> kept = [];
        foreach (JinjaValue item in value.IsTrue ? context.Items(value) : [])
        {
            context.ChargeItems(1);
            JinjaValue tested = attribute is { } path ? JinjaAccess.Path(context, item, path) : item;
            if ((test?.Invoke(context, tested, rest) ?? tested.IsTrue) == wanted)
                kept.Add(item);
        }
        return JinjaValue.Sequence([.. kept], JinjaSequenceKind.Generator);
    }
}
