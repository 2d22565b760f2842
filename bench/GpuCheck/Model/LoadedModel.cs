namespace PdEngine.Bench;

/// <summary>A model of random weights on the GPU, for both ways of launching.</summary>
internal sealed class LoadedModel : IDisposable
{
    private readonly CheckMemory _tile;
    private readonly EventClock _clock;

    public LoadedModel(CheckRig rig, CheckModel model)
    {
        using TileCheckpoint checkpoint = new(model);
        _tile = new(rig, 0.5f / MathF.Sqrt(model.Hidden));
        _clock = new(rig);
        Timed = new TiledBackend(rig, rig.Backend, _tile, _clock);
        Weights = ModelWeights.Load(checkpoint, Timed);
        Graphed = new(rig.Gpu, usesGraphs: true, runsAhead: false);
        Work = new(Weights);
    }

    public ModelWeights Weights { get; }

    /// <summary>Launches decode batches as graphs.</summary>
    public CudaBackend Graphed { get; }

    /// <summary>Launches kernel by kernel, and times each while <see cref="Clock"/> runs.</summary>
    public IBackend Timed { get; }

    public EventClock Clock => _clock;

    public ModelWork Work { get; }

    public void Dispose()
    {
        Graphed.Dispose();
        Weights.Dispose();
        _clock.Dispose();
        _tile.Dispose();
    }
}
