using System.Text;

namespace PdEngine.Host;

/// <summary>Completion for bash: one function that knows every verb.</summary>
internal static class BashCompletion
{
    public static string Script(IReadOnlyList<CompletedVerb> verbs)
    {
        StringBuilder script = new("""
            # pdengine completion for bash: source <(pdengine completion bash)
            _pdengine() {
              local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at= words= args= files= i
              COMPREPLY=()
              for ((i = 1; i < COMP_CWORD; i++)); do
                case "${at:+$at }${COMP_WORDS[i]}" in

            """);
        script.Append("      ").AppendJoin(
            '|', verbs.Where(verb => verb.Path.Length > 0).Select(verb => $"'{verb.Path}'"));
        script.Append("""
            ) at="${at:+$at }${COMP_WORDS[i]}" ;;
                esac
              done
              case "$at:$prev" in

            """);
        foreach (CompletedVerb verb in verbs)
        {
            foreach (CompletedFlag flag in verb.Flags.Where(flag => flag.TakesValue))
                AddValue(script, verb, flag);
        }
        script.Append("""
              esac
              case "$at" in

            """);
        foreach (CompletedVerb verb in verbs)
        {
            string flags = string.Join(' ', verb.Flags.SelectMany(flag => flag.Names));
            string plain = string.Join(' ', verb.Verbs.Select(inner => inner.Name).Concat(verb.Words));
            script.Append($"    '{verb.Path}') words='{flags}' args='{plain}' "
                + $"files={(verb.TakesFiles ? "1" : "")} ;;\n");
        }
        script.Append("""
              esac
              if [[ $cur == -* ]]; then
                COMPREPLY=($(compgen -W "$words" -- "$cur"))
              else
                COMPREPLY=($(compgen -W "$args" -- "$cur"))
                [[ $files ]] && _pdengine_files "$cur"
              fi
            }
            _pdengine_files() {
              local name
              compopt -o filenames 2>/dev/null
              while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -f -- "$1")
            }
            complete -F _pdengine pdengine

            """);
        return script.ToString();
    }

    private static void AddValue(StringBuilder script, CompletedVerb verb, CompletedFlag flag)
    {
        string when = string.Join('|', flag.Names.Select(name => $"'{verb.Path}:{name}'"));
        string then = flag.TakesFile ? "_pdengine_files \"$cur\"; return"
            : flag.Values.Count == 0 ? "return"
            : $"COMPREPLY=($(compgen -W '{string.Join(' ', flag.Values)}' -- \"$cur\")); return";
        script.Append($"    {when}) {then} ;;\n");
    }
}
