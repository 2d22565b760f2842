using System.CommandLine;

namespace PdEngine.Examples;

/// <summary>The program: its verbs, and how what goes wrong is told.</summary>
internal static class TrainerCommand
{
    private const string Name = "RlTrainer";

    /// <summary>Runs a command line; without one it prints its help.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="output">Takes help; what verbs print goes to the console.</param>
    /// <param name="error">Takes refusals.</param>
    /// <returns>The exit code: 1 where it was interrupted, 2 where it was refused.</returns>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error)
    {
        // Only a root command has help.
        RootCommand root = new("Trains pd-tiny in one process with the engine that plays.")
        {
            SupervisedVerb.Create(), GrpoVerb.Create(), MeasureVerb.Create(),
        };
        // An interrupted run ends its step and writes its state.
        InvocationConfiguration invocation = new()
        {
            ProcessTerminationTimeout = TimeSpan.FromMinutes(1), EnableDefaultExceptionHandler = false,
            Output = output, Error = error,
        };
        try
        {
            return await root.Parse(args.Length == 0 ? ["--help"] : args).InvokeAsync(invocation);
        }
        catch (OperationCanceledException)
        {
            error.WriteLine($"{Name}: interrupted");
            return 1;
        }
        catch (Exception refused)
            when (refused is PdEngineException or IOException or UnauthorizedAccessException)
        {
            error.WriteLine($"{Name}: {refused.Message}");
            return 2;
        }
    }
}
