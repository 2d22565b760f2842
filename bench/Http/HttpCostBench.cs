using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// The same streams from one engine in process and by HTTP, by turns in one run, so that what the machine
/// does meanwhile comes to all of them.
/// </summary>
internal sealed class HttpCostBench(HttpCostSettings settings, Action<string> progress)
{
    /// <param name="arms">The first is in process: what the others are held against.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="BenchException">An arm got other than the tokens asked for.</exception>
    public async Task<IReadOnlyList<HttpCostRow>> RunAsync(
        IReadOnlyList<HttpArm> arms, CancellationToken cancellation)
    {
        CpuIsa isa = CpuIsaSupport.Resolve(settings.Isa);
        Arithmetic arithmetic = Arithmetics.Of(isa, WeightDtype.Bf16);
        using MachineLimits limits = new(settings.Threads, settings.ProbeMilliseconds);
        List<LimitReading> readings = [limits.Read(arithmetic)];
        List<Turn>[] turns = [.. arms.Select(_ => new List<Turn>())];
        long start = Stopwatch.GetTimestamp();
        for (int repeat = 0; repeat < settings.Repeats;)
        {
            bool isWarm = Stopwatch.GetElapsedTime(start) >= settings.WarmUp;
            for (int arm = 0; arm < arms.Count; arm++)
            {
                Turn turn = await RunAsync(arms[arm], cancellation).ConfigureAwait(false);
                if (isWarm)
                    turns[arm].Add(turn);
                progress($"{arms[arm].Name}: {turn.Run.Tokens / turn.Seconds:F0} tokens/s");
            }
            repeat += isWarm ? 1 : 0;
        }
        readings.Add(limits.Read(arithmetic));
        return [.. arms.Select((arm, index) => RowOf(arm, turns[index], turns[0], readings, isa))];
    }

    private int AskedTokens => settings.Streams * settings.Tokens * settings.Requests;

    private async Task<Turn> RunAsync(HttpArm arm, CancellationToken cancellation)
    {
        using Process process = Process.GetCurrentProcess();
        TimeSpan before = process.TotalProcessorTime;
        long start = Stopwatch.GetTimestamp();
        HttpArmRun run = await arm.RunAsync(cancellation).ConfigureAwait(false);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        process.Refresh();
        if (run.Tokens != AskedTokens)
            throw new BenchException($"{arm.Name} got {run.Tokens} tokens of {AskedTokens}");
        return new(run, seconds, (process.TotalProcessorTime - before).TotalSeconds);
    }

    private HttpCostRow RowOf(
        HttpArm arm, List<Turn> turns, List<Turn> alone, List<LimitReading> readings, CpuIsa isa)
    {
        Quantiles costs = new(turns.Zip(alone, (turn, peer) => 1 - (peer.Seconds / turn.Seconds)));
        double tokens = AskedTokens;
        return new HttpCostRow
        {
            Name = arm.Name, Phase = "http", Dtype = "bf16", Isa = CpuIsaSupport.NameOf(isa),
            Threads = settings.Threads, Batch = settings.Streams, Tokens = AskedTokens, Context = 1,
            Seconds = Median(turn => turn.Seconds), Flops = 0, Bytes = 0,
            Limits = LimitReading.Median(readings), LimitMovement = LimitReading.Movement(readings),
            Runs = turns.Count, PeerTokensPerSecond = tokens / new Quantiles(alone.Select(
                turn => turn.Seconds)).At(0.5),
            Cost = costs.At(0.5), LeastCost = costs.At(0), MostCost = costs.At(1),
            CpuUsPerToken = Median(turn => turn.CpuSeconds) * 1e6 / tokens,
            EventsPerToken = Median(turn => turn.Run.Events) / tokens,
            BytesPerToken = Median(turn => turn.Run.Bytes) / tokens,
        };

        double Median(Func<Turn, double> figure) => new Quantiles(turns.Select(figure)).At(0.5);
    }

    private readonly record struct Turn(HttpArmRun Run, double Seconds, double CpuSeconds);
}
