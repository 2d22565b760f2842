using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// Whole-model prefill and decode on random or real weights, without scheduling or sampling: the forward pass
/// and the logits of the last token, as the peer's <c>llama_decode</c> gives them.
/// </summary>
internal sealed class ModelBench : IDisposable
{
    private const int PageSize = 64;
    private readonly CpuIsa _isa;
    private readonly int _threads;
    private readonly IBackend _backend;
    private readonly ModelWeights _weights;
    private readonly ModelConfig _config;
    private readonly MachineLimits _limits;

    public ModelBench(ICheckpoint checkpoint, CpuIsa isa, int threads, MachineLimits limits)
    {
        _isa = CpuIsaSupport.Resolve(isa);
        _threads = threads;
        _config = checkpoint.Config;
        _backend = Backends.Open(BackendKind.Cpu, _isa, threads);
        _weights = ModelWeights.Load(checkpoint, _backend);
        _limits = limits;
    }

    /// <summary>Times one prompt of so many tokens.</summary>
    public BenchRow Prefill(int tokens, int repeats, double peerTokensPerSecond) =>
        Time("prefill", 1, tokens, 0, repeats, peerTokensPerSecond);

    /// <summary>Times one step of a batch, each sequence with so many positions behind it.</summary>
    public BenchRow Decode(int batch, int context, int repeats, double peerTokensPerSecond) =>
        Time("decode", batch, 1, context, repeats, peerTokensPerSecond);

    public void Dispose()
    {
        _weights.Dispose();
        _backend.Dispose();
    }

    private BenchRow Time(
        string phase, int batch, int tokensEach, int context, int repeats, double peerTokensPerSecond)
    {
        KvLayout layout = KvLayout.GroupedQuery(
            _config.LayerCount, PageSize, _config.KvHeadCount, _config.HeadDim, _backend.KvElement);
        int blocksEach = layout.BlocksFor(context + tokensEach);
        using KvStore store = _backend.CreateKvStore(layout, batch * blocksEach);
        using Transformer transformer = new(
            _backend, _weights, new KvRankHeads(store, 0, _config.KvHeadCount),
            Math.Max(batch * tokensEach, 256), group: null);
        AttentionBatch attention = new();
        FillContext(store, attention, batch, context, blocksEach);
        int[] ids = TokenIds(batch * tokensEach);
        int[] wanted = [.. Enumerable.Range(0, batch).Select(i => ((i + 1) * tokensEach) - 1)];
        double[] seconds = new double[repeats];
        double flopsLimit = 0, bytesLimit = 0;
        for (int repeat = -1; repeat < repeats; repeat++)
        {
            attention.Clear();
            for (int sequence = 0; sequence < batch; sequence++)
                attention.Add(sequence * tokensEach, context, tokensEach, Blocks(sequence, blocksEach));
            long start = Stopwatch.GetTimestamp();
            transformer.Run(ids, attention);
            transformer.Logits(wanted);
            if (repeat >= 0)
                seconds[repeat] = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (repeat == repeats / 2)
                (flopsLimit, bytesLimit) = (_limits.FlopsPerSecond(_isa), _limits.BytesPerSecond());
        }
        Array.Sort(seconds);
        return new BenchRow
        {
            Phase = phase, Dtype = "bf16", Isa = CpuIsaSupport.NameOf(_isa), Threads = _threads,
            Batch = batch, Tokens = batch * tokensEach, Context = context, Seconds = seconds[repeats / 2],
            Flops = batch * Flops(tokensEach, context),
            Bytes = WeightBytes() + (batch * KvBytes(context + tokensEach)),
            LimitFlopsPerSecond = flopsLimit, LimitBytesPerSecond = bytesLimit,
            PeerTokensPerSecond = peerTokensPerSecond,
        };
    }

    /// <summary>
    /// Gives every sequence K and V to read: untouched memory would all be one cached page.
    /// </summary>
    private void FillContext(KvStore store, AttentionBatch attention, int batch, int context, int blocksEach)
    {
        if (context == 0)
            return;
        AttentionShape shape = new(_config.HeadCount, _config.KvHeadCount, _config.HeadDim);
        using RopeTable rope = new(_config.Rope.InverseFrequencies, _config.Rope.AttentionFactor);
        using Tensor qkv = _backend.CreateTensor(context, shape.QkvColumns);
        for (int row = 0; row < context; row++)
        {
            Span<float> values = qkv.Row(row);
            for (int i = 0; i < values.Length; i++)
                values[i] = ((row * 31) + (i * 17)) % 97 / 97f - 0.5f;
        }
        for (int sequence = 0; sequence < batch; sequence++)
        {
            attention.Clear();
            attention.Add(
                0, 0, context,
                Blocks(sequence, blocksEach).AsSpan(0, (context + PageSize - 1) / PageSize));
            for (int layer = 0; layer < _config.LayerCount; layer++)
            {
                _backend.RotateAndAppend(
                    qkv, shape, rope.Require(context), null, null, 0, store, layer, attention);
            }
        }
    }

    private int[] TokenIds(int count) =>
        [.. Enumerable.Range(0, count).Select(i => (int)((i * 7919L) % _config.VocabularySize))];

    private static int[] Blocks(int sequence, int count) => [.. Enumerable.Range(sequence * count, count)];

    /// <summary>Work of so many tokens after a context; the head runs for the last one alone.</summary>
    private double Flops(int tokens, int context)
    {
        double pairs = (tokens * (double)context) + (tokens * (tokens + 1.0) / 2);
        double attention = 4.0 * pairs * _config.HeadCount * _config.HeadDim * _config.LayerCount;
        double head = 2.0 * _config.VocabularySize * _config.HiddenSize;
        return (2.0 * tokens * BodyWeights()) + head + attention;
    }

    private double BodyWeights()
    {
        AttentionShape shape = new(_config.HeadCount, _config.KvHeadCount, _config.HeadDim);
        double layer = ((double)shape.QkvColumns * _config.HiddenSize)
            + ((double)shape.QueryColumns * _config.HiddenSize)
            + (3.0 * _config.IntermediateSize * _config.HiddenSize);
        return layer * _config.LayerCount;
    }

    private double WeightBytes() =>
        2 * (BodyWeights() + ((double)_config.VocabularySize * _config.HiddenSize));

    private double KvBytes(int positions) =>
        4.0 * positions * _config.KvHeadCount * _config.HeadDim * _config.LayerCount;
}
