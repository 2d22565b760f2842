namespace PdEngine;

/// <summary>A variable.</summary>
internal sealed class JinjaName(int line, string name) : JinjaExpression(line)
{
    public string Name { get; } = name;

    protected override JinjaValue Compute(JinjaContext context) =>
        context.Scope.TryGet(Name, out JinjaValue value)
        ? value
        : JinjaValue.Undefined($"'{Name}' is undefined");
}

/// <summary><c>value.name</c>: the type's own attribute first, an entry of that name next.</summary>
internal sealed class JinjaAttribute(int line, JinjaExpression target, string name) : JinjaExpression(line)
{
    public string Name { get; } = name;

    protected override JinjaValue Compute(JinjaContext context) =>
        JinjaAccess.Attribute(context, target.Evaluate(context), Name);
}

/// <summary><c>value[key]</c>: an entry first, an attribute of that name next.</summary>
internal sealed class JinjaItem(int line, JinjaExpression target, JinjaExpression key) : JinjaExpression(line)
{
    public JinjaExpression Key { get; } = key;

    protected override JinjaValue Compute(JinjaContext context) =>
        JinjaAccess.Item(context, target.Evaluate(context), Key.Evaluate(context));
}

/// <summary><c>value[start:stop:step]</c>.</summary>
internal sealed class JinjaSlice(
    int line, JinjaExpression target, JinjaExpression? start, JinjaExpression? stop, JinjaExpression? step)
    : JinjaExpression(line)
{
    protected override JinjaValue Compute(JinjaContext context)
    {
        JinjaValue value = target.Evaluate(context);
        return JinjaAccess.Slice(
            context, value, Bound(context, start), Bound(context, stop), Bound(context, step));
    }

    private static int? Bound(JinjaContext context, JinjaExpression? bound)
    {
        JinjaValue value = bound?.Evaluate(context) ?? JinjaValue.None;
        return value.IsNone ? null : value.ToInt("a slice index");
    }
}
