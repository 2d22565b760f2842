using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// Throughput with a foreign process on one core against without: threads that wait for each other by
/// spinning would fall by far more than what it takes.
/// </summary>
internal sealed class ForeignSweep(ModelSettings settings, int core, Action<string> progress)
{
    private const int LeastRuns = 5;
    private const double TurnSeconds = 0.6;

    /// <exception cref="BenchException">The foreign process cannot be started.</exception>
    public IReadOnlyList<ForeignRow> Run(string modelPath)
    {
        using ICheckpoint checkpoint = Checkpoint.Open(modelPath);
        using MachineLimits limits = new(settings.Threads, settings.ProbeMilliseconds);
        using OurModel model = new(checkpoint, settings.Isa, settings.Threads, settings.Dtype);
        List<ForeignRow> rows = [];
        foreach (ModelRowSpec spec in settings.Rows)
        {
            ForeignRow row = Measure(spec, model, limits);
            progress($"{spec.Name}: {row.Alone.TokensPerSecond:F1} tokens/s alone, "
                + $"{row.SharedTokensPerSecond:F1} beside a foreign process on core {core}");
            rows.Add(row);
        }
        return rows;
    }

    private ForeignRow Measure(ModelRowSpec spec, OurModel model, MachineLimits limits)
    {
        Arithmetic arithmetic = Arithmetics.Of(model.Isa, settings.Dtype);
        using OurRow run = model.Open(spec);
        run.Run();
        List<double> alone = [], shared = [];
        List<LimitReading> free = [], taken = [];
        for (int turn = 0; turn < settings.Repeats; turn++)
        {
            free.Add(limits.Read(arithmetic));
            Time(run, alone);
            using ForeignProcess foreign = ForeignProcess.Start(core);
            Time(run, shared);
            taken.Add(limits.Read(arithmetic));
        }
        BenchRow row = new()
        {
            Name = spec.Name, Phase = spec.Phase, Dtype = WeightDtypes.NameOf(model.Dtype),
            Isa = CpuIsaSupport.NameOf(model.Isa), Threads = model.Threads, Batch = spec.Batch,
            Tokens = spec.Tokens, Context = spec.Context, Seconds = new Quantiles(alone).At(0.5),
            Flops = model.Work.Flops(spec), Bytes = model.Work.Bytes(spec), Runs = alone.Count,
            Limits = LimitReading.Median(free), LimitMovement = LimitReading.Movement(free),
        };
        Quantiles beside = new(shared);
        return new(row, beside.At(0.5), beside.Max, LimitReading.Median(taken));
    }

    /// <summary>Runs for a while: a time slice must not decide.</summary>
    private static void Time(OurRow run, List<double> seconds)
    {
        long begin = Stopwatch.GetTimestamp();
        for (int runs = 0;
            runs < LeastRuns || Stopwatch.GetElapsedTime(begin).TotalSeconds < TurnSeconds; runs++)
        {
            long start = Stopwatch.GetTimestamp();
            run.Run();
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }
}
