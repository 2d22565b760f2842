using System.CommandLine;
using PdEngine;
using PdEngine.Examples;

Command root = new("RlTrainer", "Trains pd-tiny in one process with the engine that plays.")
{
    SupervisedVerb.Create(), GrpoVerb.Create(), MeasureVerb.Create(),
};
try
{
    return root.Parse(args.Length == 0 ? ["--help"] : args).Invoke();
}
catch (Exception error) when (error is PdEngineException or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"RlTrainer: {error.Message}");
    return 2;
}
