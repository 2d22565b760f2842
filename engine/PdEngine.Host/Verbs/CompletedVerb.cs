using System.CommandLine;
using System.CommandLine.Completions;

namespace PdEngine.Host;

/// <summary>What may follow a verb.</summary>
/// <param name="Path">Words up to and with it, with blanks between; empty is the command itself.</param>
/// <param name="Verbs">Verbs in it, with their descriptions' first sentences.</param>
/// <param name="Flags">Its flags.</param>
/// <param name="Words">What its argument may be, where that is known.</param>
/// <param name="TakesFiles">Its argument is a file or folder.</param>
internal sealed record CompletedVerb(
    string Path, IReadOnlyList<(string Name, string Description)> Verbs, IReadOnlyList<CompletedFlag> Flags,
    IReadOnlyList<string> Words, bool TakesFiles)
{
    private static readonly string[] FileNames = ["FILE", "PATH", "FOLDER", "IN", "OUT"];

    public static IReadOnlyList<CompletedVerb> All(Command root)
    {
        List<CompletedVerb> all = [];
        Collect(root, "", all);
        return all;
    }

    private static void Collect(Command verb, string path, List<CompletedVerb> all)
    {
        all.Add(new CompletedVerb(
            path,
            [.. verb.Subcommands.Where(inner => !inner.Hidden).Select(inner => (inner.Name, First(inner)))],
            [.. verb.Options.Where(option => !option.Hidden).Select(Of)],
            [.. verb.Arguments.SelectMany(argument => argument.GetCompletions(CompletionContext.Empty))
                .Select(item => item.Label).Distinct()],
            verb.Arguments.Any(argument => FileNames.Contains(argument.Name))));
        foreach (Command inner in verb.Subcommands.Where(inner => !inner.Hidden))
            Collect(inner, path.Length == 0 ? inner.Name : $"{path} {inner.Name}", all);
    }

    private static CompletedFlag Of(Option option) => new(
        [option.Name, .. option.Aliases.Where(alias => alias.StartsWith('-'))], First(option),
        TakesValue: option.ValueType != typeof(bool) && option.Arity.MaximumNumberOfValues > 0,
        option.HelpName is { } name && FileNames.Contains(name),
        option.ValueType == typeof(bool) ? []
            : [.. option.GetCompletions(CompletionContext.Empty).Select(item => item.Label).Distinct()]);

    /// <summary>The first sentence of a description.</summary>
    private static string First(Symbol symbol)
    {
        string line = (symbol.Description ?? "").Split('\n')[0].Trim();
        for (int end = 1; end < line.Length; end++)
        {
            // Within a word they end nothing: cuda:0, 0.5.
            if (line[end] is '.' or ':' or ';' && (end + 1 == line.Length || line[end + 1] == ' '))
                return line[..end];
        }
        return line;
    }
}
