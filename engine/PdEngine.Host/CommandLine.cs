using System.CommandLine;
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
        RootCommand root = new("LLM inference for RL in one .NET process: prefill and decode on separate groups.");
        root.Subcommands.Add(GenerateVerb.Create());
        root.Subcommands.Add(ScoreVerb.Create());
        root.Subcommands.Add(BenchVerb.Create());
        ParseResult parsed = root.Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            foreach (ParseError error in parsed.Errors)
                Console.Error.WriteLine($"pdengine: {error.Message}");
            string verb = parsed.CommandResult.Command is RootCommand ? "" : $" {parsed.CommandResult.Command.Name}";
            Console.Error.WriteLine($"See 'pdengine{verb} --help'.");
            return BadInput;
        }
        return await parsed.InvokeAsync().ConfigureAwait(false);
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
}
