namespace PdEngine;

/// <summary>A constant.</summary>
internal sealed class JinjaLiteral(int line, JinjaValue value) : JinjaExpression(line)
{
    public JinjaValue Value { get; } = value;

    protected override JinjaValue Compute(JinjaContext context) => Value;
}

/// <summary>A list or tuple in brackets.</summary>
internal sealed class JinjaSequenceLiteral(int line, JinjaExpression[] items, JinjaSequenceKind kind)
    : JinjaExpression(line)
{
    public JinjaExpression[] Items { get; } = items;

    protected override JinjaValue Compute(JinjaContext context)
    {
        JinjaValue[] values = new JinjaValue[Items.Length];
        for (int index = 0; index < values.Length; index++)
            values[index] = Items[index].Evaluate(context);
        return context.List(values, kind);
    }
}

/// <summary>A dictionary in braces.</summary>
internal sealed class JinjaMappingLiteral(
    int line, IReadOnlyList<KeyValuePair<JinjaExpression, JinjaExpression>> entries) : JinjaExpression(line)
{
    protected override JinjaValue Compute(JinjaContext context)
    {
        JinjaMapping mapping = new();
        context.ChargeItems(entries.Count);
        foreach (KeyValuePair<JinjaExpression, JinjaExpression> entry in entries)
        {
            JinjaValue key = entry.Key.Evaluate(context);
            context.Charge(key.Weight);
            mapping.Set(key, entry.Value.Evaluate(context));
        }
        return JinjaValue.Mapping(mapping);
    }
}

/// <summary>The text that a body of statements writes.</summary>
internal sealed class JinjaCapture(int line, JinjaBlock body) : JinjaExpression(line)
{
    protected override JinjaValue Compute(JinjaContext context) =>
        JinjaValue.String(context.Capture(new JinjaScope(context.Scope), body));
}
