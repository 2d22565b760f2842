using System.Diagnostics;
using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>Hand-written traces: times are milliseconds from the start of the clock.</summary>
internal static class Traces
{
    public static readonly long Start = 1000 * Stopwatch.Frequency;

    public static long At(double milliseconds) => Start + (long)(milliseconds * Stopwatch.Frequency / 1000);

    public static TokenArrival[] Arrivals(params double[] milliseconds) =>
        [.. milliseconds.Select(time => new TokenArrival(At(time), 1))];

    public static RequestTrace Request(
        RequestRole role, int row, double submitted, TokenArrival[] arrivals, int promptTokens = 100)
    {
        int count = arrivals.Sum(arrival => arrival.Count);
        return new RequestTrace
        {
            Request = new ServingRequest
            {
                Key = $"{role} {row}", Row = row, Role = role, Prompt = new int[promptTokens],
                OutputTokens = count,
            },
            SubmittedTicks = At(submitted),
            Arrivals = arrivals,
            OutputIds = [.. Enumerable.Range(row, count)],
        };
    }

    public static PdRun Run(string arm, params RequestTrace[] requests)
    {
        LoadTrace trace = new(Start, requests);
        MachineReading machine = new(2, null, 3e11, 1e12, 4e10);
        return new PdRun(PdArm.Parse(arm)[0], trace, PdFigures.Of(trace, 0.5), machine, machine);
    }

    public static PdResult Result(params PdRun[] runs) => new(
        InjectionLoad.Quick, "random:<tiny & more>",
        new PdSettings { Arms = [.. runs.Select(run => run.Arm)], Threads = 2 },
        [.. runs.Select(run => new PdRow([run]))], PdSweep.Difference(runs));
}
