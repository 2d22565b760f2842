namespace PdEngine;

/// <summary>Python's <c>split</c> and <c>rsplit</c>.</summary>
internal static class JinjaStringSplit
{
    public static JinjaValue Split(JinjaContext context, string text, JinjaArguments arguments)
    {
        (string? separator, int most) = Read(context, text, "split", arguments);
        List<JinjaValue> parts = [];
        int start = 0;
        if (separator is null)
        {
            start = SkipSpace(text, 0);
            while (start < text.Length && (most < 0 || parts.Count < most))
            {
                int end = start;
                while (end < text.Length && !JinjaLexer.IsSpace(text[end]))
                    end++;
                Add(context, parts, text[start..end]);
                start = SkipSpace(text, end);
            }
            if (start < text.Length)
                Add(context, parts, text[start..]);
            return JinjaValue.List([.. parts]);
        }
        while (most < 0 || parts.Count < most)
        {
            int end = text.IndexOf(separator, start, StringComparison.Ordinal);
            if (end < 0)
                break;
            Add(context, parts, text[start..end]);
            start = end + separator.Length;
        }
        Add(context, parts, text[start..]);
        return JinjaValue.List([.. parts]);
    }

    public static JinjaValue SplitFromEnd(JinjaContext context, string text, JinjaArguments arguments)
    {
        (string? separator, int most) = Read(context, text, "rsplit", arguments);
        List<JinjaValue> parts = [];
        int end = text.Length;
        if (separator is null)
        {
            end = SkipSpaceBack(text, end);
            while (end > 0 && (most < 0 || parts.Count < most))
            {
                int start = end;
                while (start > 0 && !JinjaLexer.IsSpace(text[start - 1]))
                    start--;
                Add(context, parts, text[start..end]);
                end = SkipSpaceBack(text, start);
            }
            if (end > 0)
                Add(context, parts, text[..end]);
            parts.Reverse();
            return JinjaValue.List([.. parts]);
        }
        while (most < 0 || parts.Count < most)
        {
            int start = text.AsSpan(0, end).LastIndexOf(separator);
            if (start < 0)
                break;
            Add(context, parts, text[(start + separator.Length)..end]);
            end = start;
        }
        Add(context, parts, text[..end]);
        parts.Reverse();
        return JinjaValue.List([.. parts]);
    }

    private static (string? Separator, int Most) Read(
        JinjaContext context, string text, string name, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind(name, "sep", "maxsplit");
        string? separator = bound[0] is { IsNone: false } given
            ? JinjaStringMethods.Required(name, given)
            : null;
        if (separator is { Length: 0 })
            throw new JinjaException("empty separator");
        context.ChargeSearch(text.Length, separator?.Length ?? 1);
        return (separator, bound[1]?.ToInt("the count of a split") ?? -1);
    }

    private static void Add(JinjaContext context, List<JinjaValue> parts, string part)
    {
        context.ChargeItems(1);
        parts.Add(context.Text(part));
    }

    private static int SkipSpace(string text, int at)
    {
        while (at < text.Length && JinjaLexer.IsSpace(text[at]))
            at++;
        return at;
    }

    private static int SkipSpaceBack(string text, int end)
    {
        while (end > 0 && JinjaLexer.IsSpace(text[end - 1]))
            end--;
        return end;
    }
}
