using System.CommandLine;
using PdEngine;
using PdEngine.Examples;

Command root = new("RlTrainer", "Trains pd-tiny in one process with the engine that plays.")
{
    SupervisedVerb.Create(), GrpoVerb.Create(), MeasureVerb.Create(),
};
// An interrupted run ends its step and writes its state.
InvocationConfiguration invocation = new()
{
    ProcessTerminationTimeout = TimeSpan.FromMinutes(1), EnableDefaultExceptionHandler = false,
};
try
{
    return await root.Parse(args.Length == 0 ? ["--help"] : args).InvokeAsync(invocation);
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("RlTrainer: interrupted");
    return 1;
}
catch (Exception error) when (error is PdEngineException or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"RlTrainer: {error.Message}");
    return 2;
}
