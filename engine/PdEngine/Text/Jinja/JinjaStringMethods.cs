namespace PdEngine;

/// <summary>Methods of strings.</summary>
internal static class JinjaStringMethods
{
    public static Func<JinjaContext, JinjaArguments, JinjaValue>? Find(string text, string name) =>
        name switch
    {
        "strip" => (context, arguments) => Strip(context, text, name, arguments, true, true),
        "lstrip" => (context, arguments) => Strip(context, text, name, arguments, true, false),
        "rstrip" => (context, arguments) => Strip(context, text, name, arguments, false, true),
        "split" => (context, arguments) => JinjaStringSplit.Split(context, text, arguments),
        "rsplit" => (context, arguments) => JinjaStringSplit.SplitFromEnd(context, text, arguments),
        "splitlines" => (context, arguments) => SplitLines(context, text, arguments),
        "partition" => (context, arguments) => Partition(context, text, name, arguments),
        "rpartition" => (context, arguments) => Partition(context, text, name, arguments),
        "startswith" => (context, arguments) => Affix(context, text, name, arguments),
        "endswith" => (context, arguments) => Affix(context, text, name, arguments),
        "removeprefix" => (context, arguments) => Remove(context, text, name, arguments),
        "removesuffix" => (context, arguments) => Remove(context, text, name, arguments),
        "replace" => (context, arguments) => Replace(context, text, arguments),
        "find" or "rfind" or "index" or "rindex" => (context, arguments) => Find(
            context, text, name, arguments),
        "count" => (context, arguments) => Count(context, text, arguments),
        "join" => (context, arguments) => Join(context, text, arguments),
        "upper" or "lower" or "capitalize" or "title" or "swapcase" =>
            (context, arguments) => Cased(context, text, name, arguments),
        "isdigit" or "isdecimal" or "isnumeric" or "isalpha" or "isalnum" or "isspace" or "isupper"
            or "islower" =>
            (context, arguments) => Is(context, text, name, arguments),
        _ => null,
    };

    public static JinjaValue Strip(
        JinjaContext context, string text, string? characters, bool start, bool end)
    {
        context.ChargeSearch(text.Length, characters?.Length ?? 0);
        return context.Text(JinjaString.Strip(text, characters, start, end));
    }

    /// <summary>Lines by Python's rules: a separator at the end opens no further line.</summary>
    public static string[] Lines(JinjaContext context, string text, bool keepEnds)
    {
        List<string> lines = [];
        context.ChargeChars(text.Length);
        for (int start = 0; start < text.Length;)
        {
            int end = start;
            while (end < text.Length && !IsLineEnd(text[end]))
                end++;
            int next = Math.Min(end + 1, text.Length);
            if (end + 1 < text.Length && text[end] == '\r' && text[end + 1] == '\n')
                next++;
            context.ChargeItems(1);
            lines.Add(text[start..(keepEnds ? next : end)]);
            start = next;
        }
        return [.. lines];
    }

    /// <summary>An argument that must be a string.</summary>
    public static string Required(string method, JinjaValue? value) => value is { IsString: true } text
        ? text.AsString
        : throw new JinjaException($"'{method}' needs a string, not '{value?.TypeName ?? "nothing"}'");

    private static bool IsLineEnd(char c) =>
        c is >= '\n' and <= '\r' or >= '\x1c' and <= '\x1e' or '\x85' or '\u2028' or '\u2029';

    private static JinjaValue Strip(
        JinjaContext context, string text, string name, JinjaArguments arguments, bool start, bool end)
    {
        JinjaValue characters = arguments.Bind(name, "chars")[0] ?? JinjaValue.None;
        return Strip(context, text, characters.IsNone ? null : Required(name, characters), start, end);
    }

    private static JinjaValue SplitLines(JinjaContext context, string text, JinjaArguments arguments)
    {
        bool keepEnds = arguments.Bind("splitlines", "keepends")[0] is { IsTrue: true };
        return JinjaValue.List([.. Lines(context, text, keepEnds).Select(JinjaValue.String)]);
    }

    private static JinjaValue Partition(
        JinjaContext context, string text, string name, JinjaArguments arguments)
    {
        string separator = Required(name, arguments.Bind(name, "sep")[0]);
        if (separator.Length == 0)
            throw new JinjaException("empty separator");
        context.ChargeSearch(text.Length, separator.Length);
        context.ChargeItems(3);
        bool fromEnd = name == "rpartition";
        int at = fromEnd
            ? text.LastIndexOf(separator, StringComparison.Ordinal)
            : text.IndexOf(separator, StringComparison.Ordinal);
        (string before, string middle, string after) = at >= 0
            ? (text[..at], separator, text[(at + separator.Length)..])
            : fromEnd ? ("", "", text) : (text, "", "");
        return JinjaValue.Sequence(
            [context.Text(before), context.Text(middle), context.Text(after)], JinjaSequenceKind.Tuple);
    }

    private static JinjaValue Affix(JinjaContext context, string text, string name, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind(name, "affix", "start", "end");
        string part = Part(context, text, bound[1], bound[2], out _);
        JinjaValue sought = bound[0] ?? throw new JinjaException($"'{name}' needs a string");
        bool isTuple = sought.Kind == JinjaKind.Sequence && sought.AsSequence.Kind == JinjaSequenceKind.Tuple;
        foreach (JinjaValue candidate in isTuple ? sought.AsSequence.TakeAll() : [sought])
        {
            string affix = Required(name, candidate);
            context.Charge(1 + (affix.Length / 16));
            bool found = name == "startswith"
                ? part.StartsWith(affix, StringComparison.Ordinal)
                : part.EndsWith(affix, StringComparison.Ordinal);
            if (found)
                return JinjaValue.True;
        }
        return JinjaValue.False;
    }

    private static string Part(
        JinjaContext context, string text, JinjaValue? from, JinjaValue? to, out int start)
    {
        start = 0;
        if (from is null or { IsNone: true } && to is null or { IsNone: true })
            return text;
        context.ChargeChars(text.Length);
        JinjaRange range = JinjaRange.Resolve(JinjaString.Length(text), Bound(from), Bound(to), null);
        start = range.Start;
        return JinjaString.Slice(text, range);
    }

    private static int? Bound(JinjaValue? value) =>
        value is { IsNone: false } bound ? bound.ToInt("a bound") : null;

    private static JinjaValue Remove(JinjaContext context, string text, string name, JinjaArguments arguments)
    {
        string affix = Required(name, arguments.Bind(name, "affix")[0]);
        if (name == "removeprefix")
            return context.Text(text.StartsWith(affix, StringComparison.Ordinal)
                ? text[affix.Length..]
                : text);
        bool ends = affix.Length > 0 && text.EndsWith(affix, StringComparison.Ordinal);
        return context.Text(ends ? text[..^affix.Length] : text);
    }

    private static JinjaValue Replace(JinjaContext context, string text, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind("replace", "old", "new", "count");
        return JinjaString.Replace(
            context, text, Required("replace", bound[0]), Required("replace", bound[1]),
            bound[2]?.ToInt("the count of 'replace'") ?? -1);
    }

    private static JinjaValue Find(JinjaContext context, string text, string name, JinjaArguments arguments)
    {
        JinjaValue?[] bound = arguments.Bind(name, "sub", "start", "end");
        string sought = Required(name, bound[0]);
        string part = Part(context, text, bound[1], bound[2], out int start);
        context.ChargeSearch(part.Length, sought.Length);
        int at = name.StartsWith('r')
            ? part.LastIndexOf(sought, StringComparison.Ordinal)
            : part.IndexOf(sought, StringComparison.Ordinal);
        if (at < 0 && name.EndsWith("index", StringComparison.Ordinal))
            throw new JinjaException("substring not found");
        return JinjaValue.Integer(at < 0 ? -1 : start + JinjaString.Length(part[..at]));
    }

    private static JinjaValue Count(JinjaContext context, string text, JinjaArguments arguments)
    {
        string sought = Required("count", arguments.Bind("count", "sub")[0]);
        context.ChargeSearch(text.Length, sought.Length);
        if (sought.Length == 0)
            return JinjaValue.Integer(JinjaString.Length(text) + 1);
        int count = 0;
        for (int at = 0; (at = text.IndexOf(sought, at, StringComparison.Ordinal)) >= 0; at += sought.Length)
            count++;
        return JinjaValue.Integer(count);
    }

    private static JinjaValue Join(JinjaContext context, string text, JinjaArguments arguments)
    {
        JinjaValue[] items = context.Items(arguments.Bind("join", "iterable")[0] ?? JinjaValue.None);
        string[] parts = new string[items.Length];
        context.ChargeItems(items.Length);
        for (int index = 0; index < parts.Length; index++)
        {
            parts[index] = Required("join", items[index]);
            context.ChargeChars(parts[index].Length + (long)text.Length);
        }
        return JinjaValue.String(string.Join(text, parts));
    }

    private static JinjaValue Cased(JinjaContext context, string text, string name, JinjaArguments arguments)
    {
        arguments.Bind(name);
        context.ChargeChars(text.Length);
        return JinjaValue.String(name switch
        {
            "upper" => text.ToUpperInvariant(),
            "lower" => text.ToLowerInvariant(),
            "capitalize" => JinjaString.Capitalize(text),
            "title" => JinjaString.TitleLetters(text),
            _ => string.Concat(text.Select(
                static c => char.IsUpper(c) ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c))),
        });
    }

    private static JinjaValue Is(JinjaContext context, string text, string name, JinjaArguments arguments)
    {
        arguments.Bind(name);
        context.Charge(text.Length / 16);
        return JinjaValue.Boolean(name switch
        {
            "isdigit" or "isdecimal" => text.Length > 0 && text.All(char.IsDigit),
            "isnumeric" => text.Length > 0 && text.All(char.IsNumber),
            "isalpha" => text.Length > 0 && text.All(char.IsLetter),
            "isalnum" => text.Length > 0 && text.All(static c => char.IsLetter(c) || char.IsNumber(c)),
            "isspace" => text.Length > 0 && text.All(JinjaLexer.IsSpace),
            "isupper" => text.Any(char.IsUpper) && !text.Any(char.IsLower),
            _ => text.Any(char.IsLower) && !text.Any(char.IsUpper),
        });
    }
}
