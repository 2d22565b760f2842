namespace PdEngine;

/// <summary>What an assignment writes: a name, an attribute of a namespace, or a tuple of targets.</summary>
internal abstract record JinjaTarget
{
    public abstract void Assign(JinjaContext context, JinjaScope scope, JinjaValue value);
}

/// <summary>A name of the scope.</summary>
internal sealed record JinjaNameTarget(string Name) : JinjaTarget
{
    public override void Assign(JinjaContext context, JinjaScope scope, JinjaValue value) =>
        scope.Set(Name, value);
}

/// <summary>An attribute of a namespace.</summary>
internal sealed record JinjaNamespaceTarget(string Name, string Attribute) : JinjaTarget
{
    public override void Assign(JinjaContext context, JinjaScope scope, JinjaValue value)
    {
        if (!context.Scope.TryGet(Name, out JinjaValue target))
            throw new JinjaException($"'{Name}' is undefined");
        if (target.Kind != JinjaKind.Object || target.AsObject is not JinjaNamespace names)
            throw new JinjaException("cannot assign attribute on non-namespace object");
        context.ChargeItems(1);
        names.Set(Attribute, value);
    }
}

/// <summary>Targets that share out the items of the value.</summary>
internal sealed record JinjaTupleTarget(IReadOnlyList<JinjaTarget> Targets) : JinjaTarget
{
    public override void Assign(JinjaContext context, JinjaScope scope, JinjaValue value)
    {
        JinjaValue[] items = context.Items(value);
        if (items.Length != Targets.Count)
            throw new JinjaException($"{items.Length} values cannot be unpacked into {Targets.Count} names");
        for (int index = 0; index < items.Length; index++)
            Targets[index].Assign(context, scope, items[index]);
    }
}
