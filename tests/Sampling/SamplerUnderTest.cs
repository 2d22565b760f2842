using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>
/// The reference sampler, the native one with an instruction set and a team, or the CUDA kernel.
/// </summary>
internal sealed unsafe class SamplerUnderTest : IDisposable
{
    public const string Reference = "reference";
    public const string Cuda = "cuda";

    /// <summary>Names for <c>ValueSource</c>.</summary>
    public static readonly string[] Native = ["avx2", "avx512", "amx-emulated"];

    public static readonly string[] All = [Reference, .. Native];

    private readonly int _isa;
    private readonly CpuTeam? _team;
    private readonly CudaSampler? _cuda;
    private HostBuffer _scratch = HostBuffer.Allocate(64);

    private SamplerUnderTest(int isa, int threadCount)
    {
        _isa = isa;
        if (isa != 0)
            _team = CpuTeam.Create(threadCount);
    }

    private SamplerUnderTest(CudaSampler cuda)
    {
        _cuda = cuda;
    }

    /// <summary>The sampler of that name; the test is skipped where its instruction set is missing.</summary>
    public static SamplerUnderTest Create(string name, int threadCount = 1)
    {
        if (name == Reference)
            return new(0, threadCount);
        if (name == Cuda)
            return new(new CudaSampler());
        CpuIsa isa = CpuIsaSupport.All.Single(isa => CpuIsaSupport.NameOf(isa) == name);
        if (CpuIsaSupport.WhyNot(isa) is { } reason)
            Assert.Ignore(reason);
        return new((int)isa, threadCount);
    }

    public void Sample(Tensor logits, SampleBatch samples) => Sample(logits, 0, samples, 0, samples.RowCount);

    public void Sample(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count)
    {
        NativeStatus status = Run(logits, firstLogitsRow, samples, first, count);
        NativeCalls.ThrowIfFailed(status);
    }

    public void Dispose()
    {
        _scratch.Dispose();
        _team?.Dispose();
        _cuda?.Dispose();
    }

    private NativeStatus Run(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count)
    {
        if (_cuda is not null)
        {
            _cuda.Sample(logits, firstLogitsRow, samples, first, count);
            return NativeStatus.Ok;
        }
        if (_isa == 0)
        {
            ReferenceSampler.Sample(logits, firstLogitsRow, samples, first, count);
            return NativeStatus.Ok;
        }
        fixed (SampleRow* rows = samples.Rows)
        fixed (SampleResult* results = samples.Results)
        fixed (TopLogProb* tops = samples.Tops)
        fixed (int* history = samples.History, biasIds = samples.BiasIds, suppressed = samples.Suppressed)
        fixed (float* biasValues = samples.BiasValues)
        {
            SampleArgs args = new()
            {
                Team = _team!.Address, Logits = (float*)logits.Address, Rows = rows + first,
                History = history, BiasIds = biasIds, BiasValues = biasValues, Suppressed = suppressed,
                Results = results + first, Tops = tops, LogitsStride = logits.Stride,
                Vocabulary = logits.Columns, RowCount = count, FirstLogitsRow = firstLogitsRow, Isa = _isa,
            };
            long bytes = CpuNative.pd_cpu_sample_scratch_bytes(&args);
            if (bytes > _scratch.Bytes)
            {
                _scratch.Dispose();
                _scratch = HostBuffer.Allocate(bytes);
            }
            args.Scratch = (void*)_scratch.Address;
            return CpuNative.pd_cpu_sample(&args);
        }
    }
}
