using System.CommandLine;

namespace PdEngine.Host;

/// <summary><c>pdengine completion</c>: a script that has a shell complete verbs, flags and files.</summary>
internal sealed class CompletionVerb
{
    private readonly Argument<string> _shell = new("SHELL") { Description = "bash, zsh or fish." };

    /// <param name="root">What is to be completed.</param>
    public static Command Create(Command root)
    {
        CompletionVerb verb = new();
        Verb command = new("completion", "Prints a script that has a shell complete verbs, flags and files.")
        {
            Examples =
            [
                "source <(pdengine completion bash)",
                "pdengine completion zsh > ~/.zfunc/_pdengine",
                "pdengine completion fish > ~/.config/fish/completions/pdengine.fish",
            ],
        };
        verb._shell.CompletionSources.Add("bash", "zsh", "fish");
        command.Arguments.Add(verb._shell);
        command.SetAction(parsed => CommandLine.GuardAsync(() => Task.FromResult(verb.Run(parsed, root))));
        return command;
    }

    private int Run(ParseResult parsed, Command root)
    {
        string shell = parsed.GetValue(_shell)!;
        IReadOnlyList<CompletedVerb> verbs = CompletedVerb.All(root);
        Console.Out.Write(EngineFlags.Choice<Func<IReadOnlyList<CompletedVerb>, string>>("SHELL", shell,
            ("bash", BashCompletion.Script), ("zsh", ZshCompletion.Script), ("fish", FishCompletion.Script))(
            verbs));
        return CommandLine.Done;
    }
}
