namespace PdEngine;

/// <summary>Filters that give text.</summary>
internal static class JinjaTextFilters
{
    public static JinjaValue String(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        arguments.Bind("string");
        return JinjaValue.String(JinjaText.Of(context, value));
    }

    public static JinjaValue Trim(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue characters = arguments.Bind("trim", "chars")[0] ?? JinjaValue.None;
        if (!characters.IsNone && !characters.IsString)
            throw new JinjaException("'trim' takes its characters as a string");
        string? stripped = characters.IsNone ? null : characters.AsString;
        return JinjaStringMethods.Strip(
            context, JinjaText.Of(context, value), stripped, start: true, end: true);
    }

    public static JinjaValue Upper(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        Mapped(context, "upper", value, arguments, static text => text.ToUpperInvariant());

    public static JinjaValue Lower(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        Mapped(context, "lower", value, arguments, static text => text.ToLowerInvariant());

    public static JinjaValue Capitalize(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        Mapped(context, "capitalize", value, arguments, JinjaString.Capitalize);

    public static JinjaValue Title(JinjaContext context, JinjaValue value, JinjaArguments arguments) =>
        Mapped(context, "title", value, arguments, JinjaString.TitleWords);

    public static JinjaValue Replace(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("replace", "old", "new", "count");
        if (bound[0] is not { } old || bound[1] is not { } @new)
            throw new JinjaException("'replace' needs two arguments");
        int count = bound[2] is { IsNone: false } limit ? limit.ToInt("the count of 'replace'") : -1;
        return JinjaString.Replace(context, JinjaText.Of(context, value), JinjaText.Of(context, old),
            JinjaText.Of(context, @new), count);
    }

    public static JinjaValue Escape(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        arguments.Bind("escape");
        return JinjaValue.Markup(Escaped(context, value));
    }

    public static JinjaValue Safe(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        arguments.Bind("safe");
        return JinjaValue.Markup(JinjaText.Of(context, value));
    }

    /// <summary>
    /// The value's text with HTML's special characters escaped, unless it is marked as HTML.
    /// </summary>
    public static string Escaped(JinjaContext context, JinjaValue value)
    {
        string text = JinjaText.Of(context, value);
        if (value.IsMarkup)
            return text;
        context.ChargeChars(6L * text.Length);
        return text.Replace("&", "&amp;", StringComparison.Ordinal)
            .Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal)
            .Replace("'", "&#39;", StringComparison.Ordinal).Replace("\"", "&#34;", StringComparison.Ordinal);
    }

    public static JinjaValue Format(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        if (arguments.Named.Count > 0)
            throw new JinjaException("'format' takes no named arguments here");
        return JinjaPrintf.Format(context, JinjaText.Of(context, value),
            JinjaValue.Sequence([.. arguments.Positional], JinjaSequenceKind.Tuple));
    }

    public static JinjaValue Indent(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("indent", "width", "first", "blank");
        string margin = bound[0] is { IsString: true } text ? text.AsString : Blanks(bound[0]);
        bool first = bound[1] is { IsTrue: true };
        bool blank = bound[2] is { IsTrue: true };
        string[] lines = JinjaStringMethods.Lines(
            context, JinjaText.Of(context, value) + "\n", keepEnds: false);
        context.ChargeItems(lines.Length);
        context.ChargeChars((long)margin.Length * lines.Length);
        for (int index = 0; index < lines.Length; index++)
        {
            bool isIndented = index == 0 ? first : blank || lines[index].Length > 0;
            if (isIndented)
                lines[index] = margin + lines[index];
        }
        return context.Text(string.Join('\n', lines));
    }

    public static JinjaValue ToJson(JinjaContext context, JinjaValue value, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("tojson", "ensure_ascii", "indent", "separators", "sort_keys");
        string? indent = bound[1] is not { IsNone: false } width ? null
            : width.IsString ? width.AsString
            : Blanks(width);
        string itemSeparator = indent is null ? ", " : ",";
        string nameSeparator = ": ";
        if (bound[2] is { IsNone: false } separators)
        {
            JinjaValue[] pair = context.Items(separators);
            if (pair.Length != 2 || !pair[0].IsString || !pair[1].IsString)
                throw new JinjaException("'tojson' takes two strings as separators");
            (itemSeparator, nameSeparator) = (pair[0].AsString, pair[1].AsString);
        }
        return JinjaJson.Write(context, value, new JinjaJsonStyle(
            indent, itemSeparator, nameSeparator, SortKeys: bound[3] is { IsTrue: true },
            AsciiOnly: bound[0] is { IsTrue: true }));
    }

    private static string Blanks(JinjaValue? width)
    {
        int count = width?.ToInt("an indent") ?? 4;
        return count <= 1000
            ? new string(' ', Math.Max(0, count))
            : throw new JinjaException("an indent is over 1000");
    }

    private static JinjaValue Mapped(
        JinjaContext context, string name, JinjaValue value, JinjaArguments arguments,
        Func<string, string> map)
    {
        arguments.Bind(name);
        return context.Text(map(JinjaText.Of(context, value)));
    }
}
