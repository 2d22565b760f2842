using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>The sampling kernel under the emulator, on rows in host memory.</summary>
internal sealed unsafe class CudaSampler(ulong seed = 0) : IDisposable
{
    private const int SharedBytes = (2048 * 12) + 512;

    private readonly KernelRig _rig = new(seed);

    /// <summary>Draws of a step before, which ids of the history may name.</summary>
    public SampleResult[] Previous { get; init; } = [];

    /// <summary>Thread blocks over which rows are spread.</summary>
    public int MostBlocks { get; init; } = 3;

    public void Sample(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count)
    {
        int[] faults = Run(logits, firstLogitsRow, samples, first, count);
        int faulty = faults.AsSpan().IndexOfAnyExcept(0);
        if (faulty >= 0)
            throw new BackendException($"Sample row {first + faulty}: fault {faults[faulty]}.");
    }

    /// <summary>The faults of the rows.</summary>
    public int[] Run(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count)
    {
        int blocks = Math.Min(count, MostBlocks), vocabulary = logits.Columns;
        float[] values = new float[logits.Rows * logits.Stride];
        for (int row = 0; row < logits.Rows; row++)
            logits.Row(row).CopyTo(values.AsSpan(row * logits.Stride));
        ulong results = _rig.Upload<SampleResult>(samples.Results.Slice(first, count));
        ulong tops = _rig.Upload<TopLogProb>(samples.Tops);
        ulong faults = _rig.Allocate<int>(count);
        CudaSampleArgs args = new()
        {
            Logits = _rig.Upload<float>(values), Rows = _rig.Upload(samples.Rows.Slice(first, count)),
            History = _rig.Upload(samples.History), BiasIds = _rig.Upload(samples.BiasIds),
            BiasValues = _rig.Upload(samples.BiasValues), Suppressed = _rig.Upload(samples.Suppressed),
            Previous = _rig.Upload<SampleResult>(Previous), Results = results, Tops = tops, Faults = faults,
            Scratch = _rig.Allocate<byte>(((vocabulary * 8) + 63) / 64 * 64 * blocks),
            LogitsStride = logits.Stride, Vocabulary = vocabulary, RowCount = count,
            FirstLogitsRow = firstLogitsRow,
        };
        _rig.Launch("pd_sample", new(blocks), 512, SharedBytes, args);
        _rig.Read<SampleResult>(results, count).CopyTo(samples.Results[first..]);
        _rig.Read<TopLogProb>(tops, samples.TopCount).CopyTo(samples.Tops);
        int[] found = _rig.Read<int>(faults, count);
        _rig.Clear();
        return found;
    }

    public void Dispose() => _rig.Dispose();
}
