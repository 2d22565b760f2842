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

    private const int LeastRows = 1024;

    private readonly CudaLane _lane;
    private readonly CudaStepMemory _memory;
    private readonly Sampled[] _sampled;
    private IReadOnlyList<CudaGpu> _readers;
    private CudaBuffer? _scratch;
    private CudaSampleArgs _shared;
    private ulong _previous;

    /// <param name="lane">Where they are drawn.</param>
    /// <param name="memory">Of the lane's batches: each of its halves has the samples of one.</param>
    public CudaSampling(CudaLane lane, CudaStepMemory memory)
    {
        _lane = lane;
        _memory = memory;
        _readers = [lane.Gpu];
        _sampled = [new(), new()];
        ShareWith(_readers);
    }

    /// <summary>
    /// Where the results of the batch that ended last are, on the device. Other ranks ask between its end and
    /// the next one's, which waits for them.
    /// </summary>
    public ulong Previous => Volatile.Read(ref _previous);

    private Sampled Current => _sampled[_memory.Half];

    /// <summary>Results can be read on other GPUs too; no batch is under way.</summary>
    /// <exception cref="BackendException">One of them cannot reach this one's memory.</exception>
    public void ShareWith(IReadOnlyList<CudaGpu> readers)
    {
        _readers = readers;
        foreach (Sampled sampled in _sampled)
            MakeRoom(sampled, LeastRows);
        Volatile.Write(ref _previous, Current.ResultsAddress);
    }

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
        args.Results = Current.ResultsAddress + ((ulong)first * (ulong)sizeof(SampleResult));
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
        Volatile.Write(ref _previous, Current.ResultsAddress);
        if (Current.Samples is not { } samples)
            return;
        _lane.Stream.CopyToHost(
            Current.Back.Host, Current.ResultsAddress, (long)samples.RowCount * sizeof(SampleResult));
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
            sampled.Results?.Dispose();
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
        if (samples.RowCount > sampled.RowCapacity)
            MakeRoom(sampled, samples.RowCount * 2);
        _shared = new CudaSampleArgs
        {
            History = _memory.Upload(samples.History),
            BiasIds = _memory.Upload(samples.BiasIds),
            BiasValues = _memory.Upload(samples.BiasValues),
            Suppressed = _memory.Upload(samples.Suppressed),
            Previous = Previous,
        };
        sampled.Back = _memory.Take((long)samples.RowCount * sizeof(SampleResult));
        sampled.Faults = _memory.Take((long)samples.RowCount * sizeof(int));
        sampled.Tops = _memory.Take(Math.Max(1, samples.TopCount) * (long)sizeof(TopLogProb));
    }

    private void MakeRoom(Sampled sampled, int rowCapacity)
    {
        sampled.Results?.Dispose();
        sampled.Results = null;
        sampled.Results = new(_lane.Gpu, (long)rowCapacity * sizeof(SampleResult) / sizeof(float), _readers);
        sampled.RowCapacity = rowCapacity;
    }

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
    private sealed class Sampled
    {
        public SampleBatch? Samples { get; set; }

        /// <summary>On the device; at the same address each time, for a graph to read it.</summary>
        public CudaTensorMemory? Results { get; set; }

        public ulong ResultsAddress => (ulong)Results!.Address;

        public int RowCapacity { get; set; }

        /// <summary>Where they come back to.</summary>
        public CudaPlace Back { get; set; }

        public CudaPlace Tops { get; set; }

        public CudaPlace Faults { get; set; }
    }
}
