namespace PdEngine;

/// <summary>Attributes, items and slices of values.</summary>
internal static class JinjaAccess
{
    public static JinjaValue Attribute(JinjaContext context, JinjaValue target, string name)
    {
        if (target.IsUndefined)
            throw target.UndefinedError();
        if (TryMethod(context, target, name, out JinjaValue attribute))
            return attribute;
        return target.Kind == JinjaKind.Mapping && target.AsMapping.TryGet(name, out JinjaValue entry)
            ? entry
            : Missing(target, $"attribute '{name}'");
    }

    public static JinjaValue Item(JinjaContext context, JinjaValue target, JinjaValue key)
    {
        if (target.IsUndefined)
            throw target.UndefinedError();
        context.Charge(key.Weight);
        if (target.Kind == JinjaKind.Mapping && IsHashable(key)
            && target.AsMapping.TryGet(key, out JinjaValue entry))
            return entry;
        if (key.IsInteger && TryIndex(context, target, key, out JinjaValue item))
            return item;
        if (key.IsString && TryMethod(context, target, key.AsString, out JinjaValue attribute))
            return attribute;
        return Missing(target, key.IsString && key.AsString.Length < 80
            ? $"item '{key.AsString}'"
            : "such an item");
    }

    public static JinjaValue Slice(JinjaContext context, JinjaValue target, int? start, int? stop, int? step)
    {
        if (target.IsUndefined)
            throw target.UndefinedError();
        if (target.IsString)
        {
            string text = target.AsString;
            context.Charge(text.Length / 16);
            JinjaRange range = JinjaRange.Resolve(JinjaString.Length(text), start, stop, step);
            if (range.Step == 1)
                context.ChargeChars(range.Count);
            else
                context.ChargeItems(text.Length);
            return JinjaValue.String(JinjaString.Slice(text, range));
        }
        if (target.Kind != JinjaKind.Sequence || !target.AsSequence.IsIndexable)
            throw new JinjaException($"'{target.TypeName}' object cannot be sliced");
        ReadOnlySpan<JinjaValue> items = target.AsSequence.Items;
        JinjaRange picked = JinjaRange.Resolve(items.Length, start, stop, step);
        context.ChargeItems(picked.Count);
        JinjaValue[] slice = new JinjaValue[picked.Count];
        for (int index = 0; index < slice.Length; index++)
            slice[index] = items[picked.Start + (index * picked.Step)];
        return JinjaValue.Sequence(slice, target.AsSequence.Kind);
    }

    /// <summary>
    /// An attribute by a path such as <c>function.name</c> or <c>0</c>, for filters that take one.
    /// </summary>
    public static JinjaValue Path(JinjaContext context, JinjaValue target, JinjaValue path)
    {
        if (!path.IsString)
            return Item(context, target, path);
        context.ChargeChars(path.AsString.Length);
        foreach (string part in path.AsString.Split('.'))
        {
            context.Charge(1);
            JinjaValue key = part.Length is > 0 and < 10 && part.All(char.IsAsciiDigit)
                ? JinjaValue.Integer(int.Parse(part))
                : JinjaValue.String(part);
            target = Item(context, target, key);
        }
        return target;
    }

    /// <summary>An attribute of the value's own type: a method, or what an object carries.</summary>
    public static bool TryMethod(JinjaContext context, JinjaValue target, string name, out JinjaValue value)
    {
        if (target.Kind == JinjaKind.Object)
            return target.AsObject.TryGetAttribute(context, name, out value);
        Func<JinjaContext, JinjaArguments, JinjaValue>? method = target.Kind switch
        {
            JinjaKind.String => JinjaStringMethods.Find(target.AsString, name),
            JinjaKind.Mapping => JinjaMappingMethods.Find(target.AsMapping, name),
            JinjaKind.Sequence => JinjaSequenceMethods.Find(target.AsSequence, name),
            _ => null,
        };
        bool changes = method is null && IsMutator(target, name);
        value = default;
        if (method is not null)
            value = JinjaValue.Object(new JinjaFunction(name, method));
        else if (changes)
            value = JinjaValue.Undefined($"'{name}' of '{target.TypeName}' changes a value: not allowed");
        return method is not null || changes;
    }

    private static bool IsHashable(JinjaValue key) =>
        key.Kind is not (JinjaKind.Mapping or JinjaKind.Sequence)
        || (key.Kind == JinjaKind.Sequence && key.AsSequence.Kind == JinjaSequenceKind.Tuple
            && !key.AsSequence.Items.ContainsAnyUnhashable());

    private static bool ContainsAnyUnhashable(this ReadOnlySpan<JinjaValue> items)
    {
        foreach (JinjaValue item in items)
        {
            if (!IsHashable(item))
                return true;
        }
        return false;
    }

    private static bool TryIndex(JinjaContext context, JinjaValue target, JinjaValue key, out JinjaValue item)
    {
        item = default;
        int index = key.ToInt("an index");
        if (target.Kind == JinjaKind.Sequence && target.AsSequence.IsIndexable)
        {
            ReadOnlySpan<JinjaValue> items = target.AsSequence.Items;
            index += index < 0 ? items.Length : 0;
            if (index < 0 || index >= items.Length)
                return false;
            item = items[index];
            return true;
        }
        if (!target.IsString)
            return false;
        string text = target.AsString;
        context.Charge(text.Length / 16);
        int length = JinjaString.Length(text);
        index += index < 0 ? length : 0;
        if (index < 0 || index >= length)
            return false;
        item = context.Text(JinjaString.Slice(text, new JinjaRange(index, 1, 1)));
        return true;
    }

    private static bool IsMutator(JinjaValue target, string name) => target.Kind switch
    {
        JinjaKind.Mapping => name is "clear" or "pop" or "popitem" or "setdefault" or "update",
        JinjaKind.Sequence when target.AsSequence.Kind == JinjaSequenceKind.List =>
            name is "append" or "clear"
            or "extend" or "insert" or "pop" or "remove" or "reverse" or "sort",
        _ => false,
    };

    private static JinjaValue Missing(JinjaValue target, string what) =>
        JinjaValue.Undefined($"'{target.TypeName}' object has no {what}");
}
