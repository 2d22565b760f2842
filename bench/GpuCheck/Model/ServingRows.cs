namespace PdEngine.Bench;

/// <summary>
/// Streams that decode while a long prompt comes, on one worker and with prefill and decode apart on one GPU:
/// time to the first token and between tokens, and what the hand-off takes.
/// </summary>
internal sealed class ServingRows(CheckRig rig, CheckModel model) : IDisposable
{
    private const double StallSeconds = 0.1;

    private string? _folder;

    public IEnumerable<CheckCase> Cases()
    {
        yield return Case("colocated, no overlap", 1, options => options with
        {
            DisableOverlapSchedule = true,
        });
        yield return Case("colocated", 1, options => options);
        yield return Case("pd owner change", 2, options => options);
        yield return Case("pd owner change, 30% of processors for prefill", 2, options => options with
        {
            PrefillSmFraction = 0.3f,
        });
        yield return Case("pd copy", 2, options => options with { KvDomain = KvDomainKind.Device });
    }

    public void Dispose()
    {
        if (_folder is not null)
            Directory.Delete(_folder, recursive: true);
    }

    private CheckCase Case(string name, int devices, Func<EngineOptions, EngineOptions> adjust)
    {
        string row = $"serve/{model.Name} {name}";
        PdSettings settings = new()
        {
            Arms = [], Threads = 2, StallSeconds = StallSeconds, Adjust = options => adjust(
                rig.On(options, devices) with { MaxTotalTokens = rig.Settings.Scale.ServedTokens }),
        };
        PdArmKind kind = devices > 1 ? PdArmKind.Disaggregated : PdArmKind.Colocated;
        return new(row, () => Task.Run(() => RunAsync(row, kind, settings)).GetAwaiter().GetResult());
    }

    private async Task<CheckRow> RunAsync(string name, PdArmKind kind, PdSettings settings)
    {
        CheckScale scale = rig.Settings.Scale;
        long free = new DriveInfo(Path.GetTempPath()).AvailableFreeSpace;
        using TileCheckpoint checkpoint = new(model);
        long bytes = ModelTensors.Of(checkpoint.Config).Sum(tensor => TensorShape.Count(tensor.Shape)) * 2;
        if (_folder is null && bytes + (bytes / 8) > free)
            return new CheckRow(name).Missing($"weights of {bytes >> 20} MiB, and {free >> 20} free on disk");
        if (_folder is null)
        {
            _folder = Directory.CreateTempSubdirectory("gpu-check").FullName;
            checkpoint.WriteTo(_folder, model);
        }
        PdArm arm = new(name, name, kind, scale.ServingChunk);
        LoadTrace trace;
        await using (EngineServer server = await EngineServer.StartAsync(_folder, arm, settings, scale.Load)
            .ConfigureAwait(false))
        {
            // Twice: the first run pays for the compilation of the host's code and for graphs.
            int vocabulary = checkpoint.Config.VocabularySize;
            await scale.Load.RunAsync(server, vocabulary, seed: 1).ConfigureAwait(false);
            trace = await scale.Load.RunAsync(server, vocabulary, seed: 2).ConfigureAwait(false);
        }
        PdFigures figures = PdFigures.Of(trace, StallSeconds);
        return rig.Clocks.AddTo(new CheckRow(name)
            .With("first_token_ms", figures.FirstTokenSeconds.At(0.5) * 1e3)
            .With("gap_p50_ms", figures.GapSeconds.At(0.5) * 1e3)
            .With("gap_p99_ms", figures.GapSeconds.At(0.99) * 1e3)
            .With("gap_max_ms", figures.GapSeconds.Max * 1e3)
            .With("stalled_share", figures.StalledShare)
            .With("tokens_per_second", figures.TokensPerSecond)
            .With("handoff_ms", figures.HandoffSeconds.At(0.5) * 1e3)
            .With("handoff_copy_ms", figures.HandoffCopySeconds.At(0.5) * 1e3)
            .With("handoff_blocks", figures.HandoffBlocks).With("transfer_bytes", figures.TransferBytes)
            .Noted(scale.Load.Title));
    }
}
