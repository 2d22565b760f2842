using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// Measures kernels one by one. Cases that share weights or a cache are a group: the limits are probed before
/// and after each, and a group whose limits moved too far is measured again.
/// </summary>
internal sealed class KernelSweep(KernelSettings settings, Action<string> progress)
{
    private const int LeastRuns = 5;

    // The clock's own steps must not show.
    private const double LeastSampleSeconds = 20e-6;

    /// <exception cref="BackendException">This machine or build cannot run it.</exception>
    public IReadOnlyList<KernelRow> Run()
    {
        List<KernelRow> rows = [];
        foreach (int threads in settings.Threads)
        {
            using MachineLimits limits = new(threads, settings.ProbeMilliseconds);
            foreach (CpuIsa isa in settings.Isas)
            {
                using IBackend backend = Backends.Open(BackendKind.Cpu, isa, threads);
                foreach (Func<KernelGroup> make in Groups(backend))
                {
                    using KernelGroup group = make();
                    if (group.Cases.Count > 0)
                        rows.AddRange(Measure(group, limits, isa));
                }
            }
        }
        return rows;
    }

    private IEnumerable<Func<KernelGroup>> Groups(IBackend backend)
    {
        foreach (KernelShape shape in settings.Shapes)
        {
            if (settings.Ops.Contains("matmul"))
            {
                foreach ((string, int, int, int) weight in shape.Matrices)
                {
                    yield return () => MatMulKernels.Make(
                        backend, shape.Name, weight, settings.Dtype, settings.Rows);
                }
            }
            foreach (string op in settings.Ops.Where(SmallKernels.Ops.Contains))
                yield return () => SmallKernels.Make(backend, shape, op, settings.Rows);
        }
        if (!settings.Ops.Contains("attention"))
            yield break;
        (string Name, AttentionShape Heads)[] heads = settings.Heads.Count > 0
            ? [.. settings.Heads.Select(shape => ("heads", shape))]
            : [.. settings.Shapes.Select(shape => (shape.Name, shape.Heads))];
        int[] prompts = [.. settings.Rows.Where(rows => rows > KernelCase.MostDecodeRows)];
        foreach ((string name, AttentionShape shape) in heads)
        {
            foreach (int context in settings.Contexts)
                yield return () => AttentionKernels.Decode(backend, name, shape, context, settings.Batches);
            yield return () => AttentionKernels.Prefill(
                backend, name, shape, prompts, settings.ChunkTokens, settings.Contexts);
        }
    }

    private List<KernelRow> Measure(KernelGroup group, MachineLimits limits, CpuIsa isa)
    {
        Arithmetic arithmetic = Arithmetics.Of(isa, settings.Dtype);
        List<KernelRow> best = [];
        for (int attempt = 1; attempt <= settings.Attempts; attempt++)
        {
            LimitReading before = limits.Read(arithmetic);
            List<(double Seconds, int Runs)> times = [.. group.Cases.Select(Time)];
            LimitReading[] readings = [before, limits.Read(arithmetic)];
            double movement = LimitReading.Movement(readings);
            if (best.Count == 0 || movement < best[0].LimitMovement)
                best = RowsOf(group, times, readings, limits.Threads, isa);
            best = [.. best.Select(row => row with { Attempts = attempt })];
            if (movement <= RowMeasure.AllowedMovement)
                break;
        }
        foreach (KernelRow row in best)
        {
            progress($"{row.Isa} x{row.Threads} {row.Op} {row.Name}, {row.Tokens} rows, context "
                + $"{row.Context}: {row.Seconds * 1e6:F1} us, "
                + $"{row.ShareOfLimit * 100:F0}% of the {row.BoundBy} limit");
        }
        return best;
    }

    private List<KernelRow> RowsOf(
        KernelGroup group, List<(double Seconds, int Runs)> times, LimitReading[] readings, int threads,
        CpuIsa isa)
    {
        LimitReading limits = new(
            readings.Average(reading => reading.FlopsPerSecond),
            readings.Average(reading => reading.FmaFlopsPerSecond),
            readings.Average(reading => reading.BytesPerSecond));
        List<KernelRow> rows = [];
        for (int i = 0; i < group.Cases.Count; i++)
        {
            KernelCase made = group.Cases[i];
            rows.Add(new KernelRow
            {
                Op = made.Op, Roof = Arithmetics.NameOf(Arithmetics.Of(isa, settings.Dtype)),
                Name = made.Name, Phase = made.Phase,
                Dtype = WeightDtypes.NameOf(settings.Dtype), Isa = CpuIsaSupport.NameOf(isa),
                Threads = threads, Batch = made.Batch, Tokens = made.Tokens, Context = made.Context,
                Seconds = times[i].Seconds, Runs = times[i].Runs, Flops = made.Flops, Bytes = made.Bytes,
                Limits = limits, LimitMovement = LimitReading.Movement(readings),
            });
        }
        return rows;
    }

    /// <summary>Median time of a call; short calls are timed many at once.</summary>
    private (double Seconds, int Runs) Time(KernelCase made)
    {
        made.Run();
        int calls = 1;
        // The shortest of three: one that was interrupted would pass for a long call.
        while (Enumerable.Range(0, 3).Min(_ => TimeCalls(made, calls)) < LeastSampleSeconds)
            calls *= 2;
        List<double> seconds = [];
        long begin = Stopwatch.GetTimestamp();
        while (seconds.Count < LeastRuns
            || Stopwatch.GetElapsedTime(begin).TotalMilliseconds < settings.RowMilliseconds)
        {
            seconds.Add(TimeCalls(made, calls) / calls);
        }
        return (new Quantiles(seconds).At(0.5), seconds.Count * calls);
    }

    private static double TimeCalls(KernelCase made, int calls)
    {
        long start = Stopwatch.GetTimestamp();
        for (int call = 0; call < calls; call++)
            made.Run();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
