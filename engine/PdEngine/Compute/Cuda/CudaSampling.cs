using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// The draws and scores of a lane's batches: rows go along with the batch, only ids and log-probs come back.
/// They stay on the device for one batch more, which may begin before they are back.
/// </summary>
internal sealed unsafe class CudaSampling : IDisposable
{
    /// <summary>Rows that are drawn at once; each takes working memory of its own.</summary>
    private const int MostBlocks = 64;

    private const int LeastResults = 1024;

    private readonly CudaLane _lane;
    private readonly CudaStepMemory _memory;
    private readonly Sampled[] _sampled;
    private CudaBuffer? _scratch;
    private CudaSampleArgs _shared;

    /// <param name="lane">Where they are drawn.</param>
    /// <param name="memory">Of the lane's batches: each of its halves has the samples of one.</param>
    public CudaSampling(CudaLane lane, CudaStepMemory memory)
    {
        _lane = lane;
        _memory = memory;
        _sampled = [new(NewResults(LeastResults)), new(NewResults(LeastResults))];
    }

    /// <summary>Where the results of the batch before this one are, on the device.</summary>
    public ulong Previous => _sampled[_memory.Half ^ 1].Results.First;

    private Sampled Current => _sampled[_memory.Half];

    /// <summary>A batch begins.</summary>
    public void Begin() => Current.Samples = null;

    /// <inheritdoc cref="IBackend.Sample"/>
    public void Sample(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count)
    {
        if (Current.Samples != samples)
            Share(samples);
        int blocks = Math.Min(count, MostBlocks);
        long scratchBytes = (((long)logits.Columns * 8) + 63) / 64 * 64;
        CudaSampleArgs args = _shared;
        args.Logits = (ulong)logits.Address;
        args.Rows = _memory.Upload(samples.Rows.Slice(first, count));
        args.Results = Current.Results.First + ((ulong)first * (ulong)sizeof(SampleResult));
        args.Tops = Current.Tops.Device;
        args.Faults = Current.Faults.Device + ((ulong)first * sizeof(int));
        args.Scratch = Scratch(scratchBytes * blocks);
        args.LogitsStride = logits.Stride;
        args.Vocabulary = logits.Columns;
        args.RowCount = count;
        args.FirstLogitsRow = firstLogitsRow;
        _lane.Stream.Launch(
            _lane.Gpu.Kernels.Sample, new(blocks), new(CudaKernels.SampleThreads),
            CudaKernels.SampleSharedBytes, args);
    }

    /// <summary>Puts the way back on the lane, where something was sampled.</summary>
    public void Return()
    {
        if (Current.Samples is not { } samples)
            return;
        _lane.Stream.CopyToHost(
            Current.Back.Host, Current.Results.First, (long)samples.RowCount * sizeof(SampleResult));
        _lane.Stream.CopyToHost(
            Current.Faults.Host, Current.Faults.Device, (long)samples.RowCount * sizeof(int));
        if (samples.TopCount > 0)
        {
            _lane.Stream.CopyToHost(
                Current.Tops.Host, Current.Tops.Device, (long)samples.TopCount * sizeof(TopLogProb));
        }
    }

    /// <summary>Waits for the results of a batch that has ended, and hands them over.</summary>
    /// <exception cref="BackendException">A row could not be sampled.</exception>
    public void Await(SampleBatch samples)
    {
        int half = _sampled[0].Samples == samples ? 0 : 1;
        Sampled sampled = _sampled[half];
        if (sampled.Samples != samples)
            return;
        sampled.Samples = null;
        _memory.Await(half);
        ReadOnlySpan<int> faults = new(sampled.Faults.Host, samples.RowCount);
        int faulty = faults.IndexOfAnyExcept(0);
        if (faulty >= 0)
            throw Fault((CudaSampleFault)faults[faulty], samples.Rows[faulty].LogitsRow);
        new ReadOnlySpan<SampleResult>(sampled.Back.Host, samples.RowCount).CopyTo(samples.Results);
        new ReadOnlySpan<TopLogProb>(sampled.Tops.Host, samples.TopCount).CopyTo(samples.Tops);
    }

    public void Dispose()
    {
        _scratch?.Dispose();
        foreach (Sampled sampled in _sampled)
            sampled.Results.Dispose();
    }

    private static BackendException Fault(CudaSampleFault fault, int logitsRow) => fault switch
    {
        CudaSampleFault.Infinite => new(
            $"Logits row {logitsRow} has an infinite value or a NaN: a weight is probably broken."),
        CudaSampleFault.Nothing => new($"Logits row {logitsRow} has no finite value."),
        _ => new($"Logits row {logitsRow} is sampled with a token id that the vocabulary lacks."),
    };

    private void Share(SampleBatch samples)
    {
        Sampled sampled = Current;
        sampled.Samples = samples;
        long resultBytes = (long)samples.RowCount * sizeof(SampleResult);
        if (resultBytes > sampled.Results.Bytes)
        {
            sampled.Results.Dispose();
            sampled.Results = NewResults(samples.RowCount * 2);
        }
        _shared = new CudaSampleArgs
        {
            History = _memory.Upload(samples.History),
            BiasIds = _memory.Upload(samples.BiasIds),
            BiasValues = _memory.Upload(samples.BiasValues),
            Suppressed = _memory.Upload(samples.Suppressed),
            Previous = Previous,
        };
        sampled.Back = _memory.Take(resultBytes);
        sampled.Faults = _memory.Take((long)samples.RowCount * sizeof(int));
        sampled.Tops = _memory.Take(Math.Max(1, samples.TopCount) * (long)sizeof(TopLogProb));
    }

    private CudaBuffer NewResults(int rowCount) =>
        new(_lane.Gpu.Context, (long)rowCount * sizeof(SampleResult));

    private ulong Scratch(long bytes)
    {
        if (_scratch is null || bytes > _scratch.Bytes)
        {
            _scratch?.Dispose();
            _scratch = new CudaBuffer(_lane.Gpu.Context, bytes);
        }
        return _scratch.First;
    }

    /// <summary>The samples of one batch, until their results are awaited.</summary>
    private sealed class Sampled(CudaBuffer results)
    {
        public SampleBatch? Samples { get; set; }

        /// <summary>On the device; at the same address each time, for a graph to read it.</summary>
        public CudaBuffer Results { get; set; } = results;

        /// <summary>Where they come back to.</summary>
        public CudaPlace Back { get; set; }

        public CudaPlace Tops { get; set; }

        public CudaPlace Faults { get; set; }
    }
}
