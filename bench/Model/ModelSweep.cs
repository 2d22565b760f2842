namespace PdEngine.Bench;

/// <summary>Runs the rows of <c>bench model</c>.</summary>
/// <param name="settings">What to run.</param>
/// <param name="progress">Hears of each row.</param>
internal sealed class ModelSweep(ModelSettings settings, Action<string> progress)
{
    private const int OpRuns = 5;

    /// <summary>Rows in order.</summary>
    /// <exception cref="OptionsException">The model is too short for every row.</exception>
    public ModelResult Run(string modelPath)
    {
        using ICheckpoint checkpoint = Checkpoint.Open(modelPath);
        ModelRowSpec[] specs = [.. settings.Rows.Where(row => Fits(row, checkpoint.Config.MaxPositions))];
        if (specs.Length == 0)
        {
            throw new OptionsException(
                "--rows", $"the model takes {checkpoint.Config.MaxPositions} positions: none of these fits");
        }
        using PeerThread peerThread = new();
        using MachineLimits limits = new(settings.Threads, settings.ProbeMilliseconds);
        using OurModel ours = new(checkpoint, settings.Isa, settings.Threads, settings.Dtype);
        using LlamaCpp? library = settings.WithPeer
            ? LlamaCheckpoint.TryOpen(checkpoint, progress, WeightDtypes.PeerType(settings.Dtype))
            : null;
        LlamaBench? peer = library is null
            ? null
            : new(library, peerThread, settings.Threads, checkpoint.Config.VocabularySize);
        RowMeasure measure = new(
            limits, Arithmetics.Of(ours.Isa, settings.Dtype), settings.Repeats, settings.Attempts);
        List<BenchRow> rows = [];
        List<OpTable> ops = [];
        foreach (ModelRowSpec spec in specs)
        {
            BenchRow row = Measure(measure, spec, ours, peer);
            rows.Add(row);
            progress($"{row.Name}: {row.TokensPerSecond:F1} tokens/s, {row.ShareOfLimit * 100:F0}% of the "
                + $"{row.BoundBy} limit ({BenchReport.LimitsOf(row.Limits)}); "
                + $"peer {row.PeerTokensPerSecond:F1}" + Warning(row));
            if (settings.WithOps)
                ops.Add(CostsOf(spec, ours, row));
        }
        return new(rows, ops);
    }

    private bool Fits(ModelRowSpec row, int positions)
    {
        if (row.Positions <= positions)
            return true;
        progress($"{row.Name}: left out, since the model takes {positions} positions");
        return false;
    }

    private static BenchRow Measure(RowMeasure measure, ModelRowSpec spec, OurModel model, LlamaBench? peer)
    {
        using OurRow ours = model.Open(spec);
        using IRowRun? theirs = peer?.Open(spec);
        RowTimes times = measure.Measure(spec, ours, theirs);
        return new BenchRow
        {
            Name = spec.Name, Phase = spec.Phase, Dtype = WeightDtypes.NameOf(model.Dtype),
            Isa = CpuIsaSupport.NameOf(model.Isa), Threads = model.Threads, Batch = spec.Batch,
            Tokens = spec.Tokens, Context = spec.Context, Seconds = times.Seconds,
            Flops = model.Work.Flops(spec), Bytes = model.Work.Bytes(spec), Limits = times.Limits,
            LimitMovement = times.Movement, Attempts = times.Attempts, Runs = times.Runs,
            PeerTokensPerSecond = times.PeerSeconds > 0 ? spec.Tokens / times.PeerSeconds : 0,
        };
    }

    private static OpTable CostsOf(ModelRowSpec spec, OurModel model, BenchRow row)
    {
        OpClock clock = new();
        using OurRow run = model.Open(spec, clock);
        run.Run();
        clock.Clear();
        int runs = spec.IsLong ? 1 : OpRuns;
        for (int i = 0; i < runs; i++)
            run.Run();
        return new(row, [.. clock.Costs], runs);
    }

    private static string Warning(BenchRow row) => row.LimitMovement <= RowMeasure.AllowedMovement
        ? ""
        : $"; the limits moved by {row.LimitMovement * 100:F0}% in each of {row.Attempts} tries";
}

/// <summary>What a model's benchmark came to.</summary>
/// <param name="Rows">One each.</param>
/// <param name="Ops">What each row is made of; empty where that was not asked.</param>
internal sealed record ModelResult(IReadOnlyList<BenchRow> Rows, IReadOnlyList<OpTable> Ops);
