namespace PdEngine.Bench;

/// <summary>
/// Our forward pass on random or real weights, without scheduling or sampling: up to the logits of each
/// sequence's last token, as the peer's <c>llama_decode</c> gives them.
/// </summary>
internal sealed class OurModel : IDisposable
{
    private readonly IBackend _backend;
    private readonly ModelWeights _weights;

    /// <exception cref="BackendException">This machine or build cannot run it.</exception>
    public OurModel(ICheckpoint checkpoint, CpuIsa isa, int threads, WeightDtype dtype)
    {
        Isa = CpuIsaSupport.Resolve(isa);
        Threads = threads;
        Dtype = dtype;
        _backend = Backends.Open(BackendKind.Cpu, Isa, threads);
        try
        {
            _weights = ModelWeights.Load(
                checkpoint, _backend, quantization: WeightDtypes.QuantizationOf(dtype));
        }
        catch
        {
            _backend.Dispose();
            throw;
        }
        Work = new(_weights);
    }

    /// <summary>The one that runs, not <see cref="CpuIsa.Auto"/>.</summary>
    public CpuIsa Isa { get; }

    public int Threads { get; }

    public WeightDtype Dtype { get; }

    public ModelWork Work { get; }

    public ModelWeights Weights => _weights;

    /// <summary>Makes a row ready; K and V of its context are filled.</summary>
    public OurRow Open(ModelRowSpec row) => new(_backend, _weights, row);

    /// <summary>The same, with the time of each op added up.</summary>
    public OurRow Open(ModelRowSpec row, OpClock clock) =>
        new(new TimedBackend(_backend, clock), _weights, row);

    public void Dispose()
    {
        _weights.Dispose();
        _backend.Dispose();
    }
}
