using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>Our engine, started cold for one run of an arm.</summary>
internal sealed class EngineServer : IServer
{
    private readonly Engine _engine;
    private readonly PdSettings _settings;

    private EngineServer(Engine engine, PdSettings settings)
    {
        _engine = engine;
        _settings = settings;
    }

    public static async Task<EngineServer> StartAsync(
        string modelPath, PdArm arm, PdSettings settings, IServingLoad load)
    {
        // Twice what runs at once: both sides of a hand-off and the cached prefixes have room.
        long tokens = 2L * load.MaxConcurrency * (load.LongestTokens + 256);
        EngineOptions options = new()
        {
            ModelPath = modelPath,
            Topology = arm.IsDisaggregated ? OnePlusOne(modelPath, settings.Threads) : null,
            Disaggregate = DisaggregateMode.Always,
            KvDomain = settings.KvDomain,
            LendsCores = arm.Kind is PdArmKind.DisaggregatedLending,
            Backend = BackendKind.Cpu,
            Isa = settings.Isa,
            ThreadCount = settings.Threads,
            MaxTotalTokens = (int)Math.Min(tokens, int.MaxValue),
            MaxRunningRequests = Math.Max(64, load.MaxConcurrency),
            ChunkedPrefillSize = arm.ChunkTokens,
            ContextLength = load.LongestTokens,
        };
        Engine engine = await Engine.StartAsync(settings.Adjust(options)).ConfigureAwait(false);
        return new EngineServer(engine, settings);
    }

    public async Task<RequestTrace> RunAsync(ServingRequest request, Action<int>? onTokens = null)
    {
        GenerateRequest asked = new()
        {
            InputIds = request.Prompt,
            SessionId = request.Session,
            Sampling = new SamplingParams
            {
                MaxNewTokens = request.OutputTokens, IgnoreEos = true, Temperature = _settings.Temperature,
                SamplingSeed = KeyHash.Of(request.Key, _settings.Seed),
            },
        };
        List<TokenArrival> arrivals = new(request.OutputTokens);
        long submitted = Stopwatch.GetTimestamp();
        TokenStream stream = _engine.Stream(asked);
        await foreach (TokenChunk chunk in stream.ConfigureAwait(false))
        {
            if (chunk.TokenIds.Count == 0)
                continue;
            arrivals.Add(new(Stopwatch.GetTimestamp(), chunk.TokenIds.Count));
            onTokens?.Invoke(chunk.TokenIds.Count);
        }
        Generation made = await stream.Completion.ConfigureAwait(false);
        if (made.OutputIds.Count != request.OutputTokens)
        {
            throw new BenchException(
                $"{request.Key} made {made.OutputIds.Count} of {request.OutputTokens} tokens and ended with "
                + $"{made.FinishReason} {made.Error?.Message}", made.Error);
        }
        return new RequestTrace
        {
            Request = request, SubmittedTicks = submitted, Arrivals = arrivals, OutputIds = made.OutputIds,
            CachedTokens = made.CachedTokens, PdPath = made.PdPath,
            Timings = made.Timings, HandoffBlocks = made.HandoffBlocks, TransferBytes = made.TransferBytes,
        };
    }

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    private static Topology OnePlusOne(string modelPath, int cores) => Topology.Resolve(new TopologyFlags
    {
        PrefillNumServers = 1, RolloutNumGpus = 2, HfCheckpoint = modelPath, CoreCount = cores,
    });
}
