using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// Whole steps of a model against the roofline of the ceilings measured on this card, and where their time
/// goes.
/// </summary>
internal sealed class ModelRows(CheckRig rig, CeilingRows ceilings, CheckModel model) : IDisposable
{
    private const int DrawnSteps = 24;
    private const long SpareBytes = 2L << 30;

    private LoadedModel? _loaded;

    // Loaded for the first row that is still to be computed.
    private LoadedModel Loaded => _loaded ??= new(rig, model);

    public IEnumerable<CheckCase> Cases()
    {
        IReadOnlyList<ModelRowSpec> rows = ModelRowSpec.Parse(rig.Settings.Scale.ModelRows);
        foreach (ModelRowSpec row in rows)
        {
            string name = $"model/{model.Name} {row.Name}";
            yield return new(name, () => Fitting(name, row, Time));
        }
        string[] profiled = rig.Settings.Scale.IsToy
            ? ["decode-3-16"] : ["prefill-4096", "decode-1-512", "decode-64-512", "decode-64-4096"];
        foreach (ModelRowSpec row in ModelRowSpec.Parse(string.Join(',', profiled)))
        {
            string name = $"profile/{model.Name} {row.Name}";
            yield return new(name, () => Fitting(name, row, Profile));
        }
    }

    public void Dispose() => _loaded?.Dispose();

    private CheckRow Fitting(string name, ModelRowSpec row, Func<string, ModelRowSpec, CheckRow> run)
    {
        long need = ModelSteps.KvBytes(Loaded.Weights.Config, row), free = rig.Backend.FreeBytes;
        long spare = rig.Settings.Scale.IsToy ? 0 : SpareBytes;
        return need + spare <= free
            ? run(name, row)
            : new CheckRow(name).Missing($"K and V take {need >> 20} MiB, and {free >> 20} are free");
    }

    private CheckRow Time(string name, ModelRowSpec row)
    {
        ModelWork work = Loaded.Work;
        double flops = work.Flops(row), bytes = work.Bytes(row);
        double limit = Math.Max(flops / ceilings.FlopsPerSecond, bytes / ceilings.BytesPerSecond);
        CheckRow made = new(name);
        double seconds;
        using (ModelSteps plain = new(rig, rig.Backend, Loaded.Weights, row))
        {
            seconds = rig.Seconds(_ => plain.Run(), isCaptured: false);
            made.With("plain_us", seconds * 1e6).With("plain_drawn_us", Drawn(plain) * 1e6);
        }
        if (row.Phase == "decode")
        {
            using ModelSteps graphed = new(rig, rig.Graphed, Loaded.Weights, row);
            double own = rig.Seconds(_ => graphed.Run(), isCaptured: false, rig.Graphed.Lane);
            made.With("graphs_us", own * 1e6).With("graphs_drawn_us", Drawn(graphed) * 1e6)
                .With("graphs_ahead_us", DrawnAhead(graphed) * 1e6);
            seconds = Math.Min(seconds, own);
        }
        if (Loaded.Cublas is { } cublas)
        {
            using ModelSteps theirs = new(rig, cublas, Loaded.Weights, row);
            made.With(
                "cublaslt_us", rig.Seconds(_ => theirs.Run(), isCaptured: false, cublas.Lane) * 1e6);
        }
        return rig.Clocks.AddTo(made.With("tokens_per_second", row.Tokens / seconds)
            .With("share_of_roofline", limit / seconds).With("tflops", flops / seconds / 1e12)
            .With("gb_per_second", bytes / seconds / 1e9).With("gb", bytes / 1e9)
            .With("roofline_us", limit * 1e6).With("gflop", flops / 1e9));
    }

    /// <summary>A step as a caller has it that waits for its tokens, by the host's clock.</summary>
    private double Drawn(ModelSteps steps)
    {
        double[] times = new double[rig.Settings.Scale.IsToy ? 1 : DrawnSteps];
        for (int i = -2; i < times.Length; i++)
        {
            long start = Stopwatch.GetTimestamp();
            steps.Draw(0);
            steps.Await(0);
            if (i >= 0)
                times[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        return new Quantiles(times).At(0.5);
    }

    /// <summary>The same of a caller that puts a step there before it waits for the one before.</summary>
    private double DrawnAhead(ModelSteps steps)
    {
        int count = rig.Settings.Scale.IsToy ? 3 : DrawnSteps;
        steps.Draw(0);
        long start = 0;
        for (int i = 1; i <= count; i++)
        {
            steps.Draw(i);
            steps.Await(i - 1);
            start = i == 1 ? Stopwatch.GetTimestamp() : start;
        }
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        steps.Await(count);
        return seconds / (count - 1);
    }

    /// <summary>Time of each op in a step; the GPU is kept busy until the host has put all of it
    /// there.</summary>
    private CheckRow Profile(string name, ModelRowSpec row)
    {
        const int steps = 5;
        EventClock clock = Loaded.Clock;
        using ModelSteps timed = new(rig, Loaded.Timed, Loaded.Weights, row);
        using CheckMemory busy = new(rig);
        long bytes = rig.Settings.Scale.CopyBytes;
        ulong source = busy.Take(bytes), target = busy.Take(bytes);
        timed.Run();
        clock.Clear();
        for (int i = 0; i < steps; i++)
        {
            for (int copy = 0; copy < 4; copy++)
                rig.Gpu.Run(() => rig.Stream.Copy(target, source, bytes));
            clock.IsRunning = true;
            timed.Run();
            clock.IsRunning = false;
            clock.Collect();
        }
        CheckRow made = new(name);
        double total = clock.Costs.Sum(cost => cost.Seconds);
        made.With("ops_us", total / steps * 1e6);
        foreach (OpCost cost in clock.Costs.OrderByDescending(cost => cost.Seconds))
        {
            made.With($"{cost.Name} us", cost.Seconds / steps * 1e6)
                .With($"{cost.Name} share", cost.Seconds / total)
                .With($"{cost.Name} calls", cost.Calls / (double)steps)
                .With($"{cost.Name} tflops", cost.Flops / cost.Seconds / 1e12)
                .With($"{cost.Name} gb/s", cost.Bytes / cost.Seconds / 1e9);
        }
        return rig.Clocks.AddTo(made);
    }
}
