using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// The draws and scores of a batch on one lane: rows go along with the batch, only ids and log-probs come
/// back.
/// </summary>
internal sealed unsafe class CudaSampling(CudaLane lane, CudaStepMemory memory) : IDisposable
{
    /// <summary>Rows that are drawn at once; each takes working memory of its own.</summary>
    private const int MostBlocks = 64;

    private CudaBuffer? _scratch;
    private SampleBatch? _samples;
    private CudaSampleArgs _shared;
    private CudaPlace _results;
    private CudaPlace _tops;
    private CudaPlace _faults;

    /// <summary>Something of the batch was sampled: its results are still to come.</summary>
    public bool IsPending => _samples is not null;

    /// <summary>Forgets a batch that failed.</summary>
    public void Begin() => _samples = null;

    /// <inheritdoc cref="IBackend.Sample"/>
    public void Sample(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count)
    {
        if (_samples != samples)
            Share(samples);
        int blocks = Math.Min(count, MostBlocks);
        long scratchBytes = (((long)logits.Columns * 8) + 63) / 64 * 64;
        CudaSampleArgs args = _shared;
        args.Logits = (ulong)logits.Address;
        args.Rows = memory.Upload(samples.Rows.Slice(first, count));
        args.Results = _results.Device + ((ulong)first * (ulong)sizeof(SampleResult));
        args.Tops = _tops.Device;
        args.Faults = _faults.Device + ((ulong)first * sizeof(int));
        args.Scratch = Scratch(scratchBytes * blocks);
        args.LogitsStride = logits.Stride;
        args.Vocabulary = logits.Columns;
        args.RowCount = count;
        args.FirstLogitsRow = firstLogitsRow;
        lane.Stream.Launch(
            lane.Gpu.Kernels.Sample, new(blocks), new(CudaKernels.SampleThreads),
            CudaKernels.SampleSharedBytes, args);
    }

    /// <summary>Puts the way back on the lane.</summary>
    public void Return()
    {
        SampleBatch samples = _samples!;
        lane.Stream.CopyToHost(
            _results.Host, _results.Device, (long)samples.RowCount * sizeof(SampleResult));
        lane.Stream.CopyToHost(_faults.Host, _faults.Device, (long)samples.RowCount * sizeof(int));
        if (samples.TopCount > 0)
            lane.Stream.CopyToHost(_tops.Host, _tops.Device, (long)samples.TopCount * sizeof(TopLogProb));
    }

    /// <summary>Hands the results over; they are back.</summary>
    /// <exception cref="BackendException">A row could not be sampled.</exception>
    public void Finish()
    {
        SampleBatch samples = _samples!;
        _samples = null;
        ReadOnlySpan<int> faults = new(_faults.Host, samples.RowCount);
        int faulty = faults.IndexOfAnyExcept(0);
        if (faulty >= 0)
            throw Fault((CudaSampleFault)faults[faulty], samples.Rows[faulty].LogitsRow);
        new ReadOnlySpan<SampleResult>(_results.Host, samples.RowCount).CopyTo(samples.Results);
        new ReadOnlySpan<TopLogProb>(_tops.Host, samples.TopCount).CopyTo(samples.Tops);
    }

    public void Dispose() => _scratch?.Dispose();

    private static BackendException Fault(CudaSampleFault fault, int logitsRow) => fault switch
    {
        CudaSampleFault.Infinite => new(
            $"Logits row {logitsRow} has an infinite value or a NaN: a weight is probably broken."),
        CudaSampleFault.Nothing => new($"Logits row {logitsRow} has no finite value."),
        _ => new($"Logits row {logitsRow} is sampled with a token id that the vocabulary lacks."),
    };

    private void Share(SampleBatch samples)
    {
        _samples = samples;
        _shared = new CudaSampleArgs
        {
            History = memory.Upload(samples.History),
            BiasIds = memory.Upload(samples.BiasIds),
            BiasValues = memory.Upload(samples.BiasValues),
            Suppressed = memory.Upload(samples.Suppressed),
        };
        _results = memory.Take((long)samples.RowCount * sizeof(SampleResult));
        _faults = memory.Take((long)samples.RowCount * sizeof(int));
        _tops = memory.Take(Math.Max(1, samples.TopCount) * (long)sizeof(TopLogProb));
    }

    private ulong Scratch(long bytes)
    {
        if (_scratch is null || bytes > _scratch.Bytes)
        {
            _scratch?.Dispose();
            _scratch = new CudaBuffer(lane.Gpu.Context, bytes);
        }
        return _scratch.First;
    }
}
