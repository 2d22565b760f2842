namespace PdEngine;

/// <summary>A macro as written: its parameters, their defaults and its body.</summary>
/// <param name="Name">Its name; empty for the body of a <c>call</c> block.</param>
/// <param name="Parameters">Names and defaults.</param>
/// <param name="Body">What a call renders.</param>
/// <param name="Mentions">Names that the body reads: further arguments are taken only where it reads
/// them.</param>
internal sealed record JinjaMacro(
    string Name, IReadOnlyList<KeyValuePair<string, JinjaExpression?>> Parameters, JinjaBlock Body,
    IReadOnlySet<string> Mentions)
{
    /// <summary>The function that renders the body with names of the scope around the macro.</summary>
    public JinjaFunction Bind(JinjaScope outer) =>
        new(Name, (context, arguments) => Call(context, outer, arguments));

    private JinjaValue Call(JinjaContext context, JinjaScope outer, JinjaArguments arguments)
    {
        JinjaScope scope = new(outer);
        Dictionary<string, JinjaValue> named = new(StringComparer.Ordinal);
        foreach (KeyValuePair<string, JinjaValue> argument in arguments.Named)
        {
            if (!named.TryAdd(argument.Key, argument.Value))
                throw new JinjaException($"macro '{Name}' got argument '{argument.Key}' twice");
        }
        JinjaScope caller = context.Scope;
        context.Scope = scope;
        for (int index = 0; index < Parameters.Count; index++)
            scope.Set(Parameters[index].Key, Argument(context, index, arguments, named));
        context.Scope = caller;
        TakeFurther(context, scope, arguments, named);
        return JinjaValue.String(context.Capture(scope, Body));
    }

    private JinjaValue Argument(
        JinjaContext context, int index, JinjaArguments arguments, Dictionary<string, JinjaValue> named)
    {
        (string name, JinjaExpression? whenAbsent) = Parameters[index];
        bool isNamed = named.Remove(name, out JinjaValue value);
        if (index < arguments.Positional.Count)
        {
            return isNamed
                ? throw new JinjaException($"macro '{Name}' got argument '{name}' twice")
                : arguments.Positional[index];
        }
        return isNamed ? value
            : whenAbsent?.Evaluate(context) ?? JinjaValue.Undefined($"parameter '{name}' was not provided");
    }

    private void TakeFurther(
        JinjaContext context, JinjaScope scope, JinjaArguments arguments,
        Dictionary<string, JinjaValue> named)
    {
        if (Mentions.Contains("caller"))
        {
            scope.Set("caller", named.Remove("caller", out JinjaValue caller)
                ? caller
                : JinjaValue.Undefined("No caller defined"));
        }
        if (Mentions.Contains("kwargs"))
        {
            JinjaMapping rest = new();
            context.ChargeItems(named.Count);
            foreach (KeyValuePair<string, JinjaValue> argument in named)
                rest.Set(argument.Key, argument.Value);
            scope.Set("kwargs", JinjaValue.Mapping(rest));
        }
        else if (named.Count > 0)
        {
            throw new JinjaException($"macro '{Name}' takes no argument '{named.Keys.First()}'");
        }
        JinjaValue[] further = [.. arguments.Positional.Skip(Parameters.Count)];
        if (Mentions.Contains("varargs"))
            scope.Set("varargs", context.List(further, JinjaSequenceKind.Tuple));
        else if (further.Length > 0)
            throw new JinjaException($"macro '{Name}' takes not more than {Parameters.Count} arguments");
    }
}
