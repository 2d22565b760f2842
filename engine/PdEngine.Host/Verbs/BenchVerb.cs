using System.CommandLine;

namespace PdEngine.Host;

/// <summary><c>pdengine bench</c>: every benchmark.</summary>
internal static class BenchVerb
{
    public static Command Create() =>
        new("bench", "Benchmarks, each beside the machine's limits and a peer.")
        {
            BenchModelVerb.Create(), BenchStepVerb.Create(), BenchPdVerb.Create(),
        };
}
