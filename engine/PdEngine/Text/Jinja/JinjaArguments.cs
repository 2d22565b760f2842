namespace PdEngine;

/// <summary>The evaluated arguments of one call of a function, method, filter, test or macro.</summary>
internal sealed class JinjaArguments
{
    public static readonly JinjaArguments Empty = new([], []);

    public JinjaArguments(
        IReadOnlyList<JinjaValue> positional, IReadOnlyList<KeyValuePair<string, JinjaValue>> named)
    {
        Positional = positional;
        Named = named;
    }

    public IReadOnlyList<JinjaValue> Positional { get; }

    public IReadOnlyList<KeyValuePair<string, JinjaValue>> Named { get; }

    /// <summary>
    /// Arguments in the order of <paramref name="parameters"/>; null where one was not given.
    /// </summary>
    public JinjaValue?[] Bind(string callee, params ReadOnlySpan<string> parameters)
    {
        if (Positional.Count > parameters.Length)
        {
            throw new JinjaException(
                $"'{callee}' takes {parameters.Length} arguments but {Positional.Count} were given");
        }
        JinjaValue?[] bound = new JinjaValue?[parameters.Length];
        for (int index = 0; index < Positional.Count; index++)
            bound[index] = Positional[index];
        foreach (KeyValuePair<string, JinjaValue> argument in Named)
        {
            int index = parameters.IndexOf(argument.Key);
            if (index < 0)
                throw new JinjaException($"'{callee}' has no argument '{argument.Key}'");
            if (bound[index] is not null)
                throw new JinjaException($"'{callee}' got argument '{argument.Key}' twice");
            bound[index] = argument.Value;
        }
        return bound;
    }

    /// <summary>The same arguments without the first <paramref name="count"/> positional ones.</summary>
    public JinjaArguments Skip(int count) => new([.. Positional.Skip(count)], Named);
}
