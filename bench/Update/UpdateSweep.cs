using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// Pushes whole weights from memory into one engine, arm after arm, while streams decode, and tells from the
/// streams' own tokens what that did to them.
/// </summary>
internal sealed class UpdateSweep(UpdateSettings settings, Action<string> progress)
{
    private const int PollMilliseconds = 2;

    /// <exception cref="BenchException">A stream failed.</exception>
    public async Task<IReadOnlyList<UpdateRow>> RunAsync(string path, CancellationToken cancellation)
    {
        using ICheckpoint checkpoint = Checkpoint.Open(path);
        using WeightUpdate update = InMemory(checkpoint);
        int length = settings.ContextTokens + settings.StreamTokens;
        await using Engine engine = await Engine.StartAsync(
            new EngineOptions
            {
                ModelPath = path, Backend = BackendKind.Cpu, Isa = settings.Isa,
                ThreadCount = settings.Threads, MaxRunningRequests = Math.Max(64, settings.Streams),
                ContextLength = length, MaxTotalTokens = 2 * Math.Max(1, settings.Streams) * (length + 256),
            },
            cancellation).ConfigureAwait(false);
        List<UpdateRow> rows = [];
        foreach (UpdateArm arm in settings.Arms)
        {
            UpdateRow row = await RunArmAsync(arm, engine, update, cancellation).ConfigureAwait(false);
            progress($"{row.Name}: prepare {row.PrepareSeconds * 1e3:F1} ms, stop "
                + $"{row.StopSeconds * 1e3:F2} ms, gap "
                + (row.GapSteps is { } gap ? $"{gap:F2} steps" : "unknown"));
            rows.Add(row);
        }
        return rows;
    }

    private async Task<UpdateRow> RunArmAsync(
        UpdateArm arm, Engine engine, WeightUpdate update, CancellationToken cancellation)
    {
        List<double> copies = [MemoryCopyLimit.Read(settings.Threads, settings.ProbeMilliseconds)];
        engine.FlushCache();
        UpdateStream[] streams = arm.Mode is null ? [] : NewStreams(engine.Models[0]);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task running = Task.WhenAll(streams.Select(stream => stream.RunAsync(stop.Token)));
        await SettleAsync(streams, running).ConfigureAwait(false);
        List<(long Begun, WeightUpdateReport Report)> updates = [];
        for (int repeat = 0; repeat < settings.Repeats; repeat++)
        {
            long begun = Stopwatch.GetTimestamp();
            updates.Add((begun, await engine.Models[0].UpdateWeightsAsync(
                update, new() { Mode = arm.Mode ?? PauseMode.InPlace, Stages = arm.Stages }, cancellation)
                .ConfigureAwait(false)));
            await SettleAsync(streams, running).ConfigureAwait(false);
        }
        await stop.CancelAsync().ConfigureAwait(false);
        await running.ConfigureAwait(false);
        copies.Add(MemoryCopyLimit.Read(settings.Threads, settings.ProbeMilliseconds));
        return RowOf(arm, streams, updates, copies);
    }

    private UpdateRow RowOf(
        UpdateArm arm, UpdateStream[] streams, List<(long Begun, WeightUpdateReport Report)> updates,
        List<double> copies)
    {
        double step = new Quantiles(
            streams.SelectMany(stream => stream.GapsBefore(updates[0].Begun))).At(0.5);
        double copy = new Quantiles(copies).At(0.5);
        return new UpdateRow
        {
            Arm = arm, Name = arm.Name, Phase = "update", Dtype = "bf16",
            Isa = CpuIsaSupport.NameOf(CpuIsaSupport.Resolve(settings.Isa)), Threads = settings.Threads,
            Batch = streams.Length, Tokens = 0, Context = settings.ContextTokens,
            Seconds = Median(one => (one.StagingTime + one.PauseTime).TotalSeconds),
            Flops = 0, Bytes = updates[0].Report.Bytes,
            Limits = new LimitReading(0, 0, copy), LimitMovement = (copies.Max() / copies.Min()) - 1,
            Runs = updates.Count,
            PrepareSeconds = Median(one => one.StagingTime.TotalSeconds),
            StopSeconds = Median(one => one.PauseTime.TotalSeconds), StepSeconds = step,
            GapSeconds = new Quantiles(updates.Select(
                one => streams.Select(stream => stream.GapAt(one.Report.Version)).DefaultIfEmpty().Max()))
                .At(0.5),
            FlowLeft = streams.Length == 0 ? 0 : new Quantiles(updates.Select(FlowOf)).At(0.5),
        };

        double Median(Func<WeightUpdateReport, double> figure) =>
            new Quantiles(updates.Select(one => figure(one.Report))).At(0.5);

        double FlowOf((long Begun, WeightUpdateReport Report) one)
        {
            double seconds = one.Report.StagingTime.TotalSeconds;
            long end = one.Begun + (long)(seconds * Stopwatch.Frequency);
            return streams.Sum(stream => stream.CountIn(one.Begun, end)) / seconds * step / streams.Length;
        }
    }

    private UpdateStream[] NewStreams(EngineModel model) =>
        [.. Enumerable.Range(0, settings.Streams).Select(index => new UpdateStream(
            model, KeyHash.Tokens($"stream {index}", 0, settings.ContextTokens, model.VocabularySize),
            settings.StreamTokens, (ulong)index))];

    /// <summary>Waits until every stream has made so many more tokens.</summary>
    private async Task SettleAsync(UpdateStream[] streams, Task running)
    {
        int[] enough = [.. streams.Select(stream => stream.Count + settings.SettleTokens)];
        while (streams.Zip(enough).Any(pair => pair.First.Count < pair.Second))
        {
            if (running.IsFaulted)
                await running.ConfigureAwait(false);
            await Task.Delay(PollMilliseconds).ConfigureAwait(false);
        }
    }

    /// <summary>Every tensor of a checkpoint, as a trainer in this process would have them: bf16.</summary>
    private static WeightUpdate InMemory(ICheckpoint checkpoint)
    {
        const int partElements = 1 << 20;
        WeightUpdate update = new();
        float[] values = new float[partElements];
        ushort[] narrow = new ushort[partElements];
        foreach (TensorShape tensor in ModelTensors.Of(checkpoint.Config))
        {
            long count = TensorShape.Count(tensor.Shape);
            for (long first = 0; first < count; first += partElements)
            {
                int length = (int)Math.Min(partElements, count - first);
                checkpoint.Read(tensor.Name, first, values.AsSpan(0, length));
                for (int i = 0; i < length; i++)
                    narrow[i] = (ushort)(BitConverter.SingleToUInt32Bits(values[i]) >> 16);
                update.Add(tensor.Name, tensor.Shape, narrow.AsSpan(0, length), first);
            }
        }
        return update;
    }
}
