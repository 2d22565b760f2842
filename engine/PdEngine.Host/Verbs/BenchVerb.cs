using System.CommandLine;

namespace PdEngine.Host;

/// <summary><c>pdengine bench</c>: every benchmark.</summary>
internal static class BenchVerb
{
    public static Command Create() =>
        new("bench", "Benchmarks, each beside the machine's limits and a peer.")
        {
            BenchKernelsVerb.Create(), BenchModelVerb.Create(), BenchStepVerb.Create(),
            BenchForeignVerb.Create(), BenchPdVerb.Create(), BenchPriceVerb.Create(),
            BenchRolloutVerb.Create(), BenchUpdateVerb.Create(), BenchHttpVerb.Create(),
        };
}
