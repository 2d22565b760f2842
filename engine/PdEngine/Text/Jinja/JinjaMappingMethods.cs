namespace PdEngine;

/// <summary>Methods of dictionaries that leave them as they are.</summary>
internal static class JinjaMappingMethods
{
    public static Func<JinjaContext, JinjaArguments, JinjaValue>? Find(JinjaMapping mapping, string name) =>
        name switch
    {
        "get" => (context, arguments) => Get(context, mapping, arguments),
        "items" => (context, arguments) => View(
            context, arguments, name, mapping.Pairs, JinjaSequenceKind.Items),
        "keys" => (context, arguments) => View(
            context, arguments, name, mapping.Keys, JinjaSequenceKind.Keys),
        "values" => (context, arguments) => View(
            context, arguments, name, mapping.Values, JinjaSequenceKind.Values),
        "copy" => (context, arguments) => JinjaValue.Mapping(mapping),
        _ => null,
    };

    private static JinjaValue Get(JinjaContext context, JinjaMapping mapping, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("get", "key", "default");
        JinjaValue key = bound[0] ?? throw new JinjaException("'get' needs a key");
        context.Charge(key.Weight);
        JinjaComparison.RequireHashable(key);
        return mapping.TryGet(key, out JinjaValue value) ? value : bound[1] ?? JinjaValue.None;
    }

    private static JinjaValue View(
        JinjaContext context, JinjaArguments arguments, string name, Func<JinjaValue[]> items,
        JinjaSequenceKind kind)
    {
        arguments.Bind(name);
        JinjaValue[] view = items();
        context.ChargeItems((kind == JinjaSequenceKind.Items ? 3L : 1L) * view.Length);
        return JinjaValue.Sequence(view, kind);
    }
}
