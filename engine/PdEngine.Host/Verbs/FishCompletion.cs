using System.Text;

namespace PdEngine.Host;

/// <summary>Completion for fish: one line for each verb and flag.</summary>
internal static class FishCompletion
{
    public static string Script(IReadOnlyList<CompletedVerb> verbs)
    {
        StringBuilder script = new("""
            # pdengine completion for fish: save as ~/.config/fish/completions/pdengine.fish
            function __pdengine_at
                set -l at ''
                for word in (commandline -opc)[2..]
                    set -l next (string trim -- "$at $word")
                    if contains -- "$next" $__pdengine_verbs
                        set at "$next"
                    end
                end
                test "$at" = "$argv[1]"
            end
            complete -c pdengine -f

            """);
        IEnumerable<string> paths = verbs.Skip(1).Select(verb => $"'{verb.Path}'");
        script.Append("set -g __pdengine_verbs ").AppendJoin(' ', paths).Append('\n');
        foreach (CompletedVerb verb in verbs)
        {
            string start = $"complete -c pdengine -n '__pdengine_at \"{verb.Path}\"'";
            foreach ((string name, string description) in verb.Verbs)
                script.Append($"{start} -a {name} -d {Quoted(description)}\n");
            if (verb.Words.Count > 0)
                script.Append($"{start} -a '{string.Join(' ', verb.Words)}'\n");
            if (verb.TakesFiles)
                script.Append($"{start} -F\n");
            foreach (CompletedFlag flag in verb.Flags)
                script.Append($"{start}{Names(flag)}{Value(flag)} -d {Quoted(flag.Description)}\n");
        }
        return script.ToString();
    }

    private static string Names(CompletedFlag flag) => string.Concat(flag.Names.Select(name =>
        name.StartsWith("--", StringComparison.Ordinal) ? $" -l {name[2..]}"
            : name.Length == 2 ? $" -s '{name[1..]}'" : ""));

    private static string Value(CompletedFlag flag) => !flag.TakesValue ? ""
        : flag.TakesFile ? " -r -F"
        : flag.Values.Count > 0 ? $" -x -a '{string.Join(' ', flag.Values)}'" : " -x";

    private static string Quoted(string text) =>
        "'" + text.Replace(@"\", @"\\", StringComparison.Ordinal)
            .Replace("'", @"\'", StringComparison.Ordinal) + "'";
}
