namespace PdEngine;

/// <summary>Methods of lists and tuples that leave them as they are.</summary>
internal static class JinjaSequenceMethods
{
    public static Func<JinjaContext, JinjaArguments, JinjaValue>? Find(JinjaSequence sequence, string name)
    {
        if (!sequence.IsIndexable)
            return null;
        return name switch
        {
            "index" => (context, arguments) => Index(context, sequence, arguments),
            "count" => (context, arguments) => Count(context, sequence, arguments),
            "copy" when sequence.Kind == JinjaSequenceKind.List =>
                (context, arguments) => context.List(sequence.TakeAll()),
            _ => null,
        };
    }

    private static JinjaValue Index(JinjaContext context, JinjaSequence sequence, JinjaArguments arguments)
    {
        JinjaValue sought = One("index", arguments);
        for (int index = 0; index < sequence.Items.Length; index++)
        {
            if (JinjaComparison.AreEqual(context, sequence.Items[index], sought))
                return JinjaValue.Integer(index);
        }
        throw new JinjaException("the value sought by 'index' is not in the list");
    }

    private static JinjaValue Count(JinjaContext context, JinjaSequence sequence, JinjaArguments arguments)
    {
        JinjaValue sought = One("count", arguments);
        int count = 0;
        foreach (JinjaValue item in sequence.Items)
            count += JinjaComparison.AreEqual(context, item, sought) ? 1 : 0;
        return JinjaValue.Integer(count);
    }

    private static JinjaValue One(string name, JinjaArguments arguments) =>
        arguments.Bind(name, "value")[0] ?? throw new JinjaException($"'{name}' needs a value");
}
