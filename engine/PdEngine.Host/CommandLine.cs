using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace PdEngine.Host;

/// <summary>The <c>pdengine</c> command: its verbs, and how a run ends.</summary>
internal static class CommandLine
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int BadInput = 2;

    /// <summary>An interrupted batch may need some time to write the answers that it has.</summary>
    private static readonly TimeSpan TerminationTimeout = TimeSpan.FromSeconds(30);

    /// <summary>The command with all its verbs.</summary>
    public static Command Create()
    {
        // A plain command, since a root command is called after its assembly in help texts.
        Command root = new("pdengine", "LLM inference for RL in one .NET process.")
        {
            Help(), new VersionOption(), GenerateVerb.Create(),
            ScoreVerb.Create(), RolloutVerb.Create(), ServeVerb.Create(), BenchVerb.Create(),
            TopologyVerb.Create(), ModelVerb.Create(), DoctorVerb.Create(),
        };
        root.Subcommands.Add(CompletionVerb.Create(root));
        return root;
    }

    public static async Task<int> RunAsync(string[] arguments)
    {
        Command root = Create();
        ParseResult parsed = root.Parse(arguments.Length == 0 ? ["--help"] : arguments);
        string? problem = MisspeltFlag(parsed) ?? (parsed.Errors.Count == 0 ? null : Readable(parsed));
        if (problem is null)
        {
            // A server hears the signals itself: the parser would wait for the first before it hears another.
            bool serves = parsed.CommandResult.Command.Name == ServeVerb.Name;
            // One for each run: it keeps the console's writers from its first use on.
            InvocationConfiguration invocation = new()
            {
                ProcessTerminationTimeout = serves ? null : TerminationTimeout,
            };
            return await parsed.InvokeAsync(invocation).ConfigureAwait(false);
        }
        Console.Error.WriteLine($"pdengine: {problem}");
        Console.Error.WriteLine($"See '{PathOf(parsed.CommandResult)} --help'.");
        return BadInput;
    }

    private static string PathOf(CommandResult verb) => verb.Parent is CommandResult parent
        ? $"{PathOf(parent)} {verb.Command.Name}"
        : verb.Command.Name;

    private static HelpOption Help()
    {
        HelpOption help = new() { Recursive = true };
        help.Action = new VerbHelp((SynchronousCommandLineAction)help.Action!);
        return help;
    }

    /// <summary>Runs a verb and turns what it throws into one message and an exit code.</summary>
    public static async Task<int> GuardAsync(Func<Task<int>> verb)
    {
        try
        {
            return await verb().ConfigureAwait(false);
        }
        catch (Exception error) when (error
            is OptionsException or TopologyException or CheckpointException or RequestException
            or CapacityException or BackendException)
        {
            Console.Error.WriteLine($"pdengine: {error.Message}");
            return BadInput;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("pdengine: interrupted");
            return Failed;
        }
        catch (Exception error) when (
            error is PdEngineException or IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"pdengine: {error.Message}");
            return Failed;
        }
    }

    /// <summary>
    /// A flag that does not exist would be taken for the prompt; a prompt that looks like one goes after --.
    /// </summary>
    private static string? MisspeltFlag(ParseResult parsed)
    {
        if (parsed.Tokens.Any(token => token.Type == TokenType.DoubleDash))
            return null;
        Command verb = parsed.CommandResult.Command;
        string? flag = parsed.CommandResult.Children.OfType<ArgumentResult>()
            .SelectMany(result => result.Tokens)
            .Select(token => token.Value)
            .Concat(parsed.UnmatchedTokens)
            .FirstOrDefault(word => word is ['-', _, ..] && !word.Any(char.IsWhiteSpace));
        if (flag is null)
            return null;
        if (verb.Name == TopologyVerb.Name)
            return RefusedFlags.Refusal(flag).Message;
        IEnumerable<string> names = verb.Options.Where(option => !option.Hidden)
            .SelectMany(option => option.Aliases.Append(option.Name)).Where(name => name.Length > 2);
        if (NearestName.Of(flag.Split('=', 2)[0], names, within: 2) is { } near)
            return $"there is no flag '{flag}'; did you mean '{near}'?";
        string ending = verb.Arguments.Any(argument => argument.Name == PromptFlags.Name)
            ? "; a prompt that starts with - goes after --" : $" of '{PathOf(parsed.CommandResult)}'";
        return RefusedFlags.Find(flag)?.Message ?? $"there is no flag '{flag}'{ending}";
    }

    private static Argument? MissingArgument(ParseResult parsed) =>
        parsed.CommandResult.Command.Arguments.FirstOrDefault(argument =>
            argument.Arity.MinimumNumberOfValues > 0
            && parsed.CommandResult.GetResult(argument) is null or { Tokens.Count: 0 });

    /// <summary>One message, the most telling; the parser's own names .NET types.</summary>
    private static string Readable(ParseResult parsed)
    {
        if (parsed.UnmatchedTokens.Count > 0)
        {
            string word = parsed.UnmatchedTokens[0];
            IEnumerable<string> verbs = parsed.CommandResult.Command.Subcommands.Select(verb => verb.Name);
            string hint = NearestName.Of(word, verbs, within: 2) is { } near
                ? $"; did you mean '{near}'?" : "";
            return $"'{word}' is no command, flag or argument here{hint}";
        }
        ParseError error = parsed.Errors[0];
        if (error.SymbolResult is not OptionResult && MissingArgument(parsed) is { } missing)
            return $"{missing.Name} is missing: {missing.Description}";
        if (error.SymbolResult is not OptionResult { Option: { } option, Tokens: [.., { Value: { } given }] }
            || !error.Message.Contains("System.", StringComparison.Ordinal))
        {
            return error.Message;
        }
        string wanted = option.ValueType == typeof(float) ? "a number" : "a whole number that it can take";
        return $"{option.Name}: '{given}' is not {wanted}";
    }
}
