using System.Text;

namespace PdEngine.Host;

/// <summary>Completion for zsh: one function that knows every verb.</summary>
internal static class ZshCompletion
{
    public static string Script(IReadOnlyList<CompletedVerb> verbs)
    {
        StringBuilder script = new("""
            #compdef pdengine
            # pdengine completion for zsh: put it into a folder of $fpath as _pdengine
            _pdengine() {
              local at='' prev=${words[CURRENT-1]} i
              for ((i = 2; i < CURRENT; i++)); do
                case "${at:+$at }${words[i]}" in

            """);
        script.Append("      ").AppendJoin('|', verbs.Where(verb => verb.Path.Length > 0)
            .Select(verb => verb.Path.Replace(" ", "\\ ", StringComparison.Ordinal)));
        script.Append("""
            ) at="${at:+$at }${words[i]}" ;;
                esac
              done
              [[ $PREFIX == --*=* ]] && { prev=${PREFIX%%=*}; compset -P '*=' }
              case "$at:$prev" in

            """);
        foreach (CompletedVerb verb in verbs)
        {
            foreach (CompletedFlag flag in verb.Flags.Where(flag => flag.TakesValue))
            {
                string when = string.Join('|', flag.Names.Select(name => $"'{verb.Path}:{name}'"));
                string then = flag.TakesFile ? "_files; return"
                    : flag.Values.Count == 0 ? "return"
                    : $"compadd -- {Words(flag.Values)}; return";
                script.Append($"    {when}) {then} ;;\n");
            }
        }
        script.Append("""
              esac
              case "$at" in

            """);
        foreach (CompletedVerb verb in verbs)
        {
            string flags = Words(verb.Flags.SelectMany(flag => flag.Names));
            string plain = Words(verb.Verbs.Select(inner => inner.Name).Concat(verb.Words));
            script.Append($"    '{verb.Path}')\n      if [[ $PREFIX == -* ]]; then compadd -- {flags}; ");
            script.Append("else ");
            script.Append(plain.Length == 0 ? ":" : $"compadd -- {plain}");
            script.Append(verb.TakesFiles ? "; _files; fi ;;\n" : "; fi ;;\n");
        }
        return script.Append("""
              esac
            }
            if [[ $funcstack[1] == _pdengine ]]; then _pdengine "$@"; else compdef _pdengine pdengine; fi

            """).ToString();
    }

    /// <summary>Quoted where they have more than letters and dashes: -? is a pattern.</summary>
    private static string Words(IEnumerable<string> words) => string.Join(' ', words.Select(
        word => word.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.')
            ? word : $"'{word}'"));
}
