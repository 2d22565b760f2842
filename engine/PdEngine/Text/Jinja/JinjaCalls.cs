namespace PdEngine;

/// <summary>Arguments as written at a call.</summary>
internal sealed record JinjaCallArguments(
    JinjaExpression[] Positional, IReadOnlyList<KeyValuePair<string, JinjaExpression>> Named,
    JinjaExpression? Spread, JinjaExpression? NamedSpread)
{
    public static readonly JinjaCallArguments None = new([], [], null, null);

    public JinjaArguments Evaluate(JinjaContext context)
    {
        if (ReferenceEquals(this, None))
            return JinjaArguments.Empty;
        List<JinjaValue> positional = new(Positional.Length);
        foreach (JinjaExpression argument in Positional)
            positional.Add(argument.Evaluate(context));
        List<KeyValuePair<string, JinjaValue>> named = new(Named.Count);
        foreach (KeyValuePair<string, JinjaExpression> argument in Named)
            named.Add(new(argument.Key, argument.Value.Evaluate(context)));
        if (Spread is not null)
        {
            JinjaValue[] items = context.Items(Spread.Evaluate(context));
            context.ChargeItems(items.Length);
            positional.AddRange(items);
        }
        if (NamedSpread is not null)
            AddNamed(context, NamedSpread.Evaluate(context), named);
        return new JinjaArguments(positional, named);
    }

    private static void AddNamed(
        JinjaContext context, JinjaValue spread, List<KeyValuePair<string, JinjaValue>> named)
    {
        if (spread.Kind != JinjaKind.Mapping)
            throw new JinjaException($"argument after ** must be a mapping, not {spread.TypeName}");
        context.ChargeItems(spread.AsMapping.Count);
        foreach (KeyValuePair<JinjaValue, JinjaValue> entry in spread.AsMapping.Entries)
        {
            if (!entry.Key.IsString)
                throw new JinjaException("names of arguments must be strings");
            context.Charge(entry.Key.Weight);
            named.Add(new(entry.Key.AsString, entry.Value));
        }
    }
}

/// <summary>A call of a function, method or macro.</summary>
internal sealed class JinjaCall(int line, JinjaExpression callee, JinjaCallArguments arguments)
    : JinjaExpression(line)
{
    protected override JinjaValue Compute(JinjaContext context) => Call(context, caller: null);

    /// <summary>Calls with the body of a <c>call</c> block as argument <c>caller</c>.</summary>
    public JinjaValue Call(JinjaContext context, JinjaFunction? caller)
    {
        JinjaValue function = callee.Evaluate(context);
        if (function.IsUndefined)
            throw function.UndefinedError();
        JinjaArguments given = arguments.Evaluate(context);
        if (caller is not null)
            given = new JinjaArguments(
                given.Positional, [.. given.Named, new("caller", JinjaValue.Object(caller))]);
        if (function.Kind == JinjaKind.Object && function.AsObject is JinjaFunction known)
            return known.Call(context, given);
        throw new JinjaException($"'{function.TypeName}' object is not callable");
    }
}

/// <summary>A filter on a value.</summary>
internal sealed class JinjaFiltered(
    int line, JinjaExpression input, JinjaFilter filter, JinjaCallArguments arguments) : JinjaExpression(line)
{
    protected override JinjaValue Compute(JinjaContext context)
    {
        JinjaValue value = input.Evaluate(context);
        return filter(context, value, arguments.Evaluate(context));
    }
}

/// <summary>A test on a value.</summary>
internal sealed class JinjaTested(
    int line, JinjaExpression input, JinjaTest test, JinjaCallArguments arguments) : JinjaExpression(line)
{
    protected override JinjaValue Compute(JinjaContext context)
    {
        JinjaValue value = input.Evaluate(context);
        return JinjaValue.Boolean(test(context, value, arguments.Evaluate(context)));
    }
}
