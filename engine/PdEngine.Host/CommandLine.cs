using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;

namespace PdEngine.Host;

/// <summary>The <c>pdengine</c> command: its verbs, and how a run ends.</summary>
internal static class CommandLine
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int BadInput = 2;

    public static async Task<int> RunAsync(string[] arguments)
    {
        // A plain command, since a root command is called after its assembly in help texts.
        Command root = new("pdengine", "LLM inference for RL in one .NET process.")
        {
            new HelpOption { Recursive = true }, new VersionOption(), GenerateVerb.Create(), ScoreVerb.Create(),
        };
        ParseResult parsed = root.Parse(arguments.Length == 0 ? ["--help"] : arguments);
        if (parsed.Errors.Count == 0)
            return await parsed.InvokeAsync().ConfigureAwait(false);
        Console.Error.WriteLine($"pdengine: {Readable(parsed)}");
        string verb = parsed.CommandResult.Command == root ? "" : $" {parsed.CommandResult.Command.Name}";
        Console.Error.WriteLine($"See 'pdengine{verb} --help'.");
        return BadInput;
    }

    /// <summary>Runs a verb and turns what it throws into one message and an exit code.</summary>
    public static async Task<int> GuardAsync(Func<Task<int>> verb)
    {
        try
        {
            return await verb().ConfigureAwait(false);
        }
        catch (Exception error) when (error
            is OptionsException or CheckpointException or RequestException or CapacityException or BackendException)
        {
            Console.Error.WriteLine($"pdengine: {error.Message}");
            return BadInput;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("pdengine: interrupted");
            return Failed;
        }
        catch (Exception error) when (error is PdEngineException or IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"pdengine: {error.Message}");
            return Failed;
        }
    }

    /// <summary>One message, the most telling; the parser's own names .NET types.</summary>
    private static string Readable(ParseResult parsed)
    {
        if (parsed.UnmatchedTokens.Count > 0)
            return $"'{parsed.UnmatchedTokens[0]}' is no command, flag or argument here";
        ParseError error = parsed.Errors[0];
        if (error.SymbolResult is not OptionResult { Option: { } option, Tokens: [.., { Value: { } given }] }
            || !error.Message.Contains("System.", StringComparison.Ordinal))
        {
            return error.Message;
        }
        bool isFraction = option.ValueType == typeof(float);
        return $"{option.Name}: '{given}' is not {(isFraction ? "a number" : "a whole number that it can take")}";
    }
}
