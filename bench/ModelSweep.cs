namespace PdEngine.Bench;

/// <summary>
/// The rows of <c>bench model</c>: prefill of 512, 2048 and 4096 tokens, decode at batch 1, 8 and 32.
/// </summary>
/// <param name="modelPath">A checkpoint.</param>
/// <param name="isa">Instruction set.</param>
/// <param name="threads">Of us and of the peer.</param>
/// <param name="repeats">Timed runs of a row.</param>
/// <param name="withPeer">Runs llama.cpp on the same weights, in bf16, in the same run.</param>
internal sealed class ModelSweep(string modelPath, CpuIsa isa, int threads, int repeats, bool withPeer)
{
    private static readonly (int Batch, int Tokens, int Context)[] Shapes =
        [(1, 512, 0), (1, 2048, 0), (1, 4096, 0), (1, 1, 512), (8, 1, 512), (32, 1, 512), (1, 1, 4096)];

    public IReadOnlyList<BenchRow> Run(Action<string> progress)
    {
        using ICheckpoint checkpoint = Checkpoint.Open(modelPath);
        using MachineLimits limits = new(threads);
        progress($"probe: {limits.Read()}");
        using ModelBench ours = new(checkpoint, isa, threads, limits);
        using LlamaCpp? peer = withPeer ? LlamaCheckpoint.TryOpen(checkpoint, progress) : null;
        LlamaBench? theirs = peer is null ? null : new(peer, threads, checkpoint.Config.VocabularySize);
        List<BenchRow> rows = [];
        foreach ((int batch, int tokens, int context) in Shapes)
        {
            if (context + tokens + repeats + 2 > checkpoint.Config.MaxPositions)
                continue;
            int runs = tokens > 1024 ? Math.Min(repeats, 3) : tokens > 1 ? repeats : repeats * 3;
            // The peer takes a minute for a long prompt; one run of it says enough.
            int peerRuns = tokens > 1024 ? 1 : tokens > 1 ? Math.Min(repeats, 3) : repeats;
            double peerRate = theirs is null ? 0
                : tokens > 1 ? theirs.Prefill(tokens, peerRuns)
                : theirs.Decode(batch, context, peerRuns);
            BenchRow row = tokens > 1
                ? ours.Prefill(tokens, runs, peerRate)
                : ours.Decode(batch, context, runs, peerRate);
            progress($"{row.Phase} batch {batch} tokens {tokens} context {context}: "
                + $"{row.TokensPerSecond:F1} tokens/s, "
                + $"{row.ShareOfLimit * 100:F0}% of the {row.BoundBy} limit; peer {peerRate:F1}");
            rows.Add(row);
        }
        progress($"probe: {limits.Read()}");
        return rows;
    }
}
