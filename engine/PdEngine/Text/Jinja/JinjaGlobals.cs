namespace PdEngine;

/// <summary>Functions that every template has.</summary>
internal static class JinjaGlobals
{
    /// <summary>A scope with the variables, which hide functions of the same name.</summary>
    public static JinjaScope Over(JinjaScope variables)
    {
        variables.SetWhenAbsent("range", Function("range", Range));
        variables.SetWhenAbsent("dict", Function("dict", Dict));
        variables.SetWhenAbsent("namespace", Function("namespace", Namespace));
        variables.SetWhenAbsent("raise_exception", Function("raise_exception", RaiseException));
        variables.SetWhenAbsent("strftime_now", Function("strftime_now", StrftimeNow));
        return new JinjaScope(variables);
    }

    private static JinjaValue Function(string name, Func<JinjaContext, JinjaArguments, JinjaValue> body) =>
        JinjaValue.Object(new JinjaFunction(name, body));

    private static JinjaValue Range(JinjaContext context, JinjaArguments arguments)
    {
        JinjaValue?[] bounds = arguments.Bind("range", "start", "stop", "step");
        int first = Bound(bounds[0] ?? throw new JinjaException("'range' needs an argument"));
        int? second = bounds[1] is { } stop ? Bound(stop) : null;
        int step = bounds[2] is { } by ? Bound(by) : 1;
        (long start, long end) = second is { } last ? (first, last) : (0, first);
        if (step == 0)
            throw new JinjaException("'range' needs a step that is not zero");
        long count = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -(long)step;
        if (count > JinjaLimits.RangeItems)
        {
            throw new JinjaException(
                $"a range of {count} items is too large; at most {JinjaLimits.RangeItems} are allowed");
        }
        context.ChargeItems(Math.Max(0, count));
        JinjaValue[] items = new JinjaValue[Math.Max(0, count)];
        for (int index = 0; index < items.Length; index++)
            items[index] = JinjaValue.Integer(start + ((long)index * step));
        return JinjaValue.Sequence(items, JinjaSequenceKind.Range);
    }

    private static int Bound(JinjaValue value) => value.IsUndefined
        ? throw value.UndefinedError()
        : value.ToInt("a bound of 'range'");

    private static JinjaValue Dict(JinjaContext context, JinjaArguments arguments)
    {
        JinjaMapping mapping = new();
        foreach (KeyValuePair<JinjaValue, JinjaValue> entry in Entries(context, "dict", arguments))
        {
            context.Charge(entry.Key.Weight);
            mapping.Set(entry.Key, entry.Value);
        }
        return JinjaValue.Mapping(mapping);
    }

    private static JinjaValue Namespace(JinjaContext context, JinjaArguments arguments)
    {
        JinjaNamespace names = new();
        foreach (KeyValuePair<JinjaValue, JinjaValue> entry in Entries(context, "namespace", arguments))
        {
            context.Charge(entry.Key.Weight);
            names.Set(JinjaText.Of(context, entry.Key), entry.Value);
        }
        return JinjaValue.Object(names);
    }

    private static List<KeyValuePair<JinjaValue, JinjaValue>> Entries(
        JinjaContext context, string callee, JinjaArguments arguments)
    {
        if (arguments.Positional.Count > 1)
            throw new JinjaException($"'{callee}' takes one mapping, not {arguments.Positional.Count}");
        List<KeyValuePair<JinjaValue, JinjaValue>> entries = [];
        foreach (JinjaValue source in arguments.Positional)
        {
            if (source.Kind == JinjaKind.Mapping)
            {
                context.ChargeItems(source.AsMapping.Count);
                entries.AddRange(source.AsMapping.Entries);
                continue;
            }
            foreach (JinjaValue pair in context.Items(source))
            {
                JinjaValue[] parts = context.Items(pair);
                if (parts.Length != 2)
                    throw new JinjaException($"'{callee}' needs pairs, not {parts.Length} items");
                entries.Add(new(parts[0], parts[1]));
            }
            context.ChargeItems(entries.Count);
        }
        foreach (KeyValuePair<string, JinjaValue> argument in arguments.Named)
            entries.Add(new(JinjaValue.String(argument.Key), argument.Value));
        context.ChargeItems(arguments.Named.Count);
        return entries;
    }

    private static JinjaValue RaiseException(JinjaContext context, JinjaArguments arguments)
    {
        JinjaValue message = arguments.Bind("raise_exception", "message")[0] ?? JinjaValue.None;
        throw new RequestException("messages", JinjaText.Of(context, message));
    }

    private static JinjaValue StrftimeNow(JinjaContext context, JinjaArguments arguments)
    {
        JinjaValue format = arguments.Bind("strftime_now", "format")[0] ?? JinjaValue.None;
        if (!format.IsString)
            throw new JinjaException("'strftime_now' needs a format");
        return context.Text(JinjaTime.Format(format.AsString, context.Clock.GetLocalNow()));
    }
}
